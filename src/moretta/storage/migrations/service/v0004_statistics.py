"""The tables of anonymous statistics: budgets, charges, releases."""

from alembic import op

from moretta.storage.tables_statistics import tables

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables."""
    for table in tables:
        table.create(op.get_bind())
