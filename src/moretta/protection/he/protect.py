"""The protecting side of `he`: rotate, quantise, and encrypt what is kept.

Belongs here: the port's implementation. Does not belong here: the cipher, comparing, opening.

A probe is compared once and then forgotten; the comparing side sees it rotated and quantised (see `docs/THREAT_MODEL.md`).
"""

from moretta.core.errors import KeyRejected
from moretta.core.protection import ProtectedProbe, ProtectedReference, ProtectionTerms, Scheme
from moretta.core.values import Embedding
from moretta.protection.he.encrypt import PUBLIC_KEY_BYTES, PublicKey
from moretta.protection.he.parameters import probe_bytes, reference_bytes
from moretta.protection.quantise import HE_GALLERY_SCALE, HE_PROBE_SCALE, Integers, quantised
from moretta.protection.rotation import SEED_BYTES, rotated
from moretta.protection.terms import check_embedding


class HeProtector:
    """A `TemplateProtector`; `terms.material` is the rotation's seed and the public key.

    Raises:
        KeyRejected: the material is something else.
    """

    def __init__(self, terms: ProtectionTerms) -> None:
        expected = SEED_BYTES + PUBLIC_KEY_BYTES
        if len(terms.material) != expected:
            raise KeyRejected(f"expected {expected} bytes of material for scheme he, got {len(terms.material)}")
        self._terms = terms
        self._seed = terms.material[:SEED_BYTES]
        self._public_key = PublicKey(terms.material[SEED_BYTES:])

    def protect_reference(self, embedding: Embedding) -> ProtectedReference:
        """A fresh encryption of the embedding. Raises `ModelMismatch`."""
        c0, c1 = self._public_key.encrypt(self._integers(embedding, HE_GALLERY_SCALE))
        payload = reference_bytes(c0[: self._terms.dimension], c1)
        return ProtectedReference(Scheme.HE, self._terms.model_id, self._terms.key_id, payload)

    def protect_probe(self, embedding: Embedding) -> ProtectedProbe:
        """The embedding, rotated and quantised. Raises `ModelMismatch`."""
        payload = probe_bytes(self._integers(embedding, HE_PROBE_SCALE))
        return ProtectedProbe(Scheme.HE, self._terms.model_id, self._terms.key_id, payload)

    def _integers(self, embedding: Embedding, scale: int) -> Integers:
        check_embedding(embedding, self._terms)
        return quantised(rotated(embedding.vector, self._seed), scale)
