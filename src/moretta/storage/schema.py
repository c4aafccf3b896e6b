"""Every table of the service's and of the hub's database.

Belongs here: tables and their versions. What a column means is said here, once. Portable SQL only.
Moments are text in UTC to the second (`core.clock`), which sorts in the order of time.
"""

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)

SERVICE_KIND, SERVICE_VERSION = "service", 1
HUB_KIND, HUB_VERSION = "hub", 1

service_metadata = MetaData()
hub_metadata = MetaData()

# Facts about this deployment: so far only its own random company id.
deployment = Table(
    "deployment",
    service_metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)

api_keys = Table(
    "api_keys",
    service_metadata,
    Column("key_id", String, primary_key=True),
    Column("secret_hash", LargeBinary, nullable=False),  # SHA-256, see core.keys.hash_secret
    Column("company_id", String, nullable=False),
    Column("scopes", String, nullable=False),  # sorted, separated by spaces
    Column("label", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("expires_at", String),
    Column("revoked_at", String),
)

# A batch is frozen before it is sent: `envelope` holds the exact bytes, which every attempt repeats.
usage_batches = Table(
    "usage_batches",
    service_metadata,
    Column("batch_id", String, primary_key=True),
    Column("company_id", String, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("records", Integer, nullable=False),
    Column("items", Integer, nullable=False),
    Column("sealed_at", String, nullable=False),
    Column("acknowledged_at", String),
)
Index("usage_batches_open", usage_batches.c.company_id, usage_batches.c.acknowledged_at)

# The five fields that are reported; `sequence` and `batch_id` say only where a record stands on its way.
usage_records = Table(
    "usage_records",
    service_metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("time", String, nullable=False),
    Column("endpoint", String, nullable=False),
    Column("status", Integer, nullable=False),
    Column("company_id", String, nullable=False),
    Column("count", Integer, nullable=False),
    Column("batch_id", String, ForeignKey("usage_batches.batch_id")),
)
Index("usage_records_waiting", usage_records.c.company_id, usage_records.c.batch_id, usage_records.c.sequence)

# Local only and never reported: how much each API key used. `key_id` is empty for the command line and the SDK.
usage_by_key = Table(
    "usage_by_key",
    service_metadata,
    Column("company_id", String, nullable=False),
    Column("key_id", String, nullable=False),
    Column("day", String, nullable=False),  # YYYY-MM-DD in UTC
    Column("endpoint", String, nullable=False),
    Column("status", Integer, nullable=False),
    Column("items", Integer, nullable=False),
    PrimaryKeyConstraint("company_id", "key_id", "day", "endpoint", "status"),
)

# The egress ledger: an attempt, the writes of the attempt in order, and the bytes of the writes, each kept once.
egress_attempts = Table(
    "egress_attempts",
    service_metadata,
    Column("attempt_id", Integer, primary_key=True, autoincrement=True),
    Column("batch_id", String, ForeignKey("usage_batches.batch_id"), nullable=False),
    Column("channel", String, nullable=False),  # hub or file
    Column("address", String, nullable=False),  # scheme, host and port of the hub; empty for a file
    Column("started_at", String, nullable=False),
    Column("outcome", String),  # empty while under way, or where the process died
)
Index("egress_attempts_of_batch", egress_attempts.c.batch_id)

egress_bytes = Table(
    "egress_bytes",
    service_metadata,
    Column("sha256", LargeBinary, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

egress_writes = Table(
    "egress_writes",
    service_metadata,
    Column("attempt_id", Integer, ForeignKey("egress_attempts.attempt_id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("sha256", LargeBinary, ForeignKey("egress_bytes.sha256"), nullable=False),
    PrimaryKeyConstraint("attempt_id", "position"),
)

hub_companies = Table(
    "hub_companies",
    hub_metadata,
    Column("company_id", String, primary_key=True),  # random; the hub knows no name
    Column("created_at", String, nullable=False),
)

# Only public halves: whoever reads the hub's database cannot sign for a company.
hub_signing_keys = Table(
    "hub_signing_keys",
    hub_metadata,
    Column("public_key", LargeBinary, primary_key=True),  # Ed25519, 32 bytes
    Column("company_id", String, ForeignKey("hub_companies.company_id"), nullable=False),
    Column("created_at", String, nullable=False),
    Column("revoked_at", String),
)
Index("hub_signing_keys_of_company", hub_signing_keys.c.company_id)

hub_tokens = Table(
    "hub_tokens",
    hub_metadata,
    Column("token_id", String, primary_key=True),
    Column("secret_hash", LargeBinary, nullable=False),  # SHA-256, see core.keys.hash_secret
    Column("company_id", String, ForeignKey("hub_companies.company_id")),  # empty: the administrator
    Column("created_at", String, nullable=False),
    Column("revoked_at", String),
)

hub_batches = Table(
    "hub_batches",
    hub_metadata,
    Column("company_id", String, ForeignKey("hub_companies.company_id"), nullable=False),
    Column("batch_id", String, nullable=False),
    Column("envelope", LargeBinary, nullable=False),  # as signed: the proof behind the counts
    Column("records", Integer, nullable=False),
    Column("items", Integer, nullable=False),
    Column("received_at", String, nullable=False),
    UniqueConstraint("company_id", "batch_id"),
)

hub_counts = Table(
    "hub_counts",
    hub_metadata,
    Column("company_id", String, ForeignKey("hub_companies.company_id"), nullable=False),
    Column("day", String, nullable=False),
    Column("endpoint", String, nullable=False),
    Column("status", Integer, nullable=False),
    Column("items", Integer, nullable=False),
    PrimaryKeyConstraint("company_id", "day", "endpoint", "status"),
)
