"""Error rates and intervals of recognition, by numbers worked out by hand and by their definitions."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from moretta.evaluation.recognition.agreement import agreements, ladder_of
from moretta.evaluation.recognition.comparisons import (
    ScoreSet,
    all_pairs,
    drawn_photos,
    pair_similarities,
    subject_numbers,
)
from moretta.evaluation.recognition.intervals import rate_intervals, share_interval
from moretta.evaluation.recognition.open_set import fnir, fpir, open_set, search_scores
from moretta.evaluation.recognition.rates import (
    det_curve,
    equal_error,
    fmr,
    fnmr,
    threshold_at_fmr,
    unsupported,
)

GENUINE = np.array([0.9, 0.8, 0.7, 0.4], np.float32)
IMPOSTOR = np.array([0.6, 0.3, 0.2, 0.1], np.float32)
similarities = arrays(np.float32, st.integers(1, 40), elements=st.floats(-1, 1, width=32))


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def people(count: int, photos: int, spread: float, seed: int, dimension: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors about a middle of each person, and their subjects."""
    rng = np.random.default_rng(seed)
    middles = np.repeat(rng.normal(size=(count, dimension)), photos, axis=0)
    return unit(middles + spread * rng.normal(size=middles.shape)), np.repeat(np.arange(count), photos)


def test_a_score_at_the_threshold_is_a_match() -> None:
    assert fmr(IMPOSTOR, float(IMPOSTOR[0])) == 0.25
    assert fnmr(GENUINE, float(GENUINE[3])) == 0
    assert fnmr(GENUINE, 0.75) == 0.5


def test_the_equal_error_rate_of_four_and_four_scores_is_a_quarter() -> None:
    rate, threshold = equal_error(GENUINE, IMPOSTOR)
    assert rate == pytest.approx(0.25)
    assert 0.4 < threshold <= 0.7


def test_scores_that_never_overlap_have_no_equal_error() -> None:
    assert equal_error(GENUINE + 1, IMPOSTOR)[0] == 0


@given(genuine=similarities, impostor=similarities)
def test_no_threshold_brings_both_rates_closer_than_the_equal_error_one(
    genuine: np.ndarray, impostor: np.ndarray
) -> None:
    rate, threshold = equal_error(genuine, impostor)
    gap = abs(fmr(impostor, threshold) - fnmr(genuine, threshold))
    for other in np.concatenate([genuine, impostor]):
        assert gap <= abs(fmr(impostor, float(other)) - fnmr(genuine, float(other))) + 1e-12
    assert rate == pytest.approx((fmr(impostor, threshold) + fnmr(genuine, threshold)) / 2)


@given(impostor=similarities, target=st.floats(0.01, 0.99))
def test_the_threshold_of_a_rate_keeps_it_and_a_lower_one_would_not(impostor: np.ndarray, target: float) -> None:
    threshold = threshold_at_fmr(impostor, target)
    assert fmr(impostor, threshold) <= target + 1e-9
    below = impostor[impostor < threshold]
    if len(below):
        assert fmr(impostor, float(below.max())) > target - 1e-9


def test_a_rate_is_supported_by_thirty_expected_errors_and_not_by_fewer() -> None:
    assert unsupported(30_000, 1e-3) is None
    assert "29.9" in (unsupported(29_900, 1e-3) or "")


def test_the_curve_falls_in_one_rate_and_rises_in_the_other() -> None:
    rng = np.random.default_rng(0)
    curve = det_curve(rng.normal(2, 1, 500).astype(np.float32), rng.normal(0, 1, 5000).astype(np.float32))
    assert all(a.fmr >= b.fmr and a.fnmr <= b.fnmr for a, b in itertools.pairwise(curve))
    assert curve[-1].fmr == pytest.approx(30 / 5000)


def test_the_equal_error_rate_of_two_normal_distributions_is_known() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(2, 1, 200_000).astype(np.float32), rng.normal(0, 1, 200_000).astype(np.float32)
    assert equal_error(*scores)[0] == pytest.approx(0.158655, abs=0.003)  # the normal tail beyond one sigma


def test_every_two_photos_are_compared_once_and_a_person_has_at_most_so_many() -> None:
    subjects = subject_numbers(["b"] * 14 + ["a", "c", "c"])
    kept = drawn_photos(subjects, per_person=10)
    assert sorted(np.bincount(subjects[kept]).tolist()) == [1, 2, 10]
    pairs = all_pairs(subjects[kept])
    assert len(pairs.first) == 13 * 12 // 2
    assert int(pairs.same.sum()) == 45 + 1


def test_too_many_photos_leave_out_whole_people() -> None:
    subjects = np.repeat(np.arange(20), 5)
    kept = drawn_photos(subjects, most=33)
    assert sorted(set(np.bincount(subjects[kept], minlength=20).tolist())) == [0, 5]
    assert len(kept) == 30


