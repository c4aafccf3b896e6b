"""The protecting side of `shares`: rotate, quantise, split, seal.

Belongs here: the port's implementation. Does not belong here: the protocol, parties' stores.
"""

from moretta.core.errors import KeyRejected
from moretta.core.protection import ProtectedProbe, ProtectedReference, ProtectionTerms, Scheme
from moretta.core.values import Embedding
from moretta.protection.rotation import SEED_BYTES, rotated
from moretta.protection.shares.ring import template_integers
from moretta.protection.shares.sealing import PARTIES, PUBLIC_KEY_BYTES, Kind, sealed_shares
from moretta.protection.terms import check_embedding

MATERIAL_BYTES = SEED_BYTES + PARTIES * PUBLIC_KEY_BYTES


def split_material(material: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """Rotation seed and the three parties' public keys.

    Raises:
        KeyRejected: another length.
    """
    if len(material) != MATERIAL_BYTES:
        raise KeyRejected(f"expected a seed and three public keys in {MATERIAL_BYTES} bytes, got {len(material)}")
    keys = material[SEED_BYTES:]
    return material[:SEED_BYTES], tuple(
        keys[start : start + PUBLIC_KEY_BYTES] for start in range(0, len(keys), PUBLIC_KEY_BYTES)
    )


class SharesProtector:
    """A `TemplateProtector` whose payload is three blobs, one for each party, each of which holds random numbers alone.

    Raises:
        KeyRejected: the terms' material is not of this scheme.
    """

    def __init__(self, terms: ProtectionTerms) -> None:
        self._terms = terms
        self._seed, self._public_keys = split_material(terms.material)

    def protect_reference(self, embedding: Embedding) -> ProtectedReference:
        """Fresh shares of a reference. Raises `ModelMismatch`."""
        payload = self._payload(embedding, Kind.REFERENCE)
        return ProtectedReference(Scheme.SHARES, self._terms.model_id, self._terms.key_id, payload)

    def protect_probe(self, embedding: Embedding) -> ProtectedProbe:
        """Fresh shares of a probe. Raises `ModelMismatch`."""
        payload = self._payload(embedding, Kind.PROBE)
        return ProtectedProbe(Scheme.SHARES, self._terms.model_id, self._terms.key_id, payload)

    def _payload(self, embedding: Embedding, kind: Kind) -> bytes:
        check_embedding(embedding, self._terms)
        template = template_integers(rotated(embedding.vector, self._seed))
        return sealed_shares(template, self._public_keys, kind, self._terms.model_id, self._terms.key_id)
