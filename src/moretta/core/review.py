"""Human review: a match that is a proposal until people confirm it.

Belongs here: the values, how votes decide, and the port that keeps them. Does not belong here: which purpose asks for it (see
`purposes`), SQL, and who may vote (a door's).

A decision with effect on a person must not rest on a comparison alone (GDPR Art. 22), and a remote identification is confirmed by
two persons (Regulation (EU) 2024/1689, Art. 14(5)). The photo is not kept: whoever reviews has it, or the person, before them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from moretta.core.errors import RequestInvalid
from moretta.core.ledger import LogEntry
from moretta.core.purposes import Action
from moretta.core.recognition import Candidate

Box = tuple[float, float, float, float]

# A proposal serves a person who waits, or footage of the day; what nobody looked at in a day is over.
PROPOSAL_LIFE = timedelta(hours=24)
# Who verified and confirmed an identification is kept six months at least (Regulation (EU) 2024/1689, Art. 26(6)).
RECORD_LIFE = timedelta(days=183)


class ReviewState(StrEnum):
    """`PENDING` is the only one in which votes count. `VOID`: everybody whom it proposed was erased meanwhile."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class ProposedFace:
    """A face of the photo (`box` xyxy px, `quality` 0-100) and the persons proposed for it."""

    box: Box
    quality: float
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Choice:
    """That the face at `face` (its place in the photo) is this person."""

    face: int
    person_id: str


@dataclass(frozen=True, slots=True)
class Vote:
    """What one person said. `reviewer`: an API key's id, or a local user's. `choices`: whom they confirmed and who is there."""

    reviewer: str
    at: datetime
    confirms: bool
    choices: frozenset[Choice] = frozenset()


@dataclass(frozen=True, slots=True)
class Proposal:
    """A match that `needed` persons must confirm.

    `requested_by`: whose search it was; `search_id`: the record of it. `votes`: in the order they came.
    """

    proposal_id: str
    company_id: str
    collection_id: str
    purpose: str
    action: Action
    needed: int
    requested_by: str
    search_id: str
    fmr: float
    created_at: datetime
    expires_at: datetime
    state: ReviewState = ReviewState.PENDING
    faces: tuple[ProposedFace, ...] = field(default=(), repr=False)
    votes: tuple[Vote, ...] = field(default=(), repr=False)

    def is_open(self, now: datetime) -> bool:
        """Whether votes still count."""
        return self.state is ReviewState.PENDING and now < self.expires_at

    def state_at(self, now: datetime) -> ReviewState:
        """The state, also where its time is over and nobody has written that down yet."""
        if self.state is ReviewState.PENDING and now >= self.expires_at:
            return ReviewState.EXPIRED
        return self.state

    def proposes(self, choice: Choice) -> bool:
        """Whether the choice is one of its candidates."""
        faces = self.faces[choice.face : choice.face + 1] if choice.face >= 0 else ()
        return any(choice.person_id == one.person_id for face in faces for one in face.candidates)

    def confirmed(self) -> frozenset[Choice]:
        """Who was confirmed: the choices that every vote made; nobody unless the proposal is confirmed."""
        votes = [vote.choices for vote in self.votes if vote.confirms]
        if self.state is not ReviewState.CONFIRMED or not votes:
            return frozenset()
        return frozenset.intersection(*votes)


def outcome(proposal: Proposal, vote: Vote) -> ReviewState:
    """The state that a proposal has after one more vote of another person.

    One rejection closes it. The last confirmation needed closes it as well: as confirmed where all of them chose the same
    person for at least one face, and as rejected where they disagree about everybody.
    """
    if not vote.confirms:
        return ReviewState.REJECTED
    votes = [one.choices for one in (*proposal.votes, vote) if one.confirms]
    if len(votes) < proposal.needed:
        return ReviewState.PENDING
    return ReviewState.CONFIRMED if frozenset.intersection(*votes) else ReviewState.REJECTED


def sole_choices(proposal: Proposal) -> frozenset[Choice]:
    """The only way to confirm a proposal: each face with candidates has one.

    Raises:
        RequestInvalid: a face has several, and the reviewer must say which.
    """
    if any(len(face.candidates) > 1 for face in proposal.faces):
        raise RequestInvalid("expected to be told which candidate of each face is confirmed: a face has several")
    return frozenset(Choice(i, one.person_id) for i, face in enumerate(proposal.faces) for one in face.candidates)


class ReviewStore(Protocol):
    """One region's proposals. Safe for threads and processes. Unknown ids raise `NotFound`; another company's are unknown.

    Candidates go with their person when that person is deleted, in the same transaction, whoever deletes them.
    """

    def propose(self, proposal: Proposal, entries: Sequence[LogEntry] = ()) -> None:
        """Keep a new proposal, and its log entries in the same transaction. Candidates who were erased meanwhile are left out."""

    def proposal(self, company_id: str, proposal_id: str) -> Proposal:
        """The proposal as it stands."""

    def proposals(
        self, company_id: str, limit: int, after: str | None = None, *, state: ReviewState | None = None
    ) -> list[Proposal]:
        """At most `limit`, in the order of their ids, from after the id `after`, with that state (as stored)."""

    def vote(self, company_id: str, proposal_id: str, vote: Vote, entries: Sequence[LogEntry] = ()) -> Proposal:
        """Keep a vote and what the proposal becomes by it (`outcome`), and log entries in the same transaction.

        A rejected proposal forgets its candidates.

        Raises:
            ReviewClosed: it is not pending, or was over when the vote was cast.
            SameReviewer: this reviewer voted before.
            RequestInvalid: a choice is not among its candidates.
        """

    def sweep(self, now: datetime) -> int:
        """Mark what is over as expired and forget its candidates; delete what is older than `RECORD_LIFE`. How many."""
