"""Where records wait to be reported: a record goes into one batch, and the batch is frozen before anything is sent."""

from contextlib import AbstractContextManager

from sqlalchemy import Connection, Engine, Row, Select, func, select

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.clock import Clock, to_second, utc_now
from moretta.core.metering import Seal, SealedBatch
from moretta.core.usage import BATCH_RECORDS_MAX, UsageRecord
from moretta.storage.database import between_checkpoints, exclusive, reading, writing
from moretta.storage.schema import usage_batches, usage_records


class OutboxStore:
    """`core.metering.Outbox` in SQL. Safe to share between threads and processes."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock = utc_now,
        checkpoint: Checkpoint = no_checkpoint,
        batch_records: int = BATCH_RECORDS_MAX,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._checkpoint = checkpoint
        self._batch_records = min(batch_records, BATCH_RECORDS_MAX)

    def reporting(self) -> AbstractContextManager[None]:
        """Keep every other process from reporting meanwhile."""
        return exclusive(self._engine, "report")

    def next_batch(self, company_id: str, seal: Seal) -> SealedBatch | None:
        """The oldest open batch; else a new one of the oldest waiting records, in one transaction."""
        with writing(self._engine) as connection:
            found = connection.execute(_open_batch(company_id)).one_or_none()
            if found is not None:
                return _batch(found)
            batch = self._freeze(connection, company_id, seal)
            self._checkpoint("seal:before-commit")
        self._checkpoint("seal:after-commit")
        return batch

    def acknowledge(self, batch_id: str) -> None:
        """The batch has arrived."""
        mine = (usage_batches.c.batch_id == batch_id, usage_batches.c.acknowledged_at.is_(None))
        with between_checkpoints(writing(self._engine), self._checkpoint, "acknowledge") as connection:
            connection.execute(usage_batches.update().where(*mine).values(acknowledged_at=to_second(self._clock())))

    def waiting(self, company_id: str | None = None) -> int:
        """How many items are recorded and not acknowledged."""
        query = (
            select(func.coalesce(func.sum(usage_records.c["count"]), 0))
            .select_from(usage_records.outerjoin(usage_batches))
            .where(usage_batches.c.acknowledged_at.is_(None))
        )
        if company_id is not None:
            query = query.where(usage_records.c.company_id == company_id)
        with reading(self._engine) as connection:
            return int(connection.execute(query).scalar_one())

    def _freeze(self, connection: Connection, company_id: str, seal: Seal) -> SealedBatch | None:
        rows = connection.execute(_waiting_records(company_id, self._batch_records)).mappings().all()
        if not rows:
            return None
        batch = seal(tuple(_record(dict(row)) for row in rows))
        connection.execute(
            usage_batches.insert().values(
                batch_id=batch.batch_id,
                company_id=batch.company_id,
                envelope=batch.envelope,
                records=batch.records,
                items=batch.items,
                sealed_at=to_second(self._clock()),
            )
        )
        # The oldest waiting records of one company, all of them up to the last: no list of ids is needed.
        chosen = (
            usage_records.c.company_id == company_id,
            usage_records.c.batch_id.is_(None),
            usage_records.c.sequence <= rows[-1]["sequence"],
        )
        connection.execute(usage_records.update().where(*chosen).values(batch_id=batch.batch_id))
        return batch


def _open_batch(company_id: str) -> Select[tuple[object, ...]]:
    table = usage_batches.c
    return (
        select(usage_batches)
        .where(table.company_id == company_id, table.acknowledged_at.is_(None))
        .order_by(table.sealed_at, table.batch_id)
        .limit(1)
    )


def _waiting_records(company_id: str, limit: int) -> Select[tuple[object, ...]]:
    table = usage_records.c
    return (
        select(usage_records)
        .where(table.company_id == company_id, table.batch_id.is_(None))
        .order_by(table.sequence)
        .limit(limit)
    )


def _batch(row: Row[tuple[object, ...]]) -> SealedBatch:
    fields = row._mapping
    return SealedBatch(
        str(fields["batch_id"]), str(fields["company_id"]), fields["envelope"], fields["records"], fields["items"]
    )


def _record(row: dict[str, object]) -> UsageRecord:
    return UsageRecord(
        time=str(row["time"]),
        endpoint=str(row["endpoint"]),
        status=row["status"],  # type: ignore[arg-type]  # UsageRecord checks it
        company_id=str(row["company_id"]),
        count=row["count"],  # type: ignore[arg-type]  # UsageRecord checks it
    )
