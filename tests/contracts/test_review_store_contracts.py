"""What storage keeps of reviews, approvals and policies, on every kind of database."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select
from tests.policies import CLOSED, OPEN
from tests.storage_rig import COMPANY, NOW, OTHER_COMPANY, a_person, created, some_faces, stored_bytes

from moretta.core.approvals import Approval
from moretta.core.clock import to_second
from moretta.core.errors import Conflict, NotFound, RequestInvalid, ReviewClosed, SameReviewer
from moretta.core.ledger import EntryKind, LogEntry
from moretta.core.policy import Action
from moretta.core.recognition import Candidate, Collection, IdKind, Person, new_id
from moretta.core.review import PROPOSAL_LIFE, RECORD_LIFE, Choice, Proposal, ProposedFace, ReviewState, Vote
from moretta.core.usage import canonical_json
from moretta.keys.envelope import Envelope
from moretta.keys.memory import MemoryKeyService
from moretta.storage.recognition.store import SqlRecognitionStore
from moretta.storage.reviews.approvals import SqlApprovalStore
from moretta.storage.reviews.policies import note_policy
from moretta.storage.reviews.store import SqlReviewStore
from moretta.storage.tables_ledger import log_entries
from moretta.storage.tables_review import (
    policies,
    proposal_candidates,
    proposal_choices,
    proposal_faces,
    proposal_votes,
    proposals,
)

BOX = (1.0, 2.0, 30.5, 40.25)
PARTS = (proposals, proposal_faces, proposal_candidates, proposal_votes, proposal_choices)


class _Ended(BaseException):
    """The process ended here."""


@dataclass
class People:
    """A region with two persons, and its reviews."""

    engine: Engine
    store: SqlRecognitionStore
    reviews: SqlReviewStore
    collection: Collection
    anna: Person
    ben: Person

    def proposal(self, needed: int = 2, **given: object) -> Proposal:
        faces = (
            ProposedFace(BOX, 88.5, (_candidate(self.anna, 1, 2), _candidate(self.ben, 2))),
            ProposedFace(BOX, 40.0),
            ProposedFace(BOX, 70.0, (_candidate(self.ben, 1),)),
        )
        made = Proposal(
            proposal_id=new_id(IdKind.REVIEW, "local"),
            company_id=COMPANY,
            collection_id=self.collection.collection_id,
            purpose="access",
            action=Action.SEARCH,
            needed=needed,
            requested_by="0011223344556677",
            search_id="sea_" + "0" * 24,
            fmr=1e-4,
            created_at=NOW,
            expires_at=NOW + PROPOSAL_LIFE,
            faces=faces,
        )
        return replace(made, **given)  # type: ignore[arg-type]

    def proposed(self, needed: int = 2, **given: object) -> Proposal:
        made = self.proposal(needed, **given)
        self.reviews.propose(made, [_entry()])
        return made

    def rows(self) -> list[int]:
        with self.engine.connect() as connection:
            return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in PARTS]

    def logged(self) -> int:
        with self.engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(log_entries)).scalar_one())


def _candidate(person: Person, rank: int, band: int | None = None) -> Candidate:
    return Candidate(person.person_id, new_id(IdKind.FACE, "local"), rank, band)


def _entry(kind: EntryKind = EntryKind.REVIEWED) -> LogEntry:
    return LogEntry(kind, to_second(NOW), COMPANY)


def _vote(reviewer: str, *choices: Choice, confirms: bool = True, minutes: int = 1) -> Vote:
    return Vote(reviewer, NOW + timedelta(minutes=minutes), confirms, frozenset(choices))


@pytest.fixture
def people(engine: Engine) -> Iterator[People]:
    store = SqlRecognitionStore(engine, Envelope(MemoryKeyService()))
    collection = created(store)
    anna, ben = a_person(collection, "Anna"), a_person(collection, "Ben")
    for person in (anna, ben):
        store.enrol(collection, person, some_faces())
    yield People(engine, store, SqlReviewStore(engine), collection, anna, ben)
    store.close()


def test_a_proposal_is_read_as_it_was_kept(people: People) -> None:
    made = people.proposed()
    assert people.reviews.proposal(COMPANY, made.proposal_id) == made
    assert people.reviews.proposals(COMPANY, 10) == [made]
    assert people.reviews.proposals(COMPANY, 10, state=ReviewState.CONFIRMED) == []
    assert people.reviews.proposals(COMPANY, 10, made.proposal_id) == []
    assert people.reviews.proposals(OTHER_COMPANY, 10) == []
    with pytest.raises(NotFound):
        people.reviews.proposal(OTHER_COMPANY, made.proposal_id)


def test_votes_decide_and_are_logged_in_their_transaction(people: People) -> None:
    made = people.proposed()
    before = people.logged()
    first = _vote("key-1", Choice(0, people.anna.person_id), Choice(2, people.ben.person_id))
    second = _vote("key-2", Choice(2, people.ben.person_id))
    assert people.reviews.vote(COMPANY, made.proposal_id, first, [_entry()]).state is ReviewState.PENDING
    done = people.reviews.vote(COMPANY, made.proposal_id, second, [_entry(), _entry()])
    assert (done.state, done.votes) == (ReviewState.CONFIRMED, (first, second))
    assert done.confirmed() == {Choice(2, people.ben.person_id)}
    assert people.logged() == before + 3


@pytest.mark.parametrize(
    ("vote", "error"),
    [
        (lambda p: _vote("key-1", Choice(0, p.ben.person_id)), SameReviewer),
        (lambda p: _vote("key-1", confirms=False), SameReviewer),
        (lambda p: _vote("key-2", Choice(1, p.ben.person_id)), RequestInvalid),
        (lambda p: _vote("key-2", Choice(3, p.ben.person_id)), RequestInvalid),
        (lambda p: _vote("key-2", Choice(-1, p.ben.person_id)), RequestInvalid),
        (lambda p: _vote("key-2", Choice(0, p.anna.person_id), Choice(0, p.ben.person_id)), RequestInvalid),
        (lambda p: _vote("key-2"), RequestInvalid),
        (lambda p: _vote("key-2", Choice(0, p.anna.person_id), minutes=24 * 60), ReviewClosed),
    ],
)
def test_a_vote_that_does_not_count_changes_nothing(
    people: People, vote: Callable[[People], Vote], error: type[Exception]
) -> None:
    made = people.proposed()
    kept = people.reviews.vote(COMPANY, made.proposal_id, _vote("key-1", Choice(0, people.anna.person_id)))
    before = (people.rows(), people.logged())
    with pytest.raises(error):
        people.reviews.vote(COMPANY, made.proposal_id, vote(people), [_entry()])
    assert people.reviews.proposal(COMPANY, made.proposal_id) == kept
    assert (people.rows(), people.logged()) == before


def test_a_rejected_proposal_forgets_whom_it_named(people: People, engine: Engine) -> None:
    made = people.proposed()
    people.reviews.vote(COMPANY, made.proposal_id, _vote("key-1", Choice(0, people.anna.person_id)))
    done = people.reviews.vote(COMPANY, made.proposal_id, _vote("key-2", confirms=False))
    assert done.state is ReviewState.REJECTED
    assert [vote.choices for vote in done.votes] == [frozenset(), frozenset()]
    assert people.rows() == [1, 3, 0, 2, 0]
    faces = [one.face_id for face in made.faces for one in face.candidates]
    assert not any(face_id.encode() in stored_bytes(engine) for face_id in faces)


def test_candidates_go_with_their_person_and_with_their_collection(people: People, engine: Engine) -> None:
    made = people.proposed()
    people.reviews.vote(COMPANY, made.proposal_id, _vote("key-1", Choice(0, people.anna.person_id)))
    theirs = made.faces[0].candidates[0].face_id
    people.store.delete_person(COMPANY, people.anna.person_id)
    found = people.reviews.proposal(COMPANY, made.proposal_id)
    assert [[one.person_id for one in face.candidates] for face in found.faces] == [
        [people.ben.person_id],
        [],
        [people.ben.person_id],
    ]
    assert found.votes == (Vote("key-1", found.votes[0].at, confirms=True),), "that somebody confirmed stays"
    assert theirs.encode() not in stored_bytes(engine)
    # The one who agrees with a confirmation of somebody erased agrees about nobody.
    other = _vote("key-2", Choice(0, people.ben.person_id))
    assert people.reviews.vote(COMPANY, made.proposal_id, other).state is ReviewState.REJECTED
    people.proposed()
    people.store.delete_collection(COMPANY, people.collection.collection_id)
    assert people.rows() == [0, 0, 0, 0, 0]


def test_whoever_was_erased_meanwhile_is_not_proposed(people: People) -> None:
    made = people.proposal()
    people.store.delete_person(COMPANY, people.anna.person_id)
    people.reviews.propose(made)
    found = people.reviews.proposal(COMPANY, made.proposal_id)
    assert people.anna.person_id not in {one.person_id for face in found.faces for one in face.candidates}
    people.store.delete_person(COMPANY, people.ben.person_id)
    assert people.reviews.proposal(COMPANY, made.proposal_id).state is ReviewState.VOID
    people.store.delete_collection(COMPANY, people.collection.collection_id)
    with pytest.raises(NotFound):
        people.reviews.propose(people.proposal())


def test_what_is_over_is_swept_and_old_records_go(people: People) -> None:
    old, young = (
        people.proposed(),
        people.proposed(created_at=NOW + timedelta(days=1), expires_at=NOW + timedelta(days=2)),
    )
    confirmed = people.proposed(needed=1)
    people.reviews.vote(COMPANY, confirmed.proposal_id, _vote("key-1", Choice(0, people.anna.person_id)))
    assert people.reviews.sweep(NOW + PROPOSAL_LIFE - timedelta(seconds=1)) == 0
    assert people.reviews.sweep(NOW + PROPOSAL_LIFE) == 1
    assert people.reviews.sweep(NOW + PROPOSAL_LIFE) == 0
    assert people.reviews.proposal(COMPANY, old.proposal_id).state is ReviewState.EXPIRED
    assert people.reviews.proposal(COMPANY, young.proposal_id) == young
    assert people.reviews.proposal(COMPANY, confirmed.proposal_id).confirmed()
    assert people.reviews.sweep(NOW + RECORD_LIFE + timedelta(seconds=1)) == 3  # one expires, two are old
    assert [one.proposal_id for one in people.reviews.proposals(COMPANY, 10)] == [young.proposal_id]


def test_of_two_last_votes_at_once_one_counts(people: People) -> None:
    """Ten people confirm at once where two are needed: two are heard, and the proposal was confirmed once."""
    made = people.proposed()
    choice = Choice(0, people.anna.person_id)
    start = threading.Barrier(10)

    def confirm(number: int) -> str:
        start.wait()
        try:
            return people.reviews.vote(COMPANY, made.proposal_id, _vote(f"key-{number}", choice)).state.value
        except ReviewClosed:
            return "closed"

    with ThreadPoolExecutor(10) as threads:
        told = sorted(threads.map(confirm, range(10)))
    assert told == ["closed"] * 8 + ["confirmed", "pending"]
    assert len(people.reviews.proposal(COMPANY, made.proposal_id).votes) == 2


def test_one_reviewer_who_votes_twice_at_once_is_heard_once(people: People) -> None:
    made = people.proposed()
    choice = Choice(0, people.anna.person_id)
    start = threading.Barrier(4)

    def confirm(_: int) -> str:
        start.wait()
        try:
            return people.reviews.vote(COMPANY, made.proposal_id, _vote("key-1", choice)).state.value
        except SameReviewer:
            return "same"

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(confirm, range(4))) == ["pending", "same", "same", "same"]


def test_votes_erasures_and_sweeps_at_once_end_without_a_deadlock(people: People) -> None:
    made = [people.proposed() for _ in range(8)]
    start = threading.Barrier(3)

    def vote() -> None:
        start.wait()
        for one in made:
            with contextlib.suppress(NotFound, ReviewClosed, RequestInvalid):
                people.reviews.vote(COMPANY, one.proposal_id, _vote("key-1", Choice(2, people.ben.person_id)))

    def erase() -> None:
        start.wait()
        people.store.delete_person(COMPANY, people.anna.person_id)
        people.store.delete_collection(COMPANY, people.collection.collection_id)

    def sweep() -> None:
        start.wait()
        for _ in range(8):
            people.reviews.sweep(NOW + PROPOSAL_LIFE)

    with ThreadPoolExecutor(3) as threads:
        for done in [threads.submit(one) for one in (vote, erase, sweep)]:
            done.result(timeout=60)
    assert people.rows() == [0, 0, 0, 0, 0]


@pytest.mark.parametrize("step", ["before", "after"])
@pytest.mark.parametrize("write", ["propose", "vote", "sweep-reviews"])
def test_a_write_that_the_process_dies_in_happened_or_did_not(people: People, write: str, step: str) -> None:
    made = people.proposed()

    def end(at: str) -> None:
        if at == f"{write}:{step}-commit":
            raise _Ended

    dying = SqlReviewStore(people.engine, end)
    before = (people.rows(), people.logged())
    with pytest.raises(_Ended):
        if write == "propose":
            dying.propose(people.proposal(), [_entry()])
        elif write == "vote":
            dying.vote(COMPANY, made.proposal_id, _vote("key-1", Choice(0, people.anna.person_id)), [_entry()])
        else:
            dying.sweep(NOW + PROPOSAL_LIFE)
    assert ((people.rows(), people.logged()) == before) is (step == "before")


def _approval(**given: object) -> Approval:
    made = Approval(
        approval_id=new_id(IdKind.APPROVAL, "local"),
        company_id=COMPANY,
        purpose="access",
        collection_id=None,
        action=None,
        approver="the board",
        reason="assessment of 2025-01-31",
        recorded_by="0011223344556677",
        granted_at=NOW,
        until=NOW + timedelta(days=30),
    )
    return replace(made, **given)  # type: ignore[arg-type]


def test_approvals_stand_until_they_end_or_are_revoked(engine: Engine) -> None:
    store = SqlApprovalStore(engine)
    whole, part = _approval(), _approval(action=Action.SEARCH, collection_id=new_id(IdKind.COLLECTION, "local"))
    late, other = _approval(granted_at=NOW + timedelta(days=1)), _approval(company_id=OTHER_COMPANY)
    for one in (whole, part, late, other, _approval(purpose="ads")):
        store.grant(one, [_entry(EntryKind.APPROVED)])
    assert store.approval(COMPANY, part.approval_id) == part
    assert {one.approval_id for one in store.standing(COMPANY, "access", NOW)} == {whole.approval_id, part.approval_id}
    assert store.standing(COMPANY, "access", NOW + timedelta(days=30)) == []
    revoked = store.revoke(COMPANY, whole.approval_id, NOW, "uid:0", [_entry(EntryKind.APPROVED)])
    assert (revoked.revoked_at, revoked.revoked_by) == (NOW, "uid:0")
    assert store.standing(COMPANY, "access", NOW) == [part]
    with pytest.raises(Conflict):
        store.revoke(COMPANY, whole.approval_id, NOW, "uid:0", [_entry(EntryKind.APPROVED)])
    for call in (lambda: store.approval(COMPANY, other.approval_id), lambda: store.revoke(COMPANY, "apr", NOW, "k")):
        with pytest.raises(NotFound):
            call()
    ids = [one.approval_id for one in store.approvals(COMPANY, 100)]
    assert ids == sorted(ids)
    assert [one.approval_id for one in store.approvals(COMPANY, 2, ids[0])] == ids[1:3]
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(log_entries)).scalar_one() == 6


@pytest.mark.parametrize("step", ["before", "after"])
def test_an_approval_that_the_process_dies_in_was_recorded_or_was_not(engine: Engine, step: str) -> None:
    def end(at: str) -> None:
        if at.endswith(f":{step}-commit"):
            raise _Ended

    dying, living = SqlApprovalStore(engine, end), SqlApprovalStore(engine)
    made, kept = _approval(), _approval()
    living.grant(kept)
    with pytest.raises(_Ended):
        dying.grant(made, [_entry(EntryKind.APPROVED)])
    with pytest.raises(_Ended):
        dying.revoke(COMPANY, kept.approval_id, NOW, "k", [_entry(EntryKind.APPROVED)])
    assert len(living.approvals(COMPANY, 10)) == (1 if step == "before" else 2)
    assert living.approval(COMPANY, kept.approval_id).holds(NOW) is (step == "before")


def test_another_policy_is_noted_once_however_many_start(engine: Engine) -> None:
    entry = _entry(EntryKind.POLICY_CHANGED)
    start = threading.Barrier(6)

    def note(_: int) -> bool:
        start.wait()
        return note_policy(engine, OPEN, to_second(NOW), entry)

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(note, range(6))) == [False] * 5 + [True]
    assert note_policy(engine, CLOSED, to_second(NOW), entry)
    assert note_policy(engine, OPEN, to_second(NOW), entry), "a policy that comes back is another than the one before"
    assert not note_policy(engine, OPEN, to_second(NOW), entry)
    with engine.connect() as connection:
        query = select(policies.c.sha256).order_by(policies.c.number)
        assert list(connection.execute(query).scalars()) == [OPEN.sha256, CLOSED.sha256, OPEN.sha256]
        assert connection.execute(select(func.count()).select_from(log_entries)).scalar_one() == 3
    assert SqlApprovalStore(engine).policy(CLOSED.sha256) == canonical_json(CLOSED.fields())
    with pytest.raises(NotFound):
        SqlApprovalStore(engine).policy("0" * 64)
