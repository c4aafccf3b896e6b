"""The comparing side of `he`: mapped segments and single ciphertexts, compared with a plaintext probe.

Belongs here: the port's implementation, and which slots may be opened. Does not belong here: arithmetic (see `kernel`), keys.

Every comparison reads all of the gallery, so what was accessed tells nothing. Slots that are not to be opened (removed,
excluded, padding, not asked for) get uniformly random plaintext, so that opening them tells nothing either.
"""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from moretta.core.gallery import GallerySpec, SegmentInfo
from moretta.core.protection import Mask, ProtectedProbe, Rows, SealedScores
from moretta.protection.he.kernel import mask, weigh, weigh_single
from moretta.protection.he.parameters import (
    Limbs,
    N,
    P,
    T,
    Weights,
    check_dimension,
    new_scores,
    read_probe,
    read_reference,
)
from moretta.protection.he.ring import Ring, forward
from moretta.protection.he.segment import Segment
from moretta.protection.he.singles import Picked, Singles
from moretta.protection.he.transforms import tables, with_quotients
from moretta.protection.terms import check_probe


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one comparison reads: segments with the slots that may be opened (shape (b, N)), and singles."""

    segments: tuple[Segment, ...]
    open_slots: Mask
    singles: Picked
    rows: Rows
    counted: Mask


class HeIndex:
    """A `GalleryIndex` that holds segments too (`attach`, `detach`). Safe for threads: each comparison works on one state.

    Raises:
        RequestInvalid: the scheme cannot hold templates of that dimension.
    """

    def __init__(self, spec: GallerySpec) -> None:
        check_dimension(spec.dimension)
        warm_up()
        self._spec = spec
        self._lock = threading.Lock()
        self._singles = Singles(spec.dimension)
        self._segments: dict[str, Segment] = {}
        self._excluded: Rows = np.empty(0, np.uint32)
        self._whole: _Plan | None = None

    def put(self, rows: Sequence[int], payloads: Sequence[bytes]) -> None:
        """Take single references; rows that a segment holds are left as they are.

        Raises:
            ProbeRejected: one is malformed; then none is taken.
        """
        references = [read_reference(payload, self._spec.dimension) for payload in payloads]
        with self._lock:
            packed = self._packed(_ascending(rows))
            for row, (c0, c1) in zip(rows, references, strict=True):
                if row not in packed:
                    self._singles.put(row, c0, c1)
            self._whole = None

    def attach(self, info: SegmentInfo, path: Path) -> None:
        """Compare with the rows of a segment from now on, instead of single references and older segments of the same rows.

        Idempotent. The file is mapped and must stay as it is; that it has its digest is the caller's to check.

        Raises:
            ProbeRejected: the file is no segment of this dimension.
        """
        with self._lock:
            if info.segment_id in self._segments:
                return
            segment = Segment(info, path, self._spec.dimension)
            rows = _ascending(info.rows)
            for older in self._segments.values():
                older.remove(rows)
            self._singles.remove(row for row in rows.tolist() if row in self._singles)
            self._segments[info.segment_id] = segment
            self._whole = None

    def detach(self, segment_id: str) -> None:
        """Let go of a segment's file and rows; comparisons under way keep it until they end. Unknown ids are ignored."""
        with self._lock:
            self._segments.pop(segment_id, None)
            self._whole = None

    def remove(self, rows: Sequence[int]) -> None:
        """As `GalleryIndex.remove`; slots of a segment are masked from now on."""
        ascending = _ascending(rows)
        with self._lock:
            self._singles.remove(rows)
            for segment in self._segments.values():
                segment.remove(ascending)
            self._whole = None

    def exclude(self, rows: Sequence[int]) -> None:
        """As `GalleryIndex.exclude`."""
        with self._lock:
            self._excluded = _ascending(rows)
            self._whole = None

    def compare(self, probe: ProtectedProbe, threshold: float, only: Sequence[int] | None = None) -> SealedScores:
        """As `GalleryIndex.compare`; with `only`, the segments that hold those rows are read, whole."""
        check_probe(probe, self._spec)
        weights = read_probe(probe.payload, self._spec.dimension)
        with self._lock:
            plan = self._plan() if only is None else self._part(_ascending(only))
        whole, packed, single = new_scores(len(plan.segments), len(plan.singles.places))
        _weigh_segments(plan, weights, packed)
        _weigh_singles(plan.singles, weights, single)
        spec = self._spec
        return SealedScores(
            spec.scheme, spec.model_id, spec.key_id, threshold, plan.rows, plan.counted, whole.tobytes()
        )

    def __len__(self) -> int:
        """How many rows would be compared."""
        with self._lock:
            return int(np.count_nonzero(self._plan().counted))

    def close(self) -> None:
        """Let go of everything. Idempotent."""
        with self._lock:
            self._singles = Singles(self._spec.dimension)
            self._segments.clear()
            self._whole = None

    def _packed(self, rows: Rows) -> set[int]:
        return {int(held.rows[slot]) for held in self._segments.values() for slot in held.slots(rows)}

    def _plan(self) -> _Plan:
        """Everything; kept until something changes."""
        if self._whole is None:
            segments = tuple(self._segments.values())
            slots = np.array([held.present for held in segments], np.bool_).reshape(len(segments), N)
            for at, held in enumerate(segments):
                slots[at, held.slots(self._excluded)] = False
            excluded = set(self._excluded.tolist())
            self._whole = self._planned(segments, slots, [row for row in self._singles if row not in excluded])
        return self._whole

    def _part(self, only: Rows) -> _Plan:
        wanted = np.setdiff1d(only, self._excluded, assume_unique=True)
        found = [(held, picked) for held in self._segments.values() if (picked := held.slots(wanted))]
        slots = np.zeros((len(found), N), np.bool_)
        for at, (_, picked) in enumerate(found):
            slots[at, picked] = True
        return self._planned(tuple(held for held, _ in found), slots, wanted.tolist())

    def _planned(self, segments: tuple[Segment, ...], slots: Mask, singles: Sequence[int]) -> _Plan:
        picked = self._singles.picked(singles)
        rows = np.concatenate([*(held.rows for held in segments), picked.rows])
        counted = np.concatenate((slots.ravel(), np.ones(len(picked.places), np.bool_)))
        return _Plan(segments, slots, picked, rows, counted)


