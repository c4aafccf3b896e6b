"""Speech in the sound track: when somebody speaks, how high and how loud.

Belongs here: streaming measurement of sound in bounded memory. Does not belong here: who speaks or what is said.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moretta.core.analysis import Voice
from moretta.core.values import AudioBlock, Floats

STEP_S = 0.01
FRAME_S = 0.04  # two and a half periods of the lowest voice
LOWEST_HZ, HIGHEST_HZ = 60.0, 400.0
LEAST_PERIODICITY = 0.5  # normalised autocorrelation of voiced speech; white noise of 40 ms stays below .35
QUIETEST_DBFS = -65.0  # below, nothing is audible beside the noise of the recording chain
ABOVE_FLOOR_DB = 6.0  # speech over the background; dense, compressed speech stays within 9 dB of its own minima
FLOOR_WINDOW_S = (
    3.0  # minimum statistics: speech pauses at least once within (Martin 2001 uses 1.5 s and a bias correction)
)
FIRST_FLOOR_DBFS = -50.0  # a quiet room, assumed until a window has been heard, so that media may begin with speech
HANGOVER_S = 0.2  # unvoiced ends and stops between voiced stretches belong to speech
SHORTEST_SPEECH_S = 0.1
SHORTEST_PAUSE_S = 0.3  # shorter gaps are articulation (Goldman-Eisler 1968 uses .25 s)
ENVELOPE_HZ = 25.0
MOST_ENVELOPE_VALUES = 30_000  # 20 minutes, the longest media read by default
MOST_SEGMENTS = 500
PITCH_BINS_PER_OCTAVE = 48
SILENCE_DBFS = -120.0

_Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Frames:
    """Frame after frame: `level` in dBFS, `periodicity` 0-1 and `pitch_hz`, each (n,)."""

    level: _Array
    periodicity: _Array
    pitch_hz: _Array


class VoiceMeter:
    """Listens to mono blocks in time order. Memory: half a second of sound, counts of pitch, segments and an envelope.

    Speech is where the level lies above an adaptive floor (the minimum of the last seconds; Martin 2001) and the sound is
    periodic (normalised autocorrelation; Boersma 1993), extended by a short hangover.
    """

    def __init__(self) -> None:
        self._rate_hz = 0
        self._rest = np.zeros(0, np.float32)
        self._frames = 0
        self._start_s = 0.0
        self._floor = _Floor()
        octaves = float(np.log2(HIGHEST_HZ / LOWEST_HZ))
        self._pitches = np.zeros(int(np.ceil(octaves * PITCH_BINS_PER_OCTAVE)) + 1, np.int64)
        self._speech_power = 0.0
        self._speech_frames = 0
        self._segments: list[tuple[float, float]] = []
        self._current: tuple[float, float] | None = None
        self._dropped_speech_s = 0.0
        self._envelope: list[float] = []
        self._partial: list[float] = []

    def observe(self, block: AudioBlock) -> None:
        """Take the next block; one of another rate than the first is passed over."""
        if self._rate_hz == 0:
            self._rate_hz = block.rate_hz
            self._start_s = block.time_ns / 1e9
        if block.rate_hz != self._rate_hz or block.rate_hz < 2 * HIGHEST_HZ:
            return
        samples = np.nan_to_num(block.samples, nan=0.0, posinf=1.0, neginf=-1.0)
        sound = np.concatenate([self._rest, samples])
        length, step = round(FRAME_S * self._rate_hz), round(STEP_S * self._rate_hz)
        count = max(0, (len(sound) - length) // step + 1)
        for start in range(0, count, 100):  # a second at a time keeps memory flat for any block
            stop = min(count, start + 100)
            self._take(_measured(sound[start * step : (stop - 1) * step + length], length, step, self._rate_hz))
        self._rest = sound[count * step :]

    def estimate(self) -> Voice:
        """The speech so far."""
        observed_s = self._frames * STEP_S
        segments = [*self._segments, self._current] if self._current is not None else list(self._segments)
        segments = [(start, end) for start, end in segments if end - start >= SHORTEST_SPEECH_S]
        speech_s = sum(end - start for start, end in segments) + self._dropped_speech_s
        gaps = [later[0] - earlier[1] for earlier, later in itertools.pairwise(segments)]
        pauses = [gap for gap in gaps if gap >= SHORTEST_PAUSE_S]
        level = 10 * np.log10(self._speech_power / self._speech_frames) if self._speech_frames else None
        pitch, spread = self._pitch() if segments else (None, None)
        return Voice(
            speech_share=round(min(1.0, speech_s / observed_s), 4) if observed_s else 0.0,
            pitch_hz=pitch,
            pitch_range_hz=spread,
            level_dbfs=round(float(level), 1) if level is not None and segments else None,
            pauses=len(pauses),
            longest_pause_s=round(max(pauses), 2) if pauses else None,
            segments_s=tuple((round(self._start_s + a, 2), round(self._start_s + b, 2)) for a, b in segments),
            observed_s=round(observed_s, 2),
        )

    def envelope(self) -> tuple[Floats, Floats]:
        """Times in s and level in dBFS, 25 a second, float32 (n,) each; the first 20 minutes."""
        times = self._start_s + (np.arange(len(self._envelope)) + 0.5) / ENVELOPE_HZ
        return times.astype(np.float32), np.array(self._envelope, np.float32)

    def _take(self, frames: _Frames) -> None:
        for level, periodicity, pitch in zip(frames.level, frames.periodicity, frames.pitch_hz, strict=True):
            now = self._frames * STEP_S + FRAME_S / 2 - STEP_S / 2
            audible = level > max(QUIETEST_DBFS, self._floor.after(float(level)) + ABOVE_FLOOR_DB)
            self._keep_level(float(level))
            if audible and periodicity >= LEAST_PERIODICITY:
                self._voiced(now, float(level), float(pitch))
            elif audible and self._current is not None and now - self._current[1] <= HANGOVER_S:
                self._count_power(float(level))
            self._frames += 1

    def _voiced(self, now: float, level: float, pitch_hz: float) -> None:
        place = np.log2(pitch_hz / LOWEST_HZ) * PITCH_BINS_PER_OCTAVE
        self._pitches[int(np.clip(place, 0, len(self._pitches) - 1))] += 1
        self._count_power(level)
        if self._current is not None and now - self._current[1] <= HANGOVER_S:
            self._current = (self._current[0], now + STEP_S)
            return
        if self._current is not None and self._current[1] - self._current[0] >= SHORTEST_SPEECH_S:
            if len(self._segments) < MOST_SEGMENTS:
                self._segments.append(self._current)
            else:
                self._dropped_speech_s += self._current[1] - self._current[0]
        self._current = (now, now + STEP_S)

    def _count_power(self, level: float) -> None:
        self._speech_power += 10 ** (level / 10)
        self._speech_frames += 1

    def _keep_level(self, level: float) -> None:
        self._partial.append(level)
        if len(self._partial) * STEP_S >= 1 / ENVELOPE_HZ - 1e-9:
            if len(self._envelope) < MOST_ENVELOPE_VALUES:
                self._envelope.append(sum(self._partial) / len(self._partial))
            self._partial.clear()

    def _pitch(self) -> tuple[float | None, float | None]:
        """Median pitch and the range between its 10th and 90th percentile, in Hz."""
        total = int(self._pitches.sum())
        if not total:
            return None, None
        shares = np.cumsum(self._pitches) / total
        at = [int(np.searchsorted(shares, share)) for share in (0.1, 0.5, 0.9)]
        low, middle, high = (LOWEST_HZ * 2 ** ((place + 0.5) / PITCH_BINS_PER_OCTAVE) for place in at)
        return round(middle, 1), round(high - low, 1)


class _Floor:
    """The lowest smoothed level of the last seconds, kept as minima of sub-windows."""

    def __init__(self, parts: int = 6) -> None:
        self._parts = [FIRST_FLOOR_DBFS] * parts
        self._length = round(FLOOR_WINDOW_S / STEP_S / parts)
        self._seen = 0
        self._smooth: float | None = None
        self._minimum = 0.0

    def after(self, level: float) -> float:
        """The floor in dBFS once `level` is known."""
        level = max(level, SILENCE_DBFS)
        self._smooth = level if self._smooth is None else 0.8 * self._smooth + 0.2 * level
        if self._seen % self._length == 0:
            self._parts = [*self._parts[1:], self._smooth]
        self._parts[-1] = min(self._parts[-1], self._smooth)
        self._seen += 1
        return min(self._parts)


def _measured(sound: Floats, length: int, step: int, rate_hz: int) -> _Frames:
    frames = np.lib.stride_tricks.sliding_window_view(sound.astype(np.float64), length)[::step]
    centred = frames - frames.mean(axis=1, keepdims=True)
    power = (centred**2).mean(axis=1)
    level = np.maximum(10 * np.log10(np.maximum(power, 1e-12)), SILENCE_DBFS)
    periodicity, pitch_hz = np.zeros(len(frames)), np.full(len(frames), LOWEST_HZ)
    loud = level > QUIETEST_DBFS
    if loud.any():
        periodicity[loud], pitch_hz[loud] = _periodicity(centred[loud], rate_hz)
    return _Frames(level, periodicity, pitch_hz)


def _periodicity(frames: _Array, rate_hz: int) -> tuple[_Array, _Array]:
    """The highest normalised autocorrelation (0-1) of each frame within the range of voices, and its frequency in Hz."""
    shortest, longest = int(rate_hz / HIGHEST_HZ), int(np.ceil(rate_hz / LOWEST_HZ))
    correlation = _normalised_autocorrelation(frames, longest + 1)
    inner = correlation[:, shortest : longest + 1].copy()
    # Of nearly equal peaks the shortest lag is the period; longer ones are its multiples (the octave cost of Boersma 1993).
    lags = np.arange(shortest, longest + 1)
    best = shortest + np.argmax(inner - 0.01 * np.log2(lags / shortest), axis=1)
    rows = np.arange(len(frames))
    left, middle, right = (correlation[rows, best + k] for k in (-1, 0, 1))
    peaked = (middle >= left) & (middle >= right)
    bend = left - 2 * middle + right
    shift = np.where(peaked & (bend < 0), 0.5 * (left - right) / np.where(bend < 0, bend, -1), 0.0)
    return np.where(peaked, middle, 0.0), np.asarray(rate_hz / (best + shift), np.float64)


def _normalised_autocorrelation(frames: _Array, lags: int) -> _Array:
    """Correlation of each frame's beginning with its later parts, (n, lags + 1), by the energies of both parts."""
    length = frames.shape[1]
    size = 1 << (length + lags).bit_length()  # room so that no wanted lag wraps around
    spectra = np.fft.rfft(frames, size, axis=1)
    raw = np.fft.irfft(np.abs(spectra) ** 2, size, axis=1)[:, : lags + 1]
    energy = np.concatenate([np.zeros((len(frames), 1)), np.cumsum(frames**2, axis=1)], axis=1)
    at = np.arange(lags + 1)
    head = energy[:, length - at]
    tail = energy[:, -1:] - energy[:, at]
    return np.asarray(raw / np.sqrt(np.maximum(head * tail, 1e-18)), np.float64)
