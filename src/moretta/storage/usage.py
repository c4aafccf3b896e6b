"""Where usage records are kept, and counted for each API key."""

from sqlalchemy import Engine, func, select

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.metering import UsageCount
from moretta.core.usage import UsageRecord, record_fields
from moretta.storage.database import between_checkpoints, reading, writing
from moretta.storage.schema import usage_by_key, usage_records
from moretta.storage.upsert import insert_into


class UsageStore:
    """`core.metering.UsageLog` in SQL. Safe to share between threads and processes."""

    def __init__(self, engine: Engine, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._engine = engine
        self._checkpoint = checkpoint

    def append(self, record: UsageRecord, key_id: str | None = None) -> None:
        """Keep `record` and add it to the key's counter in one transaction; durable when it returns.

        `key_id` goes into the local counter alone: a record has no place for it.
        """
        with between_checkpoints(writing(self._engine), self._checkpoint, "append") as connection:
            connection.execute(usage_records.insert().values(**record_fields(record)))
            counter = insert_into(connection, usage_by_key).values(
                company_id=record.company_id,
                key_id=key_id or "",
                day=record.time[:10],
                endpoint=record.endpoint,
                status=record.status,
                items=record.count,
            )
            keys = ["company_id", "key_id", "day", "endpoint", "status"]
            added = usage_by_key.c["items"] + counter.excluded["items"]
            connection.execute(counter.on_conflict_do_update(index_elements=keys, set_={"items": added}))

    def counts(self, company_id: str | None = None, since: str | None = None) -> list[UsageCount]:
        """The counts of one company or of all, from the UTC day `since` (`YYYY-MM-DD`) on."""
        table = usage_by_key.c
        query = select(usage_by_key).order_by(table.day, table.endpoint, table.status, table.company_id, table.key_id)
        if company_id is not None:
            query = query.where(table.company_id == company_id)
        if since is not None:
            query = query.where(table.day >= since)
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return [
            UsageCount(row.company_id, row.key_id or None, row.day, row.endpoint, row.status, row.items) for row in rows
        ]

    def total(self, company_id: str | None = None) -> int:
        """How many items were ever recorded, for one company or for all."""
        query = select(func.coalesce(func.sum(usage_records.c.count), 0))
        if company_id is not None:
            query = query.where(usage_records.c.company_id == company_id)
        with reading(self._engine) as connection:
            return int(connection.execute(query).scalar_one())
