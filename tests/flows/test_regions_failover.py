"""Searches go on while a region's comparing node is killed, cut off or away, and no answer is ever wrong."""

import time
from pathlib import Path

import pytest
from tests.nodes_rig import SchemeGuard, Truth, unit_vectors
from tests.regions_rig import ASK_S, Load, NodeProcess, failover_of, namespace, node_processes, soon

from moretta.core.errors import NodeUnavailable
from moretta.core.protection import Scheme
from moretta.nodes.follow import Follower, Replication


@pytest.mark.parametrize("scheme", [Scheme.PLAIN, Scheme.HE])
def test_killing_the_home_node_under_load_loses_no_search_and_it_comes_back_exact(
    tmp_path: Path, scheme: Scheme
) -> None:
    truth = Truth(SchemeGuard(scheme, "key_1"))
    vectors = unit_vectors(30)
    truth.enrol(vectors[:10])
    home, replica = NodeProcess("eu", tmp_path), NodeProcess("us", tmp_path)
    with node_processes(tmp_path, home, replica):
        # So patient that a search which waited for a time-out could not be taken for one on a busy machine.
        nodes = {"eu": home.node(ask_s=20.0), "us": replica.node(ask_s=20.0)}
        failover = failover_of(truth, dict(nodes))
        replication = Replication(Follower(truth), nodes["us"], pause_s=0.05, longest_pause_s=0.2)
        replication.start()
        try:
            with Load(truth, failover) as load:
                load.wait_for("eu")
                truth.enrol(vectors[10:15])
                home.kill()
                load.wait_for("us")
                # What is written while the home node is dead is found all the same.
                truth.enrol(vectors[15:20])
                truth.delete(2, 12)
                load.wait_for("us")
                home.start()
                load.wait_for("eu")
                truth.enrol(vectors[20:25])
                load.wait_for("eu")
            assert load.wrong == []
            assert load.errors == []
            assert load.most_behind == 0
            # A killed process's machine refuses connections: nobody waits for a time-out.
            assert load.longest_s < 20.0
            assert failover.down() == frozenset()
            soon(lambda: nodes["us"].position(truth.spec) == truth.sequence)
            truth.assert_exact(nodes["eu"])
            truth.assert_exact(nodes["us"])
        finally:
            replication.close()
            failover.close()
            for node in nodes.values():
                node.close()


@pytest.mark.allow_hosts(["127.0.0.1", "10.203.1.2", "10.203.2.2"])
def test_a_home_node_cut_off_from_the_network_is_passed_by_after_one_time_out_and_comes_back_when_it_heals(
    tmp_path: Path,
) -> None:
    truth = Truth(SchemeGuard(Scheme.HE, "key_1"))
    vectors = unit_vectors(30)
    truth.enrol(vectors[:10])
    with namespace(1) as europe, namespace(2) as america:
        home = NodeProcess("eu", tmp_path, europe.host, europe.within)
        replica = NodeProcess("us", tmp_path, america.host, america.within)
        with node_processes(tmp_path, home, replica):
            nodes = {"eu": home.node(), "us": replica.node()}
            failover = failover_of(truth, dict(nodes))
            try:
                with Load(truth, failover) as load:
                    load.wait_for("eu")
                    europe.cut()
                    load.wait_for("us")
                    # Whoever met the dead line has paid; from here on nobody does.
                    time.sleep(ASK_S)
                    first_window_s, load.longest_s = load.longest_s, 0.0
                    truth.enrol(vectors[10:20])
                    truth.delete(3)
                    load.wait_for("us", 20)
                    assert load.longest_s < ASK_S
                    europe.heal()
                    load.wait_for("eu")
                    truth.enrol(vectors[20:25])
                    load.wait_for("eu")
                assert load.wrong == []
                assert load.errors == []
                # One time-out for where the node stands and one for the comparison under way: no search waits longer.
                assert first_window_s < 2 * ASK_S + 1.0
                truth.assert_exact(nodes["eu"])
            finally:
                failover.close()
                for node in nodes.values():
                    node.close()


def test_a_replica_that_was_down_through_every_kind_of_change_catches_up(tmp_path: Path) -> None:
    truth = Truth(SchemeGuard(Scheme.HE, "key_1"))
    vectors = unit_vectors(12)
    rows = truth.enrol(vectors[:6])
    replica = NodeProcess("us", tmp_path)
    with node_processes(tmp_path, replica):
        node = replica.node()
        replication = Replication(Follower(truth), node, pause_s=0.02, longest_pause_s=0.1)
        replication.start()
        try:
            soon(lambda: node.position(truth.spec) == 1)
            replica.kill()
            truth.delete(rows[0])
            truth.exclude(rows[1])
            truth.pack()
            truth.enrol(vectors[6:8])
            replica.start()
            soon(lambda: node.position(truth.spec) == truth.sequence)
            truth.assert_exact(node)
            replica.kill()
            truth.delete(rows[2])
            truth.repack()
            truth.reissue(SchemeGuard(Scheme.HE, "key_2"))
            truth.enrol(vectors[8:])
            truth.exclude()
            replica.start()
            soon(lambda: node.position(truth.spec) == truth.sequence)
            truth.assert_exact(node)
            soon(lambda: set(node.held()) == {(truth.collection_id, "key_2")})
            assert {path.name for path in replica.folder.iterdir()} - {".marks"} == truth.segment_ids()
        finally:
            replication.close()
            node.close()


def test_a_node_answers_nobody_but_the_service(tmp_path: Path) -> None:
    truth = Truth(SchemeGuard(Scheme.PLAIN, "key_1"))
    process = NodeProcess("eu", tmp_path)
    with node_processes(tmp_path, process):
        stranger = process.node("stranger")
        with pytest.raises(NodeUnavailable):
            stranger.position(truth.spec)
        stranger.close()
        friend = process.node()
        assert friend.position(truth.spec) == 0
        friend.close()


def test_a_node_process_ends_in_order_and_can_write_no_core_dump(tmp_path: Path) -> None:
    process = NodeProcess("eu", tmp_path)
    with node_processes(tmp_path, process):
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"]
        assert process.stop() == 0
        process.start()
        assert process.stop() == 0
    assert [path.name for path in process.folder.iterdir()] == [".marks"]
