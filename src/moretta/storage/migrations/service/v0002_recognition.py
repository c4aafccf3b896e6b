"""The tables of recognition: collections, persons, faces, segments, imports, and what lies outside of the database."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# Ids sort by their bytes on every server, so that paging goes the same way everywhere.
_id = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    _collections()
    _persons()
    _gallery()
    _outside_and_imports()


def _collections() -> None:
    op.create_table(
        "collections",
        sa.Column("collection_id", _id, primary_key=True),
        sa.Column("company_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("scheme", sa.String(), nullable=False),
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("match_similarity", sa.Double(), nullable=False),
        sa.Column("duplicate_similarity", sa.Double(), nullable=False),
        sa.Column("false_match_rate", sa.Double(), nullable=False),
        sa.Column("threshold_source", sa.String(), nullable=False),
        sa.Column("home", sa.String(), nullable=False),
        sa.Column("replicas", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("retention_days", sa.Integer()),
        sa.Column("min_quality", sa.Double(), nullable=False),
        sa.Column("bands", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("next_row", sa.BigInteger(), nullable=False),
    )


def _persons() -> None:
    op.create_table(
        "persons",
        sa.Column("person_id", _id, primary_key=True),
        sa.Column("collection_id", _id, sa.ForeignKey("collections.collection_id"), nullable=False),
        sa.Column("company_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("profile", sa.LargeBinary(), nullable=False),
    )
    op.create_index("persons_of_collection", "persons", ["collection_id", "person_id"])
    op.create_index("persons_by_state", "persons", ["collection_id", "state"])
    op.create_table(
        "subject_keys",
        sa.Column("person_id", _id, sa.ForeignKey("persons.person_id"), primary_key=True),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "erased_persons",
        sa.Column("person_id", _id, primary_key=True),
        sa.Column("company_id", sa.String(), nullable=False),
        sa.Column("erased_at", sa.String(), nullable=False),
    )


def _gallery() -> None:
    op.create_table(
        "faces",
        sa.Column("face_id", _id, primary_key=True),
        sa.Column("collection_id", _id, sa.ForeignKey("collections.collection_id"), nullable=False),
        sa.Column("person_id", _id, sa.ForeignKey("persons.person_id"), nullable=False),
        sa.Column("gallery_row", sa.BigInteger(), nullable=False),
        sa.Column("quality", sa.Double(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("photo_id", sa.String()),
        sa.Column("segment_id", sa.String()),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary()),
        sa.UniqueConstraint("collection_id", "gallery_row"),
    )
    op.create_index("faces_of_person", "faces", ["person_id"])
    op.create_index("faces_by_segment", "faces", ["collection_id", "segment_id", "sequence"])
    op.create_table(
        "segments",
        sa.Column("segment_id", sa.String(), primary_key=True),
        sa.Column("collection_id", _id, sa.ForeignKey("collections.collection_id"), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("dropped_sequence", sa.BigInteger()),
        sa.Column("row_numbers", sa.LargeBinary(), nullable=False),
    )
    op.create_index("segments_of_collection", "segments", ["collection_id", "sequence"])
    op.create_table(
        "removed_rows",
        sa.Column("collection_id", _id, sa.ForeignKey("collections.collection_id"), nullable=False),
        sa.Column("gallery_row", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("segment_id", sa.String()),
        sa.PrimaryKeyConstraint("collection_id", "gallery_row"),
    )
    op.create_index("removed_rows_since", "removed_rows", ["collection_id", "sequence"])
    op.create_index("removed_rows_of_segment", "removed_rows", ["segment_id"])


def _outside_and_imports() -> None:
    op.create_table(
        "announced",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("owner", sa.String()),
        sa.Column("announced_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "id"),
    )
    op.create_table(
        "imports",
        sa.Column("import_id", _id, primary_key=True),
        sa.Column("collection_id", _id, sa.ForeignKey("collections.collection_id"), nullable=False),
        sa.Column("company_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
    )
    op.create_index("imports_of_collection", "imports", ["collection_id"])
    op.create_table(
        "import_items",
        sa.Column("import_id", _id, sa.ForeignKey("imports.import_id"), nullable=False),
        sa.Column("item_key", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("import_id", "item_key"),
    )
