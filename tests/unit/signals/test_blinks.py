"""Blinks of eyes whose openings are known."""

import numpy as np
import pytest
from signal_samples import sample

from moretta.core.analysis import Blinks
from moretta.signals.blinks import BlinkMeter


def openness(times: np.ndarray, blinks: list[tuple[float, float]], opened: float = 0.3) -> np.ndarray:
    """Eyes open but for V-shaped drops of (start, duration) in s."""
    values = np.full(len(times), opened)
    for start, duration in blinks:
        phase = (times - start) / duration
        values -= np.where((phase > 0) & (phase < 1), 0.8 * opened * np.minimum(1, 4 * np.minimum(phase, 1 - phase)), 0)
    return values + np.random.default_rng(0).normal(0, 0.01 * opened, len(times))


def metered(times: np.ndarray, values: np.ndarray, yaw: np.ndarray | None = None) -> Blinks:
    meter = BlinkMeter()
    for i, (time_s, value) in enumerate(zip(times, values, strict=True)):
        meter.observe(sample(float(time_s), eyes=float(value), yaw=0.0 if yaw is None else float(yaw[i])))
    return meter.estimate()


CLOCK = np.arange(0, 30, 1 / 30)
BLINKS = [(4.0, 0.25), (9.0, 0.3), (15.5, 0.2), (22.0, 0.35), (27.0, 0.25)]


@pytest.mark.parametrize("opened", [0.18, 0.3, 0.42])
def test_blinks_are_counted_whatever_the_persons_eyes_are_like(opened: float) -> None:
    blinks = metered(CLOCK, openness(CLOCK, BLINKS, opened))
    assert blinks.count == 5
    assert blinks.rate_per_min == pytest.approx(10, abs=0.2)
    np.testing.assert_allclose(blinks.times_s, [start for start, _ in BLINKS], atol=0.1)
    assert blinks.median_duration_s == pytest.approx(0.22, abs=0.1)


@pytest.mark.parametrize("rate_hz", [15, 25, 60, 120])
def test_the_count_does_not_depend_on_the_frame_rate(rate_hz: float) -> None:
    times = np.arange(0, 30, 1 / rate_hz)
    assert metered(times, openness(times, BLINKS)).count == 5


def test_a_long_look_down_is_no_blink() -> None:
    assert metered(CLOCK, openness(CLOCK, [(10.0, 2.0)])).count == 0


def test_eyes_that_narrow_in_a_laugh_do_not_blink() -> None:
    values = openness(CLOCK, [])
    values[300:500] *= 0.75
    assert metered(CLOCK, values).count == 0


def test_a_single_bad_frame_is_no_blink() -> None:
    times = np.arange(0, 30, 1 / 60)
    values = openness(times, [])
    values[[500, 900]] *= 0.3
    assert metered(times, values).count == 0


def test_a_turned_head_is_not_observed() -> None:
    yaw = np.where((CLOCK > 8) & (CLOCK < 18), 50.0, 0.0)
    blinks = metered(CLOCK, openness(CLOCK, BLINKS), yaw)
    assert blinks.count == 3
    assert blinks.observed_s == pytest.approx(20, abs=0.2)


def test_a_gap_in_the_view_is_not_observed_and_hides_no_blink() -> None:
    times = CLOCK[(CLOCK < 10) | (CLOCK > 14)]
    assert metered(times, openness(times, [])).observed_s == pytest.approx(26, abs=0.2)
    assert metered(times, openness(times, [(9.95, 0.4)])).count == 0


def test_no_rate_is_given_before_ten_seconds() -> None:
    early = CLOCK[CLOCK < 8]
    blinks = metered(early, openness(early, BLINKS))
    assert blinks.count == 1 and blinks.rate_per_min is None


def test_no_rate_is_given_where_frames_are_too_far_apart() -> None:
    times = np.arange(0, 30, 0.2)
    assert metered(times, openness(times, [])).rate_per_min is None


def test_nothing_observed_gives_no_blinks() -> None:
    blinks = BlinkMeter().estimate()
    assert blinks.count == 0 and blinks.rate_per_min is None and blinks.times_s == ()


def test_memory_is_bounded_and_the_count_goes_on() -> None:
    meter = BlinkMeter()
    times = np.arange(0, 1200, 1 / 25)
    values = openness(times, [(start, 0.24) for start in np.arange(2, 1199, 1.0)])
    for time_s, value in zip(times, values, strict=True):
        meter.observe(sample(float(time_s), eyes=float(value)))
    blinks = meter.estimate()
    assert blinks.count > 1150 and len(blinks.times_s) == 1000
