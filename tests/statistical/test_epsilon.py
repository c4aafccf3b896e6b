"""The guarantee, tested: from what is released, nobody can tell two neighbouring streams apart better than epsilon allows.

Each audit draws real noise a fixed number of times. Of a mechanism that is exactly as private as it claims, it raises a false
alarm in at most one of 10,000 runs (`neighbouring_streams.AUDITS_A_FALSE_ALARM`). That an audit can fail is shown beside: with
half the noise its bound lies over five standard deviations above the claim where one figure is released, and is missed in less
than one of a million runs; where a visit is in several figures it takes the long runs, or a quarter of the noise.
"""

import pytest
from tests.neighbouring_streams import bucket_bound, live_bound
from tests.noises import TooLittleNoise

from moretta.core.statistics import LIVE, TABLED, Measure
from moretta.statistics.noise import OpenDpLaplace

CLAIM = 1.0
TRIALS = 1_200
LONG_TRIALS = 20_000
AUDITED = (Measure.PASSERS, Measure.DWELL_TIME)


@pytest.fixture(scope="module")
def opendp() -> OpenDpLaplace:
    return OpenDpLaplace()


@pytest.mark.parametrize("measure", AUDITED)
def test_a_buckets_tables_cost_no_more_than_they_claim(opendp: OpenDpLaplace, measure: Measure) -> None:
    assert bucket_bound(opendp, [measure], TRIALS, zones=1).epsilon <= CLAIM


@pytest.mark.parametrize("measure", AUDITED)
def test_a_bucket_with_half_the_noise_is_caught(opendp: OpenDpLaplace, measure: Measure) -> None:
    assert bucket_bound(TooLittleNoise(opendp), [measure], TRIALS, zones=1).epsilon > CLAIM


def test_a_days_live_totals_cost_no_more_than_they_claim(opendp: OpenDpLaplace) -> None:
    assert live_bound(opendp, Measure.PASSERS, TRIALS, 4).epsilon <= CLAIM


@pytest.mark.parametrize(("ticks", "times"), [(1, 2.0), (4, 4.0)])
def test_a_day_of_live_totals_with_too_little_noise_is_caught(opendp: OpenDpLaplace, ticks: int, times: float) -> None:
    assert live_bound(TooLittleNoise(opendp, times), Measure.PASSERS, TRIALS, ticks).epsilon > CLAIM


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("measure", TABLED)
@pytest.mark.parametrize("zones", [1, 2])
def test_every_table_costs_no_more_than_it_claims(opendp: OpenDpLaplace, measure: Measure, zones: int) -> None:
    bound = bucket_bound(opendp, [measure], LONG_TRIALS, zones)
    print(f"{measure} in {zones} zones: epsilon is at least {bound.epsilon:.3f}, claimed {CLAIM:g}")
    assert bound.epsilon <= CLAIM


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_all_tables_together_cost_no_more_than_they_claim(opendp: OpenDpLaplace) -> None:
    bound = bucket_bound(opendp, TABLED, LONG_TRIALS)
    print(f"all tables: epsilon is at least {bound.epsilon:.3f}, claimed {CLAIM:g}")
    assert bound.epsilon <= CLAIM


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("measure", LIVE)
@pytest.mark.parametrize("ticks", [4, 8])
def test_every_live_figure_costs_no_more_than_it_claims(opendp: OpenDpLaplace, measure: Measure, ticks: int) -> None:
    bound = live_bound(opendp, measure, LONG_TRIALS, ticks)
    print(f"live {measure} at {ticks} ticks: epsilon is at least {bound.epsilon:.3f}, claimed {CLAIM:g}")
    assert bound.epsilon <= CLAIM


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("measure", LIVE)
def test_every_live_figure_with_half_the_noise_is_caught(opendp: OpenDpLaplace, measure: Measure) -> None:
    assert live_bound(TooLittleNoise(opendp), measure, LONG_TRIALS, 8).epsilon > CLAIM
