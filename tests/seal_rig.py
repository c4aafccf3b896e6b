"""SEAL's own decryptor over our limbs: what the scheme `he` is held to.

Ciphertexts are given to SEAL as the bytes that it would read from a file (SEAL 4, `Ciphertext::save_members`, uncompressed).
"""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import tenseal

from moretta.core.protection import Scheme
from moretta.protection.he.encrypt import PUBLIC_KEY_BYTES
from moretta.protection.he.open import HeKey
from moretta.protection.he.parameters import N, P, T
from moretta.protection.he.ring import backward
from moretta.protection.he.seal import SealKey
from moretta.protection.he.transforms import with_quotients
from moretta.protection.rotation import SEED_BYTES
from moretta.protection.terms import read_secret

HEADER = 16
UNCOMPRESSED = 0


class SealRig:
    """SEAL with the secret key of `key`."""

    def __init__(self, key: HeKey) -> None:
        _, content = read_secret(Scheme.HE, key.secret())
        self.key = SealKey.load(content[SEED_BYTES + PUBLIC_KEY_BYTES :])
        self.context: Any = self.key.context
        self._decryptor = self.context.decryptor().data
        model = tenseal.bfv_vector(self.context, [0] * N)
        self._header = _seal_part(model.serialize())[:HEADER]
        self._parms_id = model.ciphertext()[0].parms_id()

    @property
    def secret_points(self) -> npt.NDArray[np.uint64]:
        """The secret polynomial at points with quotients, as the opening kernels take it."""
        return with_quotients(self.key.secret_points(), P)

    def slots(self, limbs: npt.NDArray[np.integer]) -> list[int]:
        """The slots that SEAL decrypts, in SEAL's order, signed; limbs of shape (2, N) in coefficients."""
        return list(self._vector(limbs).decrypt())

    def coefficients(self, limbs: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """The plaintext polynomial that SEAL decrypts, signed, shape (N,)."""
        from tenseal import _ts_cpp as native

        plain = native.Plaintext()
        self._decryptor.decrypt(self._vector(limbs).ciphertext()[0], plain)
        found = np.zeros(N, np.int64)
        found[: plain.coeff_count()] = [plain[i] for i in range(plain.coeff_count())]
        return np.where(found > T // 2, found - T, found)

    def budget(self, limbs: npt.NDArray[np.integer]) -> int:
        """SEAL's invariant noise budget, bits."""
        bits: int = self._decryptor.invariant_noise_budget(self._vector(limbs).ciphertext()[0])
        return bits

    def _vector(self, limbs: npt.NDArray[np.integer]) -> Any:
        numbers = limbs.reshape(2 * N).astype("<u8").tobytes()
        array = self._framed(struct.pack("<Q", 2 * N) + numbers)
        members = struct.pack("<4QBQQQdQ", *self._parms_id, 0, 2, N, 1, 1.0, 1)
        part = self._framed(members + array)
        return tenseal.bfv_vector_from(self.context, _field(1, _varint(N)) + _field(2, part))

    def _framed(self, content: bytes) -> bytes:
        header = bytearray(self._header)
        header[5] = UNCOMPRESSED
        header[8:16] = struct.pack("<Q", HEADER + len(content))
        return bytes(header) + content


def in_coefficients(packed: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]:
    """A packed ciphertext as SEAL has it: c1 back from points; shape (2N,) to (2, N)."""
    limbs = packed.reshape(2, N).astype(np.uint64)
    return np.stack((limbs[0], backward(limbs[1], P)))


def _seal_part(vector: bytes) -> bytes:
    """Field 2 of TenSEAL's message: the bytes that SEAL wrote."""
    at = vector.index(b"\x5e\xa1")
    return vector[at:]


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
