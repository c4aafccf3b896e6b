"""The contract of protect, compare and open, on every scheme with real keys."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.protection_harness import (
    KEY,
    MAKERS,
    MODEL,
    Harness,
    at_cosine,
    embedding,
    harness,
    unit_vectors,
)

from moretta.core.errors import KeyRejected, ModelMismatch, ProbeRejected
from moretta.core.protection import OpenTerms, ProtectedProbe, Scheme
from moretta.core.values import Floats
from moretta.protection.schemes import STATED_ERROR, load_gallery_key, new_gallery_key, protector

D = 128
# Under these schemes two payloads of one template are unlike; the other two compute on the vector itself.
RANDOMISED = (Scheme.HE, Scheme.SHARES)
DIMENSIONS = (64, 128, 192, 320, 512)


@pytest.fixture(scope="module", params=list(MAKERS), ids=str)
def shared(request: pytest.FixtureRequest) -> Iterator[Harness]:
    """A gallery that no test changes: rows 100-139."""
    with harness(request.param, D) as made:
        made.enrol(dict(enumerate(_gallery(), start=100)))
        yield made


@pytest.fixture(params=list(MAKERS), ids=str)
def empty(request: pytest.FixtureRequest) -> Iterator[Harness]:
    with harness(request.param, D) as made:
        yield made


def _gallery() -> Floats:
    return unit_vectors(np.random.default_rng(1), 40, D)


def test_a_probe_matches_its_own_reference_and_no_strangers(shared: Harness) -> None:
    for row, vector in enumerate(_gallery()[:5], start=100):
        assert shared.matched(vector, 0.6) == {row}


def test_an_opposite_probe_matches_nothing(shared: Harness) -> None:
    assert shared.matched(-_gallery()[0], 0.6) == set()


def test_nothing_matches_in_an_empty_gallery(empty: Harness) -> None:
    assert len(empty.index) == 0
    assert empty.search(_gallery()[0], 0.3) == []


def test_each_scheme_decides_as_the_cosine_does_but_within_its_stated_error(shared: Harness) -> None:
    rng = np.random.default_rng(2)
    for _ in range(4):
        probe = at_cosine(rng, _gallery()[3], float(rng.uniform(0.3, 0.9)))
        threshold = float(rng.uniform(0.05, 0.9))
        cosines = _gallery().astype(np.float64) @ probe.astype(np.float64)
        matched = shared.matched(probe, threshold)
        for row, cosine in enumerate(cosines, start=100):
            if abs(cosine - threshold) > STATED_ERROR[shared.terms.scheme]:
                assert (row in matched) == (cosine > threshold)


def test_ranks_count_from_the_most_similar_and_the_limit_keeps_the_first(empty: Harness) -> None:
    rng = np.random.default_rng(3)
    probe = unit_vectors(rng, 1, D)[0]
    empty.enrol({row: at_cosine(rng, probe, 0.5 + 0.08 * row) for row in range(6)})
    found = empty.search(probe, 0.4)
    assert {match.row for match in found} == set(range(6))
    if empty.terms.scheme is Scheme.SHARES:  # opens decisions only
        assert {match.rank for match in found} == {1}
        return
    assert [match.row for match in found] == [5, 4, 3, 2, 1, 0]
    assert [match.rank for match in found] == [1, 2, 3, 4, 5, 6]
    assert [match.row for match in empty.search(probe, 0.4, limit=2)] == [5, 4]


def test_a_match_tells_how_many_bands_it_reaches_where_bands_are_asked_for(empty: Harness) -> None:
    rng = np.random.default_rng(4)
    probe = unit_vectors(rng, 1, D)[0]
    empty.enrol({1: at_cosine(rng, probe, 0.55), 2: at_cosine(rng, probe, 0.75), 3: at_cosine(rng, probe, 0.95)})
    found = empty.key.open(empty.compare(probe, 0.4), OpenTerms(0.4, bands=(0.65, 0.85)))
    if empty.terms.scheme is Scheme.SHARES:
        assert {match.band for match in found} == {None}
        return
    assert {match.row: match.band for match in found} == {1: 0, 2: 1, 3: 2}


def test_a_removed_row_never_matches_again(empty: Harness) -> None:
    vectors = _gallery()
    empty.enrol(dict(enumerate(vectors[:10])))
    empty.index.remove([3, 77])
    empty.index.remove([3])
    assert len(empty.index) == 9
    assert empty.matched(vectors[3], 0.6) == set()
    assert empty.matched(vectors[3], 0.6, only=[3]) == set()
    assert empty.matched(vectors[4], 0.6) == {4}


def test_most_of_a_gallery_can_be_removed_and_it_grows_again(empty: Harness) -> None:
    vectors = unit_vectors(np.random.default_rng(5), 90, D)
    empty.enrol(dict(enumerate(vectors)))
    empty.index.remove(range(80))
    empty.enrol({200: vectors[0]})
    assert len(empty.index) == 11
    assert empty.matched(vectors[0], 0.6) == {200}
    assert empty.matched(vectors[85], 0.6) == {85}
    assert empty.matched(vectors[1], 0.6) == set()


def test_an_excluded_row_does_not_match_until_it_is_named_no_more(empty: Harness) -> None:
    vectors = _gallery()
    empty.index.exclude([2, 5, 99])
    empty.enrol(dict(enumerate(vectors[:6])))
    assert len(empty.index) == 4
    assert empty.matched(vectors[2], 0.6) == set()
    assert empty.matched(vectors[2], 0.6, only=[2, 3]) == set()
    empty.index.exclude([5])
    assert empty.matched(vectors[2], 0.6) == {2}
    assert empty.matched(vectors[5], 0.6) == set()


def test_only_the_named_rows_are_compared(shared: Harness) -> None:
    vector = _gallery()[7]
    assert shared.matched(vector, 0.6, only=[107]) == {107}
    assert shared.matched(vector, 0.6, only=[106, 108, 9999]) == set()
    assert shared.matched(vector, -1.0, only=[101, 103]) <= {101, 103}
    sealed = shared.compare(vector, 0.6, only=[105, 107, 107])
    assert sorted(sealed.rows[sealed.counted].tolist()) == [105, 107]


def test_putting_and_removing_twice_changes_nothing(empty: Harness) -> None:
    vectors = _gallery()
    payloads = [empty.payload(vector) for vector in vectors[:4]]
    empty.index.put([1, 2, 3, 4], payloads)
    empty.index.put([1, 2, 3, 4], payloads)
    assert len(empty.index) == 4
    found = empty.search(vectors[1], 0.6)
    assert [match.row for match in found] == [2]
    empty.index.remove([2])
    empty.index.remove([2])
    assert len(empty.index) == 3


def test_a_probe_of_another_key_or_model_is_refused(shared: Harness) -> None:
    probe = shared.protector.protect_probe(embedding(_gallery()[0]))
    for other in (replace(probe, key_id="key-2"), replace(probe, model_id="f" * 16)):
        with pytest.raises(ProbeRejected):
            shared.index.compare(other, 0.5)


def test_a_probe_of_another_scheme_is_refused(shared: Harness) -> None:
    other = Scheme.ROTATED if shared.terms.scheme is Scheme.PLAIN else Scheme.PLAIN
    probe = replace(shared.protector.protect_probe(embedding(_gallery()[0])), scheme=other)
    with pytest.raises(ProbeRejected):
        shared.index.compare(probe, 0.5)


def test_an_embedding_of_another_model_or_dimension_is_not_protected(shared: Harness) -> None:
    rng = np.random.default_rng(6)
    strange = embedding(_gallery()[0], model_id="f" * 16), embedding(unit_vectors(rng, 1, D // 2)[0])
    for one in strange:
        with pytest.raises(ModelMismatch):
            shared.protector.protect_reference(one)
        with pytest.raises(ModelMismatch):
            shared.protector.protect_probe(one)


@pytest.mark.parametrize("content", [b"", b"\x00", b"\xff" * 7])
def test_a_malformed_probe_is_refused(shared: Harness, content: bytes) -> None:
    with pytest.raises(ProbeRejected):
        shared.index.compare(ProtectedProbe(shared.terms.scheme, MODEL, KEY, content), 0.5)


def test_a_malformed_reference_is_refused_and_none_beside_it_is_taken(empty: Harness) -> None:
    with pytest.raises(ProbeRejected):
        empty.index.put([1, 2], [empty.payload(_gallery()[0]), b"\x00" * 5])
    assert len(empty.index) == 0


def test_sealed_scores_of_another_scheme_are_not_opened(shared: Harness) -> None:
    sealed = shared.compare(_gallery()[0], 0.5)
    other = Scheme.ROTATED if shared.terms.scheme is Scheme.PLAIN else Scheme.PLAIN
    with pytest.raises(ProbeRejected):
        shared.key.open(replace(sealed, scheme=other), OpenTerms(0.5))


def test_sealed_scores_that_were_cut_are_not_opened(shared: Harness) -> None:
    sealed = shared.compare(_gallery()[0], 0.5)
    with pytest.raises(ProbeRejected):
        shared.key.open(replace(sealed, payload=sealed.payload[:-4]), OpenTerms(0.5))


def test_what_is_not_counted_is_never_told(shared: Harness) -> None:
    sealed = shared.compare(_gallery()[9], 0.5)
    assert {match.row for match in shared.key.open(sealed, OpenTerms(0.5))} == {109}
    hidden = replace(sealed, counted=sealed.counted & (sealed.rows != 109))
    assert shared.key.open(hidden, OpenTerms(0.5)) == []


def test_references_of_one_embedding_are_unlike_where_the_scheme_says_so(shared: Harness) -> None:
    first, second = (shared.payload(_gallery()[0]) for _ in range(2))
    assert (first != second) == (shared.terms.scheme in RANDOMISED)


def test_a_reference_does_not_hold_the_template(shared: Harness) -> None:
    if shared.terms.scheme is Scheme.PLAIN:
        pytest.skip("plain hides nothing")
    vector = _gallery()[0]
    stored = shared.payload(vector)
    for form in _forms(vector):
        # Eight coordinates in a row would be there by chance with probability under 2^-40.
        for start in range(0, len(form) - 8, 4):
            assert form[start : start + 8].tobytes() not in stored


def test_a_key_written_and_read_back_opens_what_it_opened(shared: Harness) -> None:
    again = load_gallery_key(shared.terms.scheme, shared.key.secret())
    assert again.material() == shared.key.material()
    sealed = shared.compare(_gallery()[2], 0.5)
    assert again.open(sealed, OpenTerms(0.5)) == shared.key.open(sealed, OpenTerms(0.5))


@pytest.mark.parametrize("content", [b"", b"MGP", b"rubbish that is no key", b"\x00" * 4096])
def test_rubbish_is_no_key(shared: Harness, content: bytes) -> None:
    with pytest.raises(KeyRejected):
        load_gallery_key(shared.terms.scheme, content)


def test_a_key_cut_short_is_no_key(shared: Harness) -> None:
    with pytest.raises(KeyRejected):
        load_gallery_key(shared.terms.scheme, shared.key.secret()[:-1])


def test_comparing_goes_on_while_rows_come_and_go(empty: Harness) -> None:
    vectors = unit_vectors(np.random.default_rng(7), 60, D)
    empty.enrol(dict(enumerate(vectors[:20])))
    coming = [empty.payload(vector) for vector in vectors[20:]]
    failures: list[str] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            if empty.matched(vectors[0], 0.6) != {0}:
                failures.append("the row that stays was not the one match")
            if not empty.matched(vectors[25], 0.6) <= {25}:
                failures.append("a stranger matched")

    watchers = [threading.Thread(target=look) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    try:
        for round_ in range(3):
            for row, payload in enumerate(coming, start=20):
                empty.index.put([row + 100 * round_ if row != 25 else row], [payload])
            empty.index.remove([row + 100 * round_ for row in range(20, 60)])
    finally:
        done.set()
        for watcher in watchers:
            watcher.join()
    assert failures == []


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dimension=st.sampled_from(DIMENSIONS),
    seed=st.integers(0, 2**32 - 1),
    threshold=st.floats(-0.2, 0.95),
    cosine=st.floats(-1.0, 1.0),
)
@pytest.mark.parametrize("scheme", list(MAKERS), ids=str)
def test_any_pair_at_any_threshold_is_decided_as_by_the_cosine(
    scheme: Scheme, dimension: int, seed: int, threshold: float, cosine: float
) -> None:
    rng = np.random.default_rng(seed)
    reference = unit_vectors(rng, 1, dimension)[0]
    probe = at_cosine(rng, reference, cosine)
    exact = float(reference.astype(np.float64) @ probe.astype(np.float64))
    with harness(scheme, dimension) as made:
        made.enrol({5: reference})
        matched = made.matched(probe, threshold) == {5}
    if abs(exact - threshold) > STATED_ERROR[scheme]:
        assert matched == (exact > threshold)


def test_a_reissued_reference_matches_under_the_new_key_alone(empty: Harness) -> None:
    if empty.terms.scheme is Scheme.SHARES:
        pytest.skip("shares are refreshed by their parties")
    scheme, vectors = empty.terms.scheme, _gallery()
    new_key = new_gallery_key(scheme, D)
    old = [empty.payload(vector) for vector in vectors[:5]]
    new = empty.key.reissue_payload(new_key, old)
    with harness(scheme, D) as other:
        terms = replace(other.terms, material=new_key.material())
        other.index.put(range(5), new)
        probe = protector(terms).protect_probe(embedding(vectors[2]))
        found = new_key.open(other.index.compare(probe, 0.9), OpenTerms(0.9))
    assert [match.row for match in found] == [2]
    if scheme is not Scheme.PLAIN:
        assert not set(old) & set(new)


def _forms(vector: Floats) -> list[np.ndarray]:
    """The template as whoever wanted to leak it might write it."""
    scaled = [np.rint(vector * scale) for scale in (127, 181, 256)]
    signed = [form.astype(kind) for form in scaled for kind in ("<i2", "<i4")]
    wrapped = [(form.astype(np.int64) % modulus).astype("<u4") for form in scaled for modulus in (114_689, 2**16)]
    return [vector.astype("<f4"), vector.astype("<f2"), np.rint(vector * 127).astype(np.int8), *signed, *wrapped]
