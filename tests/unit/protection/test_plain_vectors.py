"""Vectors as payloads: only unit ones are compared."""

from dataclasses import replace

import numpy as np
import pytest
from tests.protection_harness import embedding, harness, unit_vectors

from moretta.core.errors import ProbeRejected, RequestInvalid
from moretta.core.protection import Scheme
from moretta.protection.plain.vectors import read_vector, vector_bytes
from moretta.protection.schemes import gallery_index, new_gallery_key

D = 64
VECTOR = unit_vectors(np.random.default_rng(1), 1, D)[0]


def test_a_vector_reads_back_as_it_was() -> None:
    assert (read_vector(vector_bytes(VECTOR), D) == VECTOR).all()


@pytest.mark.parametrize("factor", [0.0, 0.5, 0.99, 1.01, 3.0, float("nan"), float("inf")])
@pytest.mark.parametrize("scheme", [Scheme.PLAIN, Scheme.ROTATED], ids=str)
def test_what_is_not_of_unit_length_is_neither_compared_nor_kept(scheme: Scheme, factor: float) -> None:
    with harness(scheme, D) as gallery:
        probe = gallery.protector.protect_probe(embedding(VECTOR))
        longer = (np.frombuffer(probe.payload, "<f4") * np.float32(factor)).astype("<f4").tobytes()
        with pytest.raises(ProbeRejected):
            gallery.index.compare(replace(probe, payload=longer), 0.5)
        with pytest.raises(ProbeRejected):
            gallery.index.put([1], [longer])
        assert len(gallery.index) == 0


def test_a_row_put_again_with_another_vector_has_that_one() -> None:
    other = unit_vectors(np.random.default_rng(2), 1, D)[0]
    with harness(Scheme.PLAIN, D) as gallery:
        gallery.enrol({1: VECTOR})
        gallery.enrol({1: other})
        assert len(gallery.index) == 1
        assert gallery.matched(VECTOR, 0.7) == set()
        assert gallery.matched(other, 0.7) == {1}


@pytest.mark.parametrize("scheme", [Scheme.PLAIN, Scheme.ROTATED], ids=str)
def test_schemes_without_segments_do_not_pack(scheme: Scheme) -> None:
    key = new_gallery_key(scheme, D)
    for attempt in (lambda: key.pack([b""]), lambda: key.repack([(b"", [0])]), lambda: key.reissue_segment(key, b"")):
        with pytest.raises(RequestInvalid):
            attempt()


def test_a_gallery_of_shares_is_no_index_of_this_process() -> None:
    with harness(Scheme.PLAIN, D) as gallery, pytest.raises(RequestInvalid):
        gallery_index(replace(gallery.spec, scheme=Scheme.SHARES))
