"""Reviewing proposals: looking at them, confirming, rejecting.

Belongs here: the order of it. Does not belong here: how votes decide (see `core.review`), who may vote (a door's).
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from moretta.core.errors import PolicyProhibited, RecognitionError, RequestInvalid
from moretta.core.policy import Output
from moretta.core.recognition import IdKind
from moretta.core.review import Choice, Proposal, ProposedFace, ReviewState, Vote, sole_choices
from moretta.use_cases.recognition.collections import require_page
from moretta.use_cases.recognition.means import Means
from moretta.use_cases.review.propose import subjects, told

MAX_REVIEWER = 200


def proposal(means: Means, company_id: str, proposal_id: str) -> Proposal:
    """See `Reviews.proposal`."""
    found = means.home(proposal_id, IdKind.REVIEW).reviews.proposal(company_id, proposal_id)
    _require_allowed(means, found)
    return _as_of_now(means, found)


def result(means: Means, company_id: str, proposal_id: str) -> Proposal:
    """See `Reviews.result`."""
    found = proposal(means, company_id, proposal_id)
    confirmed = found.confirmed()
    faces = tuple(
        ProposedFace(
            face.box, face.quality, tuple(one for one in face.candidates if Choice(i, one.person_id) in confirmed)
        )
        for i, face in enumerate(found.faces)
    )
    return replace(found, faces=faces, votes=tuple(replace(vote, choices=frozenset()) for vote in found.votes))


def listed(
    means: Means, company_id: str, limit: int, after: str | None, state: ReviewState | None, region: str | None
) -> list[Proposal]:
    """See `Reviews.proposals`."""
    require_page(limit)
    where = means.region(region) if after is None else means.home(after, IdKind.REVIEW)
    where.reviews.sweep(means.clock())
    found = where.reviews.proposals(company_id, limit, after, state=state)
    return [_as_of_now(means, _if_allowed(means, one)) for one in found]


def confirm(
    means: Means, company_id: str, proposal_id: str, reviewer: str, choices: Iterable[Choice] | None
) -> Proposal:
    """See `Reviews.confirm`."""
    region = means.home(proposal_id, IdKind.REVIEW)
    found = region.reviews.proposal(company_id, proposal_id)
    _require_allowed(means, found)
    is_open = found.is_open(means.clock())
    chosen = frozenset(choices) if choices is not None else sole_choices(found) if is_open else frozenset()
    return _vote(means, found, Vote(_require_reviewer(reviewer), _now(means), confirms=True, choices=chosen))


def reject(means: Means, company_id: str, proposal_id: str, reviewer: str) -> Proposal:
    """See `Reviews.reject`."""
    found = means.home(proposal_id, IdKind.REVIEW).reviews.proposal(company_id, proposal_id)
    return _vote(means, found, Vote(_require_reviewer(reviewer), _now(means), confirms=False))


def _vote(means: Means, found: Proposal, vote: Vote) -> Proposal:
    region = means.home(found.proposal_id, IdKind.REVIEW)
    proposed = [one.person_id for face in found.faces for one in face.candidates]
    about = [choice.person_id for choice in sorted(vote.choices)] if vote.confirms else proposed
    step = "confirmed" if vote.confirms else "rejected"
    # A vote that does not count is refused before its entries are kept: both are one transaction.
    entries = told(means, found, step, subjects(region, about), reviewer=vote.reviewer)
    means.checkpoint("vote:before")
    return region.reviews.vote(found.company_id, found.proposal_id, vote, entries)


def _require_allowed(means: Means, found: Proposal) -> None:
    """Raises as `Guard.require`: nobody is told who it is where the policy, or an approval's end, forbids the match by now."""
    _, collection = means.opened(found.company_id, found.collection_id)
    outputs = frozenset({Output.BANDS}) if collection.bands else frozenset()
    means.guard.on(collection, found.action, outputs=outputs)


def _if_allowed(means: Means, found: Proposal) -> Proposal:
    """The proposal, without its candidates where the policy forbids the match by now."""
    try:
        _require_allowed(means, found)
    except (PolicyProhibited, RecognitionError):
        return replace(found, faces=tuple(replace(face, candidates=()) for face in found.faces))
    return found


def _as_of_now(means: Means, found: Proposal) -> Proposal:
    return replace(found, state=found.state_at(means.clock()))


def _now(means: Means) -> datetime:
    return means.clock().replace(microsecond=0)


def _require_reviewer(reviewer: str) -> str:
    if not reviewer or len(reviewer) > MAX_REVIEWER:
        raise RequestInvalid(f"expected who reviews in 1 to {MAX_REVIEWER} characters")
    return reviewer
