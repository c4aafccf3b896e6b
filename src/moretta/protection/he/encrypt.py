"""Public-key encryption as SEAL's `Encryptor` does it, with randomness from the kernel.

Belongs here: the public key as bytes, and encrypting with it. Does not belong here: quantising, secret keys.

SEAL itself opens /dev/urandom at each encryption, which a confined worker cannot. This follows SEAL 4.1: encrypt zero modulo
P * SPECIAL with a ternary u and errors of a centred binomial distribution of variance 10.5, divide by SPECIAL with rounding, add
the scaled plaintext. Tests hold it to SEAL's decryptor, noise budget and noise variance.
"""

import os

import numpy as np
import numpy.typing as npt

from moretta.core.errors import KeyRejected
from moretta.protection.he.parameters import SPECIAL, Limbs, N, P, T
from moretta.protection.he.ring import Ring, backward, forward

PUBLIC_KEY_BYTES = 2 * 2 * N * 4
_ERROR_BITS = 21  # SEAL: the difference of two sums of 21 bits, standard deviation 3.24


class PublicKey:
    """A public key: `content` is its two polynomials at the transform's points, each modulo P and then SPECIAL, as uint32.

    Raises:
        KeyRejected: it is none.
    """

    def __init__(self, content: bytes) -> None:
        if len(content) != PUBLIC_KEY_BYTES:
            raise KeyRejected(f"expected a public key of {PUBLIC_KEY_BYTES} bytes, got {len(content)}")
        limbs = np.frombuffer(content, dtype="<u4").reshape(2, 2, N).astype(np.uint64)
        self._modulo = {P: limbs[:, 0], SPECIAL: limbs[:, 1]}
        if any(int(points.max()) >= modulus for modulus, points in self._modulo.items()):
            raise KeyRejected("expected a public key modulo the scheme's primes, got larger numbers")

    def encrypt(self, coefficients: npt.NDArray[np.int64]) -> Limbs:
        """A fresh encryption of the polynomial with these first coefficients (signed, shape (d,)): limbs, shape (2, N)."""
        u, errors = _ternary(), _errors()
        special = self._zero(SPECIAL, u, errors)
        # Rounded division by SPECIAL: take off the remainder nearest to zero, then divide modulo P.
        nearest = special.astype(np.int64)
        nearest[nearest > SPECIAL // 2] -= SPECIAL
        inverse = np.uint64(pow(SPECIAL, -1, P))
        divided = (self._zero(P, u, errors) + _modulo(-nearest, P)) % np.uint64(P) * inverse % np.uint64(P)
        divided[0, : coefficients.size] += scaled(coefficients)
        return (divided % np.uint64(P)).astype(np.uint32)

    def _zero(self, modulus: int, u: npt.NDArray[np.int64], errors: npt.NDArray[np.int64]) -> Ring:
        products = self._modulo[modulus] * forward(_modulo(u, modulus), modulus) % np.uint64(modulus)
        zero: Ring = (backward(products, modulus) + _modulo(errors, modulus)) % np.uint64(modulus)
        return zero


def scaled(plaintext: npt.NDArray[np.int64]) -> Ring:
    """Plaintext coefficients (signed, or modulo T) times P / T, rounded, modulo P."""
    return (_modulo(plaintext, T) * np.uint64(P) + np.uint64(T // 2)) // np.uint64(T)


def _modulo(signed: npt.NDArray[np.int64], modulus: int) -> Ring:
    return np.mod(signed, modulus).astype(np.uint64)


def _ternary() -> npt.NDArray[np.int64]:
    """Uniform over -1, 0 and 1, shape (N,): random bytes modulo 3, without 255, the one that would favour a value."""
    fitting = np.empty(0, np.uint8)
    while fitting.size < N:
        drawn = np.frombuffer(os.urandom(N + 256), np.uint8)
        fitting = np.concatenate((fitting, drawn[drawn < 255]))
    return (fitting[:N] % 3).astype(np.int64) - 1


def _errors() -> npt.NDArray[np.int64]:
    """Two error polynomials, shape (2, N)."""
    drawn = np.frombuffer(os.urandom(2 * 2 * N * 4), np.uint32).reshape(2, 2, N)
    sums = np.bitwise_count(drawn & np.uint32((1 << _ERROR_BITS) - 1)).astype(np.int64)
    errors: npt.NDArray[np.int64] = sums[0] - sums[1]
    return errors
