"""The comparing side of `plain` and `rotated`: one matrix of unit vectors in memory.

Belongs here: the port's implementation for payloads that are vectors. Does not belong here: protecting, opening, files.
"""

import threading
from collections.abc import Iterable, Sequence

import numpy as np

from moretta.core.gallery import GallerySpec
from moretta.core.protection import Mask, ProtectedProbe, Rows, SealedScores
from moretta.core.values import Floats
from moretta.protection.plain.vectors import read_vector
from moretta.protection.terms import check_probe

_ROOM = 64  # rows for which a new gallery has room; it doubles from there


class VectorIndex:
    """A `GalleryIndex` over vectors. Changes make new arrays or write where no comparison reads, so none waits for another.

    Args:
        spec: the gallery; its scheme is `plain` or `rotated`.
    """

    def __init__(self, spec: GallerySpec) -> None:
        self._spec = spec
        self._lock = threading.Lock()
        self._excluded: frozenset[int] = frozenset()
        self._counted: Mask | None = None
        self._place: dict[int, int] = {}
        self._used = 0
        self._allocate(0)

    def put(self, rows: Sequence[int], payloads: Sequence[bytes]) -> None:
        """Take references. Raises `ProbeRejected` before any is taken where one is malformed."""
        vectors = [read_vector(payload, self._spec.dimension) for payload in payloads]
        with self._lock:
            for row, vector in zip(rows, vectors, strict=True):
                place = self._place.get(row)
                if place is not None and np.array_equal(self._vectors[place], vector):
                    continue
                if place is not None:
                    self._alive[place] = False
                self._append(row, vector)
            self._counted = None

    def remove(self, rows: Sequence[int]) -> None:
        """Forget rows; their vectors leave memory when a quarter of it is of removed rows, or at the next change of size."""
        with self._lock:
            for row in rows:
                place = self._place.pop(row, None)
                if place is not None:
                    self._alive[place] = False
            self._counted = None
            if self._used > _ROOM and len(self._place) < 0.75 * self._used:
                self._resize(max(_ROOM, len(self._place)))

    def exclude(self, rows: Sequence[int]) -> None:
        """As `GalleryIndex.exclude`."""
        with self._lock:
            self._excluded = frozenset(rows)
            self._counted = None

    def compare(self, probe: ProtectedProbe, threshold: float, only: Sequence[int] | None = None) -> SealedScores:
        """As `GalleryIndex.compare`; the payload is float32 cosines."""
        check_probe(probe, self._spec)
        query = read_vector(probe.payload, self._spec.dimension)
        vectors, rows, counted = self._snapshot() if only is None else self._picked(only)
        scores = vectors @ query
        spec = self._spec
        payload = scores.astype("<f4").tobytes()
        return SealedScores(spec.scheme, spec.model_id, spec.key_id, threshold, rows, counted, payload)

    def __len__(self) -> int:
        """How many rows would be compared."""
        with self._lock:
            return len(self._place) - sum(row in self._place for row in self._excluded)

    def close(self) -> None:
        """Forget everything. Idempotent."""
        with self._lock:
            self._place, self._used, self._counted = {}, 0, None
            self._allocate(0)

    def _snapshot(self) -> tuple[Floats, Rows, Mask]:
        with self._lock:
            if self._counted is None:
                counted = self._alive[: self._used].copy()
                counted[[self._place[row] for row in self._excluded if row in self._place]] = False
                self._counted = counted
            return self._vectors[: self._used], self._rows[: self._used], self._counted

    def _picked(self, only: Iterable[int]) -> tuple[Floats, Rows, Mask]:
        with self._lock:
            wanted = [row for row in dict.fromkeys(only) if row in self._place and row not in self._excluded]
            places = [self._place[row] for row in wanted]
            return self._vectors[places], self._rows[places], np.ones(len(places), dtype=np.bool_)

    def _append(self, row: int, vector: Floats) -> None:
        if self._used == len(self._rows):
            self._resize(max(_ROOM, 2 * len(self._place)))
        self._vectors[self._used], self._rows[self._used], self._alive[self._used] = vector, row, True
        self._place[row] = self._used
        self._used += 1

    def _resize(self, room: int) -> None:
        """Move to arrays of another size and leave removed rows behind; comparisons under way keep the old arrays."""
        vectors, rows, kept = self._vectors, self._rows, np.flatnonzero(self._alive[: self._used])
        self._allocate(room)
        self._vectors[: kept.size], self._rows[: kept.size], self._alive[: kept.size] = vectors[kept], rows[kept], True
        self._used = int(kept.size)
        self._place = {int(row): place for place, row in enumerate(rows[kept])}

    def _allocate(self, room: int) -> None:
        self._vectors: Floats = np.empty((room, self._spec.dimension), np.float32)
        self._rows: Rows = np.zeros(room, np.uint32)
        self._alive: Mask = np.zeros(room, np.bool_)
