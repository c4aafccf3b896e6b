"""Tables of matches that wait for a person's confirmation, of approvals, and of policies. What a column means is said here, once.

Candidates refer to their person, and choices to their candidate, by foreign keys that cascade: whoever deletes a person
deletes them.
"""

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
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

# A match that `needed` persons must confirm. No photo, and no name: those of a person stand with the person alone.
proposals = Table(
    "proposals",
    service_metadata,
    Column("proposal_id", _id, primary_key=True),
    Column("company_id", String, nullable=False),
    Column("collection_id", _id, ForeignKey("collections.collection_id", ondelete="CASCADE"), nullable=False),
    Column("purpose", String, nullable=False),
    Column("action", String, nullable=False),
    Column("needed", Integer, nullable=False),
    Column("requested_by", String, nullable=False),  # the id of an API key, or a local user
    Column("search_id", String, nullable=False),  # the record of who was compared
    Column("false_match_rate", Double, nullable=False),
    Column("created_at", String, nullable=False),
    Column("expires_at", String, nullable=False),
    Column("state", String, nullable=False),  # pending, confirmed, rejected or expired
)
Index("proposals_of_company", proposals.c.company_id, proposals.c.proposal_id)
Index("proposals_of_collection", proposals.c.collection_id)
Index("proposals_running_out", proposals.c.state, proposals.c.expires_at)
Index("proposals_by_age", proposals.c.created_at)

# The faces of the photo, by their place in it: where they were, in pixels, and how good. Nothing of what they look like.
proposal_faces = Table(
    "proposal_faces",
    service_metadata,
    Column("proposal_id", _id, ForeignKey("proposals.proposal_id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("x1", Double, nullable=False),
    Column("y1", Double, nullable=False),
    Column("x2", Double, nullable=False),
    Column("y2", Double, nullable=False),
    Column("quality", Double, nullable=False),
    PrimaryKeyConstraint("proposal_id", "position"),
)

proposal_candidates = Table(
    "proposal_candidates",
    service_metadata,
    Column("proposal_id", _id, nullable=False),
    Column("position", Integer, nullable=False),
    Column("person_id", _id, ForeignKey("persons.person_id", ondelete="CASCADE"), nullable=False),
    Column("face_id", _id, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("band", Integer),
    PrimaryKeyConstraint("proposal_id", "position", "person_id"),
    ForeignKeyConstraint(
        ["proposal_id", "position"], ["proposal_faces.proposal_id", "proposal_faces.position"], ondelete="CASCADE"
    ),
)
Index("proposal_candidates_of_person", proposal_candidates.c.person_id)

# What one person said, once: the key keeps the same reviewer from saying it twice. `number` counts from 1 in the order they came.
proposal_votes = Table(
    "proposal_votes",
    service_metadata,
    Column("proposal_id", _id, ForeignKey("proposals.proposal_id", ondelete="CASCADE"), nullable=False),
    Column("reviewer", String, nullable=False),  # the id of an API key, or a local user
    Column("number", Integer, nullable=False),
    Column("cast_at", String, nullable=False),
    Column("confirms", Boolean, nullable=False),
    PrimaryKeyConstraint("proposal_id", "reviewer"),
)

proposal_choices = Table(
    "proposal_choices",
    service_metadata,
    Column("proposal_id", _id, nullable=False),
    Column("reviewer", String, nullable=False),
    Column("position", Integer, nullable=False),
    Column("person_id", _id, nullable=False),
    PrimaryKeyConstraint("proposal_id", "reviewer", "position", "person_id"),
    ForeignKeyConstraint(
        ["proposal_id", "reviewer"], ["proposal_votes.proposal_id", "proposal_votes.reviewer"], ondelete="CASCADE"
    ),
    ForeignKeyConstraint(
        ["proposal_id", "position", "person_id"],
        ["proposal_candidates.proposal_id", "proposal_candidates.position", "proposal_candidates.person_id"],
        ondelete="CASCADE",
    ),
)
Index(
    "proposal_choices_of_candidate",
    proposal_choices.c.proposal_id,
    proposal_choices.c.position,
    proposal_choices.c.person_id,
)

# Who approved which use, in the operator's own words. No foreign key: an approval is evidence, and outlives its collection.
approvals = Table(
    "approvals",
    service_metadata,
    Column("approval_id", _id, primary_key=True),
    Column("company_id", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("collection_id", _id),  # empty: every collection of the purpose
    Column("action", String),  # empty: every action
    Column("approver", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("recorded_by", String, nullable=False),
    Column("granted_at", String, nullable=False),
    Column("until", String, nullable=False),
    Column("revoked_at", String),
    Column("revoked_by", String, nullable=False),
)
Index("approvals_of_company", approvals.c.company_id, approvals.c.approval_id)
Index("approvals_of_purpose", approvals.c.company_id, approvals.c.purpose)

# Every policy that held, in the order in which it came to hold; the last one holds now.
policies = Table(
    "policies",
    service_metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("sha256", String, nullable=False),
    Column("since", String, nullable=False),
    Column("content", LargeBinary, nullable=False),  # its canonical form, of which that is the hash
)

tables: tuple[Table, ...] = (
    proposals,
    proposal_faces,
    proposal_candidates,
    proposal_votes,
    proposal_choices,
    approvals,
    policies,
)
