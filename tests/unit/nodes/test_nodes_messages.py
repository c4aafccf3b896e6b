"""What travels between a service and its nodes: the same values on both ends, and nothing of another form."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nodes_rig import THRESHOLD, ExactGuard, Truth, exact_index, unit_vectors

from moretta.core.errors import MorettaError, NodeUnavailable, RegionRefused, RequestInvalid
from moretta.core.gallery import GalleryDelta, GallerySpec, SegmentInfo
from moretta.core.protection import ProtectedProbe, Scheme, SealedScores
from moretta.links.client import LinkClient
from moretta.links.frames import Message
from moretta.nodes import messages
from moretta.nodes.local import LocalNode
from moretta.nodes.remote import RemoteNode
from moretta.nodes.server import NodeHandler

SPEC = GallerySpec("col_eu_1", Scheme.HE, "model:1", 64, "key_1", frozenset({"eu", "us"}))
ROWS = st.lists(st.integers(0, 2**32 - 1), max_size=20)


class Direct:
    """A `LinkClient` whose other end is a function; it can lose or garble messages."""

    def __init__(self, answer: Callable[[Message], Message]) -> None:
        self.answer = answer
        self.sent: list[Message] = []

    def call(self, message: Message, timeout_s: float | None = None) -> Message:
        self.sent.append(message)
        return self.answer(message)

    def close(self) -> None:
        pass


def remote(answer: Callable[[Message], Message]) -> tuple[RemoteNode, Direct]:
    direct = Direct(answer)
    return RemoteNode("eu", cast("LinkClient", direct)), direct


def segments_equal(one: tuple[SegmentInfo, ...], other: tuple[SegmentInfo, ...]) -> bool:
    return [(s.segment_id, s.rows.tolist(), s.sha256, s.length) for s in one] == [
        (s.segment_id, s.rows.tolist(), s.sha256, s.length) for s in other
    ]


@given(
    added=st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=30)), max_size=10),
    removed=ROWS,
    excluded=ROWS,
    settled=ROWS,
    packed=st.lists(ROWS, max_size=4),
    since=st.integers(0, 9),
)
def test_a_delta_arrives_as_it_was_sent(
    added: list[tuple[int, bytes]],
    removed: list[int],
    excluded: list[int],
    settled: list[int],
    packed: list[list[int]],
    since: int,
) -> None:
    infos = tuple(SegmentInfo(f"seg_{i}", np.array(rows, np.uint32), "a" * 64, 7) for i, rows in enumerate(packed))
    dropped = ("seg_old",) if since else ()
    delta = GalleryDelta(
        SPEC, since, since + 3, tuple(added), tuple(removed), infos, dropped, tuple(excluded), tuple(settled)
    )
    parts = list(messages.parts_of(delta, "token"))
    arrived = messages.delta_in(
        messages.apply_message(delta, "token", len(parts)),
        tuple(entry for part in parts for entry in messages.added_in(part)),
    )
    assert replace(arrived, segments=()) == replace(delta, segments=())
    assert segments_equal(arrived.segments, delta.segments)


@given(rows=ROWS, bits=st.integers(0, 2**20), payload=st.binary(max_size=40))
def test_sealed_scores_arrive_as_they_were_sent(rows: list[int], bits: int, payload: bytes) -> None:
    counted = np.array([bool(bits >> i & 1) for i in range(len(rows))], np.bool_)
    sealed = SealedScores(Scheme.HE, "m", "k", 0.25, np.array(rows, np.uint32), counted, payload)
    arrived = messages.scores_in(messages.scores_message(sealed))
    assert (arrived.rows.tolist(), arrived.counted.tolist()) == (rows, counted.tolist())
    assert (arrived.scheme, arrived.key_id, arrived.threshold, arrived.payload) == (Scheme.HE, "k", 0.25, payload)


@pytest.mark.parametrize("only", [None, [], [3, 1]])
def test_a_comparison_arrives_as_it_was_asked(only: list[int] | None) -> None:
    probe = ProtectedProbe(Scheme.HE, "model:1", "key_1", b"probe")
    asked = messages.comparison_in(messages.compare_message(SPEC, probe, 0.5, only))
    assert asked == (SPEC, probe, 0.5, only)


@pytest.fixture
def handler(tmp_path: Path) -> NodeHandler:
    return NodeHandler(LocalNode("eu", tmp_path / "node", exact_index))


_FIELDS = messages.spec_fields(SPEC)


@pytest.mark.parametrize(
    "message",
    [
        Message("node.unknown"),
        Message(messages.POSITION),
        Message(messages.POSITION, _FIELDS | {"collection": "../x"}),
        Message(messages.POSITION, _FIELDS | {"collection": 5}),
        Message(messages.POSITION, _FIELDS | {"key": ""}),
        Message(messages.POSITION, _FIELDS | {"scheme": "none"}),
        Message(messages.POSITION, _FIELDS | {"dimension": True}),
        Message(messages.POSITION, _FIELDS | {"dimension": 10**9}),
        Message(messages.POSITION, _FIELDS | {"regions": "eu"}),
        Message(messages.POSITION, _FIELDS | {"regions": ["EU!"]}),
        Message(messages.LACKS, _FIELDS),
        Message(messages.LACKS, _FIELDS | {"segments": [["s", "a" * 64, 4, 2]]}, (b"\0" * 4,)),
        Message(messages.LACKS, _FIELDS | {"segments": [["s", "a" * 64, 4]]}, (b"",)),
        Message(messages.LACKS, _FIELDS | {"segments": []}, (b"\0" * 4,)),
        Message(messages.KEEP, _FIELDS | {"segments": []}, (b"", b"")),
        Message(messages.PART, _FIELDS | {"token": "t", "place": 0}, (b"\0" * 4, b"\0" * 3, b"")),
        Message(messages.PART, _FIELDS | {"token": "t", "place": 0}, (b"\0" * 4, b"\2\0\0\0", b"x")),
        Message(messages.PART, _FIELDS | {"token": "../t", "place": 0}, (b"", b"", b"")),
        Message(messages.PART, _FIELDS | {"token": "t", "place": -1}, (b"", b"", b"")),
        Message(messages.APPLY, _FIELDS | {"token": "t", "parts": 0, "since": 3, "sequence": 2}, (b"",) * 4),
        Message(messages.COMPARE, _FIELDS | {"threshold": 0.5}, (b"", b"")),
        Message(messages.COMPARE, _FIELDS | {"threshold": "x", "probe": {}}, (b"", b"")),
        Message(messages.DROP, {"collection": "a/b"}),
        Message(messages.DROP, {"collection": "col_eu_1", "keep": 5}),
    ],
)
def test_a_message_of_another_form_is_refused_and_changes_nothing(handler: NodeHandler, message: Message) -> None:
    with pytest.raises(RequestInvalid):
        handler("serve", message)
    assert handler("serve", Message(messages.HELD)).fields == {"held": []}


def test_payloads_for_a_region_where_the_collection_may_not_be_are_refused_before_they_are_kept(
    handler: NodeHandler,
) -> None:
    elsewhere = _FIELDS | {"regions": ["us"], "token": "t", "place": 0}
    with pytest.raises(RegionRefused):
        handler("serve", Message(messages.PART, elsewhere, (b"", b"", b"")))


def test_a_region_that_is_not_the_collections_is_not_even_sent_a_byte(tmp_path: Path) -> None:
    truth = Truth(ExactGuard("key_1"), home="us", replicas=frozenset())
    truth.enrol(unit_vectors(2))
    handler = NodeHandler(LocalNode("eu", tmp_path / "node", exact_index))
    node, direct = remote(lambda message: handler("serve", message))
    with pytest.raises(RegionRefused):
        node.apply(truth.delta(truth.collection_id, 0), truth.fetch)
    assert [message.kind for message in direct.sent] == [messages.DROP]


def test_a_delta_in_many_parts_that_are_sent_twice_is_applied_once(handler: NodeHandler) -> None:
    truth = Truth(ExactGuard("key_1"))
    truth.enrol(unit_vectors(40))
    direct = Direct(lambda message: (handler("serve", message), handler("serve", message))[1])
    node = RemoteNode("eu", cast("LinkClient", direct), part_bytes=5 * 4 * 64)
    assert node.apply(truth.delta(truth.collection_id, 0), truth.fetch) == 1
    assert sum(message.kind == messages.PART for message in direct.sent) == 8
    truth.assert_exact(node)


def test_a_delta_whose_parts_were_lost_with_a_restart_is_refused_whole(tmp_path: Path) -> None:
    truth = Truth(ExactGuard("key_1"))
    truth.enrol(unit_vectors(3))
    first = LocalNode("eu", tmp_path / "node", exact_index)
    handlers = [NodeHandler(first)]

    def restarted_before_the_end(message: Message) -> Message:
        if message.kind == messages.APPLY and len(handlers) == 1:
            first.close()
            handlers.append(NodeHandler(LocalNode("eu", tmp_path / "node", exact_index)))
        return handlers[-1]("serve", message)

    node, _ = remote(restarted_before_the_end)
    with pytest.raises(NodeUnavailable):
        node.apply(truth.delta(truth.collection_id, 0), truth.fetch)
    assert node.position(truth.spec) == 0
    assert node.apply(truth.delta(truth.collection_id, 0), truth.fetch) == 1
    truth.assert_exact(node)


def test_parts_of_a_sender_that_died_are_forgotten(tmp_path: Path) -> None:
    now = [0.0]
    handler = NodeHandler(LocalNode("eu", tmp_path / "node", exact_index), lambda: now[0])
    part = Message(messages.PART, _FIELDS | {"token": "t", "place": 0}, (b"", b"", b""))
    handler("serve", part)
    now[0] = 3600.0
    handler("serve", Message(messages.PART, _FIELDS | {"token": "u", "place": 0}, (b"", b"", b"")))
    lost = _FIELDS | {"token": "t", "parts": 1, "since": 0, "sequence": 1, "segments": [], "dropped": []}
    with pytest.raises(NodeUnavailable):
        handler("serve", Message(messages.APPLY, lost, (b"",) * 4))


@pytest.mark.parametrize(
    "answer",
    [
        Message(messages.DONE),
        Message(messages.DONE, {"position": "3"}),
        Message(messages.DONE, {"position": -1}),
        Message(messages.DONE, {"held": [["a", "b"]]}),
        Message(messages.DONE, {"scheme": "he", "model": "m", "key": "key_1", "threshold": 0.5}, (b"123", b"", b"")),
    ],
)
def test_rubbish_from_a_node_is_an_outage_and_never_an_answer(answer: Message) -> None:
    truth = Truth(ExactGuard("key_1"))
    node, _ = remote(lambda _message: answer)
    calls: tuple[Callable[[], Any], ...] = (
        lambda: node.position(truth.spec),
        node.held,
        lambda: node.compare(truth.spec, truth.probe(unit_vectors(1)[0]), THRESHOLD),
    )
    for call in calls:
        with pytest.raises(NodeUnavailable):
            call()


def test_scores_of_another_gallery_are_no_answer() -> None:
    truth = Truth(ExactGuard("key_1"))
    foreign = SealedScores(Scheme.HE, "exact-test", "key_9", 0.7, np.zeros(0, np.uint32), np.zeros(0, np.bool_), b"")
    node, _ = remote(lambda _message: messages.scores_message(foreign))
    with pytest.raises(NodeUnavailable):
        node.compare(truth.spec, truth.probe(unit_vectors(1)[0]), THRESHOLD)


def test_a_node_that_fails_unexpectedly_is_an_outage() -> None:
    def failing(_message: Message) -> Message:
        raise MorettaError("an unexpected error")

    node, _ = remote(failing)
    with pytest.raises(NodeUnavailable):
        node.position(SPEC)
