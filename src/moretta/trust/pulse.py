"""Does the skin pulse, and do forehead and cheeks pulse together? Masks and prints do not; swaps may lose coherence.

Basis: Wang, den Brinker, Stuijk and de Haan, "Algorithmic principles of remote PPG", IEEE TBME 2017 (POS); Ciftci, Demir and
Yin, "FakeCatcher", TPAMI 2020 (coherence between regions); de Haan and Jeanne 2013 (signal-to-noise ratio).

Belongs here: presence and coherence as evidence. Does not belong here: the heart rate shown to users, see `signals`.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moretta.core.photoplethysmography import BAND_HZ, band_passed, evenly_sampled, pos
from moretta.core.values import FaceSample, Measurement, MediaKind
from moretta.trust.sampled import VIDEO

Signal = npt.NDArray[np.float64]

RATE_HZ = 20.0  # over twice the band's upper end with room for POS's window
KEPT_ROWS = 900  # 30 s at 30 frames a second
MIN_OBSERVED_S = 5.0
WANTED_S = 15.0
ABSENT = "the skin was in view too briefly for a pulse"


@dataclass(frozen=True, slots=True)
class PulseCue:
    """A cue over the mean colours of forehead and cheeks."""

    name: str
    finding: Callable[[Signal], float]
    kinds: frozenset[MediaKind] = VIDEO

    def start(self) -> "PulseMeter":
        """A fresh meter for one track."""
        return PulseMeter(self.finding)


def pulse_presence() -> PulseCue:
    """Value: log10 of the power at the pulse and its harmonic over the rest of the band."""
    return PulseCue("pulse_presence", _presence)


def pulse_coherence() -> PulseCue:
    """Value: mean correlation (-1 to 1) of the band-passed pulse between forehead and either cheek."""
    return PulseCue("pulse_coherence", _coherence)


class PulseMeter:
    """Keeps the latest 30 s of three mean colours."""

    def __init__(self, finding: Callable[[Signal], float]) -> None:
        self._finding = finding
        self._rows: deque[tuple[float, npt.NDArray[np.float32]]] = deque(maxlen=KEPT_ROWS)

    def observe(self, sample: FaceSample) -> None:
        """Take the next sample in time order."""
        if sample.skin is None or not np.isfinite(sample.skin).all() or float(sample.skin.min()) <= 1:
            return
        if self._rows and sample.time_s - self._rows[-1][0] > 1.0:
            self._rows.clear()  # a gap breaks the phase
        if not self._rows or sample.time_s > self._rows[-1][0]:
            self._rows.append((sample.time_s, sample.skin))

    def measure(self) -> Measurement:
        """The finding over what is kept."""
        observed_s = self._rows[-1][0] - self._rows[0][0] if self._rows else 0.0
        detail = {"observed_s": observed_s}
        if observed_s < MIN_OBSERVED_S or len(self._rows) < 8 * observed_s:
            return Measurement(None, 0.0, ABSENT, detail)
        times = np.array([time for time, _ in self._rows])
        colours = np.array([skin for _, skin in self._rows], np.float64)
        even = evenly_sampled(times, colours, RATE_HZ)
        pulses = np.stack([band_passed(pos(even[:, region], RATE_HZ), RATE_HZ) for region in range(3)])
        value = self._finding(pulses)
        if not math.isfinite(value):
            return Measurement(None, 0.0, "the skin's colour did not change at all", detail)
        return Measurement(value, min(1.0, observed_s / WANTED_S), detail=detail)


def _presence(pulses: Signal) -> float:
    scale = np.maximum(pulses.std(1, keepdims=True), 1e-12)
    power = np.abs(np.fft.rfft((pulses / scale).mean(0))) ** 2
    frequencies = np.fft.rfftfreq(pulses.shape[1], 1 / RATE_HZ)
    band = (frequencies >= BAND_HZ[0]) & (frequencies <= BAND_HZ[1])
    peak = frequencies[band][int(np.argmax(power[band]))]
    near = band & ((np.abs(frequencies - peak) <= 0.15) | (np.abs(frequencies - 2 * peak) <= 0.15))
    rest = float(power[band & ~near].sum())
    return math.log10(float(power[near].sum()) / rest) if rest > 0 else math.nan


def _coherence(pulses: Signal) -> float:
    if float(pulses.std(1).min()) < 1e-12:
        return math.nan
    matrix = np.asarray(np.corrcoef(pulses))
    return float((matrix[0, 1] + matrix[0, 2]) / 2)
