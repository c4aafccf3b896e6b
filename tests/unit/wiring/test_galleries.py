"""A region's galleries: the home node first, replicas behind it, parties for shares."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest
from tests.nodes_rig import THRESHOLD, ExactGuard, FlakyNode, Truth, exact_index, unit_vectors

from moretta.core.errors import NodeUnavailable, RequestInvalid
from moretta.core.gallery import GalleryDelta, GalleryNode
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection
from moretta.core.recognition_store import BlobStore, RecognitionStore
from moretta.nodes.local import LocalNode
from moretta.wiring.galleries import RegionGalleries, StoreSource

DOWN = NodeUnavailable("test")


class TruthStore:
    """The part of a `RecognitionStore` that nodes follow; gives pages of one."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth

    def collections(self, company_id: str | None, limit: int, after: str | None = None) -> list[Collection]:
        assert company_id is None
        found = sorted(self._truth.collections(), key=lambda one: one.collection_id)
        return [one for one in found if after is None or one.collection_id > after][:1]

    def delta(self, collection_id: str, since: int) -> GalleryDelta:
        return self._truth.delta(collection_id, since)

    def get(self, segment_id: str) -> bytes:
        return self._truth.fetch(segment_id)


class Stage:
    """Nodes of two regions, and parties, around one database."""

    def __init__(self, folder: Path, scheme: Scheme = Scheme.HE) -> None:
        self.truth = Truth(ExactGuard("key_1", scheme))
        self.truth.enrol(unit_vectors(3))
        self.home, self.replica, self.parties = (
            FlakyNode(LocalNode(region, folder / name, exact_index))
            for region, name in (("eu", "home"), ("us", "replica"), ("eu", "parties"))
        )
        self.refreshed: list[str] = []
        self.settled: list[int] = []
        self.galleries: RegionGalleries | None = None

    def opened(self, *, shares: bool = True, replicate: bool = False) -> RegionGalleries:
        store = TruthStore(self.truth)
        source = StoreSource("eu", cast("RecognitionStore", store), cast("BlobStore", store))
        nodes: dict[str, GalleryNode] = {"eu": self.home, "us": self.replica}
        self.galleries = RegionGalleries(
            source,
            nodes,
            self.parties if shares else None,
            lambda _, sequence: self.settled.append(sequence),
            lambda collection: self.refreshed.append(collection.collection_id),
            replicate=replicate,
        )
        return self.galleries

    def found(self, row: int) -> tuple[set[int], str, int]:
        assert self.galleries is not None
        truth = self.truth
        answer = self.galleries.compare(truth.collection, truth.probe(truth.people[row]), THRESHOLD)
        return truth.guard.open(answer.sealed), answer.region, answer.behind

    def close(self) -> None:
        if self.galleries is not None:
            self.galleries.close()
        for node in (self.home, self.replica, self.parties):
            node.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path, Scheme.SHARES)
    yield made
    made.close()


def test_every_page_of_collections_is_read(stage: Stage) -> None:
    stage.truth.others += [Truth(ExactGuard(f"key_{number}")) for number in range(2, 5)]
    store = TruthStore(stage.truth)
    source = StoreSource("eu", cast("RecognitionStore", store), cast("BlobStore", store))
    found: Sequence[Collection] = source.collections()
    assert {one.collection_id for one in found} == {one.collection_id for one in stage.truth.collections()}
    assert len(found) == 4


def test_the_home_node_answers_and_a_replica_does_while_it_is_down(stage: Stage) -> None:
    stage.opened()
    assert stage.found(2) == ({2}, "eu", 0)
    stage.home.down = DOWN
    assert stage.found(3) == ({3}, "us", 0)


def test_following_and_dropping_forgive_a_node_that_is_down(stage: Stage) -> None:
    galleries = stage.opened()
    stage.home.down = DOWN
    galleries.follow(stage.truth.collection)
    galleries.drop(stage.truth.collection)
    stage.home.down = None
    galleries.follow(stage.truth.collection)
    assert stage.home.position(stage.truth.spec) == 1
    galleries.drop(stage.truth.collection)
    assert stage.home.position(stage.truth.spec) == 0


def test_replicas_follow_what_is_written_at_once(stage: Stage) -> None:
    galleries = stage.opened(replicate=True)
    stage.truth.enrol(unit_vectors(2, seed=2))
    galleries.follow(stage.truth.collection)
    soon(lambda: stage.replica.position(stage.truth.spec) == 2)
    stage.truth.assert_exact(stage.replica)


def test_shares_are_compared_by_the_parties_alone_and_settled(shared: Stage) -> None:
    shared.opened()
    assert shared.found(1) == ({1}, "eu", 0)
    assert shared.home.asked == shared.replica.asked == 0
    assert shared.settled == [1]


def test_shares_that_have_no_parties_or_parties_that_are_down_give_no_answer(shared: Stage) -> None:
    galleries = shared.opened(shares=False)
    with pytest.raises(NodeUnavailable):
        shared.found(1)
    galleries.close()
    shared.opened()
    shared.parties.down = DOWN
    with pytest.raises(NodeUnavailable):
        shared.found(1)


def test_only_shares_can_be_refreshed(stage: Stage) -> None:
    with pytest.raises(RequestInvalid):
        stage.opened().refresh(stage.truth.collection)
    assert stage.refreshed == []


def test_shares_are_up_to_date_when_they_are_refreshed(shared: Stage) -> None:
    shared.opened().refresh(shared.truth.collection)
    assert shared.parties.position(shared.truth.spec) == 1
    assert shared.refreshed == [shared.truth.collection_id]


def soon(holds: Callable[[], bool], limit_s: float = 10.0) -> None:
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, "did not come to hold in time"
        time.sleep(0.005)


def test_a_node_acknowledges_once_it_has_what_was_committed(stage: Stage) -> None:
    galleries = stage.opened()
    assert galleries.acknowledged(stage.truth.collection) == {"eu": True, "us": True}
    stage.replica.down = DOWN
    stage.truth.enrol(unit_vectors(1, seed=2))
    assert galleries.acknowledged(stage.truth.collection) == {"eu": True, "us": False}
    stage.replica.down = None
    assert galleries.acknowledged(stage.truth.collection) == {"eu": True, "us": True}
    assert stage.replica.position(stage.truth.spec) == stage.truth.collection.sequence


def test_a_node_that_is_slow_has_not_acknowledged_and_holds_nobody_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moretta.wiring.galleries._ACKNOWLEDGE_S", 0.2)
    galleries, go_on = stage.opened(), threading.Event()
    position = stage.replica.position
    monkeypatch.setattr(stage.replica, "position", lambda spec: go_on.wait(10) and position(spec))
    started = time.monotonic()
    assert galleries.acknowledged(stage.truth.collection) == {"eu": True, "us": False}
    assert time.monotonic() - started < 5
    go_on.set()


def test_three_parties_acknowledge_together(shared: Stage) -> None:
    galleries = shared.opened()
    names = [f"eu party {number}" for number in (1, 2, 3)]
    assert galleries.acknowledged(shared.truth.collection) == dict.fromkeys(names, True)
    shared.parties.down = DOWN
    assert galleries.acknowledged(shared.truth.collection) == dict.fromkeys(names, False)
