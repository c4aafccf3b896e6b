"""The protecting side of `rotated`: the vector under the collection's secret rotation.

Belongs here: the port's implementation. Does not belong here: the rotation itself, comparing, opening.
"""

from moretta.core.protection import ProtectedProbe, ProtectedReference, ProtectionTerms, Scheme
from moretta.core.values import Embedding
from moretta.protection.plain.vectors import vector_bytes
from moretta.protection.rotation import rotated
from moretta.protection.terms import check_embedding


class RotatedProtector:
    """A `TemplateProtector` that turns the vector; `terms.material` is the rotation's seed.

    Two references of one embedding are the same under one key: what makes them unlinkable is another key.
    """

    def __init__(self, terms: ProtectionTerms) -> None:
        self._terms = terms

    def protect_reference(self, embedding: Embedding) -> ProtectedReference:
        """The turned vector as a reference. Raises `ModelMismatch`."""
        return ProtectedReference(Scheme.ROTATED, self._terms.model_id, self._terms.key_id, self._payload(embedding))

    def protect_probe(self, embedding: Embedding) -> ProtectedProbe:
        """The turned vector as a probe. Raises `ModelMismatch`."""
        return ProtectedProbe(Scheme.ROTATED, self._terms.model_id, self._terms.key_id, self._payload(embedding))

    def _payload(self, embedding: Embedding) -> bytes:
        check_embedding(embedding, self._terms)
        return vector_bytes(rotated(embedding.vector, self._terms.material))