def test_similarities_of_pairs_are_cosines_across_blocks() -> None:
    vectors, subjects = people(300, 4, 1.0, 3)
    pairs = all_pairs(subjects)
    expected = (vectors[pairs.first].astype(np.float64) * vectors[pairs.second]).sum(1)
    np.testing.assert_allclose(pair_similarities(vectors, pairs), expected, atol=1e-5)


def test_scores_are_sorted_into_genuine_and_impostor_with_their_subjects() -> None:
    pairs = all_pairs(np.array([0, 0, 1]))
    scores = pairs.scores(np.array([0.9, 0.1, 0.2], np.float32))
    assert scores.genuine.tolist() == pytest.approx([0.9])
    assert scores.genuine_subjects.tolist() == [0]
    assert scores.impostor_subjects.tolist() == [[0, 1], [0, 1]]


def test_intervals_hold_the_rates_they_belong_to() -> None:
    vectors, subjects = people(60, 5, 0.5, 4)
    pairs = all_pairs(subjects)
    scores = pairs.scores(pair_similarities(vectors, pairs))
    found = rate_intervals(scores, (1e-2, 1e-3), draws=200)
    for target, threshold, missed in zip((1e-2, 1e-3), found.thresholds, found.fnmr, strict=True):
        measured = threshold_at_fmr(scores.impostor, target)
        assert threshold[0] <= measured <= threshold[1]
        assert missed[0] <= fnmr(scores.genuine, measured) <= missed[1]
    assert found.eer[0] <= equal_error(scores.genuine, scores.impostor)[0] <= found.eer[1]


def test_draws_without_both_kinds_of_scores_are_left_out() -> None:
    one = ScoreSet(np.array([0.9], np.float32), np.array([0]), np.array([0.1], np.float32), np.array([[1, 2]]), 400)
    found = rate_intervals(one, (0.1,), draws=50)
    assert found.thresholds[0] == pytest.approx((0.1, 0.1))
    assert found.fnmr[0] == (0, 0)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_same_seed_gives_the_same_interval(seed: int) -> None:
    hits = np.random.default_rng(seed).random(30)
    subjects = np.arange(30) // 3
    assert share_interval(hits, subjects, draws=50, seed=seed) == share_interval(hits, subjects, draws=50, seed=seed)


def test_bootstrap_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """100 worlds of 80 people: a true 95 % interval covers in at least 88 of them but once in 500 runs (binomial); seeded."""
    truth, covered = 0.2, 0
    for world in range(100):
        rng = np.random.default_rng(world)
        per_person = rng.beta(2, 8, 80)  # mean 0.2: people differ, so comparisons of one are alike
        hits = (rng.random((80, 6)) < per_person[:, None]).astype(np.float64)
        low, high = share_interval(hits.ravel(), np.repeat(np.arange(80), 6), draws=300, seed=world)
        covered += low <= truth <= high
    assert covered >= 88


def test_strangers_found_and_mates_missed_are_counted() -> None:
    vectors = unit(np.array([[1, 0], [1, 0.1], [0, 1], [0.6, 0.8], [1, 0.05]]))
    subjects = np.array([0, 0, 1, 1, 2])
    who = open_set(subjects, seed=0)
    assert who is not None
    assert len(who.gallery) == 2 or len(who.strangers) > 1
    found = search_scores(vectors, subjects, who)
    assert fpir(found, 2.0) == 0
    assert fnir(found, 2.0) == 1
    assert fpir(found, -1.0) == 1


def test_nobody_with_two_photos_means_no_search() -> None:
    assert open_set(np.arange(5)) is None


def test_few_single_photos_take_a_third_of_the_people_out_of_the_gallery() -> None:
    who = open_set(np.repeat(np.arange(30), 3))
    assert who is not None
    assert (len(who.gallery), len(who.mated), len(who.strangers)) == (20, 40, 10)


def test_a_scheme_that_decides_as_the_scores_do_differs_nowhere() -> None:
    vectors, subjects = people(30, 4, 0.5, 5)
    pairs = all_pairs(subjects)
    scores = pair_similarities(vectors, pairs)
    for found in agreements(scores, ladder_of(scores, (0.4, 0.6)), pairs, (0.4, 0.6), error=0.0):
        assert (found.differing, found.outside_error, found.fnmr_change) == (0, 0, 0)
        assert found.fnmr == fnmr(scores[pairs.same], found.threshold)
        assert found.fmr == fmr(scores[~pairs.same], found.threshold)


def test_noise_within_the_stated_error_differs_only_inside_it() -> None:
    vectors, subjects = people(60, 4, 0.5, 6)
    pairs = all_pairs(subjects)
    scores = pair_similarities(vectors, pairs)
    noisy = scores + np.random.default_rng(7).uniform(-0.01, 0.01, len(scores)).astype(np.float32)
    inside = agreements(scores, ladder_of(noisy, (0.5,)), pairs, (0.5,), error=0.0101)[0]
    assert inside.differing > 0
    assert inside.outside_error == 0
    assert agreements(scores, ladder_of(noisy, (0.5,)), pairs, (0.5,), error=0.001)[0].outside_error > 0
    low, high = inside.fnmr_change_interval
    assert low <= inside.fnmr_change <= high
