"""The border to SEAL, through TenSEAL: keys are made by it, and packed ciphertexts encrypted under the secret key.

Belongs here: every use of TenSEAL, whose types are unknown to the checker. Does not belong here: what is encrypted and why.

Nothing touches the file system: keys are read and written as bytes, limbs coefficient by coefficient.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import tenseal

from moretta.core.errors import KeyRejected
from moretta.protection.he.parameters import COEFFICIENT_BITS, SPECIAL, Limbs, N, P, T
from moretta.protection.he.ring import Ring, backward


class SealKey:
    """A secret key in SEAL: `context` holds it. Made by `new` or `load`; safe for several threads."""

    def __init__(self, context: Any) -> None:
        self.context = context

    @classmethod
    def new(cls) -> "SealKey":
        """A fresh key; SEAL refuses parameters under 128 bits of security."""
        return cls(
            tenseal.context(
                tenseal.SCHEME_TYPE.BFV,
                N,
                T,
                list(COEFFICIENT_BITS),
                encryption_type=tenseal.ENCRYPTION_TYPE.SYMMETRIC,
                n_threads=1,
            )
        )

    @classmethod
    def load(cls, content: bytes) -> "SealKey":
        """The key that `content` wrote. Raises `KeyRejected`."""
        try:
            context = tenseal.context_from(content, n_threads=1)
        except (ValueError, RuntimeError):
            raise KeyRejected("expected a secret key of scheme he, got something else") from None
        if not context.has_secret_key():
            raise KeyRejected("expected a secret key of scheme he, got parameters without one")
        return cls(context)

    def content(self) -> bytes:
        """Parameters and secret key, in SEAL's own form."""
        content: bytes = self.context.serialize(
            save_public_key=False, save_secret_key=True, save_galois_keys=False, save_relin_keys=False
        )
        return content

    def secret_points(self) -> Ring:
        """The secret polynomial modulo P at the transform's points, uint64, shape (N,).

        Raises:
            KeyRejected: it is no ternary polynomial modulo both primes: parameters or roots are not ours.
        """
        limbs: Ring = _read(self.context.secret_key().data.data(), 2 * N).reshape(2, N)
        for values, modulus in zip(limbs, (P, SPECIAL), strict=True):
            if not np.isin(backward(values, modulus), (0, 1, modulus - 1)).all():
                raise KeyRejected("expected a secret key under the parameters of scheme he, got one under others")
        modulo_p: Ring = limbs[0]
        return modulo_p

    def new_public_key(self) -> bytes:
        """A fresh public key of this key, as `encrypt.PublicKey` reads it."""
        from tenseal import _ts_cpp as native  # the module that makes this context's own types

        made = native.PublicKey()
        native.KeyGenerator(self.context.seal_context().data, self.context.secret_key().data).create_public_key(made)
        return _read(made.data(), 2 * 2 * N).astype("<u4").tobytes()

    def encrypt_slots(self, slots: npt.NDArray[np.integer]) -> Limbs:
        """A fresh symmetric encryption; `slots` (signed, shape (N,)) in the order of `ring`. Limbs, shape (2N,), coefficients."""
        vector = tenseal.bfv_vector(self.context, slots[_slot_order()].tolist())
        return _read(vector.ciphertext()[0], 2 * N).astype(np.uint32)


@lru_cache(maxsize=1)
def _slot_order() -> npt.NDArray[np.int64]:
    """Which point of the transform each slot of SEAL's `BatchEncoder` is: its powers of 3, then their opposites."""
    order, position = np.empty(N, np.int64), 1
    bits = N.bit_length() - 1
    for slot in range(N // 2):
        for at, index in ((slot, (position - 1) // 2), (slot + N // 2, (2 * N - position - 1) // 2)):
            order[at] = int(f"{index:0{bits}b}"[::-1], 2)
        position = position * 3 % (2 * N)
    return order


def _read(limbs: Any, count: int) -> Ring:
    return np.fromiter(map(limbs.__getitem__, range(count)), np.uint64, count)
