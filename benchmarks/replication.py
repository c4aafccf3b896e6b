"""Nodes at 1,000,000 references: how fast one is ready and in how much memory, how fast it catches up, how a failover is felt.

    python -m benchmarks.replication [--rows 1000000] [--dimension 192] [--folder DIR]

Belongs here: `he` segments of random numbers (a comparison takes as long whatever they say), nodes over them, figures as JSON.
Does not belong here: what comparing costs (see `recognition`). Everything is written to a temporary folder and deleted.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from moretta.core.gallery import GalleryDelta, SegmentInfo
from moretta.core.protection import ProtectedProbe, ProtectionTerms, Scheme
from moretta.core.recognition import Collection, IdKind, Thresholds, new_id
from moretta.core.values import Embedding
from moretta.links.addresses import parse_address
from moretta.links.certificates import files_of, issue
from moretta.links.client import LinkClient
from moretta.nodes.failover import Failover
from moretta.nodes.follow import Follower, spec_of
from moretta.nodes.local import LocalNode
from moretta.nodes.remote import Patience, RemoteNode
from moretta.protection.he.parameters import N, segment_length
from moretta.protection.schemes import gallery_index, new_gallery_key, protector

COLLECTION = new_id(IdKind.COLLECTION, "eu")
MODEL, KEY = "random", "key_bench"
SEARCHES = 4


class RandomGallery:
    """A `nodes.follow.GallerySource` of random segments in a folder."""

    region = "eu"

    def __init__(self, folder: Path, infos: Sequence[SegmentInfo], dimension: int) -> None:
        self._folder, self._infos = folder, tuple(infos)
        self.collection = Collection(
            COLLECTION, "co_bench", "bench", "bench", Scheme.HE, MODEL, dimension, KEY,
            Thresholds(0.5, 0.5, 1e-4), "eu", frozenset({"us"}), datetime(2026, 1, 1, tzinfo=UTC), sequence=1,
        )  # fmt: skip

    def collections(self) -> Sequence[Collection]:
        return [self.collection]

    def delta(self, collection_id: str, since: int) -> GalleryDelta:
        return GalleryDelta(spec_of(self.collection), since, 1, segments=() if since else self._infos)

    def fetch(self, segment_id: str) -> bytes:
        return (self._folder / segment_id).read_bytes()


def written(folder: Path, rows: int, dimension: int) -> list[SegmentInfo]:
    """Segments of random numbers for `rows` references."""
    folder.mkdir(mode=0o700)
    drawn, infos = np.random.default_rng(1), []
    for at in range(0, rows, N):
        content = drawn.integers(0, 1 << 22, segment_length(dimension) // 4, dtype=np.uint32).tobytes()
        info = SegmentInfo(
            f"seg_{at:08d}",
            np.arange(at, min(rows, at + N), dtype=np.uint32),
            hashlib.sha256(content).hexdigest(),
            len(content),
        )
        (folder / info.segment_id).write_bytes(content)
        infos.append(info)
    return infos


def probe(dimension: int) -> ProtectedProbe:
    vector = np.random.default_rng(2).standard_normal(dimension).astype(np.float32)
    terms = ProtectionTerms(Scheme.HE, MODEL, dimension, KEY, new_gallery_key(Scheme.HE, dimension).material())
    return protector(terms).protect_probe(Embedding(vector / np.linalg.norm(vector), MODEL))


def start_embedded(folder: Path, marks: Path, infos: Sequence[SegmentInfo], dimension: int) -> dict[str, float]:
    """In this process, which was started for it: seconds until the gallery is ready, then memory after a search of all of it."""
    begun = time.perf_counter()
    source = RandomGallery(folder, infos, dimension)
    node = LocalNode("eu", folder, gallery_index, marks)
    before = memory("RssAnon")
    Follower(source).catch_up(source.collection, node)
    ready_s = time.perf_counter() - begun
    asked = probe(dimension)
    node.compare(spec_of(source.collection), asked, 0.5)
    begun = time.perf_counter()
    node.compare(spec_of(source.collection), asked, 0.5)
    search_s = time.perf_counter() - begun
    ciphertext = sum(info.length for info in infos)
    figures = {
        "ready_s": ready_s,
        "search_s": search_s,
        "rss_per_ciphertext_byte": memory("VmRSS") / ciphertext,
        "own_memory_mb": (memory("RssAnon") - before) / 1e6,
        "ciphertext_mb": ciphertext / 1e6,
    }
    node.close()
    return figures


def memory(name: str) -> int:
    """Bytes of this process, as /proc/self/status counts them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024


class Process:
    """A `moretta node`."""

    def __init__(self, region: str, root: Path) -> None:
        self.region, self._root = region, root
        self.started_s = 0.0
        self._port = 0
        self._child: subprocess.Popen[str] | None = None

    def start(self) -> None:
        begun = time.perf_counter()
        arguments = ["--region", self.region, "--listen", f"tls:127.0.0.1:{self._port}", "--data", self.folder]
        command = [sys.executable, "-m", "moretta", "node", *arguments, "--certificates", self._root / "certificates"]
        self._child = subprocess.Popen(list(map(os.fspath, command)), stdout=subprocess.PIPE, text=True)
        assert self._child.stdout is not None
        self._port = int(self._child.stdout.readline().rstrip(".\n").rpartition(":")[2])
        self.started_s = time.perf_counter() - begun

    @property
    def folder(self) -> Path:
        return self._root / f"node-{self.region}"

    def kill(self) -> None:
        if self._child is not None:
            self._child.send_signal(signal.SIGKILL)
            self._child.wait()
            self._child.stdout.close()  # type: ignore[union-attr]  # it was asked for
            self._child = None

    def node(self) -> RemoteNode:
        tls = files_of(self._root / "certificates", "serve")
        client = LinkClient(parse_address(f"tls:127.0.0.1:{self._port}"), f"node-{self.region}", tls)
        return RemoteNode(self.region, client, Patience(30.0, 120.0))


