"""A worker that can open no file protects embeddings as one that can: what it gives is compared and opened outside of it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.media import memory_file
from tests.protection_harness import KEY, MODEL, at_cosine, harness, unit_vectors
from tests.sandbox_protect_entry import packed, unpacked

from moretta.core.protection import OpenTerms, ProtectedProbe, Scheme
from moretta.sandbox.confinement import Mode
from moretta.sandbox.pool import WorkerPool

TESTS = str(Path(__file__).resolve().parents[1])
D = 192


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    environment = {"PYTHONPATH": TESTS}
    with WorkerPool("sandbox_protect_entry:handler", mode=Mode.BEST_EFFORT, environment=environment) as confined:
        confined.wait_ready(60)
        yield confined


@pytest.mark.parametrize("scheme", [Scheme.PLAIN, Scheme.ROTATED, Scheme.HE], ids=str)
def test_what_a_confined_worker_protects_matches_outside(pool: WorkerPool, scheme: Scheme) -> None:
    rng = np.random.default_rng(1)
    vectors = unit_vectors(rng, 3, D)
    with harness(scheme, D) as gallery, memory_file(b"") as media:
        answers = [unpacked(pool.run(media, packed(scheme, gallery.terms.material, vector))) for vector in vectors]
        gallery.index.put([1, 2, 3], [reference for reference, _ in answers])
        for row, vector in enumerate(vectors, start=1):
            alike = packed(scheme, gallery.terms.material, at_cosine(rng, vector, 0.8))
            _, probe = unpacked(pool.run(media, alike))
            sealed = gallery.index.compare(ProtectedProbe(scheme, MODEL, KEY, probe), 0.6)
            assert [match.row for match in gallery.key.open(sealed, OpenTerms(0.6))] == [row]
