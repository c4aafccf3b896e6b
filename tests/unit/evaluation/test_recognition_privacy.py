"""Unlinkability and the attack by known pairs, against the reference figures of the literature."""

import numpy as np
import pytest

from moretta.evaluation.recognition.known_pairs import cosine_after_known_pairs, dimensions_used, recovered_cosines
from moretta.evaluation.recognition.unlinkability import d_sys, nearest_neighbour, unlinkability


def test_two_normal_distributions_one_sigma_apart_have_the_published_linkability() -> None:
    rng = np.random.default_rng(0)
    assert d_sys(rng.normal(1, 1, 400_000), rng.normal(0, 1, 400_000)) == pytest.approx(0.2935, abs=0.004)


@pytest.mark.parametrize(
    ("size", "bias", "tolerance"), [(500, 0.093, 0.015), (5_000, 0.037, 0.004), (50_000, 0.010, 0.001)]
)
def test_identical_distributions_have_the_known_bias(size: int, bias: float, tolerance: float) -> None:
    rng = np.random.default_rng(size)
    values = [d_sys(rng.normal(size=size), rng.normal(size=size)) for _ in range(20)]
    assert np.mean(values) == pytest.approx(bias, abs=tolerance)


def test_distributions_apart_are_fully_linkable_and_the_other_way_round_not_at_all() -> None:
    high, low = np.linspace(2, 3, 500), np.linspace(0, 1, 500)
    assert d_sys(high, low) == 1
    # Mated scores that are always lower are as linkable: only the likelihood ratio counts, not its direction.
    assert d_sys(low, high) == 1
    assert d_sys(np.ones(100), np.ones(100)) == 0


def test_shuffled_labels_take_the_bias_off_and_seldom_give_a_false_alarm() -> None:
    """40 unlinkable systems: more than 6 p-values under 0.05 happen once in 290 runs (binomial); seeded, so never twice."""
    alarms, excesses = 0, []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found = unlinkability(rng.normal(size=300), rng.normal(size=900), np.arange(300) // 3, seed=seed)
        alarms += found.p_value < 0.05
        excesses.append(found.excess)
        assert found.upper >= found.excess
    assert alarms <= 6
    assert abs(np.mean(excesses)) < 0.02


def test_a_linkable_system_stands_out_from_shuffled_labels() -> None:
    rng = np.random.default_rng(1)
    found = unlinkability(rng.normal(1, 1, 4000), rng.normal(0, 1, 8000), np.arange(4000) // 4)
    assert found.p_value < 0.01
    assert found.d_sys == pytest.approx(0.2935, abs=0.03)
    assert 0.24 < found.excess < found.d_sys


def test_a_neighbour_attack_finds_everybody_or_nobody_beyond_chance() -> None:
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(80, 32))
    found = nearest_neighbour(vectors, vectors + 0.01)
    assert (found.hits, found.people) == (80, 80)
    assert found.p_value < 1e-9
    # Hits under chance are about 1 of 80: five or more happen once in 270 runs; seeded.
    assert nearest_neighbour(vectors, rng.normal(size=(80, 32))).hits < 5


@pytest.mark.parametrize(("pairs", "cosine"), [(128, 0.50), (256, 0.71), (448, 0.94), (512, 1.00)])
def test_known_pairs_open_a_secret_rotation_of_512_dimensions_as_far_as_published(pairs: int, cosine: float) -> None:
    assert cosine_after_known_pairs(512, pairs) == pytest.approx(cosine, abs=0.01)


@pytest.mark.parametrize(("pairs", "cosine"), [(48, 0.50), (96, 0.71), (168, 0.94), (192, 1.00)])
def test_known_pairs_open_the_default_embedders_rotation_in_proportion(pairs: int, cosine: float) -> None:
    assert cosine_after_known_pairs(192, pairs) == pytest.approx(cosine, abs=0.01)


def test_vectors_of_few_directions_are_opened_by_few_known_pairs() -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(300, 20)) @ rng.normal(size=(20, 96))
    rotation = np.linalg.qr(rng.normal(size=(96, 96)))[0]
    assert dimensions_used(vectors) <= 20
    assert dimensions_used(rng.normal(size=(300, 96))) > 90
    rotated = vectors @ rotation.T
    found = recovered_cosines(vectors[:20], rotated[:20], rotated[20:], vectors[20:])
    assert found.min() > 0.999
