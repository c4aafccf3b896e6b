"""The number-theoretic transform of `ring` as compiled code, for whoever compares or opens.

Belongs here: butterflies, their tables, and how kernels are compiled. Does not belong here: what is transformed.

Multiplication by a known factor w modulo p < 2^32 is Shoup's: with w' = floor(w * 2^32 / p), r = x*w - (x*w' >> 32)*p lies in
[0, 2p) for every x < 2^32 (Harvey, "Faster arithmetic for number-theoretic transforms", JSC 60, 2014).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numba
import numpy as np
import numpy.typing as npt

from moretta.protection.he.parameters import N
from moretta.protection.he.ring import Ring, powers

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(kernel: Kernel) -> Kernel:
    """`kernel` as machine code that runs without the interpreter's lock; kept on disk where that can be written."""
    try:
        made: Kernel = numba.njit(cache=True, nogil=True, boundscheck=False)(kernel)
    except RuntimeError:  # numba: there is no folder for its cache
        made = numba.njit(nogil=True, boundscheck=False)(kernel)
    return made


@dataclass(frozen=True, slots=True)
class Tables:
    """The factors of a transform, uint64: each factor and, after it, its Shoup quotient; shape (2, N)."""

    modulus: int
    ahead: Ring
    back: Ring
    scale: Ring


@lru_cache(maxsize=4)
def tables(modulus: int) -> Tables:
    """The tables of one modulus; `scale` is shape (2, 1): 1/N."""
    return Tables(
        modulus,
        with_quotients(powers(modulus), modulus),
        with_quotients(powers(modulus, inverse=True), modulus),
        with_quotients(np.array([pow(N, -1, modulus)], np.uint64), modulus),
    )


def with_quotients(factors: npt.NDArray[np.integer], modulus: int) -> Ring:
    """`factors` (below the modulus, shape (n,)) and their Shoup quotients, uint64, shape (2, n)."""
    exact = factors.astype(np.uint64)
    return np.stack((exact, (exact << np.uint64(32)) // np.uint64(modulus)))


@compiled
def times(x: np.uint64, factor: np.uint64, quotient: np.uint64, p: np.uint64) -> np.uint64:
    """x * factor modulo p; x below 2^32."""
    r = x * factor - ((x * quotient) >> np.uint64(32)) * p
    return min(r, r - p)  # r - p wraps to something huge where r < p


@compiled
def ahead(values: Ring, table: Ring, p: np.uint64) -> None:
    """Transform `values` (uint64 below p, shape (N,)) in place."""
    span, blocks = N, 1
    while blocks < N:
        span //= 2
        for block in range(blocks):
            factor, quotient = table[0, blocks + block], table[1, blocks + block]
            start = 2 * block * span
            low, high = values[start : start + span], values[start + span : start + 2 * span]
            for i in range(span):
                x, y = low[i], times(high[i], factor, quotient, p)
                total, difference = x + y, x - y
                low[i] = min(total, total - p)
                high[i] = min(difference, difference + p)
        blocks *= 2


@compiled
def back(values: Ring, table: Ring, scale: Ring, p: np.uint64) -> None:
    """The inverse of `ahead`, in place."""
    span, blocks = 1, N // 2
    while blocks >= 1:
        for block in range(blocks):
            factor, quotient = table[0, blocks + block], table[1, blocks + block]
            start = 2 * block * span
            low, high = values[start : start + span], values[start + span : start + 2 * span]
            for i in range(span):
                x, y = low[i], high[i]
                total, difference = x + y, x - y
                low[i] = min(total, total - p)
                high[i] = times(min(difference, difference + p), factor, quotient, p)
        span *= 2
        blocks //= 2
    for i in range(N):
        values[i] = times(values[i], scale[0, 0], scale[1, 0], p)
