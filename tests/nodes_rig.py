"""A database's galleries in memory, an exact index that packs, and nodes around them."""

import hashlib
import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np

from moretta.core.errors import NotFound, ProbeRejected
from moretta.core.gallery import GalleryDelta, GalleryNode, GallerySpec, SegmentInfo, spec_of
from moretta.core.protection import GalleryIndex, OpenTerms, ProtectedProbe, Scheme, SealedScores
from moretta.core.recognition import Collection, IdKind, Thresholds, new_id
from moretta.core.values import Embedding, Floats

DIMENSION, MODEL = 64, "exact-test"
THRESHOLD = 0.7


class Guard(Protocol):
    """What protects, packs and opens under one key."""

    key_id: str
    scheme: Scheme

    def reference(self, vector: Floats) -> bytes: ...
    def probe(self, vector: Floats) -> bytes: ...
    def pack(self, payloads: Sequence[bytes]) -> bytes: ...
    def repack(self, segments: Sequence[tuple[bytes, Sequence[int]]]) -> bytes: ...
    def open(self, sealed: SealedScores) -> set[int]: ...


@dataclass
class ExactGuard:
    """Vectors as they are; a segment is vectors one after the other. It calls itself `he`, the scheme that packs."""

    key_id: str
    scheme: Scheme = Scheme.HE

    def reference(self, vector: Floats) -> bytes:
        return vector.astype("<f4").tobytes()

    probe = reference

    def pack(self, payloads: Sequence[bytes]) -> bytes:
        return b"".join(payloads)

    def repack(self, segments: Sequence[tuple[bytes, Sequence[int]]]) -> bytes:
        step = 4 * DIMENSION
        return b"".join(content[step * slot :][:step] for content, slots in segments for slot in slots)

    def open(self, sealed: SealedScores) -> set[int]:
        scores = np.frombuffer(sealed.payload, "<f4")
        return {int(row) for row in sealed.rows[(scores >= sealed.threshold) & sealed.counted]}


@dataclass
class SchemeGuard:
    """A real scheme with a real key."""

    scheme: Scheme
    key_id: str

    def __post_init__(self) -> None:
        from moretta.core.protection import ProtectionTerms
        from moretta.protection.schemes import new_gallery_key, protector

        self._key = new_gallery_key(self.scheme, DIMENSION)
        self._protector = protector(ProtectionTerms(self.scheme, MODEL, DIMENSION, self.key_id, self._key.material()))

    def reference(self, vector: Floats) -> bytes:
        return self._protector.protect_reference(Embedding(vector, MODEL)).payload

    def probe(self, vector: Floats) -> bytes:
        return self._protector.protect_probe(Embedding(vector, MODEL)).payload

    def pack(self, payloads: Sequence[bytes]) -> bytes:
        return self._key.pack(payloads)

    def repack(self, segments: Sequence[tuple[bytes, Sequence[int]]]) -> bytes:
        return self._key.repack(segments)

    def open(self, sealed: SealedScores) -> set[int]:
        return {entry.row for entry in self._key.open(sealed, OpenTerms(sealed.threshold, limit=1000))}


class ExactIndex:
    """A `GalleryIndex` and `PackedIndex` that compares vectors one by one."""

    def __init__(self, spec: GallerySpec) -> None:
        self._spec = spec
        self._lock = threading.Lock()
        self._single: dict[int, Floats] = {}
        self._packed: dict[str, dict[int, Floats]] = {}
        self._excluded: frozenset[int] = frozenset()

    def put(self, rows: Sequence[int], payloads: Sequence[bytes]) -> None:
        if any(len(payload) != 4 * DIMENSION for payload in payloads):
            raise ProbeRejected("expected a vector")
        with self._lock:
            for row, payload in zip(rows, payloads, strict=True):
                self._single[row] = np.frombuffer(payload, "<f4")

    def remove(self, rows: Sequence[int]) -> None:
        with self._lock:
            for row in rows:
                for held in (self._single, *self._packed.values()):
                    held.pop(row, None)

    def exclude(self, rows: Sequence[int]) -> None:
        with self._lock:
            self._excluded = frozenset(rows)

    def attach(self, info: SegmentInfo, path: Path) -> None:
        vectors = np.fromfile(path, "<f4").reshape(-1, DIMENSION)
        with self._lock:
            self._packed[info.segment_id] = dict(zip(info.rows.tolist(), vectors, strict=True))
            for row in info.rows.tolist():
                self._single.pop(row, None)

    def detach(self, segment_id: str) -> None:
        with self._lock:
            self._packed.pop(segment_id, None)

    def compare(self, probe: ProtectedProbe, threshold: float, only: Sequence[int] | None = None) -> SealedScores:
        if probe.key_id != self._spec.key_id:
            raise ProbeRejected("expected a probe of the gallery's key")
        query = np.frombuffer(probe.payload, "<f4")
        with self._lock:
            held = [entry for held in (self._single, *self._packed.values()) for entry in held.items()]
            excluded = self._excluded
        wanted = [entry for entry in held if only is None or entry[0] in only]
        rows = np.array([row for row, _ in wanted], np.uint32)
        scores = np.array([vector @ query for _, vector in wanted], "<f4")
        counted = ~np.isin(rows, np.array(sorted(excluded), np.uint32))
        spec = self._spec
        return SealedScores(spec.scheme, spec.model_id, spec.key_id, threshold, rows, counted, scores.tobytes())

    def __len__(self) -> int:
        return len(self._single) + sum(map(len, self._packed.values()))

    def close(self) -> None:
        self._single, self._packed = {}, {}