def remote(root: Path, source: RandomGallery, infos: Sequence[SegmentInfo]) -> dict[str, float]:
    """Catching up from nothing, starting again with all files there, and the gap when the home node is killed under load."""
    issue(root / "certificates", ["serve", "node-eu", "node-us"])
    home, replica = Process("eu", root), Process("us", root)
    figures: dict[str, float] = {}
    try:
        for process in (home, replica):
            process.start()
            node = process.node()
            begun = time.perf_counter()
            Follower(source).catch_up(source.collection, node)
            figures["catch_up_s"] = time.perf_counter() - begun
            node.close()
        figures["catch_up_mb_per_s"] = sum(info.length for info in infos) / 1e6 / figures["catch_up_s"]
        figures["catch_up_rows_per_s"] = sum(info.rows.size for info in infos) / figures["catch_up_s"]
        replica.kill()
        replica.start()
        node = replica.node()
        begun = time.perf_counter()
        Follower(source).catch_up(source.collection, node)
        figures["restart_listens_s"] = replica.started_s
        figures["restart_ready_s"] = replica.started_s + time.perf_counter() - begun
        node.close()
        return figures | failover(source, home, replica)
    finally:
        home.kill()
        replica.kill()


def failover(source: RandomGallery, home: Process, replica: Process) -> dict[str, float]:
    """Searches by two threads while the home node is killed: milliseconds, as the callers saw them."""
    nodes = {"eu": home.node(), "us": replica.node()}
    switch = Failover(Follower(source), nodes.__getitem__)
    asked, done = probe(source.collection.dimension), threading.Event()
    seen: list[tuple[float, float, str]] = []
    errors: list[str] = []

    def search() -> None:
        while not done.is_set():
            begun = time.perf_counter()
            try:
                answer = switch.compare(source.collection, asked, 0.5)
            except Exception as error:
                errors.append(type(error).__name__)
                continue
            seen.append((begun, time.perf_counter(), answer.region))

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    _until(lambda: len(seen) >= SEARCHES)
    killed = time.perf_counter()
    home.kill()
    _until(lambda: sum(region == "us" for *_, region in seen) >= SEARCHES)
    done.set()
    for thread in threads:
        thread.join()
    switch.close()
    for node in nodes.values():
        node.close()
    usual = [end - begin for begin, end, region in seen if end < killed]
    across = [
        end - begin for begin, end, region in seen if begin <= killed < end or (begin > killed and region == "us")
    ]
    first = min(end for _, end, region in seen if region == "us")
    return {
        "search_usual_ms": 1e3 * float(np.median(usual)),
        "search_longest_across_the_kill_ms": 1e3 * max(across),
        "first_replica_answer_after_kill_ms": 1e3 * (first - killed),
        "errors": float(len(errors)),
    }


def _until(holds: object, limit_s: float = 120.0) -> None:
    deadline = time.perf_counter() + limit_s
    while not holds():  # type: ignore[operator]  # a function
        if time.perf_counter() > deadline:
            raise SystemExit("no answers within the limit")
        time.sleep(0.005)


def _child(folder: Path, rows: int, dimension: int) -> None:
    """What a fresh process measures."""
    index = json.loads((folder / "index.json").read_text())
    infos = [
        SegmentInfo(name, np.arange(at, min(rows, at + N), dtype=np.uint32), digest, length)
        for name, at, digest, length in index
    ]
    print(json.dumps(start_embedded(folder / "segments", folder / "marks", infos, dimension)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=192)
    parser.add_argument("--folder", type=Path, default=None, help="where the temporary folder is made")
    parser.add_argument("--child", type=Path, default=None, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child is not None:
        _child(chosen.child, chosen.rows, chosen.dimension)
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as made:
        root = Path(made)
        infos = written(root / "segments", chosen.rows, chosen.dimension)
        index = [[info.segment_id, int(info.rows[0]), info.sha256, info.length] for info in infos]
        (root / "index.json").write_text(json.dumps(index))
        figures: dict[str, dict[str, float]] = {}
        command = [sys.executable, "-m", "benchmarks.replication", "--rows", str(chosen.rows)]
        command += ["--dimension", str(chosen.dimension), "--child", os.fspath(root)]
        for name in ("first_start", "later_start"):
            begun = time.perf_counter()
            told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout
            figures[name] = json.loads(told) | {"process_s": time.perf_counter() - begun}
        source = RandomGallery(root / "segments", infos, chosen.dimension)
        figures["remote"] = remote(root, source, infos)
        print(json.dumps({"rows": chosen.rows, "dimension": chosen.dimension, **figures}, indent=2))


if __name__ == "__main__":
    main()
