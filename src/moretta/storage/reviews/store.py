"""`core.review.ReviewStore` in SQL: each method one transaction.

Belongs here: transactions, and the order of locks. Does not belong here: SQL (see `rows`).

Whoever changes a proposal locks its collection first, as deleting a person or a collection does: neither then waits for the other
in a circle.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Engine

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.errors import RequestInvalid, ReviewClosed, SameReviewer
from moretta.core.ledger import LogEntry
from moretta.core.review import Proposal, ReviewState, Vote, outcome
from moretta.storage import ledger
from moretta.storage.database import (
    between_checkpoints,
    forget_deleted,
    reading,
    writing_rows,
)
from moretta.storage.recognition.collections import lock_collection
from moretta.storage.reviews import rows


class SqlReviewStore:
    """One region's proposals. Safe to share between threads and processes; the engine stays open.

    Each write passes two checkpoints, `<what>:before-commit` and `<what>:after-commit`.
    """

    def __init__(self, engine: Engine, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._engine = engine
        self._checkpoint = checkpoint

    def propose(self, proposal: Proposal, entries: Sequence[LogEntry] = ()) -> None:
        """As `ReviewStore.propose`."""
        with between_checkpoints(writing_rows(self._engine), self._checkpoint, "propose") as connection:
            lock_collection(connection, proposal.collection_id, proposal.company_id)
            rows.keep_proposal(connection, proposal)
            ledger.append(connection, entries)

    def proposal(self, company_id: str, proposal_id: str) -> Proposal:
        """As `ReviewStore.proposal`."""
        with reading(self._engine) as connection:
            return rows.find_proposal(connection, company_id, proposal_id)

    def proposals(
        self, company_id: str, limit: int, after: str | None = None, *, state: ReviewState | None = None
    ) -> list[Proposal]:
        """As `ReviewStore.proposals`."""
        with reading(self._engine) as connection:
            return rows.list_proposals(connection, company_id, limit, after, state)

    def vote(self, company_id: str, proposal_id: str, vote: Vote, entries: Sequence[LogEntry] = ()) -> Proposal:
        """As `ReviewStore.vote`."""
        with between_checkpoints(writing_rows(self._engine), self._checkpoint, "vote") as connection:
            seen = rows.find_proposal(connection, company_id, proposal_id)
            lock_collection(connection, seen.collection_id, company_id)
            proposal = rows.find_proposal(connection, company_id, proposal_id, lock=True)
            require_countable(proposal, vote)
            rows.keep_vote(connection, proposal, vote, outcome(proposal, vote))
            found = rows.find_proposal(connection, company_id, proposal_id)
            ledger.append(connection, entries)
        if found.state is ReviewState.REJECTED:
            forget_deleted(self._engine)
        return found

    def sweep(self, now: datetime) -> int:
        """As `ReviewStore.sweep`."""
        with reading(self._engine) as connection:
            if not rows.any_due(connection, now):
                return 0
        with between_checkpoints(writing_rows(self._engine), self._checkpoint, "sweep-reviews") as connection:
            rows.lock_due(connection, now)
            touched = rows.expire(connection, now) + rows.delete_old(connection, now)
        forget_deleted(self._engine)
        return touched


def require_countable(proposal: Proposal, vote: Vote) -> None:
    """Raises as `ReviewStore.vote` does where the vote does not count."""
    if any(one.reviewer == vote.reviewer for one in proposal.votes):
        raise SameReviewer("expected another person than the ones who reviewed this already: each is heard once")
    if not proposal.is_open(vote.at):
        raise ReviewClosed(f"expected a pending proposal; this one is {proposal.state_at(vote.at)}: search anew")
    if vote.confirms != bool(vote.choices):
        raise RequestInvalid("expected a confirmation to say whom, and a rejection nobody")
    if not all(proposal.proposes(choice) for choice in vote.choices):
        raise RequestInvalid("expected a face and a person out of the candidates of this proposal")
    if len({choice.face for choice in vote.choices}) != len(vote.choices):
        raise RequestInvalid("expected one person a face: a face cannot be two persons")
