"""The long-lived parts of a deployment: its database and what stands on it.

Belongs here: opening and closing them in the right order. Does not belong here: what they do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine

from moretta.settings import Settings
from moretta.storage.api_keys import ApiKeyStore
from moretta.storage.database import open_database
from moretta.storage.deployment import local_company_id
from moretta.storage.usage import UsageStore
from moretta.usage.meter import UsageMeter
from moretta.wiring.database import database_place

DATABASE_NAME = "moretta.db"


@dataclass(frozen=True, slots=True)
class Deployment:
    """What one database holds, opened."""

    engine: Engine
    company_id: str
    keys: ApiKeyStore
    usage: UsageStore
    meter: UsageMeter


@contextmanager
def opened(settings: Settings) -> Iterator[Deployment]:
    """The deployment that the settings name, made on first use, closed at the end."""
    engine = open_database(database_place(settings, DATABASE_NAME))
    try:
        usage = UsageStore(engine)
        keys, local = ApiKeyStore(engine), local_company_id(engine)
        if settings.company_id is not None:
            # Keys made before the hub named this deployment; what they count from now on is reported like all else.
            keys.move(local, settings.company_id)
        yield Deployment(engine, settings.company_id or local, keys, usage, UsageMeter(usage))
    finally:
        engine.dispose()
