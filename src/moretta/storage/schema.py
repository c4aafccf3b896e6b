"""Every table of the service's and of the hub's database.

Belongs here: tables and their versions. What a column means is said here, once. Portable SQL only. A change here needs a new
version and its migration (`migrations/`); a test compares what the migrations make with these tables.
Moments are text in UTC to the second (`core.clock`), which sorts in the order of time.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
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

SERVICE_KIND, SERVICE_VERSION = "service", 4
HUB_KIND, HUB_VERSION = "hub", 1

service_metadata = MetaData()
hub_metadata = MetaData()

# SQLite numbers only INTEGER keys by itself; on a shared server 2^31 records would not last a year.
_number = BigInteger().with_variant(Integer(), "sqlite")
# Ids sort by their bytes on every server, so that paging goes the same way everywhere.
_id = String().with_variant(String(collation="C"), "postgresql")

# Facts about this deployment: its own random company id, and how far changes of the master key are (`key_changes`).
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
    Column("sequence", _number, primary_key=True, autoincrement=True),
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
    Column("attempt_id", _number, primary_key=True, autoincrement=True),
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
    Column("attempt_id", _number, ForeignKey("egress_attempts.attempt_id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("sha256", LargeBinary, ForeignKey("egress_bytes.sha256"), nullable=False),
    PrimaryKeyConstraint("attempt_id", "position"),
)

# A gallery of people. `name` and `purpose` are the operator's own words and stand as they are: they describe a collection, not a
# person. `sequence` counts the changes of the gallery, `next_row` the rows it ever had.
collections = Table(
    "collections",
    service_metadata,
    Column("collection_id", _id, primary_key=True),
    Column("company_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("scheme", String, nullable=False),
    Column("model_id", String, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("key_id", String, nullable=False),
    Column("match_similarity", Double, nullable=False),
    Column("duplicate_similarity", Double, nullable=False),
    Column("false_match_rate", Double, nullable=False),
    Column("threshold_source", String, nullable=False),
    Column("home", String, nullable=False),
    Column("replicas", String, nullable=False),  # sorted, separated by spaces
    Column("created_at", String, nullable=False),
    Column("retention_days", Integer),
    Column("min_quality", Double, nullable=False),
    Column("bands", Boolean, nullable=False),
    Column("state", String, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("next_row", BigInteger, nullable=False),
)

persons = Table(
    "persons",
    service_metadata,
    Column("person_id", _id, primary_key=True),
    Column("collection_id", _id, ForeignKey("collections.collection_id"), nullable=False),
    Column("company_id", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("state", String, nullable=False),
    Column("profile", LargeBinary, nullable=False),  # name and attributes, sealed under the person's data key
)
Index("persons_of_collection", persons.c.collection_id, persons.c.person_id)
Index("persons_by_state", persons.c.collection_id, persons.c.state)

# A person's data key, wrapped under a master key. Without its row, nothing sealed under it can be read again.
subject_keys = Table(
    "subject_keys",
    service_metadata,
    Column("person_id", _id, ForeignKey("persons.person_id"), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
)

# That there was such a person, so that the answer is "erased" and not "unknown"; nothing else about them.
erased_persons = Table(
    "erased_persons",
    service_metadata,
    Column("person_id", _id, primary_key=True),
    Column("company_id", String, nullable=False),
    Column("erased_at", String, nullable=False),
)

# One template of a person. Its `gallery_row` is never used twice. It stands in a segment, or in `payload` (sealed under the
# person's data key), or, where that only passed through (`shares`), in neither. `sequence`: when it was protected as it is now.
faces = Table(
    "faces",
    service_metadata,
    Column("face_id", _id, primary_key=True),
    Column("collection_id", _id, ForeignKey("collections.collection_id"), nullable=False),
    Column("person_id", _id, ForeignKey("persons.person_id"), nullable=False),
    Column("gallery_row", BigInteger, nullable=False),
    Column("quality", Double, nullable=False),
    Column("created_at", String, nullable=False),
    Column("photo_id", String),
    Column("segment_id", String),
    Column("sequence", BigInteger, nullable=False),
    Column("payload", LargeBinary),  # last: SQLite reads a long value only where a later column is asked for
    UniqueConstraint("collection_id", "gallery_row"),
)
Index("faces_of_person", faces.c.person_id)
Index("faces_by_segment", faces.c.collection_id, faces.c.segment_id, faces.c.sequence)

# A packed piece of a gallery, whose file lies outside; slot i holds row `row_numbers[i]` (uint32, little-endian). A dropped one
# stays as a note, without its rows, for nodes that still hold its file.
segments = Table(
    "segments",
    service_metadata,
    Column("segment_id", String, primary_key=True),
    Column("collection_id", _id, ForeignKey("collections.collection_id"), nullable=False),
    Column("key_id", String, nullable=False),
    Column("sha256", String, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("dropped_sequence", BigInteger),
    Column("row_numbers", LargeBinary, nullable=False),
)
Index("segments_of_collection", segments.c.collection_id, segments.c.sequence)

# Rows to be compared never again, and the segment, if any, in which they still stand. Numbers only: whose they were is gone.
removed_rows = Table(
    "removed_rows",
    service_metadata,
    Column("collection_id", _id, ForeignKey("collections.collection_id"), nullable=False),
    Column("gallery_row", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("segment_id", String),
    PrimaryKeyConstraint("collection_id", "gallery_row"),
)
Index("removed_rows_since", removed_rows.c.collection_id, removed_rows.c.sequence)
Index("removed_rows_of_segment", removed_rows.c.segment_id)

# What lies outside of the database and is not in use: about to be (`owner`: the process that announced it), or to be deleted.
announced = Table(
    "announced",
    service_metadata,
    Column("kind", String, nullable=False),  # blob, segment or key
    Column("id", String, nullable=False),
    Column("owner", String),  # empty: to be deleted
    Column("announced_at", String, nullable=False),
    PrimaryKeyConstraint("kind", "id"),
)

imports = Table(
    "imports",
    service_metadata,
    Column("import_id", _id, primary_key=True),
    Column("collection_id", _id, ForeignKey("collections.collection_id"), nullable=False),
    Column("company_id", String, nullable=False),
    Column("created_at", String, nullable=False),
)
Index("imports_of_collection", imports.c.collection_id)

import_items = Table(
    "import_items",
    service_metadata,
    Column("import_id", _id, ForeignKey("imports.import_id"), nullable=False),
    Column("item_key", String, nullable=False),  # a digest that the importer made of the item
    Column("outcome", String, nullable=False),  # a person's id, or `failed:` and a reason
    PrimaryKeyConstraint("import_id", "item_key"),
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
