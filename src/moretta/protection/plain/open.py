"""The opening side of `plain`: there is nothing to open.

Belongs here: the gallery key's implementation, and reading scores that are not encrypted. Does not belong here: comparing.
"""

from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from moretta.core.errors import KeyRejected, ProbeRejected, RequestInvalid
from moretta.core.key_service import StoredReference
from moretta.core.protection import Opened, OpenTerms, Scheme, SealedScores
from moretta.core.values import Floats
from moretta.protection.deciding import matches
from moretta.protection.opening import GalleryKey
from moretta.protection.plain.vectors import read_vector, vector_bytes
from moretta.protection.terms import check_sealed, read_secret, sealed_secret


class PlainKey:
    """The `GalleryKey` of a scheme without a secret."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension

    @classmethod
    def new(cls, dimension: int) -> "PlainKey":
        """A key for vectors of `dimension`."""
        return cls(dimension)

    @classmethod
    def load(cls, secret: bytes) -> "PlainKey":
        """The key that `secret` wrote. Raises `KeyRejected`."""
        dimension, rest = read_secret(Scheme.PLAIN, secret)
        if rest:
            raise KeyRejected(f"expected nothing after the dimension, got {len(rest)} bytes")
        return cls(dimension)

    def secret(self) -> bytes:
        """The dimension: all that there is."""
        return sealed_secret(Scheme.PLAIN, self.dimension, b"")

    def material(self) -> bytes:
        """Nothing."""
        return b""

    def open(self, sealed: SealedScores, terms: OpenTerms) -> list[Opened]:
        """As `ScoreOpener.open`."""
        check_sealed(sealed, Scheme.PLAIN)
        return open_cosines(sealed, terms)

    def successor(self) -> NoReturn:
        """Raises `RequestInvalid`: this scheme does not pack."""
        raise does_not_pack(Scheme.PLAIN)

    def pack(self, payloads: Sequence[bytes]) -> bytes:
        """Raises `RequestInvalid`: this scheme does not pack."""
        raise does_not_pack(Scheme.PLAIN)

    def repack(self, segments: Sequence[tuple[bytes, Sequence[int]]]) -> bytes:
        """Raises `RequestInvalid`: this scheme does not pack."""
        raise does_not_pack(Scheme.PLAIN)

    def reissue_payload(self, new: GalleryKey, payloads: Sequence[bytes]) -> list[bytes]:
        """The same vectors: nothing in them depends on a key."""
        if not isinstance(new, PlainKey) or new.dimension != self.dimension:
            raise KeyRejected(f"expected another plain key of {self.dimension} dimensions")
        return list(payloads)

    def reissue_segment(self, new: GalleryKey, segment: bytes) -> bytes:
        """Raises `RequestInvalid`: this scheme does not pack."""
        raise does_not_pack(Scheme.PLAIN)

    def reveal(self, reference: StoredReference) -> bytes:
        """The vector itself. Raises `ProbeRejected`."""
        return vector_bytes(single_vector(reference, self.dimension))

    def probe(self, reference: StoredReference) -> bytes:
        """The vector itself. Raises `ProbeRejected`."""
        return self.reveal(reference)


def single_vector(reference: StoredReference, dimension: int) -> Floats:
    """The vector of a reference that stands alone, as it is stored. Raises `ProbeRejected`."""
    if reference.slot is not None:
        raise ProbeRejected("expected a reference that stands alone; this scheme packs none")
    return read_vector(reference.content, dimension)


def open_cosines(sealed: SealedScores, terms: OpenTerms) -> list[Opened]:
    """The matches of scores whose payload is float32 cosines. Raises `ProbeRejected` where it has another length."""
    if len(sealed.payload) != 4 * len(sealed.rows):
        raise ProbeRejected(f"expected 4 bytes a row, got {len(sealed.payload)} for {len(sealed.rows)} rows")
    return matches(np.frombuffer(sealed.payload, dtype="<f4"), sealed.rows, sealed.counted, terms)


def does_not_pack(scheme: Scheme) -> RequestInvalid:
    """The error of a scheme whose references stay single."""
    return RequestInvalid(f"references of scheme {scheme} are not packed; only those of {Scheme.HE} are")
