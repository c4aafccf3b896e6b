"""Tables of links to people's own pages and of the sessions that these open. What a column means is said here, once.

Neither a code nor a session's token is kept: only their hashes. No row holds a network address.
"""

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table

from moretta.storage.schema import service_metadata

# Ids sort by their bytes on every server.
_id = String().with_variant(String(collation="C"), "postgresql")

# A link with a one-time code. Links go with their person, or when they are over for a day.
subject_links = Table(
    "subject_links",
    service_metadata,
    Column("link_id", _id, primary_key=True),
    Column("company_id", String, nullable=False),
    Column("person_id", _id, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),  # SHA-256 of the code, with the link's id
    Column("made_by", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("expires_at", String, nullable=False),
    Column("used_at", String),
    Column("wrong", Integer, nullable=False),  # wrong codes that were tried
)
Index("subject_links_of_person", subject_links.c.person_id, subject_links.c.created_at)
Index("subject_links_over", subject_links.c.expires_at)

# A person's visit. It outlives the person for minutes, so that they can see the certificate of their erasure.
subject_sessions = Table(
    "subject_sessions",
    service_metadata,
    Column("session_id", _id, primary_key=True),
    Column("company_id", String, nullable=False),
    Column("person_id", _id, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),  # SHA-256 of the cookie's token
    Column("opened_at", String, nullable=False),
    Column("seen_at", String, nullable=False),
)
Index("subject_sessions_seen", subject_sessions.c.seen_at)

tables: tuple[Table, ...] = (subject_links, subject_sessions)
