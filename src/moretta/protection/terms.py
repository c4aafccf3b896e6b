"""Whether what arrives fits the key, model and dimension that it is for: the checks that all schemes share.

Belongs here: comparing ids and shapes, failing closed. Does not belong here: any scheme's payload.
"""

import struct

from moretta.core.errors import KeyRejected, ModelMismatch, ProbeRejected
from moretta.core.gallery import GallerySpec
from moretta.core.protection import ProtectedProbe, ProtectionTerms, Scheme, SealedScores
from moretta.core.values import Embedding

_SECRET = struct.Struct("<4sI")
# What a gallery key's secret begins with; another number when its form changes.
_MAGIC = {
    Scheme.PLAIN: b"MGP1",
    Scheme.ROTATED: b"MGR1",
    Scheme.HE: b"MGH1",
    Scheme.SHARES: b"MGS1",
}


def check_embedding(embedding: Embedding, terms: ProtectionTerms) -> None:
    """Raise `ModelMismatch` where the embedding is not of the terms' model and dimension."""
    if embedding.model_id != terms.model_id or embedding.vector.shape != (terms.dimension,):
        raise ModelMismatch(
            f"expected an embedding of model {terms.model_id} with {terms.dimension} dimensions, got one of model "
            f"{embedding.model_id} with {embedding.vector.shape[0]}; use the collection's model, or re-enrol"
        )


def check_probe(probe: ProtectedProbe, spec: GallerySpec) -> None:
    """Raise `ProbeRejected` where the probe was not protected for this gallery."""
    if (probe.scheme, probe.model_id, probe.key_id) != (spec.scheme, spec.model_id, spec.key_id):
        raise ProbeRejected(
            f"expected a probe of scheme {spec.scheme}, model {spec.model_id} and key {spec.key_id}, got scheme "
            f"{probe.scheme}, model {probe.model_id} and key {probe.key_id}; protect it again for this collection"
        )


def check_sealed(sealed: SealedScores, scheme: Scheme) -> None:
    """Raise `ProbeRejected` where scores of another scheme arrive."""
    if sealed.scheme is not scheme:
        raise ProbeRejected(f"expected scores of scheme {scheme}, got {sealed.scheme}")


def sealed_secret(scheme: Scheme, dimension: int, content: bytes) -> bytes:
    """A gallery key's secret: scheme and dimension before its own content."""
    return _SECRET.pack(_MAGIC[scheme], dimension) + content


def read_secret(scheme: Scheme, secret: bytes) -> tuple[int, bytes]:
    """Dimension and content of a gallery key's secret.

    Raises:
        KeyRejected: it is none of this scheme.
    """
    if len(secret) < _SECRET.size:
        raise KeyRejected(f"expected the secret of a {scheme} key, got {len(secret)} bytes")
    magic, dimension = _SECRET.unpack_from(secret)
    if magic != _MAGIC[scheme] or dimension < 1:
        raise KeyRejected(f"expected the secret of a {scheme} key, got something else")
    return dimension, secret[_SECRET.size :]
