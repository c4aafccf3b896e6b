"""What a comparing node computes on limbs: weighted sums of ciphertexts, and masks over what must not be opened.

Belongs here: compiled loops over arrays. Does not belong here: which rows there are, keys, opening.

Comparing a plaintext probe q with a segment is sum_j q_j * ct_j (HERS, arXiv 2003.12197): integer combinations of limbs, one pass
over memory. Products are summed in 64 bits and reduced once: |q_j| * limb stays under 2^46 in all (see `MAX_DIMENSION`).
"""

import numpy as np

from moretta.protection.he.parameters import Limbs, N, P, T, Weights
from moretta.protection.he.ring import Ring
from moretta.protection.he.transforms import ahead, back, compiled, times

_P = np.uint64(P)
_OFFSET = np.int64(P << 15)  # a multiple of P that makes every sum positive
_32 = np.uint64(32)


@compiled
def weigh(segment: Limbs, weights: Weights, out: Limbs) -> None:
    """`out` (shape (2N,)) = sum over j of weights[j] * segment[j] modulo P; segment shape (d, 2N)."""
    dimension, width = segment.shape
    sums = np.full(width, _OFFSET, np.int64)
    whole = dimension - dimension % 8
    for j in range(0, whole, 8):
        w0, w1, w2, w3 = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
        w4, w5, w6, w7 = weights[j + 4], weights[j + 5], weights[j + 6], weights[j + 7]
        g0, g1, g2, g3 = segment[j], segment[j + 1], segment[j + 2], segment[j + 3]
        g4, g5, g6, g7 = segment[j + 4], segment[j + 5], segment[j + 6], segment[j + 7]
        for i in range(width):
            sums[i] += (
                w0 * np.int64(g0[i])
                + w1 * np.int64(g1[i])
                + w2 * np.int64(g2[i])
                + w3 * np.int64(g3[i])
                + w4 * np.int64(g4[i])
                + w5 * np.int64(g5[i])
                + w6 * np.int64(g6[i])
                + w7 * np.int64(g7[i])
            )
    for j in range(whole, dimension):
        w0, g0 = weights[j], segment[j]
        for i in range(width):
            sums[i] += w0 * np.int64(g0[i])
    for i in range(width):
        out[i] = reduced(np.uint64(sums[i]))


@compiled
def reduced(x: np.uint64) -> np.uint64:
    """x modulo P for x under 2^48: P lies so close under 2^32 that the quotient is x >> 32 or one more."""
    r = x - (x >> _32) * _P
    return min(r, r - _P)


@compiled
def weigh_single(c0: Limbs, c1: Limbs, weights: Weights, probe: Ring, out: Limbs) -> None:
    """One score by itself: coefficient 0 of c0 * Q, then c1 * Q at the transform's points; `out` shape (1 + N,).

    Q is the probe as a polynomial whose product with a reference has their dot product as coefficient 0; `probe` is its
    transform with Shoup quotients, shape (2, N). c0 shape (d,), c1 shape (N,).
    """
    total = np.int64(_OFFSET)
    for j in range(c0.size):
        total += weights[j] * np.int64(c0[j])
    out[0] = reduced(np.uint64(total))
    for i in range(N):
        out[1 + i] = times(np.uint64(c1[i]), probe[0, i], probe[1, i], _P)


@compiled
def to_points(polynomials: Limbs, table: Ring) -> None:
    """Transform limbs modulo P in place; shape (n, N)."""
    values = np.empty(N, np.uint64)
    for k in range(len(polynomials)):
        for i in range(N):
            values[i] = polynomials[k, i]
        ahead(values, table, _P)
        for i in range(N):
            polynomials[k, i] = values[i]


@compiled
def mask(out: Limbs, slots: Ring, table: Ring, scale: Ring) -> None:
    """Add the plaintext `slots` (uint64 below T, shape (N,)) to a packed result (shape (2N,)); `slots` is used up.

    Where a slot is uniformly random, the opened slot is too, whatever the score in it was.
    """
    back(slots, table, scale, np.uint64(T))
    for i in range(N):
        # P / T times the coefficient, rounded to the nearest.
        moved = np.uint64(out[i]) + (slots[i] * _P + np.uint64(T // 2)) // np.uint64(T)
        out[i] = min(moved, moved - _P)
