"""The opening side of `he`: holds SEAL's secret key and tells decisions.

Belongs here: the gallery key's implementation. Does not belong here: kernels, comparing, where keys are stored.
"""

import hmac
import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from moretta.core.errors import KeyRejected, ProbeRejected
from moretta.core.key_service import StoredReference
from moretta.core.protection import Opened, OpenTerms, Scheme, SealedScores
from moretta.protection.deciding import matches
from moretta.protection.he.decrypt import opened_scores, opened_slots, warm_up
from moretta.protection.he.encrypt import PUBLIC_KEY_BYTES, PublicKey
from moretta.protection.he.packing import check_count, kept, references_in, references_of, segment_of, turned
from moretta.protection.he.parameters import P, check_dimension, probe_bytes, read_scores, reference_bytes
from moretta.protection.he.seal import SealKey
from moretta.protection.he.transforms import with_quotients
from moretta.protection.opening import GalleryKey
from moretta.protection.plain.vectors import vector_bytes
from moretta.protection.quantise import HE_GALLERY_SCALE, HE_PROBE_SCALE, Integers, quantised
from moretta.protection.rotation import SEED_BYTES, turned_over, unrotated
from moretta.protection.terms import check_sealed, read_secret, sealed_secret

_SCORE_SCALE = HE_GALLERY_SCALE * HE_PROBE_SCALE


class HeKey:
    """The `GalleryKey` of a rotation's seed, a public key and SEAL's secret key.

    Raises:
        KeyRejected: they are not what `secret` wrote.
    """

    def __init__(self, dimension: int, seed: bytes, public_key: bytes, seal_key: SealKey) -> None:
        warm_up()
        self.dimension = dimension
        self._seed, self._public_key, self._seal_key = seed, public_key, seal_key
        self._secret_points = with_quotients(seal_key.secret_points(), P)

    @classmethod
    def new(cls, dimension: int) -> "HeKey":
        """A fresh key for vectors of `dimension`. Raises `RequestInvalid` where they do not fit."""
        check_dimension(dimension)
        seal_key = SealKey.new()
        return cls(dimension, os.urandom(SEED_BYTES), seal_key.new_public_key(), seal_key)

    @classmethod
    def load(cls, secret: bytes) -> "HeKey":
        """The key that `secret` wrote. Raises `KeyRejected`."""
        dimension, content = read_secret(Scheme.HE, secret)
        seed, rest = content[:SEED_BYTES], content[SEED_BYTES:]
        public_key, seal_content = rest[:PUBLIC_KEY_BYTES], rest[PUBLIC_KEY_BYTES:]
        PublicKey(public_key)
        return cls(dimension, seed, public_key, SealKey.load(seal_content))

    def secret(self) -> bytes:
        """Dimension, seed, public key, and SEAL's key in its own form."""
        return sealed_secret(Scheme.HE, self.dimension, self._seed + self._public_key + self._seal_key.content())

    def material(self) -> bytes:
        """The seed and the public key."""
        return self._seed + self._public_key

    def open(self, sealed: SealedScores, terms: OpenTerms) -> list[Opened]:
        """As `ScoreOpener.open`."""
        check_sealed(sealed, Scheme.HE)
        packed, single = read_scores(sealed.payload, len(sealed.rows))
        slots = opened_slots(packed, self._secret_points).ravel()
        scores = np.concatenate((slots, opened_scores(single, self._secret_points)))
        return matches(scores * np.float64(1 / _SCORE_SCALE), sealed.rows, sealed.counted, terms)

    def successor(self) -> "HeKey":
        """As `KeyHolder.successor`: the same rotation, another secret key of SEAL."""
        seal_key = SealKey.new()
        return HeKey(self.dimension, self._seed, seal_key.new_public_key(), seal_key)

    def pack(self, payloads: Sequence[bytes]) -> bytes:
        """As `KeyHolder.pack`. Raises `ProbeRejected`, `RequestInvalid`."""
        check_count(len(payloads))
        references = references_of(payloads, self.dimension, self._secret_points)
        return segment_of(references, self._seal_key, self.dimension)

    def repack(self, segments: Sequence[tuple[bytes, Sequence[int]]]) -> bytes:
        """As `KeyHolder.repack`. Raises `ProbeRejected`, `RequestInvalid`."""
        return segment_of(kept(segments, self.dimension, self._secret_points), self._seal_key, self.dimension)

    def reissue_payload(self, new: GalleryKey, payloads: Sequence[bytes]) -> list[bytes]:
        """As `KeyHolder.reissue_payload`. Raises `KeyRejected`, `ProbeRejected`."""
        other = self._checked(new)
        references = references_of(payloads, self.dimension, self._secret_points)
        public_key, issued = PublicKey(other._public_key), []
        for integers in self._moved(references, other):
            c0, c1 = public_key.encrypt(integers)
            issued.append(reference_bytes(c0[: self.dimension], c1))
        return issued

    def reissue_segment(self, new: GalleryKey, segment: bytes) -> bytes:
        """As `KeyHolder.reissue_segment`; every reference keeps its slot. Raises `KeyRejected`, `ProbeRejected`."""
        other = self._checked(new)
        references = references_in(segment, self.dimension, self._secret_points)
        return segment_of(self._moved(references, other), other._seal_key, self.dimension)

    def reveal(self, reference: StoredReference) -> bytes:
        """The quantised vector, turned back. Raises `ProbeRejected`."""
        return vector_bytes(unrotated(self._turned_vector(reference), self._seed))

    def probe(self, reference: StoredReference) -> bytes:
        """The quantised vector at the scale of probes. Raises `ProbeRejected`."""
        return probe_bytes(quantised(self._turned_vector(reference), HE_PROBE_SCALE))

    def _moved(self, references: Integers, other: "HeKey") -> Integers:
        """References as they stand under another key; under the same rotation they are the same numbers, never rounded again."""
        if hmac.compare_digest(self._seed, other._seed):
            return references
        return turned(references, lambda vectors: turned_over(vectors, self._seed, other._seed))

    def _turned_vector(self, reference: StoredReference) -> npt.NDArray[np.float64]:
        """The one vector, of unit norm, under the rotation."""
        if reference.slot is None:
            found = references_of([reference.content], self.dimension, self._secret_points)[0]
        else:
            held = references_in(reference.content, self.dimension, self._secret_points)
            if not 0 <= reference.slot < len(held) or not held[reference.slot].any():
                raise ProbeRejected("expected a slot of the segment that holds a reference")
            found = held[reference.slot]
        vector: npt.NDArray[np.float64] = found / np.linalg.norm(found)
        return vector

    def _checked(self, new: GalleryKey) -> "HeKey":
        if not isinstance(new, HeKey) or new.dimension != self.dimension:
            raise KeyRejected(f"expected another he key of {self.dimension} dimensions")
        return new
