"""Three `moretta party` processes under mutual TLS on this machine: killed, stopped, restarted, replaced by a fake."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.protection_harness import at_cosine, unit_vectors
from tests.shares_rig import KEY, MODEL, REGION, no_segment

from moretta.core.errors import NodeUnavailable
from moretta.core.gallery import GalleryDelta, GallerySpec
from moretta.core.protection import OpenTerms, ProtectionTerms, Scheme
from moretta.core.values import Embedding, Floats
from moretta.links.addresses import Address
from moretta.links.certificates import files_of, issue
from moretta.links.frames import Message
from moretta.links.server import LinkServer
from moretta.protection.schemes import STATED_ERROR
from moretta.protection.shares.keys import SharesKey
from moretta.protection.shares.node import SharesNode, connected
from moretta.protection.shares.protect import SharesProtector

D, ROWS, PATIENCE_S = 64, 300, 2.0
VECTORS = unit_vectors(np.random.default_rng(1), ROWS, D)
_START_S = 60.0


class Parties:
    """Three processes, their certificates and one gallery."""

    def __init__(self, root: Path) -> None:
        self.root = root
        issue(root / "certificates", ["serve", "party-0", "party-1", "party-2"])
        with contextlib.ExitStack() as stack:
            listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
            self.ports = [listener.getsockname()[1] for listener in listeners]
        self.processes: list[subprocess.Popen[str] | None] = [None] * 3

    def start(self, *indexes: int, options: tuple[str, ...] = ()) -> None:
        for index in indexes:
            self.processes[index] = self._launched(index, options)
        for index in indexes:
            self._until_it_listens(index)

    def _launched(self, index: int, options: tuple[str, ...]) -> subprocess.Popen[str]:
        peers = [
            part
            for other in range(3)
            if other != index
            for part in ("--peer", f"{other}=tls:127.0.0.1:{self.ports[other]}")
        ]
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "moretta", "party", "--region", REGION, "--index", str(index)),
                *("--listen", f"tls:127.0.0.1:{self.ports[index]}", "--data", str(self.root / f"p{index}"), *peers),
                *("--certificates", str(self.root / "certificates"), "--patience", str(PATIENCE_S), *options),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )

    def _until_it_listens(self, index: int) -> None:
        process = self.processes[index]
        assert process is not None and process.stdout is not None
        for line in process.stdout:
            if "listens" in line:
                return
        raise AssertionError(f"party {index} ended before it listened")

    def tell(self, index: int, number: signal.Signals) -> None:
        process = self.processes[index]
        assert process is not None
        process.send_signal(number)

    def end(self, index: int, number: signal.Signals = signal.SIGKILL) -> int:
        process = self.processes[index]
        assert process is not None and process.stdout is not None
        self.processes[index] = None
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
        status = process.wait(20)
        process.stdout.close()
        return status

    def node(self) -> SharesNode:
        addresses = [Address(host="127.0.0.1", port=port) for port in self.ports]
        return connected(REGION, addresses, files_of(self.root / "certificates", "serve"), 2 * PATIENCE_S + 1)

    def public_key(self, index: int) -> bytes:
        command = [sys.executable, "-m", "moretta", "party", "key", "--data", str(self.root / f"p{index}")]
        return bytes.fromhex(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def close(self) -> None:
        for index in range(3):
            if self.processes[index] is not None:
                self.end(index)


class Gallery:
    """Rows 0 to 299 of `VECTORS` at the parties."""

    def __init__(self, parties: Parties, node: SharesNode) -> None:
        self.node = node
        self.key = SharesKey.new(D, [parties.public_key(0), *node.public_keys()[1:]])
        self.spec = GallerySpec("col_local_0", Scheme.SHARES, MODEL, D, KEY, frozenset({REGION}))
        self._protector = SharesProtector(ProtectionTerms(Scheme.SHARES, MODEL, D, KEY, self.key.material()))
        payloads = [self._protector.protect_reference(Embedding(vector.copy(), MODEL)).payload for vector in VECTORS]
        assert node.apply(GalleryDelta(self.spec, 0, 1, tuple(enumerate(payloads))), no_segment) == 1

    def matched(self, probe: Floats, threshold: float = 0.6) -> set[int]:
        sealed = self.node.compare(self.spec, self._protector.protect_probe(Embedding(probe, MODEL)), threshold)
        return {match.row for match in self.key.open(sealed, OpenTerms(threshold, ROWS))}


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parties]:
    made = Parties(tmp_path_factory.mktemp("parties"))
    try:
        made.start(0, 1, 2)
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def shared(parties: Parties) -> Iterator[Gallery]:
    node = parties.node()
    yield Gallery(parties, node)
    node.close()


def test_decisions_over_the_network_are_the_cosines_within_the_stated_error(shared: Gallery) -> None:
    rng = np.random.default_rng(2)
    for _ in range(10):
        threshold = float(rng.uniform(0.2, 0.9))
        probe = at_cosine(rng, VECTORS[rng.integers(ROWS)], float(rng.uniform(0.2, 1)))
        matched = shared.matched(probe, threshold)
        for row, cosine in enumerate(VECTORS.astype(np.float64) @ probe.astype(np.float64)):
            if abs(cosine - threshold) > STATED_ERROR[Scheme.SHARES]:
                assert (row in matched) == (cosine > threshold)


def test_several_comparisons_at_once_each_get_their_own_decisions(shared: Gallery) -> None:
    found: dict[int, set[int]] = {}
    threads = [
        threading.Thread(target=lambda row=row: found.update({row: shared.matched(VECTORS[row].copy())}))
        for row in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {row: {row} for row in range(8)}


def test_a_killed_party_is_an_error_at_once_and_comparing_goes_on_after_its_restart(
    parties: Parties, shared: Gallery
) -> None:
    parties.end(1)
    began = time.monotonic()
    with pytest.raises(NodeUnavailable):
        shared.matched(VECTORS[5].copy())
    assert time.monotonic() - began < PATIENCE_S
    parties.start(1)
    assert shared.node.position(shared.spec) == 1
    assert shared.matched(VECTORS[5].copy()) == {5}


def test_a_party_that_hangs_is_an_error_within_the_patience_and_works_again_when_it_goes_on(
    parties: Parties, shared: Gallery
) -> None:
    parties.tell(2, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(NodeUnavailable):
        shared.matched(VECTORS[6].copy())
    assert time.monotonic() - began < 2 * PATIENCE_S + 2
    parties.tell(2, signal.SIGCONT)
    assert shared.matched(VECTORS[6].copy()) == {6}


def test_parties_killed_and_restarted_under_load_never_give_a_wrong_match(parties: Parties, shared: Gallery) -> None:
    wrong: list[set[int]] = []
    answered, failed = [0], [0]
    done = threading.Event()

    def look() -> None:
        rng = np.random.default_rng(3)
        while not done.is_set():
            row = int(rng.integers(ROWS))
            try:
                found = shared.matched(VECTORS[row].copy())
            except NodeUnavailable:
                failed[0] += 1
                continue
            answered[0] += 1
            if found != {row}:
                wrong.append(found)

    watchers = [threading.Thread(target=look) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    for index in (0, 2):
        time.sleep(0.3)
        parties.end(index)
        parties.start(index)
    time.sleep(0.5)
    done.set()
    for watcher in watchers:
        watcher.join()
    assert wrong == []
    assert answered[0] > 5
    assert failed[0] > 0
    assert shared.matched(VECTORS[8].copy()) == {8}


def test_a_fake_with_a_partys_certificate_that_answers_rubbish_is_an_error(parties: Parties, shared: Gallery) -> None:
    parties.end(1)

    def rubbish(_role: str, message: Message) -> Message:
        return Message(message.kind, {"rows": ROWS, "digest": "00"}, (os.urandom(64), os.urandom(64)))

    address = Address(host="127.0.0.1", port=parties.ports[1])
    callers = frozenset({"serve", "party-0", "party-2"})
    with LinkServer(address, rubbish, callers, files_of(parties.root / "certificates", "party-1")) as fake:
        fake.start()
        with pytest.raises(NodeUnavailable):
            shared.matched(VECTORS[9].copy())
    with socket.create_server(("127.0.0.1", parties.ports[1])) as listener:  # not even TLS
        listener.settimeout(5)
        with pytest.raises(NodeUnavailable):
            shared.matched(VECTORS[9].copy())
    parties.start(1)
    assert shared.matched(VECTORS[9].copy()) == {9}


def test_a_process_without_the_services_certificate_gets_no_answer(parties: Parties) -> None:
    addresses = [Address(host="127.0.0.1", port=port) for port in parties.ports]
    node = connected(REGION, addresses, files_of(parties.root / "certificates", "party-0"), 3.0)
    with pytest.raises(NodeUnavailable):
        node.public_keys()
    node.close()


def test_a_party_killed_in_a_refresh_is_brought_along(parties: Parties, shared: Gallery) -> None:
    generation = shared.node.refresh(shared.spec)
    assert shared.matched(VECTORS[11].copy()) == {11}
    killer = threading.Thread(target=lambda: (time.sleep(0.05), parties.end(2)))
    killer.start()
    with contextlib.suppress(NodeUnavailable):
        shared.node.refresh(shared.spec)
    killer.join()
    parties.start(2)
    assert shared.node.refresh(shared.spec) > generation
    assert shared.matched(VECTORS[11].copy()) == {11}


def test_a_party_that_lost_its_disk_fetches_its_shares_at_its_start(parties: Parties, shared: Gallery) -> None:
    assert parties.end(0, signal.SIGTERM) == 0
    shutil.rmtree(parties.root / "p0" / "galleries")
    parties.start(0, options=("--restore",))
    assert shared.matched(VECTORS[12].copy()) == {12}


def test_two_processes_cannot_be_one_party(parties: Parties) -> None:
    process = parties._launched(1, ())
    assert process.stdout is not None
    assert "listens" not in process.stdout.read()
    assert process.wait(_START_S) != 0
    process.stdout.close()
