"""The utility benchmark measures what it says: nothing without noise, and as much as the noise with it."""

import pytest
from benchmarks.statistics_stream import Exact, day, shop
from benchmarks.statistics_utility import _bucket_errors, _live_errors

from moretta.core.statistics import LIVE, TABLED, Measure
from moretta.statistics.noise import OpenDpLaplace

MOMENTS = day(people_per_hour=60, hours=(12, 13), frames_per_s=1.0, seed=1)


def test_exact_figures_have_no_error() -> None:
    tables, live = _bucket_errors(shop(1.0), MOMENTS, Exact(), 1), _live_errors(shop(1.0), MOMENTS, Exact(), 1)
    assert set(tables) == set(TABLED)
    assert set(live) == set(LIVE)
    assert {errors.error for errors in (*tables.values(), *live.values())} == {0.0}
    assert tables[Measure.PASSERS].truth > 0


def test_noisy_figures_are_off_by_about_the_noises_scale() -> None:
    """The mean of 20 x 14 absolute values of Laplace noise of scale 22 is within 30 % of it: five standard deviations."""
    errors = _bucket_errors(shop(1.0), MOMENTS, OpenDpLaplace(), 20)[Measure.DWELL]
    assert errors.error == pytest.approx(22.0, rel=0.3)
