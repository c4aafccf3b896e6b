"""One gallery under one scheme with real keys: what the contract suite of the protection schemes runs on.

A scheme takes part by an entry in `MAKERS`: a function of the dimension that gives a `Harness`. `index` is whatever compares
(for `shares`: three parties behind the methods of `GalleryIndex`), `close` gives back what was started.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from moretta.core.gallery import GallerySpec
from moretta.core.protection import (
    GalleryIndex,
    Opened,
    OpenTerms,
    ProtectionTerms,
    Scheme,
    SealedScores,
    TemplateProtector,
)
from moretta.core.values import Embedding, Floats
from moretta.protection.opening import GalleryKey
from moretta.protection.schemes import gallery_index, new_gallery_key, protector
from tests import memory
from tests.shares_rig import Trio, gallery

MODEL = "0123456789abcdef"
KEY = "key-1"


@dataclass(frozen=True, slots=True)
class Harness:
    """The three sides of one gallery."""

    terms: ProtectionTerms
    spec: GallerySpec
    key: GalleryKey
    index: GalleryIndex
    protector: TemplateProtector
    close: Callable[[], None] = field(default=lambda: None)

    def payload(self, vector: Floats) -> bytes:
        """A reference of `vector`, protected."""
        return self.protector.protect_reference(embedding(vector)).payload

    def enrol(self, vectors: Mapping[int, Floats]) -> None:
        """Put a reference of each vector at its row."""
        self.index.put(list(vectors), [self.payload(vector) for vector in vectors.values()])

    def compare(self, vector: Floats, threshold: float, only: Sequence[int] | None = None) -> SealedScores:
        """Compare `vector` as a probe."""
        return self.index.compare(self.protector.protect_probe(embedding(vector)), threshold, only)

    def search(
        self, vector: Floats, threshold: float, only: Sequence[int] | None = None, limit: int = 100
    ) -> list[Opened]:
        """Compare and open."""
        return self.key.open(self.compare(vector, threshold, only), OpenTerms(threshold, limit))

    def matched(self, vector: Floats, threshold: float, only: Sequence[int] | None = None) -> set[int]:
        """The rows that match."""
        return {found.row for found in self.search(vector, threshold, only, limit=1_000_000)}


def embedding(vector: Floats, model_id: str = MODEL) -> Embedding:
    """`vector` as an embedding of the harness's model."""
    return Embedding(np.array(vector, dtype=np.float32), model_id)


def unit_vectors(rng: np.random.Generator, count: int, dimension: int) -> Floats:
    """Uniform random directions, float32, shape (count, dimension)."""
    raw = rng.standard_normal((count, dimension))
    return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)


def at_cosine(rng: np.random.Generator, vector: Floats, cosine: float) -> Floats:
    """A random unit vector at that cosine to `vector`."""
    other = rng.standard_normal(vector.shape)
    base = vector.astype(np.float64) / np.linalg.norm(vector.astype(np.float64))
    other -= base * (other @ base)
    other /= np.linalg.norm(other)
    return (cosine * base + np.sqrt(1 - cosine * cosine) * other).astype(np.float32)


def _one_index(scheme: Scheme) -> Callable[[int], Harness]:
    def make(dimension: int) -> Harness:
        key = new_gallery_key(scheme, dimension)
        terms = ProtectionTerms(scheme, MODEL, dimension, KEY, key.material())
        spec = GallerySpec("col_local_0", scheme, MODEL, dimension, KEY, frozenset({"local"}))
        index = gallery_index(spec)
        return Harness(terms, spec, key, index, protector(terms), index.close)

    return make


def _three_parties(dimension: int) -> Harness:
    root = Path(tempfile.mkdtemp(prefix="moretta-shares-", dir=memory.folder()))
    shared = gallery(Trio(root), dimension)

    def close() -> None:
        shared.close()
        shutil.rmtree(root)

    terms = ProtectionTerms(Scheme.SHARES, MODEL, dimension, KEY, shared.key.material())
    return Harness(terms, shared.spec, shared.key, shared, shared.protector, close)


MAKERS: dict[Scheme, Callable[[int], Harness]] = {
    scheme: _one_index(scheme) for scheme in (Scheme.PLAIN, Scheme.ROTATED, Scheme.HE)
} | {Scheme.SHARES: _three_parties}


@contextmanager
def harness(scheme: Scheme, dimension: int) -> Iterator[Harness]:
    """A fresh, empty gallery."""
    made = MAKERS[scheme](dimension)
    try:
        yield made
    finally:
        made.close()
