"""The vendor's hub, opened."""

from collections.abc import Iterator
from contextlib import contextmanager

from moretta.settings import Settings
from moretta.storage.database import open_hub_database
from moretta.storage.hub import HubStore
from moretta.usage.hub import Hub

DATABASE_NAME = "hub.db"


@contextmanager
def opened_hub(settings: Settings) -> Iterator[Hub]:
    """The hub of `settings.data_dir`, made on first use, closed at the end."""
    engine = open_hub_database(settings.data_dir / DATABASE_NAME)
    try:
        yield Hub(HubStore(engine))
    finally:
        engine.dispose()
