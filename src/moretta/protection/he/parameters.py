"""The parameters of `he` and the form of what passes between its sides, as bytes.

Belongs here: numbers, and reading payloads fail-closed. Does not belong here: arithmetic, keys.

All integers are little-endian, "limbs" are coefficients modulo `P` as uint32. Of a ciphertext (c0, c1) c0 stands in
coefficients; c1 of a segment and of scores stands at the points of the transform in `ring`, which is SEAL's own, so that neither
comparing nor opening has to transform it. Only what an opener needs is kept: of a single reference and its score, c0's other
coefficients are never stored or sent, so nothing but the score can be opened.
"""

import struct

import numpy as np
import numpy.typing as npt

from moretta.core.errors import ProbeRejected, RequestInvalid
from moretta.protection.quantise import HE_PROBE_SCALE

Limbs = npt.NDArray[np.uint32]
Weights = npt.NDArray[np.int64]

# Ring degree: as many subjects as one packed ciphertext holds. 2,048 with a modulus of 54 bits is the smallest that SEAL
# accepts at 128 bits of security (Homomorphic Encryption Standard 2018, table 1).
N = 2048
COEFFICIENT_BITS = (32, 22)
# The primes that SEAL's CoeffModulus.Create gives for these bits: ciphertexts stand modulo P; `SPECIAL` is for keys and for
# making public-key encryptions less noisy. Checked against SEAL's keys when one is made.
P = 4_294_955_009
SPECIAL = 4_169_729
# 17 bits, so that scores of scale 256 * 181 fit; with 18 bits the noise budget is spent (measured).
T = 114_689
# SEAL's smallest primitive roots of unity of order 2N for the three moduli (tested to be so).
ROOTS = {P: 579_475, SPECIAL: 289, T: 4}

# Norm of a rotated, quantised probe: rounding moves it by 0.29 (standard deviation) about 181, so an honest one passes with
# probability 1 - 10^-11, and a forged one gains at most 1.1 % in similarity.
PROBE_NORM_TOLERANCE = 2.0
# Lazy 64-bit sums of weight * limb stay under 2^46 up to here: 183 * sqrt(2048) * 2^32.
MAX_DIMENSION = 2048

_SCORES = struct.Struct("<4sII")
_MAGIC = b"MHS1"


def check_dimension(dimension: int) -> None:
    """Raise `RequestInvalid` where templates of that dimension do not fit."""
    if not 2 <= dimension <= MAX_DIMENSION:
        raise RequestInvalid(
            f"expected 2 to {MAX_DIMENSION} dimensions for scheme he, got {dimension}; choose another scheme"
        )


def probe_bytes(weights: npt.NDArray[np.integer]) -> bytes:
    """A quantised probe as its payload: int16, shape (d,)."""
    return weights.astype("<i2").tobytes()


def read_probe(payload: bytes, dimension: int) -> Weights:
    """The quantised probe in `payload`, int64, shape (dimension,).

    Raises:
        ProbeRejected: another length, or not of the norm that a unit vector has.
    """
    if len(payload) != 2 * dimension:
        raise ProbeRejected(f"expected a probe of {2 * dimension} bytes, got {len(payload)}")
    weights = np.frombuffer(payload, dtype="<i2").astype(np.int64)
    norm = float(np.sqrt(weights @ weights))
    if abs(norm - HE_PROBE_SCALE) > PROBE_NORM_TOLERANCE:
        raise ProbeRejected("expected a probe of unit norm; normalise the embedding before it is protected")
    return weights


def reference_bytes(c0: Limbs, c1: Limbs) -> bytes:
    """A single reference as its payload: the first d coefficients of c0, then all of c1, in coefficients."""
    return c0.astype("<u4").tobytes() + c1.astype("<u4").tobytes()


def read_reference(payload: bytes, dimension: int) -> tuple[Limbs, Limbs]:
    """c0 (shape (dimension,)) and c1 (shape (N,)) of a single reference.

    Raises:
        ProbeRejected: another length, or no limbs modulo P.
    """
    if len(payload) != 4 * (dimension + N):
        raise ProbeRejected(f"expected a reference of {4 * (dimension + N)} bytes, got {len(payload)}")
    limbs = _limbs(payload, 0)
    return limbs[:dimension], limbs[dimension:]


def segment_length(dimension: int) -> int:
    """The length of a segment in bytes: `dimension` ciphertexts of N subjects."""
    return dimension * 2 * N * 4


def read_segment(segment: bytes, dimension: int) -> Limbs:
    """A segment's limbs, shape (dimension, 2N): c0 in coefficients, then c1 at the transform's points.

    Raises:
        ProbeRejected: another length, or no limbs modulo P.
    """
    if len(segment) != segment_length(dimension):
        raise ProbeRejected(f"expected a segment of {segment_length(dimension)} bytes, got {len(segment)}")
    return _limbs(segment, 0).reshape(dimension, 2 * N)


def new_scores(packed: int, single: int) -> tuple[Limbs, Limbs, Limbs]:
    """Room for sealed scores: the whole payload, and in it `packed` results of shape (2N,) and `single` ones of (1 + N,)."""
    head = np.frombuffer(_SCORES.pack(_MAGIC, packed, single), dtype="<u4")
    whole = np.empty(head.size + packed * 2 * N + single * (1 + N), dtype=np.uint32)
    whole[: head.size] = head
    border = head.size + packed * 2 * N
    return whole, whole[head.size : border].reshape(packed, 2 * N), whole[border:].reshape(single, 1 + N)


def read_scores(payload: bytes, rows: int) -> tuple[Limbs, Limbs]:
    """The limbs of sealed scores of `rows` positions; see `new_scores`.

    Raises:
        ProbeRejected: another form, length or number of positions, or no limbs modulo P.
    """
    if len(payload) < _SCORES.size:
        raise ProbeRejected("expected sealed scores, got fewer bytes than their head has")
    magic, packed, single = _SCORES.unpack_from(payload)
    length = _SCORES.size + 4 * (packed * 2 * N + single * (1 + N))
    if magic != _MAGIC or len(payload) != length or packed * N + single != rows:
        raise ProbeRejected(f"expected sealed scores of {rows} positions in {length} bytes, got {len(payload)}")
    limbs = _limbs(payload, _SCORES.size)
    return limbs[: packed * 2 * N].reshape(packed, 2 * N), limbs[packed * 2 * N :].reshape(single, 1 + N)


def _limbs(payload: bytes, offset: int) -> Limbs:
    limbs = np.frombuffer(payload, dtype="<u4", offset=offset)
    if limbs.size and int(limbs.max()) >= P:
        raise ProbeRejected("expected ciphertexts modulo the scheme's prime, got larger numbers")
    return limbs
