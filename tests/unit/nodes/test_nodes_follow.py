"""How nodes are brought to the database's state, at once and in the background."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.nodes_rig import ExactGuard, ExactIndex, FlakyNode, Truth, exact_index, unit_vectors

from moretta.core.errors import Conflict, NodeUnavailable, RegionRefused
from moretta.core.gallery import GalleryDelta, SegmentInfo
from moretta.core.protection import Scheme
from moretta.nodes.follow import Follower, Replication
from moretta.nodes.local import LocalNode

QUICK_S = 0.01


@pytest.fixture
def truth() -> Truth:
    return Truth(ExactGuard("key_1"))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[LocalNode]:
    made = LocalNode("us", tmp_path / "node", exact_index)
    yield made
    made.close()


class CountedSource:
    """Counts how often deltas were read, and can take its time."""

    def __init__(self, truth: Truth, slow_s: float = 0.0) -> None:
        self._truth, self._slow_s = truth, slow_s
        self.deltas = 0
        self.region, self.collections, self.fetch = truth.region, truth.collections, truth.fetch

    def delta(self, collection_id: str, since: int) -> GalleryDelta:
        self.deltas += 1
        time.sleep(self._slow_s)
        return self._truth.delta(collection_id, since)


def test_a_node_that_is_up_to_date_costs_no_look_at_the_database(truth: Truth, node: LocalNode) -> None:
    source = CountedSource(truth)
    follower = Follower(source)  # type: ignore[arg-type]  # its region is an attribute
    truth.enrol(unit_vectors(3))
    for _ in range(5):
        assert follower.catch_up(truth.collection, node) == 1
    assert source.deltas == 1
    truth.assert_exact(node)


def test_many_searches_of_a_cold_node_read_the_gallery_once(truth: Truth, node: LocalNode) -> None:
    truth.enrol(unit_vectors(3))
    source = CountedSource(truth, slow_s=0.1)
    follower = Follower(source)  # type: ignore[arg-type]  # its region is an attribute
    reached: list[int] = []
    threads = [
        threading.Thread(target=lambda: reached.append(follower.catch_up(truth.collection, node))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reached == [1] * 8
    assert source.deltas == 1


def test_a_collection_whose_key_changed_meanwhile_is_a_conflict(truth: Truth, node: LocalNode) -> None:
    truth.enrol(unit_vectors(2))
    before = truth.collection
    truth.reissue(ExactGuard("key_2"))
    with pytest.raises(Conflict):
        Follower(truth).catch_up(before, node)


def test_the_gallery_of_a_new_key_replaces_the_former_one(truth: Truth, node: LocalNode) -> None:
    truth.enrol(unit_vectors(3))
    truth.pack()
    Follower(truth).catch_up(truth.collection, node)
    truth.reissue(ExactGuard("key_2"))
    Follower(truth).catch_up(truth.collection, node)
    truth.assert_exact(node)
    assert dict(node.held()) == {(truth.collection_id, "key_2"): 3}


def test_a_segment_that_is_repacked_while_a_node_reads_of_it_is_no_error(truth: Truth, node: LocalNode) -> None:
    truth.enrol(unit_vectors(3))
    truth.pack()

    class Repacked(CountedSource):
        def delta(self, collection_id: str, since: int) -> GalleryDelta:
            found = super().delta(collection_id, since)
            if self.deltas == 1:
                truth.delete(1)
                truth.repack()
            return found

    source = Repacked(truth)
    Follower(source).catch_up(truth.collection, node)  # type: ignore[arg-type]  # its region is an attribute
    assert source.deltas == 2
    truth.assert_exact(node)


def test_a_segment_that_goes_between_its_check_and_its_mapping_is_no_error(truth: Truth, tmp_path: Path) -> None:
    """As the region's own folder, in which a repack deletes."""
    blobs, gone = tmp_path / "blobs", list[str]()
    truth.enrol(unit_vectors(3))
    blobs.mkdir()

    class Deleting(ExactIndex):
        def attach(self, info: SegmentInfo, path: Path) -> None:
            if not gone:
                gone.append(info.segment_id)
                path.unlink()
                truth.delete(1)
                again = truth.repack()
                (blobs / again).write_bytes(truth.fetch(again))
            super().attach(info, path)

    packed = truth.pack()
    (blobs / packed).write_bytes(truth.fetch(packed))
    node = LocalNode("us", blobs, Deleting, tmp_path / "marks")
    Follower(truth).catch_up(truth.collection, node)
    assert gone == [packed]
    truth.assert_exact(node)
    node.close()


def test_a_node_ahead_of_a_restored_database_takes_the_restored_state(truth: Truth, node: LocalNode) -> None:
    truth.enrol(unit_vectors(2))
    truth.enrol(unit_vectors(2, seed=2))
    Follower(truth).catch_up(truth.collection, node)
    restored = truth.rewound()
    Follower(restored).catch_up(restored.collection, node)
    restored.assert_exact(node)


def test_a_node_where_the_collection_may_not_be_is_refused(truth: Truth, tmp_path: Path) -> None:
    elsewhere = LocalNode("asia", tmp_path / "asia", exact_index)
    with pytest.raises(RegionRefused):
        Follower(truth).catch_up(truth.collection, elsewhere)
    assert elsewhere.held() == {}
    elsewhere.close()


