"""The vendor's hub, opened."""

from collections.abc import Iterator
from contextlib import contextmanager

from moretta.settings import Settings
from moretta.storage.database import open_hub_database
from moretta.storage.hub import HubStore
from moretta.usage.hub import Hub
from moretta.wiring.database import database_place

DATABASE_NAME = "hub.db"


@contextmanager
def opened_hub(settings: Settings) -> Iterator[Hub]:
    """The hub that the settings name, made on first use, closed at the end."""
    engine = open_hub_database(database_place(settings, DATABASE_NAME))
    try:
        yield Hub(HubStore(engine))
    finally:
        engine.dispose()
