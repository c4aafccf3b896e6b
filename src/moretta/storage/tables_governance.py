"""Tables of retention, legal holds and the breach register. What a column means is said here, once.

A hold that holds refers to its person by a foreign key: the database itself refuses to delete somebody who is held. All else is
evidence, and outlives persons and collections.
"""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
)

from moretta.storage.schema import service_metadata

# Ids sort by their bytes on every server, so that paging goes the same way everywhere.
_id = String().with_variant(String(collation="C"), "postgresql")

# What an operator set for a collection beside its own retention; goes with the collection.
retention_rules = Table(
    "retention_rules",
    service_metadata,
    Column("collection_id", _id, ForeignKey("collections.collection_id", ondelete="CASCADE"), primary_key=True),
    Column("counts_from", String, nullable=False),
    Column("photo_days", Integer),
    Column("purpose_ends", String),
    Column("bipa", Boolean, nullable=False),
)

# A legal hold on one person. `held`: the person while it holds, empty once it is released; nobody is held twice. `words`: why, by
# whom, and why it was released, sealed under the person's data key; emptied when the person is erased.
holds = Table(
    "holds",
    service_metadata,
    Column("hold_id", _id, primary_key=True),
    Column("company_id", String, nullable=False),
    Column("person_id", _id, nullable=False),
    Column("held", _id, ForeignKey("persons.person_id"), unique=True),
    Column("collection_id", _id, nullable=False),
    Column("recorded_by", String, nullable=False),  # the id of an API key, or a local user
    Column("placed_at", String, nullable=False),
    Column("until", String, nullable=False),
    Column("state_before", String, nullable=False),
    Column("released_at", String),
    Column("released_by", String, nullable=False),
    Column("words", LargeBinary),
)
Index("holds_of_company", holds.c.company_id, holds.c.hold_id)
Index("holds_of_collection", holds.c.collection_id)

# The signed report of a sweep that destroyed something or met a hold: counts and ids of certificates and holds.
retention_runs = Table(
    "retention_runs",
    service_metadata,
    Column("run_id", _id, primary_key=True),
    Column("company_id", String, nullable=False),
    Column("ended_at", String, nullable=False),
    Column("document", LargeBinary, nullable=False),
)
Index("retention_runs_of_company", retention_runs.c.company_id, retention_runs.c.run_id)

# The breach register: every revision of every entry (GDPR Art. 33(5)); rows are only ever added.
incidents = Table(
    "incidents",
    service_metadata,
    Column("incident_id", _id, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("company_id", String, nullable=False),
    Column("record", LargeBinary, nullable=False),  # `core.incidents.Incident.fields` as canonical JSON
    PrimaryKeyConstraint("incident_id", "revision"),
)
Index("incidents_of_company", incidents.c.company_id, incidents.c.incident_id)

tables: tuple[Table, ...] = (retention_rules, holds, retention_runs, incidents)
