"""A gallery of packed references: what is opened, what is masked, and what a segment replaces."""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.protection_harness import Harness, embedding, harness, unit_vectors
from tests.seal_rig import SealRig

from moretta.core.errors import ProbeRejected, RequestInvalid
from moretta.core.gallery import SegmentInfo
from moretta.core.protection import OpenTerms, Scheme
from moretta.core.values import Floats
from moretta.protection.he.compare import HeIndex
from moretta.protection.he.decrypt import opened_slots
from moretta.protection.he.open import HeKey
from moretta.protection.he.packing import segment_of
from moretta.protection.he.parameters import N, read_scores
from moretta.protection.quantise import HE_GALLERY_SCALE, quantised
from moretta.protection.rotation import SEED_BYTES, rotated

D = 64  # the fewest dimensions, so that packing takes least


@pytest.fixture
def made() -> Iterator[Harness]:
    with harness(Scheme.HE, D) as gallery:
        yield gallery


@pytest.fixture
def vectors() -> Floats:
    return unit_vectors(np.random.default_rng(1), 40, D)


def _index(made: Harness) -> HeIndex:
    assert isinstance(made.index, HeIndex)
    return made.index


def _packed(made: Harness, vectors: Floats, rows: Sequence[int], path: Path) -> SegmentInfo:
    """A segment of `vectors` at `rows`, written to `path`."""
    content = made.key.pack([made.payload(vector) for vector in vectors])
    return _written(content, rows, path)


def _written(content: bytes, rows: Sequence[int], path: Path) -> SegmentInfo:
    path.write_bytes(content)
    return SegmentInfo(path.name, np.array(rows, np.uint32), hashlib.sha256(content).hexdigest(), len(content))


def test_packed_references_match_as_single_ones_do(made: Harness, vectors: Floats, tmp_path: Path) -> None:
    _index(made).attach(_packed(made, vectors[:30], range(100, 130), tmp_path / "a"), tmp_path / "a")
    made.enrol({130: vectors[30], 131: vectors[31]})
    assert len(made.index) == 32
    for at in (0, 17, 29, 30, 31):
        found = made.search(vectors[at], 0.7)
        assert [(match.row, match.rank) for match in found] == [(100 + at, 1)]
        assert made.matched(vectors[at], 0.7, only=[100 + at]) == {100 + at}


def test_a_segment_replaces_single_references_of_its_rows(made: Harness, vectors: Floats, tmp_path: Path) -> None:
    made.enrol(dict(enumerate(vectors[:5])))
    info = _packed(made, vectors[:3], [0, 1, 2], tmp_path / "a")
    _index(made).attach(info, tmp_path / "a")
    _index(made).attach(info, tmp_path / "a")
    made.enrol({1: vectors[1]})
    assert len(made.index) == 5
    assert made.matched(vectors[1], 0.7) == {1}
    assert len(made.search(vectors[1], 0.7)) == 1


def test_a_repacked_segment_takes_the_place_of_the_old_one(made: Harness, vectors: Floats, tmp_path: Path) -> None:
    index, old = _index(made), _packed(made, vectors[:4], [0, 1, 2, 3], tmp_path / "a")
    index.attach(old, tmp_path / "a")
    index.remove([1])
    new = _written(made.key.repack([((tmp_path / "a").read_bytes(), [3, 0, 2])]), [3, 0, 2], tmp_path / "b")
    index.attach(new, tmp_path / "b")
    assert len(index) == 3
    assert [match.row for match in made.search(vectors[3], 0.7)] == [3]
    index.detach("a")
    index.detach("a")
    assert len(index) == 3
    assert [made.matched(vector, 0.7) for vector in vectors[:4]] == [{0}, set(), {2}, {3}]


def test_rows_that_were_removed_before_a_segment_came_are_compared_with_it(
    made: Harness, vectors: Floats, tmp_path: Path
) -> None:
    index = _index(made)
    made.enrol({1: vectors[1]})
    index.remove([1])
    index.attach(_packed(made, vectors[:2], [0, 1], tmp_path / "a"), tmp_path / "a")
    assert made.matched(vectors[1], 0.7) == {1}


def test_a_detached_segments_rows_are_gone(made: Harness, vectors: Floats, tmp_path: Path) -> None:
    index = _index(made)
    index.attach(_packed(made, vectors[:2], [0, 1], tmp_path / "a"), tmp_path / "a")
    index.detach("a")
    assert len(index) == 0
    assert made.matched(vectors[1], 0.7) == set()


def test_an_excluded_packed_row_comes_back(made: Harness, vectors: Floats, tmp_path: Path) -> None:
    index = _index(made)
    index.exclude([1])
    index.attach(_packed(made, vectors[:2], [0, 1], tmp_path / "a"), tmp_path / "a")
    assert made.matched(vectors[1], 0.7) == set()
    assert made.matched(vectors[1], 0.7, only=[1]) == set()
    index.exclude([])
    assert made.matched(vectors[1], 0.7) == {1}


