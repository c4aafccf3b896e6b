"""Mouths that move with the sound, against it, or not at all."""

import numpy as np
import pytest
from signal_samples import sample

from moretta.core.analysis import Synchrony
from moretta.signals.synchrony import SynchronyMeter

SOUND_CLOCK = np.arange(0, 20, 0.04)


def syllables(times: np.ndarray, seed: int = 0) -> np.ndarray:
    """Speech-like loudness 0-1: syllables at 3-6 Hz with a pause now and then."""
    rng = np.random.default_rng(seed)
    centres = np.cumsum(rng.uniform(0.16, 0.34, 90) + (rng.random(90) < 0.1) * 0.6)
    return np.asarray(np.exp(-(((times[:, None] - centres) / 0.05) ** 2)).sum(axis=1).clip(0, 1))


def envelope(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return SOUND_CLOCK.astype(np.float32), (-60 + 40 * syllables(SOUND_CLOCK, seed)).astype(np.float32)


def metered(sound: tuple[np.ndarray, np.ndarray], mouth: np.ndarray, times: np.ndarray, yaw: float = 0.0) -> Synchrony:
    meter = SynchronyMeter(sound)
    for time_s, value in zip(times, mouth, strict=True):
        meter.observe(sample(float(time_s), mouth=float(value), yaw=yaw))
    return meter.estimate()


FRAMES = np.arange(0, 20, 1 / 30)


@pytest.mark.parametrize("delay_s", [-0.2, 0.0, 0.1, 0.32])
def test_a_mouth_that_follows_the_sound_correlates_at_its_lag(delay_s: float) -> None:
    """`delay_s` is how much later the sound comes."""
    noise = np.random.default_rng(1).normal(0, 0.03, len(FRAMES))
    found = metered(envelope(), 0.3 * syllables(FRAMES + delay_s) + noise, FRAMES)
    assert found.correlation is not None and found.correlation > 0.6
    assert found.lag_s == pytest.approx(delay_s, abs=0.05)


def test_another_persons_mouth_correlates_less() -> None:
    own = metered(envelope(), 0.3 * syllables(FRAMES), FRAMES).correlation
    others = [metered(envelope(), 0.3 * syllables(FRAMES, seed), FRAMES).correlation for seed in range(1, 8)]
    assert own is not None
    assert all(other is not None and other < own - 0.3 for other in others)


def test_a_mouth_that_does_not_move_has_no_synchrony() -> None:
    found = metered(envelope(), np.full(len(FRAMES), 0.02), FRAMES)
    assert found.correlation is None and found.reason == "the mouth does not move"


def test_without_speech_there_is_nothing_to_compare() -> None:
    quiet = (SOUND_CLOCK.astype(np.float32), np.full(len(SOUND_CLOCK), -80, np.float32))
    found = metered(quiet, 0.3 * syllables(FRAMES), FRAMES)
    assert found.correlation is None and "no speech" in (found.reason or "")


def test_steady_noise_is_no_speech() -> None:
    levels = -30 + np.random.default_rng(0).normal(0, 0.5, len(SOUND_CLOCK))
    found = metered((SOUND_CLOCK.astype(np.float32), levels.astype(np.float32)), 0.3 * syllables(FRAMES), FRAMES)
    assert found.correlation is None and "no speech" in (found.reason or "")


def test_without_sound_there_is_nothing_to_compare() -> None:
    empty = (np.zeros(0, np.float32), np.zeros(0, np.float32))
    found = metered(empty, 0.3 * syllables(FRAMES), FRAMES)
    assert found.correlation is None and "too little sound" in (found.reason or "")


def test_a_mouth_out_of_view_is_not_compared() -> None:
    found = metered(envelope(), 0.3 * syllables(FRAMES), FRAMES, yaw=70)
    assert found.correlation is None and "in view" in (found.reason or "")
    assert SynchronyMeter(envelope()).estimate().correlation is None


def test_a_mouth_seen_now_and_then_is_not_compared() -> None:
    seen = np.concatenate([FRAMES[:30], FRAMES[-30:]])
    found = metered(envelope(), 0.3 * syllables(seen), seen)
    assert found.correlation is None and "together" in (found.reason or "")


def test_a_mouth_seen_after_the_sound_ended_is_not_compared() -> None:
    late = FRAMES + 30
    assert metered(envelope(), 0.3 * syllables(FRAMES), late).correlation is None


def test_memory_is_bounded_to_two_minutes() -> None:
    meter = SynchronyMeter(envelope())
    for time_s in np.arange(0, 400, 1 / 30):
        meter.observe(sample(float(time_s), mouth=0.1))
    assert len(meter._rows) <= 6000
