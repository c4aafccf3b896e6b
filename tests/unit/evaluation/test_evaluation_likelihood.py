"""Fitted ratios point the right way, stay modest, and are rising where the basis says so."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moretta.evaluation.likelihood import MOST_NATS, fit_mapping, fit_weights, isotonic

RNG = np.random.default_rng(0)
HIGH, LOW = RNG.normal(2, 1, 300), RNG.normal(0, 1, 300)


def test_ratio_of_two_normals_is_near_its_true_value() -> None:
    mapping = fit_mapping(HIGH, LOW, np.ones(300), units=300, direction=1)
    # log N(2,1)/N(0,1) at x is 2x - 2; kernels widen both, so slopes are a little smaller.
    assert mapping(np.array([1.0]))[0] == pytest.approx(0.0, abs=0.3)
    assert 1.0 < mapping(np.array([2.0]))[0] < 2.2


def test_few_people_give_smaller_ratios() -> None:
    many = fit_mapping(HIGH, LOW, np.ones(300), units=300, direction=1)
    few = fit_mapping(HIGH, LOW, np.ones(300), units=3, direction=1)
    assert np.abs(few.log_ratios).max() < np.abs(many.log_ratios).max()


@pytest.mark.parametrize("direction", [1, -1])
def test_direction_makes_ratios_monotone_even_against_the_data(direction: int) -> None:
    mapping = fit_mapping(HIGH, LOW, np.ones(300), units=50, direction=direction)
    assert (direction * np.diff(mapping.log_ratios) >= -1e-9).all()
    if direction == -1:
        assert np.abs(mapping.log_ratios).max() < 0.5


def test_ratios_stay_within_the_bound_and_are_flat_beyond_the_knots() -> None:
    mapping = fit_mapping(HIGH + 50, LOW, np.ones(300), units=300, direction=1)
    assert np.abs(mapping.log_ratios).max() <= MOST_NATS
    assert mapping(np.array([1e9]))[0] == mapping.log_ratios[-1]


def test_share_that_looks_alike_bounds_the_evidence_against_genuine() -> None:
    mapping = fit_mapping(HIGH + 10, LOW, np.ones(300), units=300, direction=1, alike=0.2)
    assert mapping.log_ratios.min() >= np.log(0.2) - 0.01


def test_constant_values_are_no_evidence() -> None:
    mapping = fit_mapping(np.ones(20), np.ones(20), np.ones(20), units=5, direction=0)
    assert np.abs(mapping(np.ones(1)))[0] < 1e-6


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=20))
def test_isotonic_rises_and_keeps_the_mean(values: list[float]) -> None:
    array = np.array(values)
    fitted = isotonic(array, np.ones(len(array)))
    assert (np.diff(fitted) >= -1e-9).all()
    assert fitted.mean() == pytest.approx(array.mean(), abs=1e-9)


def test_useless_and_reversed_cues_get_no_weight_and_useful_ones_do() -> None:
    genuine = np.arange(400) < 200
    useful = np.where(genuine, 1.0, -1.0) + RNG.normal(0, 1, 400)
    reversed_cue = -np.where(genuine, 1.0, -1.0) + RNG.normal(0, 1, 400)
    evidence = np.stack([useful, reversed_cue], axis=1)
    weights = fit_weights(evidence, genuine, np.ones(400), penalty=0.001, prior=np.full(2, 0.4))
    assert weights.columns[0] > 0.5
    assert weights.columns[1] == 0.0
    assert (weights(evidence)[genuine].mean()) > 0


def test_heavy_penalty_keeps_the_prior_weights() -> None:
    genuine = np.arange(40) < 20
    evidence = np.where(genuine, 1.0, -1.0)[:, None].repeat(2, 1)
    fitted = fit_weights(evidence, genuine, np.ones(40), penalty=1e4, prior=np.array([0.4, 1.0]))
    assert fitted.columns == pytest.approx([0.4, 1.0], abs=0.01)
