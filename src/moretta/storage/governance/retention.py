"""`core.retention.RetentionStore` in SQL: each method one transaction.

Belongs here: keeping rules, holds and reports, and taking photos off their faces. Does not belong here: deleting persons (see
`recognition.persons`), which asks `holding` first.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from sqlalchemy import Connection, Engine, Select, exists, select

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.clock import Clock, from_second, to_second, utc_now
from moretta.core.errors import Conflict, NotFound
from moretta.core.key_service import SubjectCipher
from moretta.core.ledger import LogEntry
from moretta.core.recognition import PersonState
from moretta.core.retention import Deadlines, Hold, OverdueFace, RetentionRule, RetentionRun
from moretta.storage import ledger
from moretta.storage.database import between_checkpoints, reading, writing_rows
from moretta.storage.governance import overdue
from moretta.storage.governance.rows import AnyRow, hold_values, rule_values, seal_words, to_hold, to_rule
from moretta.storage.ledger.comparing import note_comparable
from moretta.storage.recognition.collections import advance, lock_collection, require_standing
from moretta.storage.recognition.outside import Kind, doom
from moretta.storage.recognition.persons import find_person
from moretta.storage.recognition.sealed import OpenedKeys
from moretta.storage.schema import faces, persons, subject_keys
from moretta.storage.tables_governance import holds, retention_rules, retention_runs


class SqlRetentionStore:
    """One region's retention. Safe to share between threads and processes; the engine stays open.

    Each write passes two checkpoints, `<what>:before-commit` and `<what>:after-commit`.
    """

    def __init__(
        self,
        engine: Engine,
        cipher: SubjectCipher,
        checkpoint: Checkpoint = no_checkpoint,
        clock: Clock = utc_now,
    ) -> None:
        self._engine, self._cipher, self._checkpoint, self._clock = engine, cipher, checkpoint, clock

    def rule(self, collection_id: str) -> RetentionRule:
        """As `RetentionStore.rule`."""
        query = select(retention_rules).where(retention_rules.c.collection_id == collection_id)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return RetentionRule(collection_id) if row is None else to_rule(row)

    def set_rule(self, company_id: str, rule: RetentionRule, entries: Sequence[LogEntry] = ()) -> None:
        """As `RetentionStore.set_rule`."""
        values = rule_values(rule)
        mine = retention_rules.c.collection_id == rule.collection_id
        with self._writing("set_rule") as connection:
            lock_collection(connection, rule.collection_id, company_id)
            connection.execute(retention_rules.delete().where(mine))
            connection.execute(retention_rules.insert().values(values))
            ledger.append(connection, entries)

    def overdue_persons(self, collection_id: str, limits: Deadlines, limit: int, after: str | None = None) -> list[str]:
        """As `RetentionStore.overdue_persons`."""
        query = overdue.overdue_persons(collection_id, limits)
        if after is not None:
            query = query.where(persons.c.person_id > after)
        with reading(self._engine) as connection:
            return [row.person_id for row in connection.execute(query.limit(limit)).all()]

    def overdue_photos(self, collection_id: str, limits: Deadlines, limit: int) -> list[OverdueFace]:
        """As `RetentionStore.overdue_photos`."""
        query = overdue.overdue_photos(collection_id, limits).limit(limit)
        with reading(self._engine) as connection:
            return [OverdueFace(row.face_id, row.person_id, row.photo_id) for row in connection.execute(query).all()]

    def drop_photos(self, collection_id: str, photo_ids: Sequence[str], entries: Sequence[LogEntry] = ()) -> int:
        """As `RetentionStore.drop_photos`."""
        held = exists().where(holds.c.held == faces.c.person_id)
        mine = (faces.c.collection_id == collection_id, faces.c.photo_id.in_(sorted(set(photo_ids))), ~held)
        with self._writing("drop_photos") as connection:
            lock_collection(connection, collection_id)
            found = set(connection.execute(select(faces.c.photo_id).where(*mine)).scalars())
            if not found:
                return 0
            connection.execute(faces.update().where(*mine).values(photo_id=None))
            doom(connection, Kind.BLOB, found, to_second(self._clock()))
            ledger.append(connection, entries)
            return len(found)

    def place(self, hold: Hold, entries: Sequence[LogEntry] = ()) -> Hold:
        """As `RetentionStore.place`."""
        words = self._sealed(hold)
        with self._writing("place") as connection:
            collection = lock_collection(connection, hold.collection_id, hold.company_id)
            require_standing(collection)
            person = find_person(connection, hold.person_id, hold.company_id)
            if person.collection_id != hold.collection_id:
                raise NotFound("expected a person of that collection")
            if _holding(connection, hold.person_id) is not None:
                raise Conflict("expected a person who is not held; release the hold that is on them, or let it stand")
            kept = replace(hold, before=PersonState(person.state))
            connection.execute(holds.insert().values(**hold_values(kept), words=words))
            if kept.before.comparable:
                advance(connection, collection)
                mine = persons.c.person_id == hold.person_id
                connection.execute(persons.update().where(mine).values(state=PersonState.RESTRICTED.value))
                note_comparable(connection, hold.person_id, to_second(hold.placed_at))
            ledger.append(connection, entries)
        return kept

    def release(self, released: Hold, entries: Sequence[LogEntry] = ()) -> Hold:
        """As `RetentionStore.release`."""
        mine, words = holds.c.hold_id == released.hold_id, self._sealed(released)
        with self._writing("release") as connection:
            lock_collection(connection, released.collection_id, released.company_id)
            standing = _find_hold(connection, released.company_id, released.hold_id)
            if standing.held is None:
                raise Conflict("expected a hold that holds; this one was released already")
            kept = replace(released, before=PersonState(standing.state_before))
            connection.execute(holds.update().where(mine).values(**hold_values(kept), words=words))
            ledger.append(connection, entries)
        return kept

    def hold(self, company_id: str, hold_id: str) -> Hold:
        """As `RetentionStore.hold`."""
        with reading(self._engine) as connection:
            return to_hold(_find_hold(connection, company_id, hold_id), OpenedKeys(self._cipher))

    def holds(self, company_id: str, limit: int, after: str | None = None, *, active: bool = False) -> list[Hold]:
        """As `RetentionStore.holds`."""
        query = _with_key().where(holds.c.company_id == company_id).order_by(holds.c.hold_id)
        if after is not None:
            query = query.where(holds.c.hold_id > after)
        if active:
            query = query.where(holds.c.held.is_not(None))
        with reading(self._engine) as connection:
            rows = connection.execute(query.limit(limit)).all()
        keys = OpenedKeys(self._cipher)
        return [to_hold(row, keys) for row in rows]

    def hold_on(self, person_id: str) -> Hold | None:
        """As `RetentionStore.hold_on`."""
        with reading(self._engine) as connection:
            row = _holding(connection, person_id)
        return None if row is None else to_hold(row, OpenedKeys(self._cipher))

    def keep_run(self, run: RetentionRun, entries: Sequence[LogEntry] = ()) -> None:
        """As `RetentionStore.keep_run`."""
        values = {
            "run_id": run.run_id,
            "company_id": run.company_id,
            "ended_at": to_second(run.ended_at),
            "document": run.document,
        }
        with self._writing("keep_run") as connection:
            connection.execute(retention_runs.insert().values(values))
            ledger.append(connection, entries)

    def runs(self, company_id: str, limit: int, after: str | None = None) -> list[RetentionRun]:
        """As `RetentionStore.runs`."""
        query = select(retention_runs).where(retention_runs.c.company_id == company_id)
        if after is not None:
            query = query.where(retention_runs.c.run_id > after)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(retention_runs.c.run_id).limit(limit)).all()
        return [
            RetentionRun(row.run_id, row.company_id, from_second(row.ended_at), bytes(row.document)) for row in rows
        ]

    def _sealed(self, hold: Hold) -> bytes:
        """The words of a hold, sealed before a transaction begins, so that no lock waits for a key service."""
        with reading(self._engine) as connection:
            person = find_person(connection, hold.person_id, hold.company_id)
        return seal_words(self._cipher, self._cipher.opened(hold.person_id, person.wrapped), hold)

    def _writing(self, what: str) -> AbstractContextManager[Connection]:
        return between_checkpoints(writing_rows(self._engine), self._checkpoint, what)


def _holding(connection: Connection, person_id: str) -> AnyRow | None:
    return connection.execute(_with_key().where(holds.c.held == person_id)).one_or_none()


def _with_key() -> Select[tuple[object, ...]]:
    held = subject_keys.c.person_id == holds.c.person_id
    return select(holds, subject_keys.c.wrapped).join(subject_keys, held, isouter=True)


def _find_hold(connection: Connection, company_id: str, hold_id: str) -> AnyRow:
    mine = (holds.c.hold_id == hold_id, holds.c.company_id == company_id)
    row = connection.execute(_with_key().where(*mine)).one_or_none()
    if row is None:
        raise NotFound("expected the id of a hold of this company; list them to see the ids")
    return row
