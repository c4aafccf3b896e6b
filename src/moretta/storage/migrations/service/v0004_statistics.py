"""The tables of anonymous statistics: budgets, charges, releases; and of the sites that are watched for them."""

from alembic import op

from moretta.storage.tables_statistics import tables as statistics
from moretta.storage.tables_streams import tables as streams

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables."""
    for table in (*statistics, *streams):
        table.create(op.get_bind())