def exact_index(spec: GallerySpec) -> GalleryIndex:
    return ExactIndex(spec)


def unit_vectors(count: int, seed: int = 1) -> list[Floats]:
    """Vectors far enough from each other: of 64 dimensions, none of them as alike as `THRESHOLD`."""
    drawn = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    return list(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


@dataclass
class _Segment:
    info: SegmentInfo
    content: bytes
    sequence: int


@dataclass
class Truth:
    """A `nodes.follow.GallerySource` of one collection that remembers every state it was in."""

    guard: Guard
    home: str = "eu"
    replicas: frozenset[str] = frozenset({"us"})
    collection_id: str = ""
    sequence: int = 0
    people: dict[int, Floats] = field(default_factory=dict)  # live rows
    states: dict[int, frozenset[int]] = field(default_factory=dict)  # sequence -> rows that are compared
    fetched: list[str] = field(default_factory=list)
    others: list["Truth"] = field(default_factory=list)
    gone: bool = False

    def __post_init__(self) -> None:
        self.collection_id = self.collection_id or new_id(IdKind.COLLECTION, self.home)
        self._lock = threading.RLock()
        self._payloads: dict[int, tuple[int, bytes]] = {}
        self._removed: dict[int, int] = {}
        self._segments: dict[str, _Segment] = {}
        self._dropped: dict[str, int] = {}
        self._excluded: frozenset[int] = frozenset()
        self._next = 0
        self.states[0] = frozenset()

    @property
    def region(self) -> str:
        return self.home

    @property
    def collection(self) -> Collection:
        with self._lock:
            return Collection(
                self.collection_id,
                "co_test",
                "test",
                "access",
                self.guard.scheme,
                MODEL,
                DIMENSION,
                self.guard.key_id,
                Thresholds(THRESHOLD, THRESHOLD, 0.001),
                self.home,
                self.replicas,
                datetime(2026, 1, 1, tzinfo=UTC),
                sequence=self.sequence,
            )

    @property
    def spec(self) -> GallerySpec:
        return spec_of(self.collection)

    def collections(self) -> Sequence[Collection]:
        return [one.collection for one in (self, *self.others) if not one.gone]

    def delta(self, collection_id: str, since: int) -> GalleryDelta:
        truth = next((one for one in (self, *self.others) if one.collection_id == collection_id), None)
        if truth is None or truth.gone:
            raise NotFound("expected a collection that is there")
        return truth._delta(since)

    def fetch(self, segment_id: str) -> bytes:
        with self._lock:
            for one in (self, *self.others):
                if segment_id in one._segments:
                    self.fetched.append(segment_id)
                    return one._segments[segment_id].content
        raise NotFound("the segment was dropped")

    def enrol(self, vectors: Iterable[Floats]) -> list[int]:
        """One change: these become rows."""
        with self._lock:
            rows = []
            for vector in vectors:
                self._next += 1
                rows.append(self._next)
                self.people[self._next] = vector
                self._payloads[self._next] = (self.sequence + 1, self.guard.reference(vector))
            self._stepped()
            return rows

    def delete(self, *rows: int) -> None:
        with self._lock:
            for row in rows:
                del self.people[row]
                self._payloads.pop(row, None)
                self._removed[row] = self.sequence + 1
            self._stepped()

    def exclude(self, *rows: int) -> None:
        with self._lock:
            self._excluded = frozenset(rows)
            self._stepped()

    def pack(self) -> str:
        """All single payloads become one segment."""
        with self._lock:
            rows = sorted(self._payloads)
            content = self.guard.pack([self._payloads[row][1] for row in rows])
            self._payloads = {}
            made = self._published(rows, content)
            self._stepped()
            return made

    def repack(self) -> str:
        """All segments become one that holds live rows alone."""
        with self._lock:
            old = list(self._segments.values())
            kept = [[slot for slot, row in enumerate(one.info.rows.tolist()) if row in self.people] for one in old]
            rows = [int(one.info.rows[slot]) for one, slots in zip(old, kept, strict=True) for slot in slots]
            content = self.guard.repack([(one.content, slots) for one, slots in zip(old, kept, strict=True)])
            for one in old:
                self._dropped[one.info.segment_id] = self.sequence + 1
                del self._segments[one.info.segment_id]
            made = self._published(rows, content)
            self._stepped()
            return made

    def reissue(self, guard: Guard) -> None:
        """Everything under another key, as one change; what was packed is single again."""
        with self._lock:
            self.guard = guard
            for segment_id in list(self._segments):
                self._dropped[segment_id] = self.sequence + 1
                del self._segments[segment_id]
            self._payloads = {
                row: (self.sequence + 1, guard.reference(vector)) for row, vector in sorted(self.people.items())
            }
            self._stepped()

    def rewound(self) -> "Truth":
        """The same database as of a backup: a state of before is the present one."""
        other = Truth(self.guard, self.home, self.replicas, self.collection_id)
        for row in sorted(self.people)[:1]:
            other.enrol([self.people[row]])
        return other

    def probe(self, vector: Floats) -> ProtectedProbe:
        return ProtectedProbe(self.guard.scheme, MODEL, self.guard.key_id, self.guard.probe(vector))

    def segment_ids(self) -> set[str]:
        return set(self._segments)

    def compared(self) -> frozenset[int]:
        return self.states[self.sequence]

    def assert_exact(self, node: GalleryNode) -> None:
        """The node compares with exactly the present rows, each once, and finds each person at their row."""
        live = sorted(self.compared())
        for row, vector in list(self.people.items())[-3:]:
            sealed = node.compare(self.spec, self.probe(vector), THRESHOLD)
            assert sorted(sealed.rows[sealed.counted].tolist()) == live
            assert self.guard.open(sealed) == {row} & self.compared()

    def _delta(self, since: int) -> GalleryDelta:
        with self._lock:
            new = [one for one in self._segments.values() if one.sequence > since]
            named = {row for one in new for row in one.info.rows.tolist()}
            removed = {row for row, at in self._removed.items() if (at > since and since) or row in named}
            return GalleryDelta(
                self.spec,
                since,
                self.sequence,
                tuple((row, payload) for row, (at, payload) in self._payloads.items() if at > since),
                tuple(sorted(removed)),
                tuple(one.info for one in new),
                tuple(name for name, at in self._dropped.items() if at > since and since),
                tuple(sorted(self._excluded & set(self.people))),
            )

    def _published(self, rows: list[int], content: bytes) -> str:
        segment_id = "seg_" + hashlib.sha256(struct.pack("<Q", self.sequence) + content).hexdigest()[:24]
        info = SegmentInfo(segment_id, np.array(rows, np.uint32), hashlib.sha256(content).hexdigest(), len(content))
        self._segments[segment_id] = _Segment(info, content, self.sequence + 1)
        return segment_id

    def _stepped(self) -> None:
        self.sequence += 1
        self.states[self.sequence] = frozenset(self.people) - self._excluded


@dataclass
class FlakyNode:
    """A `GalleryNode` around another that can be taken down, and counts how often it was asked."""

    inner: GalleryNode
    down: Exception | None = None
    asked: int = 0
    before_compare: Callable[[], None] | None = None

    @property
    def region(self) -> str:
        return self.inner.region

    def position(self, spec: GallerySpec) -> int:
        return self._up().position(spec)

    def apply(self, delta: GalleryDelta, fetch: Callable[[str], bytes]) -> int:
        return self._up().apply(delta, fetch)

    def compare(
        self, spec: GallerySpec, probe: ProtectedProbe, threshold: float, only: Sequence[int] | None = None
    ) -> SealedScores:
        if self.before_compare is not None:
            self.before_compare()
        return self._up().compare(spec, probe, threshold, only)

    def drop(self, collection_id: str, keep_key_id: str | None = None) -> None:
        self._up().drop(collection_id, keep_key_id)

    def close(self) -> None:
        self.inner.close()

    def _up(self) -> GalleryNode:
        self.asked += 1
        if self.down is not None:
            raise self.down
        return self.inner


def without_regions(delta: GalleryDelta) -> GalleryDelta:
    """The same delta for a collection that may be nowhere."""
    return replace(delta, spec=replace(delta.spec, regions=frozenset()))
