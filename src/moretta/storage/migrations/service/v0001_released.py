"""The service's tables as 0.1.0 made them: API keys, usage, the egress ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# SQLite numbers only INTEGER keys by itself; on a shared server 2^31 records would not last a year.
_number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _deployment_and_keys()
    _usage()
    _egress()


def _deployment_and_keys() -> None:
    op.create_table(
        "deployment",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("value", sa.String(), nullable=False),
    )
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(), primary_key=True),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("company_id", sa.String(), nullable=False),
        sa.Column("scopes", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("expires_at", sa.String()),
        sa.Column("revoked_at", sa.String()),
    )


def _usage() -> None:
    op.create_table(
        "usage_batches",
        sa.Column("batch_id", sa.String(), primary_key=True),
        sa.Column("company_id", sa.String(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("sealed_at", sa.String(), nullable=False),
        sa.Column("acknowledged_at", sa.String()),
    )
    op.create_index("usage_batches_open", "usage_batches", ["company_id", "acknowledged_at"])
    op.create_table(
        "usage_records",
        sa.Column("sequence", _number, primary_key=True, autoincrement=True),
        sa.Column("time", sa.String(), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("company_id", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.String(), sa.ForeignKey("usage_batches.batch_id")),
    )
    op.create_index("usage_records_waiting", "usage_records", ["company_id", "batch_id", "sequence"])
    op.create_table(
        "usage_by_key",
        sa.Column("company_id", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("company_id", "key_id", "day", "endpoint", "status"),
    )


def _egress() -> None:
    op.create_table(
        "egress_attempts",
        sa.Column("attempt_id", _number, primary_key=True, autoincrement=True),
        sa.Column("batch_id", sa.String(), sa.ForeignKey("usage_batches.batch_id"), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("started_at", sa.String(), nullable=False),
        sa.Column("outcome", sa.String()),
    )
    op.create_index("egress_attempts_of_batch", "egress_attempts", ["batch_id"])
    op.create_table(
        "egress_bytes",
        sa.Column("sha256", sa.LargeBinary(), primary_key=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "egress_writes",
        sa.Column("attempt_id", _number, sa.ForeignKey("egress_attempts.attempt_id"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), sa.ForeignKey("egress_bytes.sha256"), nullable=False),
        sa.PrimaryKeyConstraint("attempt_id", "position"),
    )
