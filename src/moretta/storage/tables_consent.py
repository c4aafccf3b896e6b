"""Tables of consents and notices. What a column means is said here, once.

No row refers to a person or a collection by a foreign key: a consent is evidence, and outlives both.
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

# Ids sort by their bytes on every server, so that paging goes the same way everywhere.
_id = String().with_variant(String(collation="C"), "postgresql")

# One version of a text that people are shown. Rows are only ever added.
notices = Table(
    "notices",
    service_metadata,
    Column("notice_id", _id, nullable=False),
    Column("version", Integer, nullable=False),
    Column("company_id", String, nullable=False),
    Column("collection_id", _id, nullable=False),
    Column("language", String, nullable=False),
    Column("controller", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("sha256", String, nullable=False),  # of the text's exact bytes, in hexadecimal
    Column("created_at", String, nullable=False),
    Column("text", LargeBinary, nullable=False),  # those bytes: a server must not change them
    PrimaryKeyConstraint("notice_id", "version"),
)
Index("notices_of_collection", notices.c.collection_id, notices.c.language, notices.c.version)

# A decision of one person. `person_id` is empty for a refusal before there was a person. `details`: how it was proved, by whom,
# age and guardian, sealed under the person's data key; emptied when the person is erased.
consents = Table(
    "consents",
    service_metadata,
    Column("consent_id", _id, primary_key=True),
    Column("company_id", String, nullable=False),
    Column("collection_id", _id, nullable=False),
    Column("person_id", _id),
    Column("purpose", String, nullable=False),
    Column("notice_sha256", String, nullable=False),
    Column("state", String, nullable=False),
    Column("method", String, nullable=False),
    Column("given_at", String, nullable=False),
    Column("expires_at", String),
    Column("withdrawn_at", String),
    Column("erasure_due", Boolean, nullable=False),
    Column("details", LargeBinary),
)
Index("consents_of_company", consents.c.company_id, consents.c.consent_id)
Index("consents_of_collection", consents.c.collection_id, consents.c.consent_id)
Index("consents_of_person", consents.c.person_id)
Index("consents_running_out", consents.c.state, consents.c.expires_at)
Index("consents_to_erase", consents.c.erasure_due)

# What became of a consent, once for each state it had: the document that its receipt shows, and where the log tells it.
consent_events = Table(
    "consent_events",
    service_metadata,
    Column("consent_id", _id, ForeignKey("consents.consent_id"), nullable=False),
    Column("event", String, nullable=False),
    Column("position", Integer, nullable=False),  # 0: how it began
    Column("log_index", BigInteger, nullable=False),
    Column("entry", LargeBinary, nullable=False),  # the log entry's leaf
    Column("record", LargeBinary, nullable=False),  # canonical JSON, no personal data
    PrimaryKeyConstraint("consent_id", "event"),
)

# What is to be signed once. A used one stands until it would have expired, and a while longer, so that a replay is told as such.
consent_challenges = Table(
    "consent_challenges",
    service_metadata,
    Column("challenge_id", _id, primary_key=True),
    Column("company_id", String, nullable=False),
    Column("collection_id", _id, nullable=False),
    Column("purpose", String, nullable=False),
    Column("notice_sha256", String, nullable=False),
    Column("person_id", _id),
    Column("nonce", LargeBinary, nullable=False),
    Column("created_at", String, nullable=False),
    Column("expires_at", String, nullable=False),
    Column("used_at", String),
)
Index("consent_challenges_by_age", consent_challenges.c.expires_at)

tables: tuple[Table, ...] = (notices, consents, consent_events, consent_challenges)
