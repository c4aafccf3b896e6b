"""What a store of deliveries must do, in both kinds of database, also beside other processes and where one dies at a write."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from tests.storage_rig import COMPANY, OTHER_COMPANY, a_person, created, some_faces

from moretta.core.callbacks import Claim, DeliveryCounts, Receiver
from moretta.core.ledger import EntryKind, LogEntry
from moretta.core.recognition import IdKind, Person, new_id
from moretta.core.rights import NoticeEvent, RequestedBy, RequestState, Right, RightsRequest, due_at
from moretta.keys.envelope import Envelope
from moretta.keys.memory import MemoryKeyService
from moretta.storage.ledger.store import SqlLedger
from moretta.storage.recognition.store import SqlRecognitionStore
from moretta.storage.rights.deliveries import SqlDeliveryStore
from moretta.storage.rights.requests import SqlRightsStore

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LEASE = timedelta(minutes=5)
DESK, CRM = Receiver("desk", frozenset({COMPANY})), Receiver("crm", frozenset({COMPANY}))


class Died(BaseException):
    """The process ended here."""


def entry() -> LogEntry:
    return LogEntry(EntryKind.NOTIFIED, "2026-01-02T03:04:05Z", COMPANY)


@pytest.fixture
def requests(engine: Engine) -> SqlRightsStore:
    return SqlRightsStore(engine, Envelope(MemoryKeyService()))


@pytest.fixture
def store(engine: Engine) -> SqlDeliveryStore:
    return SqlDeliveryStore(engine)


@pytest.fixture
def tell(engine: Engine) -> Callable[[str], None]:
    """Keeps a message with these words in the place of a signature."""
    cipher = Envelope(MemoryKeyService())
    people, requests = SqlRecognitionStore(engine, cipher), SqlRightsStore(engine, cipher)
    collection = created(people)
    person: Person = a_person(collection)
    people.enrol(collection, person, some_faces(1))
    people.close()

    def kept(jws: str) -> None:
        request = RightsRequest(
            request_id=new_id(IdKind.REQUEST, "local"),
            company_id=COMPANY,
            person_id=person.person_id,
            right=Right.ACCESS,
            state=RequestState.RECEIVED,
            by=RequestedBy.OPERATOR,
            received_at=NOW,
            due_at=due_at(NOW),
        )
        requests.open_request(request, (NoticeEvent.RECEIVED, jws), [])

    return kept


def claimed(store: SqlDeliveryStore, receiver: Receiver = DESK, at: datetime = NOW, *, early: bool = False) -> Claim:
    found = store.claim(receiver, at, at + LEASE, early=early)
    assert found is not None
    return found


def nothing_due(store: SqlDeliveryStore, receiver: Receiver = DESK, at: datetime = NOW, *, early: bool = False) -> bool:
    return store.claim(receiver, at, at + LEASE, early=early) is None


def test_messages_are_claimed_in_their_order_each_by_one(store: SqlDeliveryStore, tell: Callable[[str], None]) -> None:
    assert nothing_due(store)
    tell("a.b.c")
    tell("d.e.f")
    found = [claimed(store), claimed(store)]
    assert [(one.jws, one.attempt, one.event) for one in found] == [
        ("a.b.c", 1, NoticeEvent.RECEIVED),
        ("d.e.f", 1, NoticeEvent.RECEIVED),
    ]
    assert nothing_due(store)
    assert nothing_due(store, early=True), "early ends no lease"
    assert claimed(store, CRM).jws == "a.b.c", "another receiver waits for nobody"


def test_a_receiver_gets_its_own_companies_messages_alone(store: SqlDeliveryStore, tell: Callable[[str], None]) -> None:
    tell("a.b.c")
    stranger = Receiver("stranger", frozenset({OTHER_COMPANY}))
    assert nothing_due(store, stranger)
    assert store.counts(stranger) == DeliveryCounts()
    assert store.counts(DESK) == DeliveryCounts(waiting=1)


def test_a_lease_that_is_over_is_taken_over_and_counted(store: SqlDeliveryStore, tell: Callable[[str], None]) -> None:
    tell("a.b.c")
    first = claimed(store)
    assert nothing_due(store, at=NOW + LEASE - timedelta(seconds=1))
    second = claimed(store, at=NOW + LEASE)
    assert (second.number, second.jws, second.attempt) == (first.number, first.jws, 2)
    store.later(first, NOW, "late")
    store.given_up(first, NOW, "late", [entry()])
    assert nothing_due(store, at=NOW + LEASE), "whoever lost the lease changes nothing"
    assert store.counts(DESK) == DeliveryCounts(waiting=1)


def test_a_message_waits_until_it_is_due(store: SqlDeliveryStore, tell: Callable[[str], None]) -> None:
    tell("a.b.c")
    soon = NOW + timedelta(minutes=1)
    store.later(claimed(store), soon, "status 503")
    assert nothing_due(store)
    assert claimed(store, early=True).attempt == 2, "an operator need not wait"
    store.later(claimed(store, at=NOW + LEASE), NOW + 2 * LEASE, "no answer")
    assert nothing_due(store, at=NOW + LEASE)
    assert claimed(store, at=NOW + 2 * LEASE).attempt == 4


def test_a_message_is_delivered_once_all_receivers_took_it(
    engine: Engine, store: SqlDeliveryStore, requests: SqlRightsStore, tell: Callable[[str], None]
) -> None:
    tell("a.b.c")
    log = SqlLedger(engine)
    everyone = ("desk", "crm")
    mine = claimed(store)
    size = log.head().size
    for _ in range(2):
        store.taken(mine, NOW, everyone, [entry()])
    assert log.head().size == size + 1, "the second time nothing is logged"
    assert len(requests.notices(COMPANY, 10)) == 1
    assert nothing_due(store, at=NOW + 2 * LEASE)
    store.taken(claimed(store, CRM), NOW, everyone, [entry()])
    assert requests.notices(COMPANY, 10) == []
    assert store.counts(DESK) == store.counts(CRM) == DeliveryCounts()
    assert store.attempts() == {"desk": 1, "crm": 1}


def test_what_is_said_to_be_delivered_by_hand_is_sent_to_nobody(
    store: SqlDeliveryStore, requests: SqlRightsStore, tell: Callable[[str], None]
) -> None:
    tell("a.b.c")
    (notice,) = requests.notices(COMPANY, 10)
    requests.delivered(COMPANY, notice.number, NOW)
    assert nothing_due(store)
    assert store.counts(DESK) == DeliveryCounts()


def test_what_was_given_up_is_tried_again_from_the_start_when_asked(
    store: SqlDeliveryStore, requests: SqlRightsStore, tell: Callable[[str], None]
) -> None:
    tell("a.b.c")
    store.later(claimed(store), NOW, "status 500")
    store.given_up(claimed(store), NOW, "status 400", [entry()])
    assert nothing_due(store, at=NOW + 9 * LEASE, early=True)
    assert store.counts(DESK) == DeliveryCounts(given_up=1)
    assert len(requests.notices(COMPANY, 10)) == 1, "an operator still sees it"
    assert store.again(CRM, NOW) == 0
    assert store.again(DESK, NOW) == 1
    assert claimed(store).attempt == 1
    assert store.attempts() == {"desk": 3}


def test_one_that_was_taken_after_its_lease_was_lost_is_taken(
    store: SqlDeliveryStore, tell: Callable[[str], None]
) -> None:
    tell("a.b.c")
    slow = claimed(store)
    other = claimed(store, at=NOW + LEASE)
    store.given_up(other, NOW, "status 400", [entry()])
    store.taken(slow, NOW, ("desk",), [entry()])
    assert store.counts(DESK) == DeliveryCounts()
    assert store.again(DESK, NOW) == 0


def test_many_senders_beside_each_other_get_each_message_once(
    engine: Engine, store: SqlDeliveryStore, tell: Callable[[str], None]
) -> None:
    for number in range(12):
        tell(f"{number}.b.c")

    def drain(_: int) -> list[str]:
        mine, found = SqlDeliveryStore(engine), []
        while (claim := mine.claim(DESK, NOW, NOW + LEASE)) is not None:
            found.append(claim.jws)
        return found

    with ThreadPoolExecutor(4) as pool:
        got = [jws for found in pool.map(drain, range(4)) for jws in found]
    assert sorted(got) == sorted(f"{number}.b.c" for number in range(12))
    assert store.attempts() == {"desk": 12}


def test_two_receivers_that_take_a_message_at_once_deliver_it(
    engine: Engine, store: SqlDeliveryStore, requests: SqlRightsStore, tell: Callable[[str], None]
) -> None:
    for number in range(6):
        tell(f"{number}.b.c")

    def take(receiver: Receiver) -> None:
        mine = SqlDeliveryStore(engine)
        while (claim := mine.claim(receiver, NOW, NOW + LEASE)) is not None:
            mine.taken(claim, NOW, ("desk", "crm"), [entry()])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(take, [DESK, CRM]))
    assert requests.notices(COMPANY, 10) == []


@pytest.mark.parametrize("moment", ["before-commit", "after-commit"])
@pytest.mark.parametrize("what", ["claim-notice", "notice-taken", "notice-later", "notice-given-up", "notices-again"])
def test_a_write_of_a_delivery_happened_whole_or_not_at_all(
    engine: Engine,
    store: SqlDeliveryStore,
    requests: SqlRightsStore,
    tell: Callable[[str], None],
    what: str,
    moment: str,
) -> None:
    def dies(name: str) -> None:
        if name == f"{what}:{moment}":
            raise Died(name)

    tell("a.b.c")
    dying, log, done = SqlDeliveryStore(engine, dies), SqlLedger(engine), moment == "after-commit"
    mine = None if what == "claim-notice" else claimed(store)
    if what == "notices-again":
        assert mine is not None
        store.given_up(mine, NOW, "status 400", [])
    size = log.head().size
    with pytest.raises(Died):
        if mine is None:
            dying.claim(DESK, NOW, NOW + LEASE)
        elif what == "notice-taken":
            dying.taken(mine, NOW, ("desk",), [entry()])
        elif what == "notice-later":
            dying.later(mine, NOW, "status 503")
        elif what == "notice-given-up":
            dying.given_up(mine, NOW, "status 400", [entry()])
        else:
            dying.again(DESK, NOW)
    assert log.head().size == size + (done and what in {"notice-taken", "notice-given-up"})
    assert (requests.notices(COMPANY, 10) == []) is (done and what == "notice-taken")
    # Whether the next one who asks gets it, at once or when the lease is over.
    at_once = {"claim-notice": not done, "notice-later": done, "notices-again": done}.get(what, False)
    assert nothing_due(store) is not at_once
    ended = (done and what in {"notice-taken", "notice-given-up"}) or (what == "notices-again" and not done)
    assert nothing_due(store, at=NOW + 2 * LEASE) is ended
