"""Exact intervals of sums of discrete Laplace noise, and suppression."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moretta.core.errors import RequestInvalid
from moretta.core.intervals import half_width, shown
from moretta.core.statistics import Measure


def _convolved(scales: list[float], confidence: float) -> int:
    """The same by adding up the probability mass of the sum, term after term."""
    mass = np.array([1.0])
    for scale in scales:
        p = np.exp(-1 / scale)
        reach = int(40 * scale) + 2
        own = (1 - p) / (1 + p) * p ** np.abs(np.arange(-reach, reach + 1))
        mass = np.convolve(mass, own)
    middle = len(mass) // 2
    within = mass[middle] + 2 * np.cumsum(np.concatenate([[0.0], mass[middle + 1 :]]))
    return int(np.argmax(within >= confidence))


@given(st.lists(st.floats(0.2, 12), min_size=1, max_size=5), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_half_width_is_that_of_the_sums_own_probability_mass(scales: list[float], confidence: float) -> None:
    assert half_width(scales, confidence) == _convolved(scales, confidence)


@pytest.mark.parametrize("scale", [0.3, 1.0, 9.0, 300.0, 6600.0])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99, 0.9999])
def test_of_one_noise_it_is_the_least_integer_that_holds_as_often(scale: float, confidence: float) -> None:
    p, width = np.exp(-1 / scale), half_width([scale], confidence)
    outside = [2 * p ** (w + 1) / (1 + p) for w in (width, width - 1)]
    assert 1 - outside[0] >= confidence - 1e-12
    assert width == 0 or 1 - outside[1] < confidence


def test_of_many_noises_it_is_what_the_normal_distribution_says() -> None:
    """720 hours of scale 6,600: the central limit theorem is off by less than one part in a thousand."""
    assert half_width([6600.0] * 720) == pytest.approx(1.959964 * 6600 * (2 * 720) ** 0.5, rel=1e-3)


def test_scales_of_different_days_may_differ() -> None:
    assert half_width([3.0] * 4 + [9.0]) == half_width([9.0, *[3.0] * 4]) > half_width([3.0] * 5)


def test_nothing_added_up_has_no_width() -> None:
    assert half_width([]) == 0


@pytest.mark.parametrize(("scales", "confidence"), [([0.0], 0.95), ([-1.0], 0.95), ([1.0], 0.0), ([1.0], 1.0)])
def test_what_is_no_noise_or_no_confidence_is_refused(scales: list[float], confidence: float) -> None:
    with pytest.raises(RequestInvalid, match="above 0"):
        half_width(scales, confidence)


def test_small_counts_are_not_shown_and_seconds_are_held_against_people() -> None:
    assert shown(Measure.PASSERS, 10, 10.0)
    assert not shown(Measure.PASSERS, 9, 10.0)
    assert not shown(Measure.PASSERS, -3, 10.0)
    assert not shown(Measure.DWELL_TIME, 2999, 10.0)
    assert shown(Measure.DWELL_TIME, 3000, 10.0)
