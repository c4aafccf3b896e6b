"""Polynomials modulo x^N + 1 and a prime, in numpy: what a worker needs to encrypt, and what tests check kernels with.

Belongs here: the number-theoretic transform and its tables. Does not belong here: keys, noise, kernels.

The transform's point k is psi^(2 * bitreverse(k) + 1): SEAL's order, so its keys are read as they are. Source: Longa and
Naehrig, "Speeding up the number theoretic transform", CANS 2016, algorithms 1 and 2.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from moretta.protection.he.parameters import ROOTS, N

Ring = npt.NDArray[np.uint64]
_BITS = N.bit_length() - 1


def bit_reversed() -> npt.NDArray[np.int64]:
    """The numbers 0 to N-1 with the order of their bits reversed, shape (N,)."""
    numbers, turned = np.arange(N), np.zeros(N, np.int64)
    for bit in range(_BITS):
        turned |= ((numbers >> bit) & 1) << (_BITS - 1 - bit)
    return turned


@lru_cache(maxsize=8)
def powers(modulus: int, *, inverse: bool = False) -> Ring:
    """The root's powers (or its inverse's) in bit-reversed order, uint64, shape (N,), read-only."""
    root = pow(ROOTS[modulus], -1, modulus) if inverse else ROOTS[modulus]
    straight = np.empty(N, np.uint64)
    value = 1
    for exponent in range(N):
        straight[exponent] = value
        value = value * root % modulus
    table: Ring = straight[bit_reversed()]
    table.flags.writeable = False
    return table


def forward(coefficients: Ring, modulus: int) -> Ring:
    """The transform of polynomials: uint64 below the modulus, shape (..., N)."""
    p, table = np.uint64(modulus), powers(modulus)
    values = coefficients.copy()
    span, blocks = N, 1
    while blocks < N:
        span //= 2
        view = values.reshape(-1, blocks, 2, span)
        factor = table[blocks : 2 * blocks, None]
        low, high = view[:, :, 0].copy(), view[:, :, 1] * factor % p
        view[:, :, 0], view[:, :, 1] = (low + high) % p, (low + (p - high)) % p
        blocks *= 2
    return values


def backward(points: Ring, modulus: int) -> Ring:
    """The inverse of `forward`."""
    p, table = np.uint64(modulus), powers(modulus, inverse=True)
    values = points.copy()
    span, blocks = 1, N // 2
    while blocks >= 1:
        view = values.reshape(-1, blocks, 2, span)
        factor = table[blocks : 2 * blocks, None]
        low, high = view[:, :, 0].copy(), view[:, :, 1].copy()
        view[:, :, 0], view[:, :, 1] = (low + high) % p, (low + (p - high)) % p * factor % p
        span *= 2
        blocks //= 2
    result: Ring = values * np.uint64(pow(N, -1, modulus)) % p
    return result
