"""The long-lived parts of a deployment: its database and what stands on it.

Belongs here: opening and closing them in the right order. Does not belong here: what they do.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine

from moretta.core.ledger import LogEntry
from moretta.settings import Settings
from moretta.storage.api_keys import ApiKeyStore
from moretta.storage.database import open_database
from moretta.storage.deployment import local_company_id
from moretta.storage.ledger.store import SqlLedger
from moretta.storage.usage import UsageStore
from moretta.usage.meter import UsageMeter
from moretta.use_cases.api_keys import ApiKeys, Tell
from moretta.wiring.database import database_place
from moretta.wiring.regions_file import read_regions

DATABASE_NAME = "moretta.db"


@dataclass(frozen=True, slots=True)
class Deployment:
    """What one database holds, opened."""

    engine: Engine
    company_id: str
    keys: ApiKeys
    usage: UsageStore
    meter: UsageMeter


@contextmanager
def opened(settings: Settings) -> Iterator[Deployment]:
    """The deployment that the settings name, made on first use, closed at the end."""
    engine = open_database(database_place(settings, DATABASE_NAME))
    try:
        usage = UsageStore(engine)
        stored, local = ApiKeyStore(engine), local_company_id(engine)
        if settings.company_id is not None:
            # Keys made before the hub named this deployment; what they count from now on is reported like all else.
            stored.move(local, settings.company_id)
        keys = ApiKeys(stored, _telling(settings, engine))
        yield Deployment(engine, settings.company_id or local, keys, usage, UsageMeter(usage))
    finally:
        engine.dispose()


def _telling(settings: Settings, own: Engine) -> Tell:
    """Appends to the log of the default region, whose database is opened for it where it is another one: keys change seldom."""

    def tell(entries: Sequence[LogEntry]) -> None:
        if settings.regions_file is None:
            SqlLedger(own).append(entries)
            return
        plan = read_regions(settings.regions_file)
        engine = open_database(plan.regions[plan.default].database or "")
        try:
            SqlLedger(engine).append(entries)
        finally:
            engine.dispose()

    return tell