def test_a_replica_that_was_down_gets_everything_it_missed(truth: Truth, node: LocalNode) -> None:
    flaky = FlakyNode(node)
    with running(Replication(Follower(truth), flaky, QUICK_S, QUICK_S)):
        rows = truth.enrol(unit_vectors(4))
        soon(lambda: node.position(truth.spec) == 1)
        flaky.down = NodeUnavailable("test")
        truth.delete(rows[0])
        truth.pack()
        truth.enrol(unit_vectors(2, seed=2))
        truth.delete(rows[1])
        truth.repack()
        truth.reissue(ExactGuard("key_2"))
        time.sleep(5 * QUICK_S)
        assert flaky.down is not None
        flaky.down = None
        soon(lambda: node.position(truth.spec) == truth.sequence)
        truth.assert_exact(node)
        soon(lambda: dict(node.held()) == {(truth.collection_id, "key_2"): truth.sequence})


def test_pauses_grow_while_a_node_is_down(truth: Truth, node: LocalNode) -> None:
    flaky = FlakyNode(node, NodeUnavailable("test"))
    truth.enrol(unit_vectors(1))
    with running(Replication(Follower(truth), flaky, QUICK_S, 10.0)):
        time.sleep(40 * QUICK_S)
        # Pauses of 2, 4, 8, 16, 32 times the first: at most five looks, of two calls each, in forty of it.
        assert 1 <= flaky.asked <= 12


def test_a_deleted_collection_is_forgotten_by_a_replica_that_missed_it(truth: Truth, node: LocalNode) -> None:
    other = Truth(ExactGuard("key_5"))
    truth.others.append(other)
    truth.enrol(unit_vectors(2))
    other.enrol(unit_vectors(2))
    replication = Replication(Follower(truth), node)
    replication.once()
    assert len(node.held()) == 2
    other.gone = True
    replication.once()
    assert set(node.held()) == {(truth.collection_id, "key_1")}
    truth.assert_exact(node)


def test_databases_of_two_regions_leave_each_others_galleries_alone(truth: Truth, node: LocalNode) -> None:
    domestic = Truth(ExactGuard("key_7"), home="us", replicas=frozenset())
    truth.enrol(unit_vectors(2))
    domestic.enrol(unit_vectors(3))
    both = [Replication(Follower(source), node) for source in (truth, domestic)]
    for replication in both * 2:
        replication.once()
    truth.assert_exact(node)
    domestic.assert_exact(node)


def test_a_collection_that_may_no_longer_be_in_a_region_is_forgotten_there(truth: Truth, node: LocalNode) -> None:
    truth.enrol(unit_vectors(2))
    replication = Replication(Follower(truth), node)
    replication.once()
    truth.replicas = frozenset()
    replication.once()
    assert node.held() == {}


def test_one_broken_collection_does_not_keep_the_others_back(truth: Truth, node: LocalNode) -> None:
    healthy = Truth(ExactGuard("key_5"))
    truth.others.append(healthy)
    truth.enrol(unit_vectors(2))
    lost = truth.pack()
    del truth._segments[lost].content
    truth._segments[lost].content = b"rotten"
    healthy.enrol(unit_vectors(2))
    with pytest.raises(NodeUnavailable):
        Replication(Follower(truth), node).once()
    healthy.assert_exact(node)


def test_payloads_that_only_pass_through_are_settled_when_all_required_nodes_have_them(tmp_path: Path) -> None:
    truth = Truth(ExactGuard("key_1", Scheme.SHARES))
    settled: list[tuple[str, int]] = []
    follower = Follower(truth, lambda collection_id, sequence: settled.append((collection_id, sequence)))
    nodes = [LocalNode(region, tmp_path / region, exact_index) for region in ("eu", "us")]
    truth.enrol(unit_vectors(2))
    follower.catch_up(truth.collection, nodes[0])
    assert settled == []
    follower.catch_up(truth.collection, nodes[1])
    follower.catch_up(truth.collection, nodes[1])
    assert settled == [(truth.collection_id, 1)]
    truth.enrol(unit_vectors(2, seed=2))
    follower.catch_up(truth.collection, nodes[1])
    assert len(settled) == 1
    follower.catch_up(truth.collection, nodes[0])
    assert settled[1:] == [(truth.collection_id, 2)]
    for node in nodes:
        node.close()


def test_schemes_that_keep_their_payloads_are_never_settled(truth: Truth, node: LocalNode) -> None:
    settled: list[int] = []
    follower = Follower(truth, lambda _, sequence: settled.append(sequence), lambda _: frozenset({"us"}))
    truth.enrol(unit_vectors(1))
    follower.catch_up(truth.collection, node)
    assert settled == []


class running:  # noqa: N801  # reads as a word of the test
    """Runs a replication for the length of a block."""

    def __init__(self, replication: Replication) -> None:
        self._replication = replication

    def __enter__(self) -> None:
        self._replication.start()

    def __exit__(self, *_: object) -> None:
        self._replication.close()


def soon(holds: Callable[[], bool], limit_s: float = 5.0) -> None:
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, "did not come to hold in time"
        time.sleep(0.005)


class PartiesNode:
    """Stands at a sequence and must not lose what it holds."""

    region = "us"

    def __init__(self, at: int) -> None:
        self.at, self.dropped = at, False

    def position(self, _: object) -> int:
        return self.at

    def drop(self, *_: object, **__: object) -> None:
        self.dropped = True


def test_a_database_older_than_the_parties_never_makes_them_drop_references_that_nobody_else_holds() -> None:
    guard = ExactGuard("key_1")
    guard.scheme = Scheme.SHARES
    truth, parties = Truth(guard), PartiesNode(at=7)
    truth.enrol(unit_vectors(2))
    with pytest.raises(NodeUnavailable, match="older than the parties"):
        Follower(truth).catch_up(truth.collection, parties)  # type: ignore[arg-type]  # the part that is used
    assert not parties.dropped
