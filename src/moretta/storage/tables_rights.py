"""Tables of rights requests, erasures and their certificates. What a column means is said here, once.

No row refers to a person or a collection by a foreign key: that a right was used and fulfilled is evidence, and outlives both.
"""

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

# The erasure of one person: how far it is, and what is known of it. `record`: JSON of counts, random ids and commitments; while
# it goes on also windows of ciphertext to look for, inverted bit by bit so that the search does not find this row.
erasures = Table(
    "erasures",
    service_metadata,
    Column("certificate_id", _id, primary_key=True),
    Column("company_id", String, nullable=False),
    Column("person_id", _id, nullable=False, unique=True),
    Column("collection_id", _id, nullable=False),
    Column("step", String, nullable=False),
    Column("revision", Integer, nullable=False),  # of the newest certificate; 0: none yet
    Column("waiting", Boolean, nullable=False),  # a node has not acknowledged yet
    Column("record", LargeBinary, nullable=False),
)
Index("erasures_to_finish", erasures.c.waiting, erasures.c.step)

# What is certified of an erasure. `body`: what the log commits to; `document`: the same with the log's proof, signed.
certificates = Table(
    "certificates",
    service_metadata,
    Column("certificate_id", _id, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("company_id", String, nullable=False),
    Column("log_index", BigInteger, nullable=False),
    Column("entry", LargeBinary, nullable=False),  # the log entry's leaf
    Column("body", LargeBinary, nullable=False),
    Column("document", LargeBinary),
    PrimaryKeyConstraint("certificate_id", "revision"),
)

# A request of one person. `details`: wishes, reasons and outcome, sealed under the person's data key; emptied with it.
rights_requests = Table(
    "rights_requests",
    service_metadata,
    Column("request_id", _id, primary_key=True),
    Column("company_id", String, nullable=False),
    Column("person_id", _id, nullable=False),
    Column("right_name", String, nullable=False),
    Column("state", String, nullable=False),
    Column("requested_by", String, nullable=False),
    Column("received_at", String, nullable=False),
    Column("due_at", String, nullable=False),
    Column("closed_at", String),
    Column("certificate_id", _id),
    Column("details", LargeBinary),
)
Index("rights_requests_of_company", rights_requests.c.company_id, rights_requests.c.request_id)
Index("rights_requests_of_person", rights_requests.c.person_id)

# Signed messages about requests, until they are delivered and after. They name no person.
rights_notices = Table(
    "rights_notices",
    service_metadata,
    Column("number", _number, primary_key=True, autoincrement=True),
    Column("company_id", String, nullable=False),
    Column("request_id", _id, nullable=False),
    Column("event", String, nullable=False),
    Column("made_at", String, nullable=False),
    Column("jws", String, nullable=False),
    Column("delivered_at", String),
)
Index("rights_notices_waiting", rights_notices.c.company_id, rights_notices.c.delivered_at, rights_notices.c.number)
Index("rights_notices_of_request", rights_notices.c.request_id)

# What became of sending a message to one receiver that the settings name. `attempts` counts those begun since it was last tried
# from the start, `tries` all of them; `due_at`: not before; `leased_until`: a process is sending it; `outcome`: of the last
# attempt. A message without a row was not tried yet.
rights_deliveries = Table(
    "rights_deliveries",
    service_metadata,
    Column("number", _number, ForeignKey("rights_notices.number"), nullable=False),
    Column("receiver", _id, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due_at", String, nullable=False),
    Column("leased_until", String, nullable=False),
    Column("outcome", String),
    Column("taken_at", String),
    Column("given_up_at", String),
    PrimaryKeyConstraint("number", "receiver"),
)

tables: tuple[Table, ...] = (erasures, certificates, rights_requests, rights_notices, rights_deliveries)
