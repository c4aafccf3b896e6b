"""Human review: a match is a proposal until the people whom the purpose asks for have confirmed it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.policies import CLOSED
from tests.recognition_rig import COMPANY, OTHER_COMPANY, Place, opened

from moretta.core.errors import (
    ApprovalRequired,
    Conflict,
    NotFound,
    PurposeMismatch,
    PurposeUnknown,
    RequestInvalid,
    ReviewClosed,
    SameReviewer,
)
from moretta.core.ledger import EntryKind, LogEntry, subject_commitment
from moretta.core.policy import Action, Basis, Condition, Context, Controller, Policy, Purpose
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection
from moretta.core.review import PROPOSAL_LIFE, Choice, ReviewState
from moretta.use_cases.guard import Guard
from moretta.use_cases.recognition import Recognition
from moretta.use_cases.review.facade import Approvals, Reviews


def _policy(review: int, context: Context = Context.OTHER) -> Policy:
    purpose = Purpose(
        "access",
        Basis.CONSENT,
        Condition.EXPLICIT_CONSENT,
        contexts=frozenset({context}),
        actions=frozenset(Action),
        consent_required=False,
        review=review,
    )
    return Policy(Controller("a test"), (purpose,))


class Hands:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.now = datetime(2025, 1, 31, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class House:
    """A place under a policy that asks for review, with its facades."""

    def __init__(self, place: Place, policy: Policy) -> None:
        self.place, self.clock = place, Hands()
        guard = Guard(policy, lambda _: (place.region.approvals,), self.clock)
        self.means = replace(place.means, guard=guard, clock=self.clock)
        self.recognition, self.reviews = Recognition(self.means), Reviews(self.means)
        self.approvals = Approvals(self.means)
        self.collection: Collection = self.recognition.create_collection(
            COMPANY, "people", "access", scheme=Scheme.ROTATED
        )
        place.recognition = self.recognition
        self.anna = place.enrolled(self.collection.collection_id, "anna").person_id
        self.ben = place.enrolled(self.collection.collection_id, "ben").person_id

    def proposed(self, *faces: str) -> str:
        found = self.recognition.search(COMPANY, self.collection.collection_id, self.place.fd(*faces), caller="door")
        assert found.pending is not None
        assert all(face.candidates == () for face in found.faces)
        return found.pending

    def logged(self, kind: EntryKind = EntryKind.REVIEWED) -> list[LogEntry]:
        log = self.place.region.log
        return [one.entry for one in log.entries(0, log.size()) if one.entry.kind is kind]

    def is_about(self, entry: LogEntry, person_id: str) -> bool:
        region = self.place.region
        key = region.cipher.opened(person_id, region.store.subject_key(person_id)).key
        return entry.subject == subject_commitment(key, person_id, entry.nonce)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with opened(tmp_path / "place") as found:
        yield found


@pytest.fixture
def house(place: Place) -> House:
    return House(place, _policy(review=1))


@pytest.fixture
def strict(place: Place) -> House:
    return House(place, _policy(review=2))


def test_a_search_names_nobody_until_a_person_has_confirmed(house: House) -> None:
    review_id = house.proposed("anna/2")
    waiting = house.reviews.result(COMPANY, review_id)
    assert (waiting.state, waiting.faces[0].candidates) == (ReviewState.PENDING, ())
    shown = house.reviews.proposal(COMPANY, review_id)
    assert [one.person_id for one in shown.faces[0].candidates] == [house.anna]
    done = house.reviews.confirm(COMPANY, review_id, "key-1")
    assert done.state is ReviewState.CONFIRMED
    told = house.reviews.result(COMPANY, review_id)
    assert [one.person_id for one in told.faces[0].candidates] == [house.anna]
    assert [vote.choices for vote in told.votes] == [frozenset()], "who confirmed whom is for reviewers"


def test_where_nobody_matches_nobody_is_asked(house: House) -> None:
    found = house.recognition.search(COMPANY, house.collection.collection_id, house.place.fd("stranger/1"))
    assert found.pending is None
    assert house.reviews.proposals(COMPANY) == []
    verified = house.recognition.verify(COMPANY, house.anna, house.place.fd("ben/2"))
    assert (verified.match, verified.pending) == (False, None)


def test_a_verification_is_no_match_until_a_person_has_confirmed(house: House) -> None:
    found = house.recognition.verify(COMPANY, house.anna, house.place.fd("anna/2"))
    assert (found.match, found.face_id) == (False, None)
    assert found.pending is not None
    house.reviews.confirm(COMPANY, found.pending, "key-1")
    told = house.reviews.result(COMPANY, found.pending)
    assert (told.state, told.action) == (ReviewState.CONFIRMED, Action.VERIFY)
    assert [one.person_id for one in told.faces[0].candidates] == [house.anna]


def test_two_different_persons_must_confirm_where_the_purpose_says_two(strict: House) -> None:
    review_id = strict.proposed("anna/2")
    assert strict.reviews.confirm(COMPANY, review_id, "key-1").state is ReviewState.PENDING
    assert strict.reviews.result(COMPANY, review_id).faces[0].candidates == ()
    for again in (strict.reviews.confirm, strict.reviews.reject):
        with pytest.raises(SameReviewer):
            again(COMPANY, review_id, "key-1")
    assert strict.reviews.confirm(COMPANY, review_id, "key-2").state is ReviewState.CONFIRMED
    assert [one.person_id for one in strict.reviews.result(COMPANY, review_id).faces[0].candidates] == [strict.anna]


def test_two_who_confirm_different_persons_have_confirmed_nobody(strict: House) -> None:
    review_id = strict.proposed("anna/2", "ben/2")
    first, second = Choice(0, strict.anna), Choice(1, strict.ben)
    strict.reviews.confirm(COMPANY, review_id, "key-1", [first])
    done = strict.reviews.confirm(COMPANY, review_id, "key-2", [second])
    assert done.state is ReviewState.REJECTED
    assert strict.reviews.result(COMPANY, review_id).confirmed() == frozenset()


def test_two_who_agree_on_one_face_have_confirmed_that_one(strict: House) -> None:
    review_id = strict.proposed("anna/2", "ben/2")
    strict.reviews.confirm(COMPANY, review_id, "key-1")
    strict.reviews.confirm(COMPANY, review_id, "key-2", [Choice(1, strict.ben)])
    told = strict.reviews.result(COMPANY, review_id)
    assert [[one.person_id for one in face.candidates] for face in told.faces] == [[], [strict.ben]]


def test_remote_identification_needs_an_approval_and_two_persons_whatever_the_purpose_says(place: Place) -> None:
    house = House(place, _policy(review=0, context=Context.PUBLIC_SPACE))
    with pytest.raises(ApprovalRequired) as refused:
        house.recognition.search(COMPANY, house.collection.collection_id, place.fd("anna/2"))
    assert refused.value.legal_ref == "GDPR Art. 35(3)(c)"
    approval = house.approvals.grant(
        COMPANY,
        "access",
        approver="the board",
        reason="assessment of 2025-01-31",
        until=house.clock.now + timedelta(days=30),
        recorded_by="key-0",
        collection_id=house.collection.collection_id,
        action=Action.SEARCH,
    )
    review_id = house.proposed("anna/2")
    assert house.reviews.proposal(COMPANY, review_id).needed == 2
    house.reviews.confirm(COMPANY, review_id, "key-1")
    house.approvals.revoke(COMPANY, approval.approval_id, "key-0")
    for ask in (house.reviews.proposal, house.reviews.result):
        with pytest.raises(ApprovalRequired):
            ask(COMPANY, review_id)
    with pytest.raises(ApprovalRequired):
        house.reviews.confirm(COMPANY, review_id, "key-2")
    assert [face.candidates for one in house.reviews.proposals(COMPANY) for face in one.faces] == [()]
    assert house.reviews.reject(COMPANY, review_id, "key-2").state is ReviewState.REJECTED
    steps = [dict(entry.facts)["step"] for entry in house.logged(EntryKind.APPROVED)]
    assert steps == ["granted", "revoked"]


def test_a_rejected_match_is_forgotten_and_cannot_be_confirmed(house: House) -> None:
    review_id = house.proposed("anna/2")
    done = house.reviews.reject(COMPANY, review_id, "key-1")
    assert (done.state, done.faces[0].candidates) == (ReviewState.REJECTED, ())
    with pytest.raises(ReviewClosed):
        house.reviews.confirm(COMPANY, review_id, "key-2", [Choice(0, house.anna)])


def test_nobody_can_confirm_what_is_over(house: House) -> None:
    review_id = house.proposed("anna/2")
    house.clock.now += PROPOSAL_LIFE
    for decide in (house.reviews.confirm, house.reviews.reject):
        with pytest.raises(ReviewClosed, match="expired"):
            decide(COMPANY, review_id, "key-1")
    assert house.reviews.result(COMPANY, review_id).state is ReviewState.EXPIRED
    house.proposed("ben/2")  # Whatever is proposed next sweeps before.
    found = house.reviews.proposal(COMPANY, review_id)
    assert (found.state, found.faces[0].candidates) == (ReviewState.EXPIRED, ())


def test_whoever_is_erased_is_proposed_no_more(house: House) -> None:
    review_id = house.proposed("anna/2", "ben/2")
    house.recognition.delete_person(COMPANY, house.anna)
    found = house.reviews.proposal(COMPANY, review_id)
    assert [[one.person_id for one in face.candidates] for face in found.faces] == [[], [house.ben]]
    house.recognition.delete_person(COMPANY, house.ben)
    assert house.reviews.proposal(COMPANY, review_id).state is ReviewState.VOID
    with pytest.raises(ReviewClosed, match="void"):
        house.reviews.confirm(COMPANY, review_id, "key-1")


def test_a_reviewer_says_which_of_several_and_only_out_of_them(house: House) -> None:
    with pytest.raises(RequestInvalid, match="candidates"):
        house.reviews.confirm(COMPANY, house.proposed("anna/2"), "key-1", [Choice(0, house.ben)])
    with pytest.raises(RequestInvalid, match="candidates"):
        house.reviews.confirm(COMPANY, house.proposed("anna/2"), "key-1", [Choice(1, house.anna)])
    with pytest.raises(RequestInvalid, match="whom"):
        house.reviews.confirm(COMPANY, house.proposed("anna/2"), "key-1", [])
    with pytest.raises(RequestInvalid, match="who reviews"):
        house.reviews.confirm(COMPANY, house.proposed("anna/2"), "")


def test_another_company_has_no_such_proposal(house: House) -> None:
    review_id = house.proposed("anna/2")
    for call in (house.reviews.proposal, house.reviews.result):
        with pytest.raises(NotFound):
            call(OTHER_COMPANY, review_id)
    for decide in (house.reviews.confirm, house.reviews.reject):
        with pytest.raises(NotFound):
            decide(OTHER_COMPANY, review_id, "key-1")
    assert house.reviews.proposals(OTHER_COMPANY) == []


def test_each_step_is_logged_with_commitments_and_without_ids_of_people(strict: House) -> None:
    review_id = strict.proposed("anna/2", "ben/2")
    strict.reviews.confirm(COMPANY, review_id, "key-1", [Choice(0, strict.anna)])
    strict.reviews.reject(COMPANY, review_id, "key-2")
    entries = strict.logged()
    facts = [dict(entry.facts) for entry in entries]
    assert {one["review"] for one in facts} == {review_id}
    acts = [one["step"] for one, entry in zip(facts, entries, strict=True) if not entry.subject]
    assert acts == ["proposed", "confirmed", "rejected"]
    about = {
        step: {
            name
            for name in ("anna", "ben")
            for entry in entries
            if _step(entry) == step and _about(strict, entry, name)
        }
        for step in ("proposed", "confirmed", "rejected")
    }
    assert about == {"proposed": {"anna", "ben"}, "confirmed": {"anna"}, "rejected": {"anna", "ben"}}
    assert [one["reviewer"] for one in facts if "reviewer" in one and one["step"] == "confirmed"] == ["key-1"] * 2
    leaves = b"".join(entry.leaf() for entry in entries)
    assert not any(person.encode() in leaves for person in (strict.anna, strict.ben))


def _step(entry: LogEntry) -> str:
    return dict(entry.facts)["step"]


def _about(house: House, entry: LogEntry, name: str) -> bool:
    return bool(entry.subject) and house.is_about(entry, getattr(house, name))


def test_a_vote_that_is_refused_is_not_logged(strict: House) -> None:
    review_id = strict.proposed("anna/2")
    strict.reviews.confirm(COMPANY, review_id, "key-1")
    before = strict.place.region.log.size()
    with pytest.raises(SameReviewer):
        strict.reviews.confirm(COMPANY, review_id, "key-1")
    assert strict.place.region.log.size() == before


def test_pages_follow_each_other_in_the_order_of_ids(house: House) -> None:
    ids = sorted(house.proposed("anna/2") for _ in range(5))
    first = house.reviews.proposals(COMPANY, 2)
    rest = house.reviews.proposals(COMPANY, 10, first[-1].proposal_id)
    assert [one.proposal_id for one in (*first, *rest)] == ids
    house.reviews.reject(COMPANY, ids[0], "key-1")
    assert [one.proposal_id for one in house.reviews.proposals(COMPANY, state=ReviewState.REJECTED)] == ids[:1]
    with pytest.raises(RequestInvalid):
        house.reviews.proposals(COMPANY, 0)


def test_an_approval_says_of_what_by_whom_and_until_when(house: House) -> None:
    def grant(**given: object) -> object:
        wishes: dict[str, object] = {
            "approver": "the board",
            "reason": "assessment of 2025-01-31",
            "until": house.clock.now + timedelta(days=1),
            "recorded_by": "key-0",
            **given,
        }
        purpose = wishes.pop("purpose", "access")
        return house.approvals.grant(COMPANY, purpose, **wishes)  # type: ignore[arg-type]

    for wrong in (
        {"approver": " "},
        {"reason": ""},
        {"reason": "x" * 1001},
        {"until": house.clock.now},
    ):
        with pytest.raises(RequestInvalid):
            grant(**wrong)
    with pytest.raises(PurposeUnknown):
        grant(purpose="ads")
    with pytest.raises(NotFound):
        grant(collection_id="col_local_" + "0" * 24)
    other = replace(house.collection, purpose="other")
    house.place.region.store.update_collection(other)
    with pytest.raises(PurposeMismatch):
        grant(collection_id=other.collection_id)
    assert house.approvals.approvals(COMPANY) == []
    assert house.logged(EntryKind.APPROVED) == []
    made = house.approvals.grant(
        COMPANY, "access", approver="the board", reason="r", until=house.clock.now + timedelta(days=1), recorded_by="k"
    )
    assert house.approvals.approval(COMPANY, made.approval_id) == made
    with pytest.raises(NotFound):
        house.approvals.revoke(OTHER_COMPANY, made.approval_id, "k")
    assert not house.approvals.revoke(COMPANY, made.approval_id, "k").holds(house.clock.now)
    with pytest.raises(Conflict):
        house.approvals.revoke(COMPANY, made.approval_id, "k")
    [granted, revoked] = house.logged(EntryKind.APPROVED)
    assert b"board" not in granted.leaf() + revoked.leaf(), "an approver's words stay with the operator"


def test_a_proposal_under_a_purpose_that_is_gone_names_nobody(house: House) -> None:
    review_id = house.proposed("anna/2")
    closed = Reviews(replace(house.means, guard=Guard(CLOSED)))
    with pytest.raises(PurposeUnknown):
        closed.confirm(COMPANY, review_id, "key-1")
    assert [face.candidates for one in closed.proposals(COMPANY) for face in one.faces] == [()]
