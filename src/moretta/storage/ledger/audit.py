"""`core.audit.AuditStore` in SQL: each method one transaction.

Belongs here: transactions. Does not belong here: SQL (see `comparing`).
"""

from collections.abc import Sequence

from sqlalchemy import Engine, select

from moretta.core.audit import SearchAbout, SearchRecord, require_search_id
from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.errors import NotFound
from moretta.core.ledger import LogEntry
from moretta.storage.database import between_checkpoints, reading, writing_rows
from moretta.storage.ledger.appending import append
from moretta.storage.ledger.comparing import find_about, find_search, keep_search, lock_named
from moretta.storage.recognition.persons import absent_person
from moretta.storage.schema import persons


class SqlAuditStore:
    """One region's records of comparisons. Safe to share between threads and processes; the engine stays open.

    `record` passes two checkpoints, `record:before-commit` and `record:after-commit`.
    """

    def __init__(self, engine: Engine, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._engine = engine
        self._checkpoint = checkpoint

    def record(self, search: SearchRecord, entries: Sequence[LogEntry]) -> int:
        """As `AuditStore.record`."""
        if not entries:
            raise ValueError("expected the act's own entry of the log")
        with between_checkpoints(writing_rows(self._engine), self._checkpoint, "record") as connection:
            there = lock_named(connection, search)
            index = append(connection, entries)[0]  # from here on no other lock is waited for
            keep_search(connection, search, there, index)
        return index

    def searches_about(
        self, company_id: str, person_id: str, limit: int, before: int | None = None
    ) -> list[SearchAbout]:
        """As `AuditStore.searches_about`."""
        mine = (persons.c.person_id == person_id, persons.c.company_id == company_id)
        with reading(self._engine) as connection:
            person = connection.execute(select(persons).where(*mine)).one_or_none()
            if person is None:
                raise absent_person(connection, person_id, company_id)
            return find_about(connection, person, limit, before)

    def search(self, company_id: str, search_id: str) -> SearchRecord:
        """As `AuditStore.search`."""
        require_search_id(search_id)
        with reading(self._engine) as connection:
            found = find_search(connection, search_id, company_id)
        if found is None:
            raise NotFound("expected the id of a search of this company")
        return found
