"""What comparing over shares costs, for `benchmarks.recognition`.

Three real `moretta party` processes under mutual TLS on this machine. Their stores are written directly, as enrolling leaves
them, because enrolling a million references through the protocol would take most of the run; the time to enrol is measured on
a smaller number.
"""

import contextlib
import os
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from moretta.core.gallery import GalleryDelta, GallerySpec
from moretta.core.protection import OpenTerms, ProtectionTerms, Scheme
from moretta.core.values import Embedding
from moretta.links.addresses import Address
from moretta.links.certificates import files_of, issue
from moretta.protection.rotation import rotation
from moretta.protection.shares.circuit import signs
from moretta.protection.shares.galleries import Gallery
from moretta.protection.shares.kernel import check_values
from moretta.protection.shares.keys import SharesKey
from moretta.protection.shares.node import SharesNode, connected
from moretta.protection.shares.protect import SharesProtector, split_material
from moretta.protection.shares.store import State
from moretta.protection.shares.streams import Streams
from moretta.wiring.party import party_public_key

REGION, MODEL, KEY, THRESHOLD = "local", "0123456789abcdef", "key-1", 0.5
REPETITIONS, ENROLLED = 9, 500
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians of one size; `party_cpu_ms` is that of the party that works most."""

    references: int
    dimension: int
    wall_ms: float
    party_cpu_ms: float
    faiss_cpu_ms: float
    sent_bytes: int
    rounds: int
    start_s: float
    enrolled_per_s: float
    differing: int

    @property
    def cpu_ratio(self) -> float:
        """Processor time of a party over that of faiss."""
        return self.party_cpu_ms / self.faiss_cpu_ms


def measure(references: int, dimension: int, flat_cpu_s: Callable[[], float], repetitions: int = REPETITIONS) -> Cost:
    """One size; `flat_cpu_s` searches plain vectors of that size once, in turn with the parties, and tells its processor time.

    Raises `RuntimeError` where a decision differs from the cosine's by more than the stated error allows.
    """
    with tempfile.TemporaryDirectory(prefix="moretta-bench-") as scratch:
        root = Path(scratch)
        rng = np.random.default_rng(7)
        vectors = _units(rng, references, dimension)
        key = SharesKey.new(dimension, [party_public_key(root / str(index)) for index in range(3)])
        spec = GallerySpec("col_local_0", Scheme.SHARES, MODEL, dimension, KEY, frozenset({REGION}))
        _write_stores(root, spec, key, vectors)
        protector = SharesProtector(ProtectionTerms(Scheme.SHARES, MODEL, dimension, KEY, key.material()))
        with _parties(root) as (node, pids, start_s):
            walls, cpus, flats, differing = [], [], [], 0
            for turn in range(repetitions + 1):
                probe = vectors[turn * 11] + 0.9 * _units(rng, 1, dimension)[0]
                probe = (probe / np.linalg.norm(probe)).astype(np.float32)
                before, began = [_cpu_ms(pid) for pid in pids], time.perf_counter()
                sealed = node.compare(spec, protector.protect_probe(Embedding(probe, MODEL)), THRESHOLD)
                walls.append(1e3 * (time.perf_counter() - began))
                cpus.append([_cpu_ms(pid) - had for pid, had in zip(pids, before, strict=True)])
                found = {match.row for match in key.open(sealed, OpenTerms(THRESHOLD, references))}
                flats.append(1e3 * flat_cpu_s())
                differing += _differing(vectors @ probe, found)
            enrolled = _enrolled_per_s(node, spec, protector, vectors[:ENROLLED])
        sent, rounds = _traffic(references)
        # The first turn fetches the list of rows and fills caches.
        party_cpu = max(statistics.fmean(one[place] for one in cpus[1:]) for place in range(3))
        return Cost(
            references,
            dimension,
            statistics.median(walls[1:]),
            party_cpu,
            statistics.fmean(flats[1:]),
            sent,
            rounds,
            start_s,
            enrolled,
            differing,
        )


def _units(rng: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    raw = rng.standard_normal((count, dimension), dtype=np.float32)
    raw /= np.linalg.norm(raw, axis=1, keepdims=True)
    return raw


def _write_stores(root: Path, spec: GallerySpec, key: SharesKey, vectors: np.ndarray) -> None:
    turn = rotation(split_material(key.material())[0], spec.dimension).astype(np.float32).T
    rng = np.random.default_rng(int.from_bytes(secrets.token_bytes(16), "big"))
    shape = vectors.shape
    shares = [rng.integers(0, 2**16, shape, dtype=np.uint16) for _ in range(2)]
    last = np.empty(shape, np.uint16)
    for start in range(0, len(vectors), _PIECE):
        part = slice(start, start + _PIECE)
        whole = np.rint(vectors[part] @ turn * 127).astype(np.int32).astype(np.uint16)
        last[part] = whole - shares[0][part] - shares[1][part]
    shares.append(last)
    rows = np.arange(len(vectors), dtype=np.uint32)
    for index in range(3):
        first, second = shares[index], shares[(index + 1) % 3]
        state = State(spec.dimension, 1, 0, 0, check_values(first, second, rows))
        parts = (
            (rows[at : at + _PIECE], first[at : at + _PIECE], second[at : at + _PIECE])
            for at in range(0, len(rows), _PIECE)
        )
        folder = root / str(index) / "galleries" / spec.collection_id / spec.key_id
        Gallery.made(folder, state, parts).close()


@contextlib.contextmanager
def _parties(root: Path) -> Iterator[tuple[SharesNode, list[int], float]]:
    certificates = root / "certificates"
    issue(certificates, ["serve", "party-0", "party-1", "party-2"])
    ports = _free_ports(3)
    began = time.perf_counter()
    running = [_started(root, index, ports) for index in range(3)]
    try:
        for process in running:
            assert process.stdout is not None
            if "listens" not in process.stdout.readline():
                raise RuntimeError("a party did not start")
        addresses = [Address(host="127.0.0.1", port=port) for port in ports]
        node = connected(REGION, addresses, files_of(certificates, "serve"), 60.0)
        yield node, [process.pid for process in running], time.perf_counter() - began
        node.close()
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def _started(root: Path, index: int, ports: list[int]) -> subprocess.Popen:
    peers = [
        part for other in range(3) if other != index for part in ("--peer", f"{other}=tls:127.0.0.1:{ports[other]}")
    ]
    command = [
        sys.executable,
        "-c",
        "from moretta.cli.party import app; app()",
        "--region",
        REGION,
        "--index",
        str(index),
    ]
    command += ["--listen", f"tls:127.0.0.1:{ports[index]}", "--data", str(root / str(index)), *peers]
    command += ["--certificates", str(root / "certificates"), "--patience", "30"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def _cpu_ms(pid: int) -> float:
    """Processor time of all threads of a process so far, to the nanosecond where the kernel tells it."""
    total = 0.0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            total += int((task / "schedstat").read_text().split()[0]) / 1e6
    return total


def _differing(cosines: np.ndarray, found: set[int]) -> int:
    """Decisions that are not the cosine's; beyond the stated error there must be none."""
    from moretta.protection.schemes import STATED_ERROR

    decided = np.zeros(len(cosines), np.bool_)
    decided[list(found)] = True
    different = decided != (cosines >= THRESHOLD)
    if (different & (np.abs(cosines - THRESHOLD) > STATED_ERROR[Scheme.SHARES])).any():
        raise RuntimeError("a decision differs by more than the stated error")
    return int(different.sum())


