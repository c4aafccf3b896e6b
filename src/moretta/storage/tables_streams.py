"""Tables of watched sites. What a column means is said here, once.

What comes of watching is in `tables_statistics`. Where pictures come from is in no table: a source may hold a password.
"""

from sqlalchemy import Column, Double, Integer, PrimaryKeyConstraint, String, Table

from moretta.storage.schema import service_metadata

# Ids sort by their bytes on every server, so that paging goes the same way everywhere.
_id = String().with_variant(String(collation="C"), "postgresql")

# Scheme, host and port of each camera that was ever connected to, and how often; never a user, a password or a path.
camera_addresses = Table(
    "camera_addresses",
    service_metadata,
    Column("place", String, primary_key=True),
    Column("uses", Integer, nullable=False),
)

# Sites that `/v1/streams` watches: what an operator draws, and the receipt of the last session, as JSON.
streams = Table(
    "streams",
    service_metadata,
    Column("company_id", String, nullable=False),
    Column("stream_id", _id, nullable=False),
    Column("created_at", String, nullable=False),
    Column("site", String, nullable=False),
    Column("rate", Double, nullable=False),
    Column("receipt", String, nullable=True),
    PrimaryKeyConstraint("company_id", "stream_id"),
)

tables: tuple[Table, ...] = (camera_addresses, streams)
