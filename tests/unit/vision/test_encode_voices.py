"""How a voice is moved."""

import numpy as np
import pytest

from moretta.core.values import Floats
from moretta.vision.encode.voices import VoiceChanger, drawn_change

RATE = 16_000


def vowel(pitch_hz: float, formants_hz: tuple[float, ...], seconds: float = 1.0) -> Floats:
    """Harmonics of `pitch_hz` under resonances."""
    time = np.arange(int(seconds * RATE)) / RATE
    sound = np.zeros_like(time)
    for harmonic in np.arange(pitch_hz, RATE / 2, pitch_hz):
        size = sum(1 / (1 + ((harmonic - formant) / 90) ** 2) for formant in formants_hz)
        sound += size * np.sin(2 * np.pi * harmonic * time)
    return np.asarray(0.5 * sound / np.abs(sound).max(), np.float32)[None]


def changed(sound: Floats, pitch: float, formants: float, block: int = 1000) -> Floats:
    changer = VoiceChanger(RATE, sound.shape[0], pitch, formants)
    pieces = [changer.take(sound[:, start : start + block]) for start in range(0, sound.shape[1], block)]
    return np.concatenate([*pieces, changer.finish()], axis=1)


def spectrum(sound: Floats) -> tuple[Floats, Floats]:
    middle = sound[0, RATE // 4 : RATE * 3 // 4]
    sizes = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    return np.fft.rfftfreq(len(middle), 1 / RATE).astype(np.float32), sizes.astype(np.float32)


def pitch_of(sound: Floats) -> float:
    middle = sound[0, RATE // 4 : RATE * 3 // 4].astype(np.float64)
    spread = np.fft.irfft(np.abs(np.fft.rfft(middle, 2 * len(middle))) ** 2)
    lags = np.arange(RATE // 400, RATE // 70)
    return float(RATE / lags[np.argmax(spread[lags])])


def formant_of(sound: Floats, low: float, high: float) -> float:
    hz, sizes = spectrum(sound)
    inside = (hz > low) & (hz < high)
    return float((hz[inside] * sizes[inside] ** 2).sum() / (sizes[inside] ** 2).sum())


@pytest.mark.parametrize("pitch", [0.8, 1.25])
def test_the_pitch_moves_by_its_factor(pitch: float) -> None:
    sound = vowel(120, (700, 1200, 2500))
    assert pitch_of(changed(sound, pitch, 1.0)) == pytest.approx(120 * pitch, rel=0.03)


@pytest.mark.parametrize("formants", [0.87, 1.15])
def test_the_formants_move_by_theirs_while_the_pitch_stays(formants: float) -> None:
    sound = vowel(110, (1500,))
    moved = changed(sound, 1.0, formants)
    assert pitch_of(moved) == pytest.approx(110, rel=0.03)
    before, after = formant_of(sound, 900, 2200), formant_of(moved, 900, 2200)
    assert after / before == pytest.approx(formants, rel=0.05)


@pytest.mark.parametrize("length", [0, 1, 100, 4096, 16_001])
@pytest.mark.parametrize("block", [7, 160, 5000])
def test_what_comes_out_is_as_long_as_what_went_in(length: int, block: int) -> None:
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (2, length)).astype(np.float32)
    made = changed(sound, 1.2, 1.1, block) if length else VoiceChanger(RATE, 2, 1.2, 1.1).finish()
    assert made.shape == (2, length)
    assert np.isfinite(made).all()


def test_blocks_make_no_difference() -> None:
    sound = vowel(150, (800, 1400))
    assert np.allclose(changed(sound, 1.2, 1.1, 333), changed(sound, 1.2, 1.1, 16_000), atol=1e-5)


def test_silence_stays_silent() -> None:
    assert np.abs(changed(np.zeros((1, 20_000), np.float32), 1.2, 1.1)).max() < 1e-4


def test_each_item_moves_by_an_amount_of_its_own_and_never_by_little() -> None:
    drawn = [drawn_change(seed) for seed in range(200)]
    assert len(set(drawn)) == 200
    semitones = [abs(12 * np.log2(pitch)) for pitch, _ in drawn]
    assert min(semitones) >= 3
    assert max(semitones) <= 5
    assert all((pitch > 1) == (formants > 1) for pitch, formants in drawn)
    assert 60 < sum(pitch > 1 for pitch, _ in drawn) < 140