def warm_up() -> None:
    """Compile, or read from the disk, all that comparing runs: no comparison then waits for it. Later calls take 0.1 ms."""
    out, weights = np.zeros(2 * N, np.uint32), np.zeros(2, np.int64)
    weigh(np.zeros((2, 2 * N), np.uint32), weights, out)
    probe = with_quotients(np.zeros(N, np.uint64), P)
    weigh_single(np.zeros(2, np.uint32), np.zeros(N, np.uint32), weights, probe, out[: 1 + N])
    mask(out, np.zeros(N, np.uint64), tables(T).back, tables(T).scale)
    Singles(2).put(0, np.zeros(2, np.uint32), np.zeros(N, np.uint32))


def _weigh_segments(plan: _Plan, weights: Weights, results: Limbs) -> None:
    """The weighted sums of every segment, shape (b, 2N), masked where slots must not be opened."""
    table = tables(T)
    for out, held, open_slots in zip(results, plan.segments, plan.open_slots, strict=True):
        weigh(held.limbs, weights, out)
        if not open_slots.all():
            mask(out, _noise(open_slots), table.back, table.scale)


def _weigh_singles(singles: Picked, weights: Weights, results: Limbs) -> None:
    if singles.places:
        probe = _probe_polynomial(weights)
        for out, place in zip(results, singles.places, strict=True):
            weigh_single(singles.c0[place], singles.c1[place], weights, probe, out)


def _probe_polynomial(weights: Weights) -> Ring:
    """q_0 - sum over j > 0 of q_j * x^(N-j), at points with quotients: times a reference, coefficient 0 is the dot product."""
    polynomial = np.zeros(N, np.int64)
    polynomial[0] = weights[0]
    polynomial[N - np.arange(1, weights.size)] = -weights[1:]
    return with_quotients(forward(np.mod(polynomial, P).astype(np.uint64), P), P)


def _noise(open_slots: Mask) -> Ring:
    """Uniformly random plaintext where slots stay shut, 0 where they are opened; 64 bits modulo T are uniform to 2^-47."""
    slots = np.zeros(N, np.uint64)
    shut = ~open_slots
    slots[shut] = np.frombuffer(os.urandom(8 * int(shut.sum())), np.uint64) % np.uint64(T)
    return slots


def _ascending(rows: Sequence[int] | Rows) -> Rows:
    return np.unique(np.asarray(rows, dtype=np.uint32))
