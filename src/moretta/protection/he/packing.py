"""What a key holder makes of references: segments, segments without deleted slots, and references under another key.

Belongs here: decrypting, changing and encrypting references. Does not belong here: keys' bytes, decisions.

Plaintext references exist only inside these functions. Packing and repacking keep every integer; a change of key turns and rounds
again, which adds an error of its own each time (measured in the tests).
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from moretta.core.errors import ProbeRejected, RequestInvalid
from moretta.protection.he.decrypt import opened_coefficients, opened_slots
from moretta.protection.he.kernel import to_points
from moretta.protection.he.parameters import Limbs, N, P, read_reference, read_segment
from moretta.protection.he.ring import Ring
from moretta.protection.he.seal import SealKey
from moretta.protection.he.transforms import tables
from moretta.protection.quantise import HE_GALLERY_SCALE, Integers

# As for probes (see `parameters`), at the scale of the gallery. One that is longer would match more than it should.
REFERENCE_NORM_TOLERANCE = 3.0

Turn = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]


def references_of(payloads: Sequence[bytes], dimension: int, secret: Ring) -> Integers:
    """The quantised references in single payloads, shape (n, d).

    Raises:
        ProbeRejected: one is malformed, of another key, or not of unit norm.
    """
    c0, c1 = np.empty((len(payloads), dimension), np.uint32), np.empty((len(payloads), N), np.uint32)
    for at, payload in enumerate(payloads):
        c0[at], c1[at] = read_reference(payload, dimension)
    to_points(c1, tables(P).ahead)
    references = opened_coefficients(c0, c1, secret).astype(np.int64)
    _check_norms(references)
    return references


def references_in(segment: bytes, dimension: int, secret: Ring) -> Integers:
    """The quantised references in a segment by slot, shape (N, d); empty slots are 0.

    Raises:
        ProbeRejected: as `references_of`.
    """
    references = opened_slots(read_segment(segment, dimension), secret).T.astype(np.int64)
    _check_norms(references[references.any(axis=1)])
    return references


def segment_of(references: Integers, key: SealKey, dimension: int) -> bytes:
    """A segment of quantised references (shape (n, d), n up to N) in their order.

    Raises:
        RequestInvalid: there are none, or more than a segment holds.
    """
    check_count(len(references))
    by_dimension = np.zeros((dimension, N), np.int64)
    by_dimension[:, : len(references)] = references.T
    limbs: Limbs = np.empty((dimension, 2 * N), np.uint32)
    for out, slots in zip(limbs, by_dimension, strict=True):
        out[:] = key.encrypt_slots(slots)
    points = np.ascontiguousarray(limbs[:, N:])
    to_points(points, tables(P).ahead)
    limbs[:, N:] = points
    return limbs.astype("<u4").tobytes()


def kept(segments: Sequence[tuple[bytes, Sequence[int]]], dimension: int, secret: Ring) -> Integers:
    """The references that stand in the named slots of each segment, in order, shape (n, d).

    Raises:
        RequestInvalid: a slot that no segment has.
        ProbeRejected: as `references_in`, or an empty slot is named.
    """
    found = []
    for segment, slots in segments:
        if any(not 0 <= slot < N for slot in slots):
            raise RequestInvalid(f"expected slots from 0 to {N - 1}")
        found.append(references_in(segment, dimension, secret)[list(slots)])
    references = np.concatenate([*found, np.empty((0, dimension), np.int64)])
    _check_norms(references)
    return references


def turned(references: Integers, turn: Turn) -> Integers:
    """References under another rotation, rounded again; empty slots stay empty."""
    moved = np.zeros_like(references)
    filled = references.any(axis=1)
    if filled.any():
        moved[filled] = np.rint(turn(references[filled].astype(np.float64)) * HE_GALLERY_SCALE).astype(np.int64)
    return moved


def check_count(references: int) -> None:
    """Raise `RequestInvalid` where a segment cannot hold that many references."""
    if not 0 < references <= N:
        raise RequestInvalid(f"expected 1 to {N} references for a segment, got {references}")


def _check_norms(references: Integers) -> None:
    norms = np.sqrt((references * references).sum(axis=1))
    if (np.abs(norms - HE_GALLERY_SCALE) > REFERENCE_NORM_TOLERANCE).any():
        raise ProbeRejected("expected references of unit norm under this key, got others; enrol them again")
