"""The tables of accountability: log, consents, rights, governance, reviews."""

from alembic import op

from moretta.storage.accountability_schema import accountability_tables

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables."""
    for table in accountability_tables:
        table.create(op.get_bind())
