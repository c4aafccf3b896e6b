"""The heart rate of synthetic skin, and the refusal to find one in noise."""

import numpy as np
import pytest
from signal_samples import sample, skin_trace

from moretta.core.photoplethysmography import chrom, coherence, evenly_sampled, peak_hz, pos, snr_db, spectrum
from moretta.signals.pulse import PulseMeter


def metered(times: np.ndarray, colours: np.ndarray, shift_px: np.ndarray | None = None) -> PulseMeter:
    meter = PulseMeter()
    for i, (time_s, skin) in enumerate(zip(times, colours, strict=True)):
        meter.observe(sample(float(time_s), skin=skin, shift_px=0.0 if shift_px is None else float(shift_px[i])))
    return meter


def clock(seconds: float, rate_hz: float = 30.0) -> np.ndarray:
    return np.arange(0, seconds, 1 / rate_hz)


@pytest.mark.parametrize("bpm", [48, 62, 75, 96, 130, 165])
@pytest.mark.parametrize("seconds", [12, 30])
def test_a_known_rate_is_found_within_two_beats_under_noise_and_a_slow_trend(bpm: float, seconds: float) -> None:
    rng = np.random.default_rng(int(bpm))
    pulse = metered(clock(seconds), skin_trace(rng, clock(seconds), bpm)).estimate()
    assert pulse.bpm == pytest.approx(bpm, abs=2), pulse.reason
    assert pulse.reason is None
    assert pulse.snr_db is not None and pulse.snr_db > 0
    assert pulse.agreement_bpm is not None and pulse.agreement_bpm < 2


def test_light_that_flickers_over_the_whole_face_does_not_hide_the_pulse() -> None:
    rng = np.random.default_rng(8)
    times = clock(20)
    colours = skin_trace(rng, times, 72, shared_noise=0.01)
    assert metered(times, colours).estimate().bpm == pytest.approx(72, abs=2)


def test_uneven_times_do_not_shift_the_rate() -> None:
    rng = np.random.default_rng(4)
    times = np.cumsum(rng.uniform(0.02, 0.06, 600))
    assert metered(times, skin_trace(rng, times, 84)).estimate().bpm == pytest.approx(84, abs=2)


@pytest.mark.parametrize("rate_hz", [15, 25, 60, 120])
def test_any_usual_frame_rate_will_do(rate_hz: float) -> None:
    rng = np.random.default_rng(6)
    times = clock(15, rate_hz)
    assert metered(times, skin_trace(rng, times, 66)).estimate().bpm == pytest.approx(66, abs=2)


def test_noise_is_not_taken_for_a_pulse() -> None:
    """200 draws with fixed seeds; at most 2 % may be reported (measured: 2 of 200)."""
    alarms = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        seconds = (10, 14, 20)[seed % 3]
        shared = 0.003 if seed % 2 else 0.0
        times = clock(seconds, 20)
        alarms += metered(times, skin_trace(rng, times, None, shared_noise=shared)).estimate().bpm is not None
    assert alarms <= 4, f"{alarms} of 200 noise draws gave a heart rate"


def test_a_refusal_says_why_and_shows_no_waveform() -> None:
    rng = np.random.default_rng(1)
    pulse = metered(clock(20), skin_trace(rng, clock(20), None)).estimate()
    assert pulse.bpm is None and pulse.reason and pulse.waveform == ()


def test_eight_seconds_are_needed() -> None:
    rng = np.random.default_rng(1)
    pulse = metered(clock(6), skin_trace(rng, clock(6), 70)).estimate()
    assert pulse.bpm is None and "at least 8 s" in (pulse.reason or "")
    assert pulse.observed_s == pytest.approx(6, abs=0.1)


def test_nothing_observed_gives_no_pulse() -> None:
    pulse = PulseMeter().estimate()
    assert pulse.bpm is None and pulse.observed_s == 0
    assert PulseMeter().regions() == {}


def test_a_moving_head_gives_no_pulse() -> None:
    rng = np.random.default_rng(1)
    shifts = 60 * np.sin(2 * np.pi * 0.8 * clock(20))
    pulse = metered(clock(20), skin_trace(rng, clock(20), 70), shifts).estimate()
    assert pulse.bpm is None and "moved" in (pulse.reason or "")


