"""Regions on one machine: `moretta node` processes over mutual TLS, searches from several threads, and cut networks."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from moretta.core.gallery import GalleryNode
from moretta.links.addresses import Address
from moretta.links.certificates import files_of, issue
from moretta.links.client import LinkClient
from moretta.nodes.failover import Failover
from moretta.nodes.follow import Follower
from moretta.nodes.remote import Patience, RemoteNode
from tests.nodes_rig import THRESHOLD, Truth

# A search that meets a node whose network is gone waits so long, once; measured against a refused connection it is nothing.
ASK_S = 3.0
_READY = re.compile(r"The node of region (?P<region>\w+) listens on tls:(?P<host>.+):(?P<port>\d+)\.")
_RUN = [sys.executable, "-m", "moretta", "node"]


class NodeProcess:
    """One `moretta node`; restarts on the port that it first got."""

    def __init__(self, region: str, root: Path, host: str = "127.0.0.1", within: tuple[str, ...] = ()) -> None:
        self.region, self.host, self.folder = region, host, root / f"node-{region}"
        self.certificates = root / "certificates"
        self._within, self._port = within, 0
        self._process: subprocess.Popen[str] | None = None
        self._log = root / f"node-{region}.log"

    def start(self) -> "NodeProcess":
        listen = f"tls:{self.host}:{self._port}"
        arguments = ["--region", self.region, "--listen", listen, "--data", os.fspath(self.folder)]
        command = [*self._within, *_RUN, *arguments, "--certificates", os.fspath(self.certificates)]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = _READY.fullmatch(line.strip())
        assert found, (line, self._log.read_text())
        assert found["region"] == self.region
        self._port = int(found["port"])
        return self

    @property
    def address(self) -> str:
        """Where it listens, as a regions file names it."""
        return f"tls:{self.host}:{self._port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL: nothing is written any more."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        return self._end(signal.SIGTERM)

    def node(self, role: str = "serve", ask_s: float = ASK_S) -> RemoteNode:
        """The node as a process with `role` sees it."""
        address = Address(host=self.host, port=self._port)
        client = LinkClient(address, f"node-{self.region}", files_of(self.certificates, role))
        return RemoteNode(self.region, client, Patience(ask_s, 30.0))

    def _end(self, how: signal.Signals) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(how)
        status = process.wait(20)
        assert process.stdout is not None
        process.stdout.close()
        return status


@contextmanager
def node_processes(root: Path, *processes: NodeProcess) -> Iterator[None]:
    """Certificates for all of them and for `serve`; every process is ended at the end."""
    issue(root / "certificates", ["serve", "stranger", *(f"node-{one.region}" for one in processes)])
    try:
        for one in processes:
            one.start()
        yield
    finally:
        for one in processes:
            one.kill()


@dataclass
class Load:
    """Searches by several threads, and all that they saw: wrong answers, errors, who answered, the longest wait."""

    truth: Truth
    failover: Failover
    threads: int = 3
    limit_s: float = 90.0
    wrong: list[object] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    longest_s: float = 0.0
    most_behind: int = 0

    def __enter__(self) -> "Load":
        self._done, self._deadline = threading.Event(), time.monotonic() + self.limit_s
        self._running = [threading.Thread(target=self._search, args=(seed,)) for seed in range(self.threads)]
        for thread in self._running:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._running:
            thread.join()

    def wait_for(self, region: str, more: int = 5) -> None:
        """Until `more` further searches were answered by a region's node."""
        enough = self.answered[region] + more
        soon(lambda: self.answered[region] >= enough, 40.0)

    def _search(self, seed: int) -> None:
        turn = seed
        while not self._done.is_set() and time.monotonic() < self._deadline:
            collection = self.truth.collection
            standing = sorted(self.truth.states[collection.sequence])
            row = standing[turn % len(standing)]
            turn += self.threads
            vector = self.truth.people.get(row)
            if vector is None:
                continue  # deleted since
            begun = time.monotonic()
            try:
                answer = self.failover.compare(collection, self.truth.probe(vector), THRESHOLD)
            except Exception as error:
                self.errors.append(error)
                continue
            self.longest_s = max(self.longest_s, time.monotonic() - begun)
            self.most_behind = max(self.most_behind, answer.behind)
            self._judge(row, answer.sealed.rows[answer.sealed.counted].tolist(), answer.sequence)
            if not self.truth.guard.open(answer.sealed) <= {row}:
                self.wrong.append((row, "another person"))
            self.answered[answer.region] += 1

    def _judge(self, row: int, rows: list[int], sequence: int) -> None:
        """The answer is of one of the states from the one that the node stood at on, and no row is in it twice."""
        states = [self.truth.states[at] for at in range(sequence, self.truth.sequence + 1)]
        if len(rows) != len(set(rows)) or frozenset(rows) not in states:
            self.wrong.append((row, rows))


def failover_of(truth: Truth, nodes: dict[str, GalleryNode]) -> Failover:
    return Failover(Follower(truth), nodes.__getitem__, first_pause_s=0.1, longest_pause_s=0.5)


@dataclass
class Namespace:
    """A network namespace joined to this one by a pair of virtual devices."""

    name: str
    outside: str
    inside: str
    host: str
    subnet: str

    @property
    def within(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.name)

    def cut(self) -> None:
        """From now on nothing comes back, as when a line is dead: no refusal, no reset."""
        _ip("-n", self.name, "route", "del", self.subnet, "dev", self.inside)

    def heal(self) -> None:
        _ip("-n", self.name, "route", "add", self.subnet, "dev", self.inside, "src", self.host)


@contextmanager
def namespace(number: int) -> Iterator[Namespace]:
    """A namespace whose address is 10.203.NUMBER.2; skips where the machine does not permit it."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need root and `ip` of iproute2")
    tag = f"{os.getpid() % 100000}{number}"
    made = Namespace(f"moretta{tag}", f"mo{tag}", f"mi{tag}", f"10.203.{number}.2", f"10.203.{number}.0/30")
    try:
        _ip("netns", "add", made.name)
        try:
            _ip("link", "add", made.outside, "type", "veth", "peer", "name", made.inside, "netns", made.name)
            _ip("addr", "add", f"10.203.{number}.1/30", "dev", made.outside)
            _ip("link", "set", made.outside, "up")
            _ip("-n", made.name, "addr", "add", f"{made.host}/30", "dev", made.inside)
            _ip("-n", made.name, "link", "set", made.inside, "up")
            _ip("-n", made.name, "link", "set", "lo", "up")
        except BaseException:
            _ip("netns", "del", made.name)
            raise
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine does not permit network namespaces: {error.stderr.strip()}")
    try:
        yield made
    finally:
        _ip("netns", "del", made.name)


def soon(holds: Callable[[], bool], limit_s: float = 30.0) -> None:
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, "did not come to hold in time"
        time.sleep(0.01)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=20)
