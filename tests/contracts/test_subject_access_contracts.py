"""What the store of links and sessions must do, in both kinds of database."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine
from tests.storage_rig import COMPANY, NOW, OTHER_COMPANY, a_person, created, some_faces, stored_bytes

from moretta.core.clock import to_second
from moretta.core.errors import CodeUsed, NotFound, PersonErased, RateLimited
from moretta.core.ledger import EntryKind, LogEntry
from moretta.core.recognition import Collection, IdKind, Person, new_id
from moretta.core.subject_access import (
    LINKS_PER_DAY,
    IssuedLink,
    SessionToken,
    SubjectLink,
    SubjectSession,
    code_hash,
    new_code,
    new_link_id,
    new_session,
    session_hash,
)
from moretta.keys.envelope import Envelope
from moretta.keys.memory import MemoryKeyService
from moretta.storage.ledger.store import SqlLedger
from moretta.storage.recognition.store import SqlRecognitionStore
from moretta.storage.subjects.store import SqlSubjectAccessStore


@pytest.fixture
def people(engine: Engine) -> Iterator[SqlRecognitionStore]:
    store = SqlRecognitionStore(engine, Envelope(MemoryKeyService()), clock=lambda: NOW)
    yield store
    store.close()


@pytest.fixture
def store(engine: Engine) -> SqlSubjectAccessStore:
    return SqlSubjectAccessStore(engine)


@pytest.fixture
def collection(people: SqlRecognitionStore) -> Collection:
    return created(people)


@pytest.fixture
def person(people: SqlRecognitionStore, collection: Collection) -> Person:
    person = a_person(collection)
    people.enrol(collection, person, some_faces(1))
    return person


def issued(person: Person, **changed: object) -> IssuedLink:
    link_id, code = new_link_id("local"), new_code()
    link = SubjectLink(
        link_id, person.company_id, person.person_id, code_hash(link_id, code), "cli", NOW, NOW + timedelta(days=7)
    )
    return IssuedLink(replace(link, **changed), code)  # type: ignore[arg-type]


def opened(person: Person, **changed: object) -> tuple[SessionToken, SubjectSession]:
    token = new_session("local")
    session = SubjectSession(token.session_id, COMPANY, person.person_id, session_hash(token), NOW, NOW)
    return token, replace(session, **changed)  # type: ignore[arg-type]


def told(kind: EntryKind = EntryKind.SUBJECT_LINK) -> list[LogEntry]:
    return [LogEntry(kind, to_second(NOW), COMPANY)]


def test_a_link_and_a_session_are_read_back_as_they_were_kept(store: SqlSubjectAccessStore, person: Person) -> None:
    link, (_, session) = issued(person).link, opened(person)
    store.add_link(link)
    store.open_session(link.link_id, session)
    assert store.link(link.link_id) == replace(link, used_at=NOW)
    assert store.session(session.session_id) == session


def test_a_link_is_used_once(store: SqlSubjectAccessStore, person: Person) -> None:
    link = issued(person).link
    store.add_link(link)
    store.open_session(link.link_id, opened(person)[1])
    _, second = opened(person)
    with pytest.raises(CodeUsed):
        store.open_session(link.link_id, second)
    with pytest.raises(NotFound):
        store.session(second.session_id)


def test_of_several_uses_at_once_one_opens_a_session(store: SqlSubjectAccessStore, person: Person) -> None:
    link = issued(person).link
    store.add_link(link)
    sessions = [opened(person)[1] for _ in range(6)]

    def use(session: SubjectSession) -> bool:
        try:
            store.open_session(link.link_id, session, told(EntryKind.SUBJECT_VISIT))
        except CodeUsed:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(use, sessions)) == 1


def test_neither_code_nor_token_is_in_the_database(
    engine: Engine, store: SqlSubjectAccessStore, person: Person
) -> None:
    made, (token, session) = issued(person), opened(person)
    store.add_link(made.link)
    store.open_session(made.link.link_id, session)
    kept = stored_bytes(engine)
    assert made.link.secret_hash in kept
    for secret in (made.code, made.code.replace("-", ""), token.secret, token.text):
        assert secret.encode() not in kept


def test_the_log_tells_a_link_and_a_visit_in_their_transactions(
    engine: Engine, store: SqlSubjectAccessStore, person: Person
) -> None:
    log, link = SqlLedger(engine), issued(person).link
    before = log.head().size
    store.add_link(link, told())
    store.open_session(link.link_id, opened(person)[1], told(EntryKind.SUBJECT_VISIT))
    with pytest.raises(CodeUsed):
        store.open_session(link.link_id, opened(person)[1], told(EntryKind.SUBJECT_VISIT))
    assert log.head().size == before + 2


def test_a_crash_before_the_commit_leaves_the_code_unused(engine: Engine, person: Person) -> None:
    def dies(at: str) -> None:
        if at == "subject-session:before-commit":
            raise KeyboardInterrupt

    link, store = issued(person).link, SqlSubjectAccessStore(engine, dies)
    store.add_link(link)
    _, session = opened(person)
    with pytest.raises(KeyboardInterrupt):
        store.open_session(link.link_id, session, told())
    assert store.link(link.link_id).used_at is None
    SqlSubjectAccessStore(engine).open_session(link.link_id, session)


def test_wrong_codes_are_counted(store: SqlSubjectAccessStore, person: Person) -> None:
    link = issued(person).link
    store.add_link(link)
    store.wrong_code(link.link_id)
    store.wrong_code(link.link_id)
    assert store.link(link.link_id).wrong == 2


def test_only_so_many_links_are_made_for_one_person_within_a_day(
    store: SqlSubjectAccessStore, people: SqlRecognitionStore, collection: Collection, person: Person
) -> None:
    for _ in range(LINKS_PER_DAY):
        store.add_link(issued(person).link)
    with pytest.raises(RateLimited):
        store.add_link(issued(person).link)
    other = a_person(collection, "Max Mustermann")
    people.enrol(collection, other, some_faces(1))
    store.add_link(issued(other).link)
    store.add_link(issued(person, created_at=NOW + timedelta(days=1, seconds=1)).link)


def test_a_link_is_for_a_person_who_is_there(
    store: SqlSubjectAccessStore, people: SqlRecognitionStore, person: Person
) -> None:
    with pytest.raises(NotFound):
        store.add_link(issued(replace(person, person_id=new_id(IdKind.PERSON, "local"))).link)
    with pytest.raises(NotFound):
        store.add_link(issued(replace(person, company_id=OTHER_COMPANY)).link)
    people.delete_person(COMPANY, person.person_id)
    with pytest.raises(PersonErased):
        store.add_link(issued(person).link)


def test_an_erased_person_has_no_link_but_their_session_goes_on(
    store: SqlSubjectAccessStore, people: SqlRecognitionStore, person: Person
) -> None:
    used, unused, (_, session) = issued(person).link, issued(person).link, opened(person)
    store.add_link(used)
    store.add_link(unused)
    store.open_session(used.link_id, session)
    people.delete_person(COMPANY, person.person_id)
    for link in (used, unused):
        with pytest.raises(NotFound):
            store.link(link.link_id)
    assert store.session(session.session_id) == session


def test_links_go_with_their_collection(
    store: SqlSubjectAccessStore, people: SqlRecognitionStore, collection: Collection, person: Person
) -> None:
    link = issued(person).link
    store.add_link(link)
    people.delete_collection(COMPANY, collection.collection_id)
    with pytest.raises(NotFound):
        store.link(link.link_id)


def test_when_a_session_was_seen_never_goes_back(store: SqlSubjectAccessStore, person: Person) -> None:
    link, (_, session) = issued(person).link, opened(person)
    store.add_link(link)
    store.open_session(link.link_id, session)
    later = NOW + timedelta(minutes=2)
    store.seen(session.session_id, later)
    store.seen(session.session_id, NOW + timedelta(minutes=1))
    assert store.session(session.session_id).seen_at == later


def test_an_ended_session_is_forgotten(store: SqlSubjectAccessStore, person: Person) -> None:
    link, (_, session) = issued(person).link, opened(person)
    store.add_link(link)
    store.open_session(link.link_id, session)
    store.end_session(session.session_id)
    store.end_session(session.session_id)
    with pytest.raises(NotFound):
        store.session(session.session_id)


def test_what_is_over_is_forgotten_on_the_way(store: SqlSubjectAccessStore, person: Person) -> None:
    link, (_, session) = issued(person).link, opened(person)
    store.add_link(link)
    store.open_session(link.link_id, session)
    store.add_link(issued(person, created_at=NOW + timedelta(days=9), expires_at=NOW + timedelta(days=16)).link)
    with pytest.raises(NotFound):
        store.link(link.link_id)
    with pytest.raises(NotFound):
        store.session(session.session_id)