def test_a_still_picture_has_no_pulse() -> None:
    colours = np.full((600, 3, 3), 120.0)
    pulse = metered(clock(20), colours).estimate()
    assert pulse.bpm is None and "still picture" in (pulse.reason or "")


def test_regions_with_rates_of_their_own_give_no_pulse() -> None:
    rng = np.random.default_rng(1)
    times = clock(20)
    colours = np.stack([skin_trace(rng, times, bpm)[:, i] for i, bpm in enumerate((60, 85, 110))], axis=1)
    assert metered(times, colours).estimate().bpm is None


def test_a_gap_starts_afresh() -> None:
    rng = np.random.default_rng(1)
    times = np.concatenate([clock(20), 25 + clock(5)])
    pulse = metered(times, skin_trace(rng, times, 70)).estimate()
    assert pulse.observed_s == pytest.approx(5, abs=0.1) and pulse.bpm is None


def test_only_the_latest_minute_counts() -> None:
    rng = np.random.default_rng(1)
    times = clock(150)
    colours = np.where((times < 80)[:, None, None], skin_trace(rng, times, 60), skin_trace(rng, times, 90))
    pulse = metered(times, colours).estimate()
    assert pulse.bpm == pytest.approx(90, abs=2)
    assert pulse.observed_s == pytest.approx(60, abs=0.5)


def test_samples_without_usable_skin_are_passed_over() -> None:
    meter = PulseMeter()
    for skin in (None, np.zeros((3, 3)), np.full((3, 3), np.nan)):
        meter.observe(sample(1.0, skin=skin))
    assert meter.estimate().observed_s == 0


def test_the_waveform_beats_at_the_reported_rate() -> None:
    rng = np.random.default_rng(2)
    pulse = metered(clock(20), skin_trace(rng, clock(20), 72)).estimate()
    wave = np.array(pulse.waveform)
    assert pulse.waveform_rate_hz == 30 and len(wave) == pytest.approx(600, abs=5)
    assert 60 * peak_hz(*spectrum(wave, 30.0, 10.0)) == pytest.approx(72, abs=2)


def test_regions_of_one_body_are_coherent_and_unrelated_ones_are_not() -> None:
    rng = np.random.default_rng(3)
    times = clock(20)
    one = metered(times, skin_trace(rng, times, 72)).regions()
    assert one["forehead_right_cheek_coherence"] > 0.8
    assert one["forehead_bpm"] == pytest.approx(72, abs=2)
    other = metered(times, skin_trace(rng, times, None)).regions()
    assert other["forehead_right_cheek_coherence"] < 0.6


@pytest.mark.parametrize("method", [pos, chrom])
def test_both_methods_cancel_a_change_of_light(method: object) -> None:
    assert callable(method)
    times = clock(20)
    light = 1 + 0.05 * np.sin(2 * np.pi * 1.1 * times)
    beat = 0.002 * np.sin(2 * np.pi * 1.6 * times)
    trace = np.array([180, 130, 110]) * light[:, None] * (1 + beat[:, None] * np.array([0.33, 0.77, 0.53]))
    assert peak_hz(*spectrum(method(trace, 30.0), 30.0, 10.0)) == pytest.approx(1.6, abs=0.03)


def test_the_signal_to_noise_ratio_falls_with_noise() -> None:
    rng = np.random.default_rng(0)
    times = clock(20)
    clean = np.sin(2 * np.pi * 1.2 * times)
    ratios = [
        snr_db(*spectrum(clean + rng.normal(0, noise, len(times)), 30.0, 10.0), 1.2) for noise in (0.1, 0.5, 2.0, 8.0)
    ]
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] > 10 and ratios[-1] < 0


def test_coherence_is_one_for_the_same_signal_and_low_for_independent_ones() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 900))
    assert coherence(one, one * 3, 30.0, 1.2, 5.0) == pytest.approx(1)
    assert coherence(one, other, 30.0, 1.2, 5.0) < 0.6


def test_even_sampling_keeps_a_straight_line_straight() -> None:
    times = np.array([0.0, 0.1, 0.35, 0.6, 1.0])
    even = evenly_sampled(times, np.stack([times, 2 * times], axis=1), 10.0)
    np.testing.assert_allclose(even[:, 1], 2 * np.arange(10) / 10, atol=1e-9)
