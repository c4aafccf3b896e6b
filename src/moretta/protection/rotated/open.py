"""The opening side of `rotated`: it holds the rotation's seed; scores come as they are.

Belongs here: the gallery key's implementation, and changing the rotation. Does not belong here: comparing.
"""

import os
from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from moretta.core.errors import KeyRejected
from moretta.core.key_service import StoredReference
from moretta.core.protection import Opened, OpenTerms, Scheme, SealedScores
from moretta.protection.opening import GalleryKey
from moretta.protection.plain.open import does_not_pack, open_cosines, single_vector
from moretta.protection.plain.vectors import read_vector, vector_bytes
from moretta.protection.rotation import SEED_BYTES, turned_over, unrotated
from moretta.protection.terms import check_sealed, read_secret, sealed_secret


class RotatedKey:
    """The `GalleryKey` that holds a seed."""

    def __init__(self, dimension: int, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise KeyRejected(f"expected a rotation seed of {SEED_BYTES} bytes, got {len(seed)}")
        self.dimension = dimension
        self._seed = seed

    @classmethod
    def new(cls, dimension: int) -> "RotatedKey":
        """A fresh key for vectors of `dimension`."""
        return cls(dimension, os.urandom(SEED_BYTES))

    @classmethod
    def load(cls, secret: bytes) -> "RotatedKey":
        """The key that `secret` wrote. Raises `KeyRejected`."""
        return cls(*read_secret(Scheme.ROTATED, secret))

    def secret(self) -> bytes:
        """Dimension and seed."""
        return sealed_secret(Scheme.ROTATED, self.dimension, self._seed)

    def material(self) -> bytes:
        """The seed: whoever protects must know it."""
        return self._seed

    def open(self, sealed: SealedScores, terms: OpenTerms) -> list[Opened]:
        """As `ScoreOpener.open`."""
        check_sealed(sealed, Scheme.ROTATED)
        return open_cosines(sealed, terms)

    def successor(self) -> NoReturn:
        """Raises `RequestInvalid`: this scheme does not pack."""
        raise does_not_pack(Scheme.ROTATED)

    def pack(self, payloads: Sequence[bytes]) -> bytes:
        """Raises `RequestInvalid`: this scheme does not pack."""
        raise does_not_pack(Scheme.ROTATED)

    def repack(self, segments: Sequence[tuple[bytes, Sequence[int]]]) -> bytes:
        """Raises `RequestInvalid`: this scheme does not pack."""
        raise does_not_pack(Scheme.ROTATED)

    def reissue_payload(self, new: GalleryKey, payloads: Sequence[bytes]) -> list[bytes]:
        """The same vectors under the rotation of `new`. Raises `KeyRejected`, `ProbeRejected`."""
        if not isinstance(new, RotatedKey) or new.dimension != self.dimension:
            raise KeyRejected(f"expected another rotated key of {self.dimension} dimensions")
        if not payloads:
            return []
        vectors = np.stack([read_vector(payload, self.dimension) for payload in payloads])
        return [vector_bytes(turned) for turned in turned_over(vectors, self._seed, new._seed)]

    def reissue_segment(self, new: GalleryKey, segment: bytes) -> bytes:
        """Raises `RequestInvalid`: this scheme does not pack."""
        raise does_not_pack(Scheme.ROTATED)

    def reveal(self, reference: StoredReference) -> bytes:
        """The vector, turned back. Raises `ProbeRejected`."""
        return vector_bytes(unrotated(single_vector(reference, self.dimension), self._seed))

    def probe(self, reference: StoredReference) -> bytes:
        """The vector as it is stored: references and probes are the same. Raises `ProbeRejected`."""
        return vector_bytes(single_vector(reference, self.dimension))
