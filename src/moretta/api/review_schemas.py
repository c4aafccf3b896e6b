"""Reviews, approvals and the policy in JSON.

Belongs here: the shape of requests and answers. Does not belong here: who is shown what (see `v1.reviews`).
"""

from datetime import datetime

from pydantic import BaseModel, Field

from moretta.core.approvals import MAX_REASON, MAX_WORDS, Approval
from moretta.core.policy import Action, Basis, Condition, Context, Minors, Output, Policy, Purpose
from moretta.core.review import Proposal, ProposedFace, ReviewState, Vote


class ChoiceBody(BaseModel, extra="forbid"):
    """That the face at `face` (its place in the photo, from 0) is that person."""

    face: int = Field(ge=0, le=10_000)
    person_id: str = Field(max_length=64)


class Confirmation(BaseModel, extra="forbid"):
    """Whom a reviewer confirms; left out: the only candidate of each face."""

    choices: list[ChoiceBody] | None = Field(default=None, min_length=1, max_length=1000)


class ProposedCandidate(BaseModel):
    """Somebody proposed for a face, or confirmed."""

    person_id: str
    face_id: str
    rank: int
    band: int | None


class ProposedFaceView(BaseModel):
    """A face of the photo (`box` xyxy px, `quality` 0-100)."""

    box: tuple[float, float, float, float]
    quality: float
    candidates: list[ProposedCandidate]


class VoteView(BaseModel):
    """What one person said; `reviewer` is their API key's id, or a local user."""

    reviewer: str
    at: datetime
    confirms: bool
    choices: list[ChoiceBody]


class ReviewView(BaseModel):
    """A match that `needed` persons must confirm.

    Whoever may only search is shown candidates once they are confirmed, and no votes; a reviewer (scope `reviews:decide`) is
    shown those proposed.
    """

    id: str
    collection_id: str
    purpose: str
    action: Action
    state: ReviewState
    needed: int
    confirmations: int
    search_id: str
    fmr: float
    created_at: datetime
    expires_at: datetime
    faces: list[ProposedFaceView]
    votes: list[VoteView]


class ReviewPage(BaseModel):
    """Reviews in the order of their ids."""

    data: list[ReviewView]
    next_cursor: str | None


class NewApproval(BaseModel, extra="forbid"):
    """Who approved which use, why, and until when. Without `collection_id` and `action`: all of the purpose."""

    purpose: str = Field(min_length=1, max_length=500)
    collection_id: str | None = Field(default=None, max_length=64)
    action: Action | None = None
    approver: str = Field(min_length=1, max_length=MAX_WORDS, description="An office rather than a name.")
    reason: str = Field(min_length=1, max_length=MAX_REASON, description="Why, and where the assessment lies.")
    until: datetime = Field(description="With its time zone.")


class ApprovalView(BaseModel):
    """An approval as it stands; `holds`: whether it covers anything now."""

    id: str
    purpose: str
    collection_id: str | None
    action: Action | None
    approver: str
    reason: str
    recorded_by: str
    granted_at: datetime
    until: datetime
    revoked_at: datetime | None
    revoked_by: str | None
    holds: bool


class ApprovalPage(BaseModel):
    """Approvals in the order of their ids."""

    data: list[ApprovalView]
    next_cursor: str | None


class ControllerView(BaseModel):
    """Who decides on purposes and means."""

    name: str
    contact: str
    dpo: str


class PurposeView(BaseModel):
    """One purpose, and what may be done under it; `name` is `*` where the policy lists none and stands for any."""

    name: str
    basis: Basis
    condition: Condition | None
    contexts: list[Context]
    actions: list[Action]
    retention_days: int | None
    regions: list[str]
    outputs: list[Output]
    consent_required: bool
    minors: Minors
    adult_from: int
    review: int
    approval_required: bool
    real_time: bool
    notices: list[str]
    recipients: list[str]
    medical_or_safety: str


class PolicyView(BaseModel):
    """The policy in force; `sha256` is that of its canonical form, as the log tells it; `countries` of the regions, as told."""

    version: str
    sha256: str
    controller: ControllerView
    countries: dict[str, str]
    purposes: list[PurposeView]


def review_view(found: Proposal, *, for_reviewer: bool) -> ReviewView:
    """`found` as JSON's shape; votes are for reviewers alone."""
    return ReviewView(
        id=found.proposal_id,
        collection_id=found.collection_id,
        purpose=found.purpose,
        action=found.action,
        state=found.state,
        needed=found.needed,
        confirmations=sum(vote.confirms for vote in found.votes),
        search_id=found.search_id,
        fmr=found.fmr,
        created_at=found.created_at,
        expires_at=found.expires_at,
        faces=[_face(face) for face in found.faces],
        votes=[_vote(vote) for vote in found.votes] if for_reviewer else [],
    )


def approval_view(found: Approval, now: datetime) -> ApprovalView:
    """`found` as JSON's shape."""
    return ApprovalView(
        id=found.approval_id,
        purpose=found.purpose,
        collection_id=found.collection_id,
        action=found.action,
        approver=found.approver,
        reason=found.reason,
        recorded_by=found.recorded_by,
        granted_at=found.granted_at,
        until=found.until,
        revoked_at=found.revoked_at,
        revoked_by=found.revoked_by or None,
        holds=found.holds(now),
    )


def policy_view(policy: Policy) -> PolicyView:
    """`policy` as JSON's shape."""
    controller = policy.controller
    return PolicyView(
        version=policy.version,
        sha256=policy.sha256,
        controller=ControllerView(name=controller.name, contact=controller.contact, dpo=controller.dpo),
        countries=dict(policy.countries),
        purposes=[_purpose(one) for one in sorted(policy.purposes, key=lambda one: one.name)],
    )


def _face(face: ProposedFace) -> ProposedFaceView:
    candidates = [
        ProposedCandidate(person_id=one.person_id, face_id=one.face_id, rank=one.rank, band=one.band)
        for one in face.candidates
    ]
    return ProposedFaceView(box=face.box, quality=round(face.quality, 1), candidates=candidates)


def _vote(vote: Vote) -> VoteView:
    choices = [ChoiceBody(face=one.face, person_id=one.person_id) for one in sorted(vote.choices)]
    return VoteView(reviewer=vote.reviewer, at=vote.at, confirms=vote.confirms, choices=choices)


def _purpose(one: Purpose) -> PurposeView:
    return PurposeView.model_validate(one.fields())