def test_slots_that_must_not_be_opened_hold_noise_that_is_new_each_time(
    made: Harness, vectors: Floats, tmp_path: Path
) -> None:
    """Noise is uniform over T values: two of 2,045 slots agree with probability 0.02 each time, 40 of them never do."""
    index = _index(made)
    index.attach(_packed(made, vectors[:5], range(5), tmp_path / "a"), tmp_path / "a")
    index.remove([1])
    index.exclude([2])
    assert isinstance(made.key, HeKey)
    secret = SealRig(made.key).secret_points

    def opened(only: Sequence[int] | None) -> tuple[np.ndarray, np.ndarray]:
        sealed = made.compare(vectors[1], 0.7, only)
        packed, _ = read_scores(sealed.payload, len(sealed.rows))
        return opened_slots(packed, secret)[0], sealed.counted

    for only, shown in ((None, [0, 3, 4]), ([3, 1, 2], [3])):
        (first, counted), (second, _) = opened(only), opened(only)
        assert np.flatnonzero(counted).tolist() == shown
        assert (first[shown] == second[shown]).all()
        assert (first == second).sum() <= len(shown) + 40
        shut = np.delete(first, shown).astype(np.float64)
        assert abs(shut.mean()) < 6 * 33_108 / np.sqrt(shut.size)  # T / sqrt(12)
        assert abs(np.abs(shut).mean() - 28_672) < 6 * 16_554 / np.sqrt(shut.size)  # T / 4


def test_only_the_segments_that_hold_the_asked_rows_are_sent(made: Harness, vectors: Floats, tmp_path: Path) -> None:
    index = _index(made)
    index.attach(_packed(made, vectors[:3], [5, 1, 9], tmp_path / "a"), tmp_path / "a")
    index.attach(_packed(made, vectors[3:6], [4, 2, 8], tmp_path / "b"), tmp_path / "b")
    sealed = made.compare(vectors[4], 0.7, only=[2, 77])
    assert len(sealed.rows) == N
    assert sealed.rows[sealed.counted].tolist() == [2]
    assert made.key.open(sealed, OpenTerms(0.7))[0].row == 2
    assert len(made.compare(vectors[4], 0.7, only=[77]).rows) == 0


@pytest.mark.parametrize("fault", ["short", "named shorter", "no rows", "too many rows"])
def test_a_file_that_is_no_segment_is_refused(made: Harness, vectors: Floats, tmp_path: Path, fault: str) -> None:
    path = tmp_path / "a"
    info = _packed(made, vectors[:2], [0, 1], path)
    if fault == "short":
        path.write_bytes(path.read_bytes()[:-4])
    if fault == "named shorter":
        info = replace(info, length=info.length - 4)
    if fault == "no rows":
        info = replace(info, rows=np.empty(0, np.uint32))
    if fault == "too many rows":
        info = replace(info, rows=np.arange(N + 1, dtype=np.uint32))
    with pytest.raises(ProbeRejected):
        _index(made).attach(info, path)
    assert len(made.index) == 0


@pytest.mark.parametrize("factor", [0.0, 0.5, 3.0])
def test_a_probe_that_is_not_of_unit_length_is_refused(made: Harness, vectors: Floats, factor: float) -> None:
    probe = made.protector.protect_probe(embedding(vectors[0]))
    longer = np.rint(np.frombuffer(probe.payload, "<i2") * factor).astype("<i2").tobytes()
    with pytest.raises(ProbeRejected):
        made.index.compare(replace(probe, payload=longer), 0.7)


def test_a_segment_holds_no_template(made: Harness, vectors: Floats, tmp_path: Path) -> None:
    content = made.key.pack([made.payload(vector) for vector in vectors])
    again = made.key.pack([made.payload(vector) for vector in vectors])
    assert (np.frombuffer(content, "<u4") != np.frombuffer(again, "<u4")).mean() > 0.999
    for vector in vectors[:3]:
        for scale in (127, 256):
            for kind in (np.int8, np.int16):
                assert np.clip(np.rint(vector * scale), -127, 127).astype(kind)[:8].tobytes() not in content


def test_a_full_segment_is_opened_without_masks(made: Harness, tmp_path: Path) -> None:
    vectors = unit_vectors(np.random.default_rng(2), N, D)
    integers = quantised(rotated(vectors, made.terms.material[:SEED_BYTES]), HE_GALLERY_SCALE)
    assert isinstance(made.key, HeKey)
    content = segment_of(integers, SealRig(made.key).key, D)
    _index(made).attach(_written(content, range(N), tmp_path / "a"), tmp_path / "a")
    assert len(made.index) == N
    cosines = vectors.astype(np.float64) @ vectors[7].astype(np.float64)
    matched = made.matched(vectors[7], 0.3)
    assert {int(row) for row in np.flatnonzero(cosines > 0.312)} <= matched
    assert matched <= {int(row) for row in np.flatnonzero(cosines > 0.288)}
    with pytest.raises(RequestInvalid):
        made.key.pack([made.payload(vectors[0])] * (N + 1))


def test_comparing_goes_on_while_segments_come_and_go(made: Harness, vectors: Floats, tmp_path: Path) -> None:
    index = _index(made)
    made.enrol({0: vectors[0]})
    probe = made.protector.protect_probe(embedding(vectors[0]))
    infos = [
        _packed(made, vectors[1 + at : 11 + at], range(100 * (at + 1), 100 * (at + 1) + 10), tmp_path / str(at))
        for at in range(3)
    ]
    wrong: list[object] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            found = made.key.open(index.compare(probe, 0.7), OpenTerms(0.7))
            if [match.row for match in found] != [0]:
                wrong.append(found)

    watchers = [threading.Thread(target=look) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    try:
        for round_ in range(30):
            info = infos[round_ % 3]
            index.attach(info, tmp_path / info.segment_id)
            index.exclude(info.rows[:2].tolist())
            index.remove(info.rows[4:6].tolist())
            index.put([10_000 + round_], [made.payload(vectors[20])])
            index.detach(info.segment_id)
    finally:
        done.set()
        for watcher in watchers:
            watcher.join()
    assert wrong == []
    assert len(index) == 31
