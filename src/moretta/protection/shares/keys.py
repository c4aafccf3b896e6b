"""The opening side of `shares`: nothing secret opens the decisions; the key is the rotation and whose parties hold the shares.

Belongs here: the gallery's key. Does not belong here: parties' own keys, the protocol.
"""

import secrets
from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from moretta.core.errors import KeyRejected, ProbeRejected, RequestInvalid
from moretta.core.key_service import StoredReference
from moretta.core.protection import Opened, OpenTerms, Scheme, SealedScores
from moretta.protection.opening import GalleryKey
from moretta.protection.rotation import SEED_BYTES
from moretta.protection.shares.decisions import decisions
from moretta.protection.shares.protect import split_material
from moretta.protection.shares.ring import threshold_integer
from moretta.protection.shares.sealing import PARTIES, PUBLIC_KEY_BYTES
from moretta.protection.terms import check_sealed, read_secret, sealed_secret

_NOT_REISSUED = (
    "references of the scheme `shares` exist at the parties only, and a change of rotation would need numbers finer than they "
    "keep; `refresh` renews the shares under the same key, and a new key needs the people enrolled again"
)
_NOT_REVEALED = (
    "a template of the scheme `shares` exists at three parties as random numbers only, and no message of theirs puts one "
    "together"
)


class SharesKey:
    """The key of one gallery of the scheme `shares`; see `GalleryKey`."""

    def __init__(self, dimension: int, material: bytes) -> None:
        split_material(material)
        self._dimension, self._material = dimension, material

    @classmethod
    def new(cls, dimension: int, public_keys: Sequence[bytes]) -> "SharesKey":
        """A fresh rotation for galleries held by the three parties with these X25519 public keys (32 bytes each).

        Raises:
            KeyRejected: another number of keys, another length, or the same key twice.
        """
        fitting = all(len(key) == PUBLIC_KEY_BYTES for key in public_keys)
        if len(public_keys) != PARTIES or len(set(public_keys)) != PARTIES or not fitting:
            raise KeyRejected(
                "expected the public keys of three different parties, 32 bytes each; `moretta party key` prints one"
            )
        return cls(dimension, secrets.token_bytes(SEED_BYTES) + b"".join(public_keys))

    @classmethod
    def read(cls, secret: bytes) -> "SharesKey":
        """The key that `secret` gave. Raises `KeyRejected`."""
        return cls(*read_secret(Scheme.SHARES, secret))

    def secret(self) -> bytes:
        """Seed and public keys, to be wrapped and stored."""
        return sealed_secret(Scheme.SHARES, self._dimension, self._material)

    def material(self) -> bytes:
        """Seed and public keys: what a worker needs."""
        return self._material

    def open(self, sealed: SealedScores, terms: OpenTerms) -> list[Opened]:
        """The rows that reach the threshold, in their order; all of rank 1 and without band: nobody knows more.

        Raises:
            ProbeRejected: malformed, or the parties were asked with another threshold than the terms'.
            NodeUnavailable: the parties contradict each other.
        """
        check_sealed(sealed, Scheme.SHARES)
        if threshold_integer(sealed.threshold) != threshold_integer(terms.threshold):
            raise ProbeRejected(
                "expected decisions at the threshold that they were asked for; with `shares`, compare again at another one"
            )
        found = sealed.rows[decisions(sealed.payload, sealed.rows.size) & sealed.counted]
        return [Opened(int(row), 1) for row in np.sort(found)[: max(0, terms.limit)]]

    def successor(self) -> NoReturn:
        """Raise `RequestInvalid`: shares are not packed."""
        raise RequestInvalid("expected a scheme with packed segments (`he`); `shares` has none")

    def pack(self, payloads: Sequence[bytes]) -> NoReturn:
        """Raise `RequestInvalid`: shares are not packed."""
        raise RequestInvalid("expected a scheme with packed segments (`he`); `shares` has none")

    def repack(self, segments: Sequence[tuple[bytes, Sequence[int]]]) -> NoReturn:
        """Raise `RequestInvalid`: shares are not packed."""
        raise RequestInvalid("expected a scheme with packed segments (`he`); `shares` has none")

    def reissue_payload(self, new: GalleryKey, payloads: Sequence[bytes]) -> NoReturn:
        """Raise `RequestInvalid`: nobody can read the references in order to protect them anew."""
        raise RequestInvalid(_NOT_REISSUED)

    def reissue_segment(self, new: GalleryKey, segment: bytes) -> NoReturn:
        """Raise `RequestInvalid`, as `reissue_payload`."""
        raise RequestInvalid(_NOT_REISSUED)

    def reveal(self, reference: StoredReference) -> NoReturn:
        """Raise `RequestInvalid`: no one party, and no holder, has the parts of a template."""
        raise RequestInvalid(_NOT_REVEALED)

    def probe(self, reference: StoredReference) -> NoReturn:
        """Raise `RequestInvalid`, as `reveal`."""
        raise RequestInvalid(_NOT_REVEALED)