def _enrolled_per_s(node: SharesNode, spec: GallerySpec, protector: SharesProtector, vectors: np.ndarray) -> float:
    payloads = [protector.protect_reference(Embedding(vector, MODEL)).payload for vector in vectors]
    added = tuple((2_000_000 + place, payload) for place, payload in enumerate(payloads))
    began = time.perf_counter()
    node.apply(GalleryDelta(spec, 1, 2, added), lambda _: b"")
    return len(payloads) / (time.perf_counter() - began)


def _traffic(count: int) -> tuple[int, int]:
    """Bytes of the circuit that the three parties send each other for a gallery of `count`, and the rounds of all.

    The hello before the circuit and the opening of the probe's check after it add two rounds and under 100 kB.
    """
    secret = [os.urandom(32) for _ in range(3)]
    padded = -(-(count + 64) // 64) * 64
    values = np.zeros(padded, np.uint16)
    circuits = [signs(index, values, Streams(secret[index], secret[(index + 1) % 3], b"", b"")) for index in range(3)]
    asked = [next(circuit) for circuit in circuits]
    sent, rounds = 0, 0
    while True:
        rounds += 1
        sent += sum(content.nbytes for one in asked for content in one.sends.values())
        inboxes = [
            {of: asked[of].sends[index].reshape(-1).view(np.uint8) for of in one.awaits}
            for index, one in enumerate(asked)
        ]
        try:
            asked = [circuit.send(inbox) for circuit, inbox in zip(circuits, inboxes, strict=True)]
        except StopIteration:
            return sent, rounds + 2
