"""Who answers a search while a node is down."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.nodes_rig import THRESHOLD, ExactGuard, FlakyNode, Truth, exact_index, unit_vectors

from moretta.core.errors import NodeUnavailable, ProbeRejected
from moretta.core.gallery import GalleryNode
from moretta.nodes.failover import Answer, Failover
from moretta.nodes.follow import Follower
from moretta.nodes.local import LocalNode

DOWN = NodeUnavailable("test")


class Deployment:
    """A home node, a replica and a database, any of which can be taken down."""

    def __init__(self, folder: Path) -> None:
        self.truth = Truth(ExactGuard("key_1"))
        self.home = FlakyNode(LocalNode("eu", folder / "eu", exact_index))
        self.replica = FlakyNode(LocalNode("us", folder / "us", exact_index))
        nodes: dict[str, GalleryNode] = {"eu": self.home, "us": self.replica}
        self.follower = Follower(self.truth)
        self.failover = Failover(self.follower, nodes.__getitem__, first_pause_s=0.01, longest_pause_s=0.02)

    def search(self, row: int) -> Answer:
        truth = self.truth
        answer = self.failover.compare(truth.collection, truth.probe(truth.people[row]), THRESHOLD)
        assert truth.guard.open(answer.sealed) == {row}
        return answer

    def close(self) -> None:
        self.failover.close()
        self.home.close()
        self.replica.close()


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    made = Deployment(tmp_path)
    made.truth.enrol(unit_vectors(3))
    yield made
    made.close()


def test_the_home_node_answers_with_what_was_just_written(deployment: Deployment) -> None:
    answer = deployment.search(2)
    assert (answer.region, answer.from_replica, answer.sequence, answer.behind) == ("eu", False, 1, 0)
    deployment.truth.enrol(unit_vectors(1, seed=2))
    assert deployment.search(4).sequence == 2
    assert deployment.replica.asked == 0


def test_a_replica_answers_while_the_home_node_is_down_and_says_so(deployment: Deployment) -> None:
    deployment.home.down = DOWN
    answer = deployment.search(1)
    assert (answer.region, answer.from_replica, answer.behind) == ("us", True, 0)
    assert deployment.failover.down() == {"eu"}


def test_a_dead_home_node_costs_a_search_nothing_after_the_first(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    deployment.truth.enrol(unit_vectors(3))
    deployment.failover = Failover(
        deployment.follower, {"eu": deployment.home, "us": deployment.replica}.__getitem__, first_pause_s=60.0
    )
    deployment.home.down = DOWN
    deployment.search(1)
    asked = deployment.home.asked
    for _ in range(20):
        deployment.search(1)
    assert deployment.home.asked == asked == 1
    deployment.close()


def test_the_home_node_answers_again_once_it_is_back_and_has_caught_up(deployment: Deployment) -> None:
    deployment.home.down = DOWN
    deployment.search(1)
    deployment.truth.enrol(unit_vectors(2, seed=2))
    deployment.search(5)
    time.sleep(0.05)
    assert deployment.failover.down() == {"eu"}
    deployment.home.down = None
    soon(lambda: not deployment.failover.down())
    # It was brought up to date before a search met it.
    assert deployment.home.inner.position(deployment.truth.spec) == 2
    assert deployment.search(5).region == "eu"


def test_a_replica_that_cannot_follow_answers_with_what_it_has_and_says_how_far_behind(deployment: Deployment) -> None:
    deployment.home.down = DOWN
    deployment.search(1)
    deployment.truth.enrol(unit_vectors(1, seed=2))
    lost = deployment.truth.pack()
    deployment.truth._segments[lost].content = b"rotten"
    answer = deployment.search(2)
    assert (answer.region, answer.sequence, answer.behind) == ("us", 1, 2)


def test_with_no_node_left_a_search_is_unavailable_and_never_empty(deployment: Deployment) -> None:
    deployment.home.down = deployment.replica.down = DOWN
    for _ in range(2):
        with pytest.raises(NodeUnavailable):
            deployment.search(1)
    deployment.replica.down = None
    soon(lambda: "us" not in deployment.failover.down())
    assert deployment.search(1).region == "us"


def test_a_gallery_that_a_restart_took_away_in_between_is_brought_back(deployment: Deployment) -> None:
    deployment.search(1)
    truth = deployment.truth

    def forget() -> None:
        deployment.home.before_compare = None
        deployment.home.inner.drop(truth.collection_id)

    deployment.home.before_compare = forget
    assert deployment.search(1).region == "eu"
    assert deployment.failover.down() == frozenset()


def test_a_probe_that_is_refused_is_no_outage(deployment: Deployment) -> None:
    foreign = Truth(ExactGuard("key_9")).probe(unit_vectors(1)[0])
    with pytest.raises(ProbeRejected):
        deployment.failover.compare(deployment.truth.collection, foreign, THRESHOLD)
    assert deployment.failover.down() == frozenset()
    assert deployment.replica.asked == 0


def soon(holds: Callable[[], bool], limit_s: float = 5.0) -> None:
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, "did not come to hold in time"
        time.sleep(0.005)
