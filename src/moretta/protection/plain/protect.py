"""The protecting side of `plain`: nothing is hidden.

Belongs here: the port's implementation. Does not belong here: comparing, opening.
"""

from moretta.core.protection import ProtectedProbe, ProtectedReference, ProtectionTerms, Scheme
from moretta.core.values import Embedding
from moretta.protection.plain.vectors import vector_bytes
from moretta.protection.terms import check_embedding


class PlainProtector:
    """A `TemplateProtector` that gives the vector itself."""

    def __init__(self, terms: ProtectionTerms) -> None:
        self._terms = terms

    def protect_reference(self, embedding: Embedding) -> ProtectedReference:
        """The vector as a reference. Raises `ModelMismatch`."""
        return ProtectedReference(Scheme.PLAIN, self._terms.model_id, self._terms.key_id, self._payload(embedding))

    def protect_probe(self, embedding: Embedding) -> ProtectedProbe:
        """The vector as a probe. Raises `ModelMismatch`."""
        return ProtectedProbe(Scheme.PLAIN, self._terms.model_id, self._terms.key_id, self._payload(embedding))

    def _payload(self, embedding: Embedding) -> bytes:
        check_embedding(embedding, self._terms)
        return vector_bytes(embedding.vector)
