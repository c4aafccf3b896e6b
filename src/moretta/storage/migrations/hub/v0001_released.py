"""The hub's tables as 0.1.0 made them: companies, their keys and tokens, batches, counts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    _companies()
    _batches()


def _companies() -> None:
    op.create_table(
        "hub_companies",
        sa.Column("company_id", sa.String(), primary_key=True),
        sa.Column("created_at", sa.String(), nullable=False),
    )
    op.create_table(
        "hub_signing_keys",
        sa.Column("public_key", sa.LargeBinary(), primary_key=True),
        sa.Column("company_id", sa.String(), sa.ForeignKey("hub_companies.company_id"), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("revoked_at", sa.String()),
    )
    op.create_index("hub_signing_keys_of_company", "hub_signing_keys", ["company_id"])
    op.create_table(
        "hub_tokens",
        sa.Column("token_id", sa.String(), primary_key=True),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("company_id", sa.String(), sa.ForeignKey("hub_companies.company_id")),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("revoked_at", sa.String()),
    )


def _batches() -> None:
    op.create_table(
        "hub_batches",
        sa.Column("company_id", sa.String(), sa.ForeignKey("hub_companies.company_id"), nullable=False),
        sa.Column("batch_id", sa.String(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.String(), nullable=False),
        sa.UniqueConstraint("company_id", "batch_id"),
    )
    op.create_table(
        "hub_counts",
        sa.Column("company_id", sa.String(), sa.ForeignKey("hub_companies.company_id"), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("company_id", "day", "endpoint", "status"),
    )
