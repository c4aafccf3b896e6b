"""Messages about requests reach their receivers: in order, at least once, whoever is down and wherever a process dies."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests import recognition_rig as rig

from moretta.core.callbacks import LEASE, MAX_ATTEMPTS, DeliveryCounts, Receiver, Reply, Sent, wait_after
from moretta.core.errors import RequestInvalid
from moretta.core.jws import parsed
from moretta.core.ledger import EntryKind
from moretta.core.protection import Scheme
from moretta.core.rights import Right
from moretta.use_cases.recognition.means import Means
from moretta.use_cases.rights import Rights
from moretta.use_cases.rights.deliver import PASS_S, Callbacks, Passed
from moretta.wiring.rights import rights_over

TAKEN, DOWN = Sent(Reply.TAKEN, "status 204"), Sent(Reply.LATER, "no answer")
REFUSED = Sent(Reply.REFUSED, "status 400")


class Died(BaseException):
    """The process ended here."""


@dataclass
class Post:
    """A `NoticeSender` whose receivers answer as told; `brought` is what each got, in order."""

    answers: dict[str, Sent] = field(default_factory=dict)
    brought: dict[str, list[str]] = field(default_factory=dict)

    def send(self, receiver: str, jws: str) -> Sent:
        self.brought.setdefault(receiver, []).append(jws)
        return self.answers.get(receiver, TAKEN)

    def told(self, receiver: str) -> list[str]:
        """The events that a receiver was told, in order."""
        return [json.loads(parsed(jws).payload)["event"] for jws in self.brought.get(receiver, [])]


@dataclass
class Desk:
    """A deployment with two receivers, whose clocks the test turns."""

    means: Means
    now: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    spent_s: float = 0.0
    post: Post = field(default_factory=Post)

    def __post_init__(self) -> None:
        self.means = replace(self.means, clock=lambda: self.now)
        self.rights: Rights = rights_over(self.means)
        both = [Receiver(name, frozenset({rig.COMPANY})) for name in ("desk", "crm")]
        self.callbacks = Callbacks(self.means, both, self.post, chance=lambda: 0.0, elapsed_s=lambda: self.spent_s)

    def entries(self) -> list[dict[str, str]]:
        log = self.means.regions["local"].log
        return [dict(one.entry.facts) for one in log.entries(0, 1000) if one.entry.kind is EntryKind.NOTIFIED]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with rig.opened(tmp_path / "place") as place:
        yield a_desk(place)


def a_desk(place: rig.Place) -> Desk:
    """With a request that was received and refused: two messages."""
    desk = Desk(place.means)
    made = place.recognition.create_collection(rig.COMPANY, "staff", "access", scheme=Scheme.ROTATED)
    anna = place.enrolled(made.collection_id, "anna")
    asked = desk.rights.open(rig.COMPANY, anna.person_id, Right.ACCESS)
    desk.rights.refuse(rig.COMPANY, asked.request_id, "manifestly unfounded")
    return desk


def test_messages_reach_every_receiver_in_order_and_are_delivered(desk: Desk) -> None:
    assert desk.callbacks.deliver("desk") == Passed(taken=2)
    assert len(desk.rights.notices(rig.COMPANY)) == 2, "the other one was not told yet"
    assert desk.callbacks.deliver("crm") == Passed(taken=2)
    assert desk.post.told("desk") == desk.post.told("crm") == ["received", "refused"]
    assert desk.rights.notices(rig.COMPANY) == []
    assert desk.callbacks.deliver("desk") == Passed()


def test_the_log_tells_who_was_told_of_which_request_and_of_no_person(desk: Desk) -> None:
    desk.callbacks.deliver("desk")
    (request,) = desk.rights.requests(rig.COMPANY)
    assert desk.entries() == [
        {"request": request.request_id, "event": event, "receiver": "desk", "reply": "taken", "attempts": "1"}
        for event in ("received", "refused")
    ]


def test_a_message_has_an_id_of_its_own_and_its_time(desk: Desk) -> None:
    desk.callbacks.deliver("desk")
    told = [json.loads(parsed(jws).payload) for jws in desk.post.brought["desk"]]
    (request,) = desk.rights.requests(rig.COMPANY)
    assert [one["jti"] for one in told] == [f"{request.request_id}.received", f"{request.request_id}.refused"]
    assert {one["iat"] for one in told} == {int(desk.now.timestamp())}
    assert not any(request.person_id in json.dumps(one) for one in told)


def test_one_that_is_down_holds_up_nobody_else_and_costs_one_call_a_pass(desk: Desk) -> None:
    desk.post.answers["desk"] = DOWN
    assert desk.callbacks.deliver("desk") == Passed(later=1, outcome="no answer")
    assert len(desk.post.brought["desk"]) == 1
    assert desk.callbacks.deliver("crm") == Passed(taken=2)
    assert desk.callbacks.counts("desk") == DeliveryCounts(waiting=2)
    assert desk.callbacks.counts("crm") == DeliveryCounts()


def test_a_message_is_tried_again_after_each_wait_and_then_given_up(desk: Desk) -> None:
    desk.post.answers["desk"] = DOWN
    (first, _) = desk.rights.notices(rig.COMPANY)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        before = desk.post.brought.get("desk", []).count(first.jws)
        desk.callbacks.deliver("desk")
        desk.callbacks.deliver("desk")  # the second message's turn
        assert desk.post.brought["desk"].count(first.jws) == before + 1, "not before the wait is over"
        desk.now += wait_after(attempt, 0.0)
    desk.callbacks.deliver("desk")
    assert desk.post.brought["desk"].count(first.jws) == MAX_ATTEMPTS
    assert desk.callbacks.counts("desk") == DeliveryCounts(given_up=2)
    assert [(one["reply"], one["attempts"]) for one in desk.entries()] == [("refused", str(MAX_ATTEMPTS))] * 2
    assert len(desk.rights.notices(rig.COMPANY)) == 2, "an operator still sees them"


def test_a_refusal_is_final_until_an_operator_asks_again(desk: Desk) -> None:
    desk.post.answers["desk"] = REFUSED
    assert desk.callbacks.deliver("desk") == Passed(given_up=2, outcome="status 400")
    desk.now += timedelta(days=30)
    assert desk.callbacks.deliver("desk", early=True) == Passed()
    desk.post.answers["desk"] = TAKEN
    assert desk.callbacks.again("desk") == 2
    assert desk.callbacks.deliver("desk") == Passed(taken=2)


def test_an_operator_need_not_wait(desk: Desk) -> None:
    desk.post.answers["desk"] = DOWN
    desk.callbacks.deliver("desk")
    desk.post.answers["desk"] = TAKEN
    assert desk.callbacks.deliver("desk") == Passed(taken=1), "the one that was not tried yet"
    assert desk.callbacks.deliver("desk", early=True) == Passed(taken=1)


def test_nobody_is_contacted_whom_no_setting_names(desk: Desk) -> None:
    for ask in (desk.callbacks.deliver, desk.callbacks.again, desk.callbacks.counts):
        call: Callable[[str], object] = ask
        with pytest.raises(RequestInvalid, match="MORETTA_CALLBACKS"):
            call("elsewhere")
    assert desk.post.brought == {}


def test_a_pass_ends_when_its_time_is_over(desk: Desk) -> None:
    class Slow(Post):
        def send(self, receiver: str, jws: str) -> Sent:
            desk.spent_s += PASS_S
            return super().send(receiver, jws)

    slow = Callbacks(desk.means, [Receiver("desk", frozenset({rig.COMPANY}))], Slow(), elapsed_s=lambda: desk.spent_s)
    assert slow.deliver("desk") == Passed(taken=1)
    assert slow.deliver("desk") == Passed(taken=1)


@pytest.mark.parametrize("step", ["claim-notice:after-commit", "notice-taken:before-commit"])
def test_a_process_that_dies_while_sending_sends_the_same_bytes_again(tmp_path: Path, step: str) -> None:
    """Between the call and the note the receiver has it and nobody knows: it gets the same message with the same id again."""
    armed: list[str] = []

    def dies(name: str) -> None:
        if name in armed:
            armed.clear()
            raise Died(name)

    with rig.opened(tmp_path / "place", checkpoint=dies) as place:
        desk = a_desk(place)
        armed.append(step)
        with pytest.raises(Died):
            desk.callbacks.deliver("desk")
        (first, second) = desk.rights.notices(rig.COMPANY)
        assert desk.callbacks.deliver("desk") == Passed(taken=1), "nobody else sends it while the lease holds"
        desk.now += LEASE
        assert desk.callbacks.deliver("desk") == Passed(taken=1)
        twice = [first.jws] if step.startswith("notice-taken") else []
        assert desk.post.brought["desk"] == [*twice, second.jws, first.jws]
        assert [one["event"] for one in desk.entries()] == ["refused", "received"], "each is logged once"


def test_a_message_in_whose_last_attempt_the_process_died_is_given_up_unsent(tmp_path: Path) -> None:
    with rig.opened(tmp_path / "place") as place:
        desk = a_desk(place)
        receiver = Receiver("desk", frozenset({rig.COMPANY}))
        for _ in range(MAX_ATTEMPTS):
            for _message in range(2):
                claim = place.region.deliveries.claim(receiver, desk.now, desk.now + LEASE)
                assert claim is not None
            desk.now += LEASE
        assert desk.callbacks.deliver("desk") == Passed(given_up=2, outcome="the process ended while sending")
        assert desk.post.brought == {}
