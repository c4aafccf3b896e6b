"""The loops that touch every reference, compiled: dot products, bit planes, and the check value of stored rows.

Belongs here: pure arithmetic on arrays. Compiled on first use; the global lock is free while they run.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]

# Splitmix64's increment (Steele, Lea, Flood, OOPSLA 2014), and the finaliser of MurmurHash3.
_GOLDEN = 0x9E3779B97F4A7C15
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_HALF = np.uint64(33)


def check_values(first: U16, second: U16, rows: U32) -> tuple[int, int]:
    """For each of two shares (shape (n, d)) the sum over all rows of a hash of row number and content, modulo 2^64.

    Rows may come in any order, and a row's part can be taken away again. It finds damage; it is no signature.
    """
    factors = np.arange(1, first.shape[1] + 2, dtype=np.uint64) * np.uint64(_GOLDEN)
    factors = ((factors ^ (factors >> _HALF)) * _MIX) | np.uint64(1)
    a, b = _check_values(np.ascontiguousarray(first), np.ascontiguousarray(second), rows, factors)
    return int(a), int(b)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def dot_products(first: U16, second: U16, with_first: U16, with_second: U16, out: U16) -> None:
    """out[i] = first[i] . with_first + second[i] . with_second modulo 2^16; first and second have shape (n, d).

    The compiler turns this form into multiply-add instructions; at 1,000,000 x 128 it runs at the speed of memory.
    """
    for i in range(first.shape[0]):
        total = np.int32(0)
        for j in range(first.shape[1]):
            total += np.int32(first[i, j]) * np.int32(with_first[j]) + np.int32(second[i, j]) * np.int32(with_second[j])
        out[i] = np.uint16(total)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def byte_planes(octets: U8, out: U8) -> None:
    """Bit planes of values of k bytes (octets: shape (n, k), little-endian; n a multiple of 8) into out, shape (8k, n/8).

    Bit j of out[p, i] is bit p of value 8i + j: an 8 x 8 transposition (Warren, "Hacker's Delight", 2nd edition, 7-3).
    """
    for i in range(octets.shape[0] // 8):
        for k in range(octets.shape[1]):
            x = np.uint64(0)
            for j in range(8):
                x |= np.uint64(octets[8 * i + j, k]) << np.uint64(8 * j)
            t = (x ^ (x >> np.uint64(7))) & np.uint64(0x00AA00AA00AA00AA)
            x = x ^ t ^ (t << np.uint64(7))
            t = (x ^ (x >> np.uint64(14))) & np.uint64(0x0000CCCC0000CCCC)
            x = x ^ t ^ (t << np.uint64(14))
            t = (x ^ (x >> np.uint64(28))) & np.uint64(0x00000000F0F0F0F0)
            x = x ^ t ^ (t << np.uint64(28))
            for b in range(8):
                out[8 * k + b, i] = np.uint8((x >> np.uint64(8 * b)) & np.uint64(255))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def and_shares(x0: U64, x1: U64, y0: U64, y1: U64, out: U64) -> None:
    """out ^= this party's share of x AND y: x0 y0 ^ x0 y1 ^ x1 y0; all of shape (n,)."""
    for i in range(out.size):
        out[i] ^= (x0[i] & (y0[i] ^ y1[i])) ^ (x1[i] & y0[i])


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _check_values(first: U16, second: U16, rows: U32, factors: U64) -> tuple[np.uint64, np.uint64]:
    """A multilinear hash of each row, then mixed: an odd factor for each place finds every change of one number."""
    width = first.shape[1]
    sum_first, sum_second = np.uint64(0), np.uint64(0)
    for i in range(rows.size):
        a = (np.uint64(rows[i]) + np.uint64(1)) * factors[width]
        b = a
        for j in range(width):
            a += np.uint64(first[i, j]) * factors[j]
            b += np.uint64(second[i, j]) * factors[j]
        sum_first += (a ^ (a >> _HALF)) * _MIX  # type: ignore[assignment]  # an element, no array
        sum_second += (b ^ (b >> _HALF)) * _MIX  # type: ignore[assignment]
    return sum_first, sum_second
