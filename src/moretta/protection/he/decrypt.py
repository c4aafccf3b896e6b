"""What the key holder computes on limbs: decryption, as SEAL's `Decryptor` gives it bit for bit.

Belongs here: compiled loops over arrays. Does not belong here: keys' bytes, decisions, encryption.

The phase c0 + c1 * s modulo P, times T / P and rounded, modulo T, is the plaintext; c1 and s stand at the transform's points.
"""

import numpy as np
import numpy.typing as npt

from moretta.protection.he.parameters import Limbs, N, P, T
from moretta.protection.he.ring import Ring
from moretta.protection.he.transforms import ahead, back, compiled, tables, times

Signed = npt.NDArray[np.int32]
_P, _T, _32 = np.uint64(P), np.uint64(T), np.uint64(32)


def opened_slots(packed: Limbs, secret: Ring) -> Signed:
    """The slots of packed ciphertexts (shape (n, 2N)), int32 about zero, shape (n, N); `secret`: `s` with Shoup quotients."""
    slots = np.empty((len(packed), N), np.int32)
    modulo_p, modulo_t = tables(P), tables(T)
    _slots(packed, secret, modulo_p.back, modulo_p.scale, modulo_t.ahead, slots)
    return slots


def opened_coefficients(c0: Limbs, c1: Limbs, secret: Ring) -> Signed:
    """The first d coefficients of ciphertexts: c0 shape (n, d), c1 shape (n, N) at points; int32 about zero, shape (n, d)."""
    coefficients = np.empty(c0.shape, np.int32)
    modulo_p = tables(P)
    _coefficients(c0, c1, secret, modulo_p.back, modulo_p.scale, coefficients)
    return coefficients


def opened_scores(singles: Limbs, secret: Ring) -> Signed:
    """The scores of single results (shape (n, 1 + N)), int32 about zero, shape (n,)."""
    scores = np.empty(len(singles), np.int32)
    _scores(singles, secret, tables(P).scale, scores)
    return scores


def warm_up() -> None:
    """Compile, or read from the disk, all that opening runs. Later calls take 0.1 ms."""
    limbs, secret = np.zeros((1, 2 * N), np.uint32), np.zeros((2, N), np.uint64)
    opened_slots(limbs, secret)
    opened_coefficients(limbs[:, :2], np.zeros((1, N), np.uint32), secret)
    opened_scores(np.zeros((1, 1 + N), np.uint32), secret)


@compiled
def rounded(phase: np.uint64) -> np.uint64:
    """phase * T / P to the nearest integer, modulo T; phase below P."""
    x = phase * _T + np.uint64(P // 2)  # below 2^49: P lies so close under 2^32 that x / P is x >> 32 or one more
    quotient = x >> _32
    if x - quotient * _P >= _P:
        quotient += np.uint64(1)
    return quotient - _T if quotient >= _T else quotient


@compiled
def centred(value: np.uint64) -> np.int32:
    """A number modulo T as the nearest to zero."""
    return np.int32(value) - np.int32(T) if value > np.uint64(T // 2) else np.int32(value)


@compiled
def _slots(packed: Limbs, secret: Ring, table: Ring, scale: Ring, plain_table: Ring, slots: Signed) -> None:
    values = np.empty(N, np.uint64)
    for k in range(len(packed)):
        limbs = packed[k]
        for i in range(N):
            values[i] = times(np.uint64(limbs[N + i]), secret[0, i], secret[1, i], _P)
        back(values, table, scale, _P)
        for i in range(N):
            phase = values[i] + np.uint64(limbs[i])
            values[i] = rounded(min(phase, phase - _P))
        ahead(values, plain_table, _T)
        for i in range(N):
            slots[k, i] = centred(values[i])


@compiled
def _coefficients(c0: Limbs, c1: Limbs, secret: Ring, table: Ring, scale: Ring, coefficients: Signed) -> None:
    values = np.empty(N, np.uint64)
    for k in range(len(c0)):
        for i in range(N):
            values[i] = times(np.uint64(c1[k, i]), secret[0, i], secret[1, i], _P)
        back(values, table, scale, _P)
        for i in range(c0.shape[1]):
            phase = values[i] + np.uint64(c0[k, i])
            coefficients[k, i] = centred(rounded(min(phase, phase - _P)))


@compiled
def _scores(singles: Limbs, secret: Ring, scale: Ring, scores: Signed) -> None:
    for k in range(len(singles)):
        total = np.uint64(0)  # 2,048 numbers below 2^32
        for i in range(N):
            total += times(np.uint64(singles[k, 1 + i]), secret[0, i], secret[1, i], _P)
        # Coefficient 0 of an inverse transform is the mean of all points.
        phase = times(total % _P, scale[0, 0], scale[1, 0], _P) + np.uint64(singles[k, 0])
        scores[k] = centred(rounded(min(phase, phase - _P)))
