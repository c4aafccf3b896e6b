"""Where the hub keeps companies, public keys, hashed tokens and the batches that arrived, each once."""

from sqlalchemy import Connection, Engine, select

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.clock import Clock, to_second, utc_now
from moretta.core.errors import NotFound, UsageRejected
from moretta.core.metering import HubCount
from moretta.core.usage import UsageBatch, UsageRecord
from moretta.storage.database import reading, writing
from moretta.storage.schema import hub_batches, hub_companies, hub_counts, hub_signing_keys, hub_tokens
from moretta.storage.upsert import insert_into


class HubStore:
    """`core.metering.HubLedger` in SQL. Safe to share between threads and processes."""

    def __init__(self, engine: Engine, clock: Clock = utc_now, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._engine = engine
        self._clock = clock
        self._checkpoint = checkpoint

    def add_company(self, company_id: str) -> None:
        """Keep a new company."""
        with writing(self._engine) as connection:
            connection.execute(hub_companies.insert().values(company_id=company_id, created_at=self._now()))

    def add_signing_key(self, company_id: str, public_key: bytes) -> None:
        """Let a key sign for a company."""
        with writing(self._engine) as connection:
            _require_company(connection, company_id)
            values = {"public_key": public_key, "company_id": company_id, "created_at": self._now()}
            connection.execute(hub_signing_keys.insert().values(values))

    def revoke_signing_keys(self, company_id: str) -> int:
        """Let none of the company's present keys sign any more."""
        mine = (hub_signing_keys.c.company_id == company_id, hub_signing_keys.c.revoked_at.is_(None))
        with writing(self._engine) as connection:
            revoked = connection.execute(hub_signing_keys.update().where(*mine).values(revoked_at=self._now()))
            return revoked.rowcount

    def add_token(self, token_id: str, secret_hash: bytes, company_id: str | None) -> None:
        """Keep a token of a company, or of the administrator (None)."""
        with writing(self._engine) as connection:
            if company_id is not None:
                _require_company(connection, company_id)
            values = {"token_id": token_id, "secret_hash": secret_hash, "company_id": company_id}
            connection.execute(hub_tokens.insert().values(**values, created_at=self._now()))

    def token(self, token_id: str) -> tuple[bytes, str | None] | None:
        """A token's hash and company."""
        query = select(hub_tokens).where(hub_tokens.c.token_id == token_id, hub_tokens.c.revoked_at.is_(None))
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (row.secret_hash, row.company_id)

    def signing_keys(self, company_id: str) -> list[bytes]:
        """The public keys that may sign for a company."""
        mine = (hub_signing_keys.c.company_id == company_id, hub_signing_keys.c.revoked_at.is_(None))
        with reading(self._engine) as connection:
            return list(connection.execute(select(hub_signing_keys.c.public_key).where(*mine)).scalars())

    def keep(self, batch: UsageBatch, envelope: bytes) -> bool:
        """Keep a batch and add its records to the counts in one transaction; False where it was there before."""
        mine = (hub_batches.c.company_id == batch.company_id, hub_batches.c.batch_id == batch.batch_id)
        with writing(self._engine) as connection:
            found = connection.execute(select(hub_batches.c.envelope).where(*mine)).scalar_one_or_none()
            if found is not None:
                if found != envelope:
                    raise UsageRejected("batch_id: expected one that was not used before for other records")
                return False
            values = {"records": len(batch.records), "items": batch.items, "received_at": self._now()}
            row = {"company_id": batch.company_id, "batch_id": batch.batch_id, "envelope": envelope, **values}
            connection.execute(hub_batches.insert().values(row))
            _count(connection, batch.records)
            self._checkpoint("keep:before-commit")
        self._checkpoint("keep:after-commit")
        return True

    def counts(self, company_id: str | None = None) -> list[HubCount]:
        """The counts of one company or of all."""
        table = hub_counts.c
        query = select(hub_counts).order_by(table.company_id, table.day, table.endpoint, table.status)
        if company_id is not None:
            query = query.where(table.company_id == company_id)
        with reading(self._engine) as connection:
            rows = connection.execute(query).mappings().all()
        return [HubCount(row["company_id"], row["day"], row["endpoint"], row["status"], row["items"]) for row in rows]

    def companies(self) -> list[str]:
        """Every company's id, the oldest first."""
        query = select(hub_companies.c.company_id).order_by(hub_companies.c.created_at, hub_companies.c.company_id)
        with reading(self._engine) as connection:
            return list(connection.execute(query).scalars())

    def _now(self) -> str:
        return to_second(self._clock())


def _require_company(connection: Connection, company_id: str) -> None:
    query = select(hub_companies.c.company_id).where(hub_companies.c.company_id == company_id)
    if connection.execute(query).one_or_none() is None:
        raise NotFound("expected the id of a company of this hub; list the companies to see the ids")


def _count(connection: Connection, records: tuple[UsageRecord, ...]) -> None:
    """Add records to the counts, one statement for each day, endpoint and status."""
    sums: dict[tuple[str, str, str, int], int] = {}
    for record in records:
        key = (record.company_id, record.time[:10], record.endpoint, record.status)
        sums[key] = sums.get(key, 0) + record.count
    names = ["company_id", "day", "endpoint", "status"]
    for key, items in sums.items():
        counter = insert_into(connection, hub_counts).values(**dict(zip(names, key, strict=True)), items=items)
        added = hub_counts.c["items"] + counter.excluded["items"]
        connection.execute(counter.on_conflict_do_update(index_elements=names, set_={"items": added}))
