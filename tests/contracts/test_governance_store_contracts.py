"""What the stores of retention, holds and incidents must do, in both kinds of database, also where the process dies."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, text
from tests.storage_rig import COMPANY, NOW, OTHER_COMPANY, a_person, created, snapshot, some_faces, stored_bytes

from moretta.core.audit import SearchKind, SearchRecord, new_search_id
from moretta.core.clock import to_second
from moretta.core.errors import Conflict, NotFound, PersonErased, PersonHeld
from moretta.core.incidents import AffectedQuery, BreachKind, Decision, Incident, Risk
from moretta.core.ledger import EntryKind, LogEntry
from moretta.core.recognition import Collection, CollectionState, IdKind, Person, PersonState, new_id
from moretta.core.retention import CountsFrom, Deadlines, Hold, RetentionRule, RetentionRun
from moretta.keys.envelope import Envelope
from moretta.keys.memory import MemoryKeyService
from moretta.storage.governance.incidents import SqlIncidentStore
from moretta.storage.governance.retention import SqlRetentionStore
from moretta.storage.ledger.audit import SqlAuditStore
from moretta.storage.ledger.store import SqlLedger
from moretta.storage.recognition.store import SqlRecognitionStore

DAY = timedelta(days=1)
TOLD = LogEntry(EntryKind.HELD, to_second(NOW), COMPANY)


class Killed(Exception):
    """The process ends here."""


@pytest.fixture
def moment() -> list[datetime]:
    """When it is; a test may change it."""
    return [NOW]


@pytest.fixture
def cipher() -> Envelope:
    return Envelope(MemoryKeyService())


@pytest.fixture
def people(engine: Engine, cipher: Envelope, moment: list[datetime]) -> Iterator[SqlRecognitionStore]:
    store = SqlRecognitionStore(engine, cipher, clock=lambda: moment[0])
    yield store
    store.close()


@pytest.fixture
def store(engine: Engine, cipher: Envelope) -> SqlRetentionStore:
    return SqlRetentionStore(engine, cipher)


@pytest.fixture
def register(engine: Engine) -> SqlIncidentStore:
    return SqlIncidentStore(engine)


@pytest.fixture
def collection(people: SqlRecognitionStore) -> Collection:
    return created(people)


def enrolled(
    people: SqlRecognitionStore, collection: Collection, at: datetime = NOW, photo: str | None = None
) -> Person:
    person = replace(a_person(collection), created_at=at)
    if photo is not None:
        people.announce_blob(photo)
    people.enrol(collection, person, some_faces(photo_id=photo))
    return person


def a_hold(person: Person) -> Hold:
    return Hold(
        new_id(IdKind.HOLD, "local"),
        COMPANY,
        person.person_id,
        person.collection_id,
        "case 7",
        "counsel",
        "key1",
        NOW,
        NOW + DAY,
    )


def an_incident(company_id: str = COMPANY) -> Incident:
    return Incident(
        new_id(IdKind.INCIDENT, "local"),
        company_id,
        1,
        "a laptop was stolen",
        frozenset({BreachKind.CONFIDENTIALITY, BreachKind.AVAILABILITY}),
        NOW,
        "key1",
        began_at=NOW - DAY,
        data_categories=("templates", "names"),
        affected=AffectedQuery("col", "local", NOW - DAY, NOW, "key1"),
        people=3,
        risk=Risk.HIGH,
        decisions=(Decision(NOW, "key1", "tell the authority"),),
    )


def searched(
    engine: Engine,
    collection: Collection,
    at: datetime,
    *matched: Person,
    claimed: Person | None = None,
    by: str = "key1",
) -> None:
    record = SearchRecord(
        new_search_id(),
        SearchKind.SEARCH if claimed is None else SearchKind.VERIFY,
        collection.collection_id,
        collection.company_id,
        to_second(at),
        collection.purpose,
        by,
        5,
        None if claimed is None else claimed.person_id,
        tuple(one.person_id for one in matched),
    )
    SqlAuditStore(engine).record(record, [LogEntry(EntryKind.SEARCHED, to_second(at), collection.company_id)])


def test_a_collection_without_a_rule_has_the_safe_one_and_keeps_what_is_set(
    store: SqlRetentionStore, collection: Collection
) -> None:
    assert store.rule(collection.collection_id) == RetentionRule(collection.collection_id)
    for days in (7, None):
        rule = RetentionRule(collection.collection_id, CountsFrom.ENROLMENT, days, NOW + DAY, bipa=False)
        store.set_rule(COMPANY, rule)
        assert store.rule(collection.collection_id) == rule
    with pytest.raises(NotFound):
        store.set_rule(OTHER_COMPANY, RetentionRule(collection.collection_id))


def test_a_person_is_over_their_time_counted_from_the_last_enrolment(
    store: SqlRetentionStore, people: SqlRecognitionStore, collection: Collection, moment: list[datetime]
) -> None:
    moment[0] = NOW - 10 * DAY
    old, renewed = (enrolled(people, collection, NOW - 10 * DAY) for _ in range(2))
    moment[0] = NOW - DAY
    people.enrol(collection, renewed, some_faces())
    limits = Deadlines(enrolled=NOW - 5 * DAY)
    assert store.overdue_persons(collection.collection_id, limits, 10) == [old.person_id]
    assert store.overdue_persons(collection.collection_id, Deadlines(enrolled=NOW - 11 * DAY), 10) == []


def test_a_match_is_an_interaction_and_a_failed_verification_is_none(
    engine: Engine,
    store: SqlRetentionStore,
    people: SqlRecognitionStore,
    collection: Collection,
    moment: list[datetime],
) -> None:
    moment[0] = NOW - 10 * DAY
    met, refused, unseen = (enrolled(people, collection, NOW - 10 * DAY) for _ in range(3))
    searched(engine, collection, NOW - DAY, met)
    searched(engine, collection, NOW - DAY, claimed=refused)
    limits = Deadlines(interacted=NOW - 5 * DAY)
    assert store.overdue_persons(collection.collection_id, limits, 10) == sorted([refused.person_id, unseen.person_id])
    by_enrolment = Deadlines(enrolled=NOW - 5 * DAY)
    assert len(store.overdue_persons(collection.collection_id, by_enrolment, 10)) == 3


def test_everybody_is_over_their_time_when_the_purpose_ends_and_pages_go_on(
    store: SqlRetentionStore, people: SqlRecognitionStore, collection: Collection
) -> None:
    ids = sorted(enrolled(people, collection).person_id for _ in range(3))
    limits = Deadlines(everybody=True)
    first = store.overdue_persons(collection.collection_id, limits, 2)
    assert first == ids[:2]
    assert store.overdue_persons(collection.collection_id, limits, 2, first[-1]) == ids[2:]
    assert store.overdue_persons(collection.collection_id, Deadlines(), 2) == []


def test_photos_over_their_time_leave_their_faces_and_wait_to_be_deleted(
    store: SqlRetentionStore, people: SqlRecognitionStore, collection: Collection, moment: list[datetime]
) -> None:
    moment[0] = NOW - 10 * DAY
    old, held = (enrolled(people, collection, NOW - 10 * DAY, photo) for photo in ("photo1", "photo2"))
    moment[0] = NOW
    enrolled(people, collection, NOW, "photo3")
    store.place(a_hold(held))
    found = store.overdue_photos(collection.collection_id, Deadlines(photos=NOW - 5 * DAY), 10)
    assert [(one.person_id, one.photo_id) for one in found] == [(old.person_id, "photo1")]
    assert store.drop_photos(collection.collection_id, ["photo1", "photo2"]) == 1
    assert people.unfinished().blobs == ("photo1",)
    assert [face.photo_id for face in people.faces(COMPANY, old.person_id)] == [None]
    assert [face.photo_id for face in people.faces(COMPANY, held.person_id)] == ["photo2"]
    assert store.drop_photos(collection.collection_id, ["photo1"]) == 0


def test_nothing_of_a_held_person_can_be_deleted_until_the_hold_is_released(
    store: SqlRetentionStore, people: SqlRecognitionStore, collection: Collection
) -> None:
    person = enrolled(people, collection)
    face = people.faces(COMPANY, person.person_id)[0]
    kept = store.place(a_hold(person))
    assert people.person(COMPANY, person.person_id).state is PersonState.RESTRICTED
    assert people.excluded_rows(collection.collection_id) == [face.row]
    forbidden: list[Callable[[], object]] = [
        lambda: people.delete_person(COMPANY, person.person_id),
        lambda: people.delete_face(COMPANY, face.face_id),
        lambda: people.delete_collection(COMPANY, collection.collection_id),
        lambda: people.update_collection(replace(collection, state=CollectionState.DELETED)),
        lambda: people.update_person(replace(person, state=PersonState.ACTIVE)),
        lambda: people.enrol(collection, person, some_faces(), replaces=[face.face_id]),
    ]
    for act in forbidden:
        with pytest.raises(PersonHeld):
            act()
    released = store.release(replace(kept, released_at=NOW, released_by="key1", release_reason="settled"))
    assert not released.holds
    assert people.person(COMPANY, person.person_id).state is PersonState.RESTRICTED
    assert store.hold(COMPANY, kept.hold_id) == released
    people.delete_person(COMPANY, person.person_id)
    wordless = replace(released, reason="", placed_by="", release_reason="")
    assert store.hold(COMPANY, kept.hold_id) == wordless
    assert store.holds(COMPANY, 10) == [wordless]


def test_the_words_of_a_hold_stand_in_no_stored_byte(
    engine: Engine, store: SqlRetentionStore, people: SqlRecognitionStore, collection: Collection
) -> None:
    person = enrolled(people, collection)
    kept = store.place(replace(a_hold(person), reason="marked-reason", placed_by="marked-office"))
    store.release(replace(kept, released_at=NOW, released_by="key1", release_reason="marked-release"))
    found = stored_bytes(engine)
    assert kept.hold_id.encode() in found
    assert b"marked" not in found


def test_the_database_itself_refuses_to_delete_a_held_person(
    engine: Engine, store: SqlRetentionStore, people: SqlRecognitionStore, collection: Collection
) -> None:
    person = replace(a_person(collection))
    people.enrol(collection, person, some_faces())
    store.place(a_hold(person))
    from sqlalchemy.exc import IntegrityError

    with pytest.raises(IntegrityError), engine.execution_options(moretta_writes=True).begin() as connection:
        for table in ("faces", "comparable_since", "subject_keys", "persons"):
            connection.execute(text(f"DELETE FROM {table} WHERE person_id = :id"), {"id": person.person_id})


def test_a_person_is_held_once_at_a_time_and_can_be_held_again(
    store: SqlRetentionStore, people: SqlRecognitionStore, collection: Collection
) -> None:
    person = enrolled(people, collection)
    first = store.place(a_hold(person))
    assert store.hold_on(person.person_id) == first
    with pytest.raises(Conflict):
        store.place(a_hold(person))
    released = replace(first, released_at=NOW, released_by="key1", release_reason="settled")
    store.release(released)
    with pytest.raises(Conflict):
        store.release(released)
    assert store.hold_on(person.person_id) is None
    second = store.place(a_hold(person))
    assert second.before is PersonState.RESTRICTED
    assert store.holds(COMPANY, 10, active=True) == [second]
    assert len(store.holds(COMPANY, 10)) == 2
    assert store.holds(OTHER_COMPANY, 10) == []
    with pytest.raises(NotFound):
        store.hold(OTHER_COMPANY, first.hold_id)


def test_a_hold_and_a_deletion_at_the_same_moment_never_both_succeed(
    store: SqlRetentionStore, people: SqlRecognitionStore, collection: Collection
) -> None:
    def attempted(act: Callable[[], object]) -> bool:
        try:
            act()
        except (PersonHeld, PersonErased):
            return False
        return True

    for _ in range(6):
        person = enrolled(people, collection)
        hold = a_hold(person)
        with ThreadPoolExecutor(2) as pool:
            placing = pool.submit(attempted, partial(store.place, hold))
            deleting = pool.submit(attempted, partial(people.delete_person, COMPANY, person.person_id))
        assert placing.result() is not deleting.result()
        assert (store.hold_on(person.person_id) is not None) is placing.result()


def test_nobody_who_is_gone_or_of_another_company_can_be_held(
    store: SqlRetentionStore, people: SqlRecognitionStore, collection: Collection
) -> None:
    person = enrolled(people, collection)
    with pytest.raises(NotFound):
        store.place(replace(a_hold(person), company_id=OTHER_COMPANY))
    people.delete_person(COMPANY, person.person_id)
    with pytest.raises(PersonErased):
        store.place(a_hold(person))


def test_reports_of_sweeps_are_the_companys_own(store: SqlRetentionStore) -> None:
    run = RetentionRun(new_id(IdKind.RETENTION_RUN, "local"), COMPANY, NOW, b"{}")
    store.keep_run(run)
    assert store.runs(COMPANY, 5) == [run]
    assert store.runs(COMPANY, 5, run.run_id) == store.runs(OTHER_COMPANY, 5) == []


def test_an_incident_is_kept_whole_with_every_revision(register: SqlIncidentStore) -> None:
    first = an_incident()
    register.keep(first)
    second = replace(first, revision=2, authority_notified_at=NOW, measures="keys were changed")
    register.keep(second)
    other = an_incident()
    register.keep(other)
    assert register.history(COMPANY, first.incident_id) == [first, second]
    assert register.incident(COMPANY, first.incident_id) == second
    assert register.incidents(COMPANY, 10) == sorted([second, other], key=lambda one: one.incident_id)
    assert register.incidents(OTHER_COMPANY, 10) == []
    with pytest.raises(NotFound):
        register.incident(OTHER_COMPANY, first.incident_id)
    for revision in (1, 2, 4):
        with pytest.raises(Conflict):
            register.keep(replace(second, revision=revision))


def test_the_affected_are_found_by_collection_time_and_key(
    engine: Engine,
    register: SqlIncidentStore,
    people: SqlRecognitionStore,
    collection: Collection,
    moment: list[datetime],
) -> None:
    another = created(people)
    foreign = created(people, company_id=OTHER_COMPANY)
    early, late, elsewhere = (
        enrolled(people, where, at)
        for where, at in ((collection, NOW - 9 * DAY), (collection, NOW), (another, NOW - 9 * DAY))
    )
    people.enrol(foreign, a_person(foreign), some_faces())
    searched(engine, collection, NOW - 3 * DAY, early, by="stolen")
    searched(engine, collection, NOW - 3 * DAY, late, by="another")

    def met(**query: object) -> set[str]:
        return set(register.affected(COMPANY, AffectedQuery(**query), 10).person_ids)  # type: ignore[arg-type]

    assert met() == {early.person_id, late.person_id, elsewhere.person_id}
    assert met(collection_id=collection.collection_id) == {early.person_id, late.person_id}
    assert met(until=NOW - DAY) == {early.person_id, elsewhere.person_id}
    assert met(key_id="stolen") == {early.person_id}
    assert met(key_id="stolen", since=NOW - DAY) == met(key_id="stolen", until=NOW - 8 * DAY) == set()
    assert met(key_id=another.key_id) == {elsewhere.person_id}


def test_the_affected_come_in_pages_and_the_erased_are_counted_alone(
    register: SqlIncidentStore, people: SqlRecognitionStore, collection: Collection
) -> None:
    ids = sorted(enrolled(people, collection).person_id for _ in range(4))
    people.delete_person(COMPANY, ids[3])
    first = register.affected(COMPANY, AffectedQuery(since=NOW - DAY), 2)
    assert (first.person_ids, first.following, first.erased) == (tuple(ids[:2]), ids[1], 1)
    second = register.affected(COMPANY, AffectedQuery(), 2, first.following)
    assert (second.person_ids, second.following) == ((ids[2],), None)
    assert register.affected(COMPANY, AffectedQuery(since=NOW + DAY), 2).erased == 0


WRITES = ["set_rule", "drop_photos", "place", "release", "keep_run", "incident"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("what", WRITES)
def test_a_write_whose_process_dies_happened_with_its_entry_or_did_not(
    engine: Engine, cipher: Envelope, people: SqlRecognitionStore, collection: Collection, what: str, when: str
) -> None:
    person = enrolled(people, collection, NOW, "photo1")
    held = enrolled(people, collection)
    kept = SqlRetentionStore(engine, cipher).place(a_hold(held))

    def kill(step: str) -> None:
        if step == f"{what}:{when}-commit":
            raise Killed

    dying, register = SqlRetentionStore(engine, cipher, kill), SqlIncidentStore(engine, kill)
    acts: dict[str, Callable[[], object]] = {
        "set_rule": lambda: dying.set_rule(COMPANY, RetentionRule(collection.collection_id, photo_days=3), [TOLD]),
        "drop_photos": lambda: dying.drop_photos(collection.collection_id, ["photo1"], [TOLD]),
        "place": lambda: dying.place(a_hold(person), [TOLD]),
        "release": lambda: dying.release(
            replace(kept, released_at=NOW, released_by="key1", release_reason="settled"), [TOLD]
        ),
        "keep_run": lambda: dying.keep_run(
            RetentionRun(new_id(IdKind.RETENTION_RUN, "local"), COMPANY, NOW, b"{}"), [TOLD]
        ),
        "incident": lambda: register.keep(an_incident(), [TOLD]),
    }
    SqlLedger(engine).append([TOLD])
    size, before = SqlLedger(engine).head().size, snapshot(engine)
    with pytest.raises(Killed):
        acts[what]()
    happened = when == "after"
    assert (snapshot(engine) != before) is happened
    assert SqlLedger(engine).head().size == size + happened
