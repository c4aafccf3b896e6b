"""Tables of the transparency log, its signing keys, and who was compared. What a column means is said here, once."""

from sqlalchemy import (
    BigInteger,
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

# As in `schema`: SQLite numbers only INTEGER keys by itself, and ids sort by their bytes on every server.
_number = BigInteger().with_variant(Integer(), "sqlite")
_id = String().with_variant(String(collation="C"), "postgresql")

# One row: how many entries there are, and the edge of their tree (`core.merkle.Edge`: its hashes one after the other). Whoever
# appends locks it. `log_id` is random and made with the first entry, so that no two logs are taken for one.
log_head = Table(
    "log_head",
    service_metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("log_id", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("edge", LargeBinary, nullable=False),
)

# An entry as it was hashed (`core.ledger.LogEntry.leaf`); `company_id` repeats what is in it.
log_entries = Table(
    "log_entries",
    service_metadata,
    Column("entry_index", _number, primary_key=True, autoincrement=False),
    Column("company_id", String, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
)
Index("log_entries_by_hash", log_entries.c.leaf_hash)
Index("log_entries_of_company", log_entries.c.company_id, log_entries.c.entry_index)

# The hash of every complete subtree of two leaves and more, under its number (`storage.ledger.nodes.node_number`).
log_nodes = Table(
    "log_nodes",
    service_metadata,
    Column("node_number", _number, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)

# What was signed: another root for the same size, or a smaller log, is proof that this database was changed.
log_checkpoints = Table(
    "log_checkpoints",
    service_metadata,
    Column("size", _number, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", String, nullable=False),
    Column("made_at", String, nullable=False),
)

# What witnesses signed of a checkpoint: one line of a signed note each.
log_cosignatures = Table(
    "log_cosignatures",
    service_metadata,
    Column("size", _number, ForeignKey("log_checkpoints.size"), nullable=False),
    Column("witness", String, nullable=False),  # its name and key hash
    Column("line", String, nullable=False),
    Column("received_at", String, nullable=False),
    PrimaryKeyConstraint("size", "witness"),
)

# Ed25519 keys of the region, in the order in which they came; `wrapped` is empty where another one follows.
signing_keys = Table(
    "signing_keys",
    service_metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("key_id", String, nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("made_at", String, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("endorsement", LargeBinary, nullable=False),  # by the key before it; the first has none
)

# An act of comparing (`core.audit.SearchRecord`), and where its entry stands in the log.
searches = Table(
    "searches",
    service_metadata,
    Column("search_id", _id, primary_key=True),
    Column("log_index", BigInteger, nullable=False),
    Column("kind", String, nullable=False),
    Column("collection_id", _id, ForeignKey("collections.collection_id"), nullable=False),
    Column("company_id", String, nullable=False),
    Column("time", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("caller", String, nullable=False),
    Column("compared", BigInteger, nullable=False),
)
Index("searches_of_collection", searches.c.collection_id, searches.c.log_index)

# Whom an act of comparing named or matched; it goes with the person.
searched_persons = Table(
    "searched_persons",
    service_metadata,
    Column("search_id", _id, ForeignKey("searches.search_id"), nullable=False),
    Column("person_id", _id, ForeignKey("persons.person_id"), nullable=False),
    Column("claimed", Boolean, nullable=False),
    Column("matched", Boolean, nullable=False),
    PrimaryKeyConstraint("search_id", "person_id"),
)
Index("searched_persons_of_person", searched_persons.c.person_id)

# From when on a person took part in comparisons, or did not any more; `number` counts the changes of one person. Without a row:
# since the person was made.
comparable_since = Table(
    "comparable_since",
    service_metadata,
    Column("person_id", _id, ForeignKey("persons.person_id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("since", String, nullable=False),
    Column("comparable", Boolean, nullable=False),
    PrimaryKeyConstraint("person_id", "number"),
)

tables: tuple[Table, ...] = (
    log_head,
    log_entries,
    log_nodes,
    log_checkpoints,
    log_cosignatures,
    signing_keys,
    searches,
    searched_persons,
    comparable_since,
)
