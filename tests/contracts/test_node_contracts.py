"""What every comparing node must do; run on the one in this process and on the one behind a link."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.nodes_rig import (
    THRESHOLD,
    ExactGuard,
    Guard,
    SchemeGuard,
    Truth,
    exact_index,
    unit_vectors,
    without_regions,
)

from moretta.core.errors import NodeUnavailable, NotFound, ProbeRejected, RegionRefused, RequestInvalid
from moretta.core.gallery import GalleryDelta, SegmentInfo
from moretta.core.protection import Scheme
from moretta.links.addresses import Address
from moretta.links.client import LinkClient
from moretta.links.server import LinkServer
from moretta.nodes.follow import Follower
from moretta.nodes.galleries import ListedNode, MakeIndex
from moretta.nodes.local import LocalNode
from moretta.nodes.remote import RemoteNode
from moretta.nodes.server import NodeHandler
from moretta.protection.schemes import gallery_index

REGION = "eu"


class Local:
    """A node in this process that can be restarted."""

    def __init__(self, folder: Path, make_index: MakeIndex) -> None:
        self.folder, self._make_index = folder, make_index
        self._local = LocalNode(REGION, folder, make_index)
        self.node: LocalNode | RemoteNode = self._local

    def restart(self) -> None:
        self.stop()
        self.node = self._local = LocalNode(REGION, self.folder, self._make_index)

    def stop(self) -> None:
        self._local.close()


class Remote(Local):
    """A node behind a link."""

    def __init__(self, folder: Path, make_index: MakeIndex) -> None:
        self._address = Address(folder.parent / "node.sock")
        super().__init__(folder, make_index)
        self._serve()

    def restart(self) -> None:
        super().restart()
        self._serve()

    def stop(self) -> None:
        self.node.close()
        self._server.close()
        super().stop()

    def _serve(self) -> None:
        self._server = LinkServer(self._address, NodeHandler(self._local), frozenset({"serve"}))
        self._server.start()
        self.node = RemoteNode(REGION, LinkClient(self._address, f"node-{REGION}"))


Place = Local
KINDS: dict[str, tuple[type[Local], Callable[[str], Guard], MakeIndex]] = {
    "local-exact": (Local, ExactGuard, exact_index),
    "remote-exact": (Remote, ExactGuard, exact_index),
    "local-he": (Local, lambda key_id: SchemeGuard(Scheme.HE, key_id), gallery_index),
    "remote-he": (Remote, lambda key_id: SchemeGuard(Scheme.HE, key_id), gallery_index),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def truth(kind: str) -> Truth:
    return Truth(KINDS[kind][1]("key_1"))


@pytest.fixture
def place(kind: str, tmp_path: Path) -> Iterator[Place]:
    made = KINDS[kind][0](tmp_path / "node", KINDS[kind][2])
    yield made
    made.stop()


def test_a_node_that_has_nothing_stands_at_0_and_compares_nothing(place: Place, truth: Truth) -> None:
    assert place.node.region == REGION
    assert place.node.position(truth.spec) == 0
    assert place.node.held() == {}
    with pytest.raises(NodeUnavailable):
        place.node.compare(truth.spec, truth.probe(unit_vectors(1)[0]), THRESHOLD)


def test_an_empty_gallery_is_there_once_it_was_applied(place: Place, truth: Truth) -> None:
    caught_up(place, truth)
    sealed = place.node.compare(truth.spec, truth.probe(unit_vectors(1)[0]), THRESHOLD)
    assert not sealed.counted.any()
    assert truth.guard.open(sealed) == set()


def test_a_node_compares_with_what_was_enrolled_and_not_with_what_was_deleted(place: Place, truth: Truth) -> None:
    rows = truth.enrol(unit_vectors(5))
    caught_up(place, truth)
    truth.assert_exact(place.node)
    truth.delete(rows[1], rows[4])
    caught_up(place, truth)
    truth.assert_exact(place.node)


def test_applying_a_delta_again_or_a_passed_one_changes_nothing(place: Place, truth: Truth) -> None:
    truth.enrol(unit_vectors(3))
    first = truth.delta(truth.collection_id, 0)
    truth.delete(1)
    second = truth.delta(truth.collection_id, first.sequence)
    for delta in (first, first, second, second, first):
        place.node.apply(delta, truth.fetch)
    assert place.node.position(truth.spec) == second.sequence
    truth.assert_exact(place.node)


def test_a_delta_that_starts_after_the_nodes_position_changes_nothing(place: Place, truth: Truth) -> None:
    truth.enrol(unit_vectors(2))
    caught_up(place, truth)
    truth.enrol(unit_vectors(2, seed=2))
    skipped = truth.sequence
    truth.enrol(unit_vectors(2, seed=3))
    late = truth.delta(truth.collection_id, skipped)
    assert place.node.apply(late, truth.fetch) == 1
    assert place.node.position(truth.spec) == 1
    caught_up(place, truth)
    truth.assert_exact(place.node)


def test_packing_and_repacking_neither_lose_nor_double_a_row(place: Place, truth: Truth) -> None:
    rows = truth.enrol(unit_vectors(6))
    caught_up(place, truth)
    truth.pack()
    caught_up(place, truth)
    truth.assert_exact(place.node)
    truth.enrol(unit_vectors(2, seed=2))
    truth.delete(rows[0])
    caught_up(place, truth)
    truth.assert_exact(place.node)
    truth.repack()
    truth.pack()
    caught_up(place, truth)
    truth.assert_exact(place.node)
    assert files(place) == truth.segment_ids()


def test_a_row_deleted_before_its_segment_arrived_is_not_compared(place: Place, truth: Truth) -> None:
    rows = truth.enrol(unit_vectors(4))
    truth.pack()
    truth.delete(rows[2])
    caught_up(place, truth)
    truth.assert_exact(place.node)


def test_excluded_rows_are_left_out_and_come_back(place: Place, truth: Truth) -> None:
    rows = truth.enrol(unit_vectors(4))
    truth.pack()
    truth.exclude(rows[0], rows[3])
    caught_up(place, truth)
    truth.assert_exact(place.node)
    truth.exclude(rows[1])
    caught_up(place, truth)
    truth.assert_exact(place.node)


def test_only_the_named_rows_are_compared_when_rows_are_named(place: Place, truth: Truth) -> None:
    vectors = unit_vectors(5)
    rows = truth.enrol(vectors[:3])
    truth.pack()
    rows += truth.enrol(vectors[3:])
    caught_up(place, truth)
    for wanted in ([rows[1]], [rows[4]], [rows[0], rows[3]]):
        for row in wanted:
            probe = truth.probe(truth.people[row])
            sealed = place.node.compare(truth.spec, probe, THRESHOLD, wanted)
            assert sorted(sealed.rows[sealed.counted].tolist()) == sorted(wanted)
            assert truth.guard.open(sealed) == {row}
    sealed = place.node.compare(truth.spec, truth.probe(vectors[0]), THRESHOLD, [])
    assert not sealed.counted.any()


def test_a_segment_is_fetched_once_and_mapped_again_after_a_restart(place: Place, truth: Truth) -> None:
    truth.enrol(unit_vectors(3))
    packed = truth.pack()
    caught_up(place, truth)
    place.restart()
    assert place.node.position(truth.spec) == 0
    assert place.node.held() == {(truth.collection_id, truth.guard.key_id): 0}
    caught_up(place, truth)
    truth.assert_exact(place.node)
    assert truth.fetched == [packed]


def test_a_segment_file_that_was_altered_meanwhile_is_fetched_again(place: Place, truth: Truth) -> None:
    truth.enrol(unit_vectors(3))
    packed = truth.pack()
    caught_up(place, truth)
    place.stop()
    path = place.folder / packed
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 0xFF]))
    place.restart()
    caught_up(place, truth)
    truth.assert_exact(place.node)
    assert truth.fetched == [packed, packed]


def test_a_segment_with_another_digest_is_not_kept(place: Place, truth: Truth) -> None:
    truth.enrol(unit_vectors(3))
    truth.pack()
    delta = truth.delta(truth.collection_id, 0)
    with pytest.raises(NodeUnavailable):
        place.node.apply(delta, lambda segment_id: b"\1" * delta.segments[0].length)
    assert place.node.position(truth.spec) == 0
    assert files(place) == set()


def test_a_segment_that_was_dropped_before_it_could_be_fetched_leaves_the_node_as_it_was(
    place: Place, truth: Truth
) -> None:
    truth.enrol(unit_vectors(3))
    truth.pack()
    stale = truth.delta(truth.collection_id, 0)
    truth.repack()
    with pytest.raises(NotFound):
        place.node.apply(stale, truth.fetch)
    assert place.node.position(truth.spec) == 0
    caught_up(place, truth)
    truth.assert_exact(place.node)


def test_a_restarted_node_forgets_what_was_dropped_while_it_was_away(place: Place, truth: Truth) -> None:
    truth.enrol(unit_vectors(4))
    truth.pack()
    caught_up(place, truth)
    place.stop()
    truth.delete(2)
    truth.repack()
    place.restart()
    caught_up(place, truth)
    truth.assert_exact(place.node)
    assert files(place) == truth.segment_ids()


def test_a_collection_that_may_not_be_here_is_refused_and_forgotten(place: Place, truth: Truth) -> None:
    truth.enrol(unit_vectors(2))
    truth.pack()
    caught_up(place, truth)
    truth.enrol(unit_vectors(1, seed=2))
    with pytest.raises(RegionRefused):
        place.node.apply(without_regions(truth.delta(truth.collection_id, 0)), truth.fetch)
    assert place.node.held() == {}
    assert files(place) == set()


def test_dropping_deletes_everything_of_a_collection_but_for_one_key(place: Place, truth: Truth, kind: str) -> None:
    truth.enrol(unit_vectors(3))
    truth.pack()
    caught_up(place, truth)
    old = truth.spec
    truth.reissue(KINDS[kind][1]("key_2"))
    place.node.apply(truth.delta(truth.collection_id, 0), truth.fetch)
    assert place.node.position(old) == 2
    place.node.drop(truth.collection_id, keep_key_id="key_2")
    place.node.drop(truth.collection_id, keep_key_id="key_2")
    assert place.node.position(old) == 0
    truth.assert_exact(place.node)
    assert files(place) == set()
    place.node.drop(truth.collection_id)
    assert place.node.held() == {}


def test_a_probe_of_another_key_is_rejected(place: Place, truth: Truth, kind: str) -> None:
    truth.enrol(unit_vectors(2))
    caught_up(place, truth)
    foreign = Truth(KINDS[kind][1]("key_9")).probe(unit_vectors(1)[0])
    with pytest.raises(ProbeRejected):
        place.node.compare(truth.spec, foreign, THRESHOLD)


def test_a_malformed_reference_leaves_no_half_of_a_delta_behind(place: Place, truth: Truth) -> None:
    truth.enrol(unit_vectors(2))
    caught_up(place, truth)
    broken = GalleryDelta(truth.spec, truth.sequence, truth.sequence + 1, added=((90, b"short"),), removed=(1,))
    with pytest.raises(ProbeRejected):
        place.node.apply(broken, truth.fetch)
    assert place.node.position(truth.spec) == 0
    caught_up(place, truth)
    truth.assert_exact(place.node)


def test_an_id_that_is_no_file_name_is_refused(place: Place, truth: Truth) -> None:
    info = SegmentInfo("../escaped", np.array([1], np.uint32), "0" * 64, 4)
    with pytest.raises(RequestInvalid):
        place.node.apply(GalleryDelta(truth.spec, 0, 1, segments=(info,)), lambda _: b"1234")
    with pytest.raises(RequestInvalid):
        place.node.apply(GalleryDelta(replace(truth.spec, key_id="a/b"), 0, 1), truth.fetch)
    assert not (place.folder.parent / "escaped").exists()


def test_a_node_lists_what_it_holds(place: Place, truth: Truth) -> None:
    truth.enrol(unit_vectors(2))
    caught_up(place, truth)
    assert isinstance(place.node, ListedNode)
    assert dict(place.node.held()) == {(truth.collection_id, truth.guard.key_id): 1}


def test_files_are_readable_to_their_owner_alone(place: Place, truth: Truth) -> None:
    truth.enrol(unit_vectors(2))
    packed = truth.pack()
    caught_up(place, truth)
    assert (place.folder / packed).stat().st_mode & 0o777 == 0o600
    assert place.folder.stat().st_mode & 0o777 == 0o700


def test_comparisons_see_the_state_before_or_after_a_delta_and_nothing_in_between(place: Place, truth: Truth) -> None:
    vectors = unit_vectors(40)
    truth.enrol(vectors[:10])
    caught_up(place, truth)
    wrong: list[object] = []
    done = threading.Event()

    def search() -> None:
        while not done.is_set():
            sealed = place.node.compare(truth.spec, truth.probe(vectors[5]), THRESHOLD)
            rows = sealed.rows[sealed.counted].tolist()
            if len(rows) != len(set(rows)) or frozenset(rows) not in set(truth.states.copy().values()):
                wrong.append(rows)
            if truth.guard.open(sealed) != {6}:
                wrong.append("another person")

    searches = [threading.Thread(target=search) for _ in range(2)]
    for thread in searches:
        thread.start()
    try:
        for step in range(10, 34, 3):
            first, *_ = truth.enrol(vectors[step : step + 3])
            caught_up(place, truth)
            truth.pack()
            caught_up(place, truth)
            truth.delete(first)
            truth.repack()
            caught_up(place, truth)
    finally:
        done.set()
        for thread in searches:
            thread.join()
    assert wrong == []
    truth.assert_exact(place.node)


def caught_up(place: Place, truth: Truth) -> None:
    assert Follower(truth).catch_up(truth.collection, place.node) == truth.sequence


def files(place: Place) -> set[str]:
    """The segment files that lie in the node's folder."""
    return {path.name for path in place.folder.iterdir() if path.is_file() and not path.name.startswith(".")}
