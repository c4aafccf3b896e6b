"""Speech, pitch and pauses of sounds that were made for it."""

import numpy as np
import pytest
from signal_samples import RATE_HZ, blocks, harmonics

from moretta.core.analysis import Voice
from moretta.core.values import AudioBlock
from moretta.signals.voice import VoiceMeter


def heard(sound: np.ndarray, size: int = 4096) -> Voice:
    meter = VoiceMeter()
    for block in blocks(sound, size):
        meter.observe(block)
    return meter.estimate()


def background(seconds: float, level: float = 0.0005) -> np.ndarray:
    return np.random.default_rng(5).normal(0, level, round(seconds * RATE_HZ))


def bursts() -> np.ndarray:
    """Speech from 1.0-2.0, 2.6-3.6 and 4.0-5.0 s."""
    sound = background(6)
    for start in (1.0, 2.6, 4.0):
        at = round(start * RATE_HZ)
        sound[at : at + RATE_HZ] += harmonics(150, 1.0)
    return sound


def test_bursts_of_voice_are_found_where_they_are() -> None:
    voice = heard(bursts())
    assert len(voice.segments_s) == 3
    np.testing.assert_allclose(voice.segments_s, [(1, 2), (2.6, 3.6), (4, 5)], atol=0.06)
    assert voice.speech_share == pytest.approx(0.5, abs=0.03)
    assert voice.observed_s == pytest.approx(6, abs=0.05)


def test_pauses_are_the_gaps_within_speech() -> None:
    voice = heard(bursts())
    assert voice.pauses == 2
    assert voice.longest_pause_s == pytest.approx(0.6, abs=0.08)


@pytest.mark.parametrize("pitch_hz", [70, 110, 150, 220, 320, 390])
def test_pitch_is_found_within_three_percent_over_the_range_of_voices(pitch_hz: float) -> None:
    sound = background(3)
    sound[RATE_HZ : 2 * RATE_HZ] += harmonics(pitch_hz, 1.0)
    assert heard(sound).pitch_hz == pytest.approx(pitch_hz, rel=0.03)


def test_pitch_range_follows_the_melody() -> None:
    sound = background(5)
    for i, pitch in enumerate((100, 150, 200)):
        at = round((0.5 + 1.5 * i) * RATE_HZ)
        sound[at : at + RATE_HZ] += harmonics(pitch, 1.0)
    voice = heard(sound)
    assert voice.pitch_hz == pytest.approx(150, rel=0.03)
    assert voice.pitch_range_hz == pytest.approx(100, rel=0.1)


def test_level_is_that_of_the_speech_and_not_of_the_pauses() -> None:
    sound = bursts()
    loud = harmonics(150, 1.0)
    expected = 10 * np.log10((loud[1000:-1000] ** 2).mean())
    level = heard(sound).level_dbfs
    assert level == pytest.approx(expected, abs=1)


def test_silence_holds_no_speech() -> None:
    voice = heard(np.zeros(3 * RATE_HZ))
    assert voice.speech_share == 0
    assert voice.pitch_hz is None and voice.level_dbfs is None and voice.segments_s == ()


@pytest.mark.parametrize("level", [0.003, 0.1, 0.5])
def test_white_noise_has_no_pitch_and_is_no_speech(level: float) -> None:
    voice = heard(background(10, level))
    assert voice.pitch_hz is None
    assert voice.speech_share < 0.01


def test_noise_that_comes_and_goes_is_no_speech() -> None:
    sound = background(6)
    sound[2 * RATE_HZ : 4 * RATE_HZ] += background(2, 0.2)
    assert heard(sound).speech_share < 0.02


def test_a_steady_hum_is_background_after_a_while() -> None:
    times = np.arange(12 * RATE_HZ) / RATE_HZ
    assert heard(0.05 * np.sin(2 * np.pi * 100 * times)).speech_share < 0.3


def test_media_may_begin_with_speech() -> None:
    sound = np.concatenate([harmonics(130, 1.0), np.zeros(RATE_HZ)]) + background(2)
    (segment,) = heard(sound).segments_s
    np.testing.assert_allclose(segment, (0, 1), atol=0.06)


def test_voice_in_noise_of_ten_decibels_below_is_still_found() -> None:
    sound = bursts()
    power = (harmonics(150, 1.0) ** 2).mean()
    noisy = sound + np.random.default_rng(2).normal(0, np.sqrt(power / 10), len(sound))
    voice = heard(noisy)
    assert voice.speech_share == pytest.approx(0.5, abs=0.1)
    assert voice.pitch_hz == pytest.approx(150, rel=0.03)


@pytest.mark.parametrize("size", [100, 777, 16_000, 200_000])
def test_the_result_does_not_depend_on_how_the_sound_is_cut(size: int) -> None:
    assert heard(bursts(), size) == heard(bursts())


def test_the_envelope_tells_the_level_25_times_a_second() -> None:
    meter = VoiceMeter()
    for block in blocks(bursts()):
        meter.observe(block)
    times, levels = meter.envelope()
    assert times.shape == levels.shape
    assert len(times) == pytest.approx(6 * 25, abs=2)
    assert np.diff(times) == pytest.approx(0.04, abs=1e-3)
    speaking = (times > 1.1) & (times < 1.9)
    quiet = (times > 5.2) & (times < 5.9)
    assert levels[speaking].mean() > levels[quiet].mean() + 30


def test_times_count_from_the_first_block() -> None:
    meter = VoiceMeter()
    for block in blocks(bursts()):
        meter.observe(AudioBlock(block.samples.copy(), RATE_HZ, block.time_ns + 2_000_000_000))
    assert meter.estimate().segments_s[0][0] == pytest.approx(3.0, abs=0.06)
    assert meter.envelope()[0][0] == pytest.approx(2.02, abs=0.01)


def test_segments_are_bounded_and_time_beyond_them_still_counts() -> None:
    meter = VoiceMeter()
    word = np.concatenate([harmonics(150, 0.2), np.zeros(round(0.3 * RATE_HZ))])
    for block in blocks(np.tile(word, 560)):
        meter.observe(block)
    voice = meter.estimate()
    assert len(voice.segments_s) <= 501
    assert voice.speech_share == pytest.approx(0.4, abs=0.05)


def test_the_envelope_is_bounded_to_twenty_minutes() -> None:
    meter = VoiceMeter()
    for i in range(125):
        meter.observe(AudioBlock(np.zeros(10 * RATE_HZ, np.float32), RATE_HZ, i * 10_000_000_000))
    assert len(meter.envelope()[0]) == 30_000
    assert meter.estimate().observed_s == pytest.approx(1250, abs=0.1)


def test_no_sound_at_all_gives_an_empty_result() -> None:
    voice = VoiceMeter().estimate()
    assert voice.observed_s == 0 and voice.speech_share == 0
    assert len(VoiceMeter().envelope()[0]) == 0


def test_broken_samples_and_blocks_of_another_rate_do_not_stop_the_meter() -> None:
    meter = VoiceMeter()
    meter.observe(AudioBlock(np.full(RATE_HZ, np.nan, np.float32), RATE_HZ, 0))
    meter.observe(AudioBlock(np.zeros(8000, np.float32), 8000, 0))
    meter.observe(AudioBlock(np.zeros(0, np.float32), RATE_HZ, 0))
    assert meter.estimate().speech_share == 0
