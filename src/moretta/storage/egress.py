"""The egress ledger: every byte that was ever reported, noted before it leaves. Rows are added, never changed or removed."""

import hashlib
from collections.abc import Iterator

from sqlalchemy import Engine, func, select

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.clock import Clock, to_second, utc_now
from moretta.core.metering import EgressAttempt
from moretta.storage.database import between_checkpoints, reading, writing
from moretta.storage.schema import egress_attempts, egress_bytes, egress_writes
from moretta.storage.upsert import insert_into

_PAGE = 50


class EgressStore:
    """`core.metering.EgressLedger` in SQL. Safe to share between threads and processes."""

    def __init__(self, engine: Engine, clock: Clock = utc_now, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._engine = engine
        self._clock = clock
        self._checkpoint = checkpoint

    def start(self, batch_id: str, channel: str, address: str) -> int:
        """Open an attempt and return its id."""
        values = {"batch_id": batch_id, "channel": channel, "address": address, "started_at": to_second(self._clock())}
        with between_checkpoints(writing(self._engine), self._checkpoint, "attempt") as connection:
            key = connection.execute(egress_attempts.insert().values(values)).inserted_primary_key
        assert key is not None  # noqa: S101 - SQLite always tells the key of a single insert
        return int(key[0])

    def write(self, attempt_id: int, content: bytes) -> None:
        """Note bytes that are about to be written; bytes written before (a repeated body) are kept once."""
        digest = hashlib.sha256(content).digest()
        position = (
            select(func.count())
            .select_from(egress_writes)
            .where(egress_writes.c.attempt_id == attempt_id)
            .scalar_subquery()
        )
        with between_checkpoints(writing(self._engine), self._checkpoint, "note") as connection:
            kept = insert_into(connection, egress_bytes).values(sha256=digest, content=content)
            connection.execute(kept.on_conflict_do_nothing(index_elements=["sha256"]))
            row = {"attempt_id": attempt_id, "position": position, "sha256": digest}
            connection.execute(egress_writes.insert().values(row))

    def finish(self, attempt_id: int, outcome: str) -> None:
        """Note how the attempt ended, once."""
        mine = (egress_attempts.c.attempt_id == attempt_id, egress_attempts.c.outcome.is_(None))
        with between_checkpoints(writing(self._engine), self._checkpoint, "outcome") as connection:
            connection.execute(egress_attempts.update().where(*mine).values(outcome=outcome))

    def attempts(self) -> Iterator[EgressAttempt]:
        """Every attempt, the oldest first; read page by page, so that no list of them is held."""
        last = 0
        while page := self._page(last):
            yield from page
            last = page[-1].attempt_id

    def counts(self) -> list[tuple[str, str, int]]:
        """Channel, address and number of attempts."""
        table = egress_attempts.c
        query = select(table.channel, table.address, func.count().label("attempts")).group_by(
            table.channel, table.address
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(table.channel, table.address)).all()
        return [(row.channel, row.address, row.attempts) for row in rows]

    def _page(self, after: int) -> list[EgressAttempt]:
        table = egress_attempts.c
        query = select(egress_attempts).where(table.attempt_id > after).order_by(table.attempt_id).limit(_PAGE)
        writes = select(egress_bytes.c.content).join(egress_writes).order_by(egress_writes.c.position)
        with reading(self._engine) as connection:
            found = []
            for row in connection.execute(query).all():
                mine = writes.where(egress_writes.c.attempt_id == row.attempt_id)
                content = b"".join(connection.execute(mine).scalars())
                found.append(
                    EgressAttempt(
                        row.attempt_id,
                        row.batch_id,
                        row.channel,
                        row.address,
                        row.started_at,
                        row.outcome,
                        content,
                    )
                )
        return found
