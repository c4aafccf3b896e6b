"""What a store of rights requests must do, in both kinds of database, also where the process dies at a write."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine
from tests.storage_rig import COMPANY, OTHER_COMPANY, a_person, created, some_faces, stored_bytes

from moretta.core.errors import Conflict, NotFound, PersonErased
from moretta.core.ledger import EntryKind, LogEntry
from moretta.core.recognition import IdKind, Person, new_id
from moretta.core.rights import (
    NoticeEvent,
    RequestDetails,
    RequestedBy,
    RequestState,
    Right,
    RightsRequest,
    due_at,
)
from moretta.keys.envelope import Envelope
from moretta.keys.memory import MemoryKeyService
from moretta.storage.ledger.store import SqlLedger
from moretta.storage.recognition.store import SqlRecognitionStore
from moretta.storage.rights.requests import SqlRightsStore

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECRET = "a secret reason that nobody may read"


class Died(BaseException):
    """The process ended here."""


def entry() -> LogEntry:
    return LogEntry(EntryKind.REQUEST, "2026-01-02T03:04:05Z", COMPANY)


@pytest.fixture
def cipher() -> Envelope:
    return Envelope(MemoryKeyService())


@pytest.fixture
def people(engine: Engine, cipher: Envelope) -> Iterator[SqlRecognitionStore]:
    store = SqlRecognitionStore(engine, cipher)
    yield store
    store.close()


@pytest.fixture
def person(people: SqlRecognitionStore) -> Person:
    collection = created(people)
    made = a_person(collection)
    people.enrol(collection, made, some_faces(1))
    return made


@pytest.fixture
def store(engine: Engine, cipher: Envelope) -> SqlRightsStore:
    return SqlRightsStore(engine, cipher)


def a_request(person: Person) -> RightsRequest:
    return RightsRequest(
        request_id=new_id(IdKind.REQUEST, "local"),
        company_id=person.company_id,
        person_id=person.person_id,
        right=Right.RECTIFICATION,
        state=RequestState.RECEIVED,
        by=RequestedBy.SUBJECT,
        received_at=NOW,
        due_at=due_at(NOW),
        details=RequestDetails((("name", "Änne"),), SECRET, ""),
    )


def opened(store: SqlRightsStore, person: Person) -> RightsRequest:
    request = a_request(person)
    store.open_request(request, (NoticeEvent.RECEIVED, "a.b.c"), [entry()])
    return request


def test_a_request_is_read_as_it_was_kept_and_its_words_are_sealed(
    engine: Engine, store: SqlRightsStore, person: Person
) -> None:
    request = opened(store, person)
    assert store.request(COMPANY, request.request_id) == request
    assert store.requests(COMPANY, 10) == [request]
    assert store.requests(COMPANY, 10, request.request_id) == []
    assert store.requests(COMPANY, 10, person_id=person.person_id, state=RequestState.RECEIVED) == [request]
    assert store.requests(COMPANY, 10, state=RequestState.REFUSED) == []
    assert SECRET.encode() not in stored_bytes(engine)


def test_another_company_sees_and_changes_nothing(store: SqlRightsStore, person: Person) -> None:
    request = opened(store, person)
    with pytest.raises(NotFound):
        store.request(OTHER_COMPANY, request.request_id)
    assert store.requests(OTHER_COMPANY, 10) == []
    assert store.notices(OTHER_COMPANY, 10) == []
    foreign = replace(request, company_id=OTHER_COMPANY, state=RequestState.REFUSED)
    with pytest.raises(NotFound):
        store.change_request(foreign, RequestState.RECEIVED, None, [])
    with pytest.raises(NotFound):
        store.delivered(OTHER_COMPANY, 1, NOW)


def test_a_change_that_comes_second_is_refused(store: SqlRightsStore, person: Person) -> None:
    request = opened(store, person)
    refused = replace(request, state=RequestState.REFUSED, closed_at=NOW)
    store.change_request(refused, RequestState.RECEIVED, (NoticeEvent.REFUSED, "d.e.f"), [entry()])
    with pytest.raises(Conflict):
        store.change_request(replace(request, state=RequestState.FULFILLED), RequestState.RECEIVED, None, [entry()])
    assert store.request(COMPANY, request.request_id) == refused
    assert [one.event for one in store.notices(COMPANY, 10)] == [NoticeEvent.RECEIVED, NoticeEvent.REFUSED]


def test_a_delivered_notice_is_listed_with_its_request_alone(store: SqlRightsStore, person: Person) -> None:
    request = opened(store, person)
    (notice,) = store.notices(COMPANY, 10)
    for moment in (NOW, datetime(2027, 1, 1, tzinfo=UTC)):
        store.delivered(COMPANY, notice.number, moment)
    assert store.notices(COMPANY, 10) == []
    (kept,) = store.notices(COMPANY, 10, request_id=request.request_id)
    assert kept == replace(notice, delivered_at=NOW)
    with pytest.raises(NotFound):
        store.delivered(COMPANY, notice.number + 1, NOW)


def test_what_is_sealed_goes_with_the_person_and_is_never_put_back(
    store: SqlRightsStore, people: SqlRecognitionStore, person: Person
) -> None:
    request = opened(store, person)
    people.delete_person(COMPANY, person.person_id)
    kept = store.request(COMPANY, request.request_id)
    assert kept == replace(request, details=RequestDetails())
    closed = replace(request, state=RequestState.FULFILLED, closed_at=NOW, certificate_id="cer_local_0")
    store.change_request(closed, RequestState.RECEIVED, None, [])
    assert store.request(COMPANY, request.request_id).details == RequestDetails()
    with pytest.raises(PersonErased):
        opened(store, person)


@pytest.mark.parametrize("what", ["open-request", "change-request"])
@pytest.mark.parametrize("moment", ["before-commit", "after-commit"])
def test_a_write_happened_whole_or_not_at_all(
    engine: Engine, cipher: Envelope, store: SqlRightsStore, person: Person, what: str, moment: str
) -> None:
    def dies(name: str) -> None:
        if name == f"{what}:{moment}":
            raise Died(name)

    request = a_request(person) if what == "open-request" else opened(store, person)
    dying, log = SqlRightsStore(engine, cipher, dies), SqlLedger(engine)
    entries = log.head().size
    notices = len(store.notices(COMPANY, 10))
    refused = replace(request, state=RequestState.REFUSED, closed_at=NOW)
    writes: dict[str, Callable[[], None]] = {
        "open-request": lambda: dying.open_request(request, (NoticeEvent.RECEIVED, "a.b.c"), [entry()]),
        "change-request": lambda: dying.change_request(
            refused, RequestState.RECEIVED, (NoticeEvent.REFUSED, "d.e.f"), [entry()]
        ),
    }
    with pytest.raises(Died):
        writes[what]()
    done = moment == "after-commit"
    assert log.head().size == entries + done
    assert len(store.notices(COMPANY, 10)) == notices + done
    if what == "open-request":
        assert len(store.requests(COMPANY, 10)) == done
    else:
        state = RequestState.REFUSED if done else RequestState.RECEIVED
        assert store.request(COMPANY, request.request_id).state is state
