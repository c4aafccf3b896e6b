"""The addresses of cameras that were ever connected to, and how often.

Belongs here: the rows. Does not belong here: users, passwords and paths, which no row has.
"""

from collections.abc import Iterable

from sqlalchemy import Engine, select

from moretta.storage.database import reading, writing_rows
from moretta.storage.tables_streams import camera_addresses
from moretta.storage.upsert import insert_into


class SqlCameraAddresses:
    """Addresses as scheme, host and port. Safe to share between threads and processes; the engine stays open."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def note(self, places: Iterable[str]) -> None:
        """Count one more use of each, durably."""
        c = camera_addresses.c
        with writing_rows(self._engine) as connection:
            for place in sorted(places):
                new = insert_into(connection, camera_addresses).values({"place": place, "uses": 1})
                more = new.on_conflict_do_update(index_elements=["place"], set_={"uses": c.uses + 1})
                connection.execute(more)

    def counts(self) -> dict[str, int]:
        """How often each was used, by address."""
        c = camera_addresses.c
        with reading(self._engine) as connection:
            return {row.place: row.uses for row in connection.execute(select(c.place, c.uses).order_by(c.place))}
