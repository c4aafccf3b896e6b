"""Does an earlier stretch come again? A looped recording repeats itself forwards or backwards, a living face does not.

Basis: Wang and Farid, "Exposing digital forgeries in video by detecting duplication", ACM MM&Sec 2007 (correlation of
sub-sequences at low resolution).

Belongs here: matching the latest second against the remembered past. Does not belong here: stillness, see `stillness`.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moretta.core.series import BoundedSeries
from moretta.core.values import FaceSample, Floats, Measurement, MediaKind
from moretta.trust.fingerprint import SIDE, Fingerprinter
from moretta.trust.sampled import VIDEO, Clock, Schedule

Sums = npt.NDArray[np.float64]

# 8.5 s at 30 frames a second; longer loops are not found. More lags would make chance matches of long videos more likely.
KEPT = 256
# The closest match is taken in each stretch of this length and then the median over stretches: the least of a whole video would
# grow less with its length, whoever is in it.
STRETCH_S = 4.0
MEMORY_STEPS = 24.0  # a match must hold for about 0.8 s
MIN_LAG_STEPS = 24
MOTION_STEPS = 8
MIN_MOTION = 0.5  # grey levels: with less motion every moment looks like every other
MIN_OBSERVED_S = 3.0
WANTED_S = 8.0


@dataclass(frozen=True, slots=True)
class Repetition:
    """Value: log10 of the smallest distance to an earlier stretch over the motion meanwhile; very low for a loop."""

    name: str = "repeated_frames"
    kinds: frozenset[MediaKind] = VIDEO

    def start(self) -> "RepetitionMeter":
        """A fresh meter for one track."""
        return RepetitionMeter()


class RepetitionMeter:
    """Keeps `KEPT` fingerprints and, for each lag and each turning point, a running mean of distances."""

    def __init__(self) -> None:
        self._fingerprinter = Fingerprinter()
        self._clock = Clock(Schedule(1 / 33))
        self._decay = math.exp(-1 / MEMORY_STEPS)
        self._restart()
        self._first_s: float | None = None
        self._last_s = 0.0
        self._closest: float | None = None
        self._stretch_start_s = 0.0
        self._stretches = BoundedSeries(64)

    def _restart(self) -> None:
        self._past = np.zeros((KEPT, SIDE * SIDE), np.float32)
        self._next = self._count = 0
        self._forward = np.zeros(KEPT)
        self._backward = np.zeros(KEPT)
        self._age = np.zeros(KEPT)
        self._back_age = np.zeros(KEPT)
        self._motion = self._motion_weight = 0.0

    def observe(self, sample: FaceSample) -> None:
        """Take the next sample in time order."""
        if not self._clock.due(sample.time_s):
            return
        fingerprint, fresh = self._fingerprinter.take(sample)
        if fingerprint is None:
            return
        if fresh or sample.time_s - self._last_s > 0.5:
            self._restart()
        if self._first_s is None:
            self._first_s = self._stretch_start_s = sample.time_s
        self._last_s = sample.time_s
        if sample.time_s - self._stretch_start_s >= STRETCH_S:
            if self._closest is not None:
                self._stretches.add((self._closest,))
            self._stretch_start_s, self._closest = sample.time_s, None
        self._compare(fingerprint)
        self._past[self._next] = fingerprint
        self._next = (self._next + 1) % KEPT
        self._count = min(self._count + 1, KEPT)

    def measure(self) -> Measurement:
        """The median over stretches of the closest repetition in each."""
        observed_s = 0.0 if self._first_s is None else self._last_s - self._first_s
        if observed_s < MIN_OBSERVED_S:
            return Measurement(None, 0.0, "the face was in view too briefly to tell a loop")
        done = [value for column in self._stretches.columns() for value in column if value is not None]
        closest = done if self._closest is None else [*done, self._closest]
        if not closest:
            return Measurement(None, 0.0, "the face moved too little to tell a loop")
        # In the first stretch there is hardly a past that could come again.
        judged = closest[1:] or closest
        value = float(np.median(np.log10(np.maximum(judged, 1e-3))))
        return Measurement(value, min(1.0, observed_s / WANTED_S), detail={"stretches": float(len(closest))})

    def _compare(self, fingerprint: Floats) -> None:
        known = self._count
        if known <= MOTION_STEPS:
            return
        distances = np.abs(self._past[:known] - fingerprint).mean(1)
        distances = np.roll(distances[::-1], self._next % known)  # newest first
        decay, fresh = self._decay, 1 - self._decay
        self._motion = decay * self._motion + fresh * float(distances[MOTION_STEPS - 1])
        self._motion_weight = decay * self._motion_weight + fresh
        # A forward repeat keeps its lag; one played backwards has its partner move two steps away at each step.
        for sums, ages, shift in ((self._forward, self._age, 0), (self._backward, self._back_age, 2)):
            if shift:
                sums[shift:] = sums[:-shift].copy()
                ages[shift:] = ages[:-shift].copy()
                sums[:shift] = ages[:shift] = 0.0
            sums[:known] = decay * sums[:known] + fresh * distances
            ages[:known] = decay * ages[:known] + fresh
            self._judge(sums, ages, known, shift)

    def _judge(self, sums: Sums, ages: Sums, known: int, shift: int) -> None:
        motion = self._motion / self._motion_weight
        # The whole remembered stretch must lie apart from its partner, or a still moment matches itself.
        first = MIN_LAG_STEPS + shift * MIN_LAG_STEPS
        settled = ages[first:known] > 0.6
        if motion < MIN_MOTION or self._motion_weight < 0.6 or not settled.any():
            return
        closest = float((sums[first:known][settled] / ages[first:known][settled]).min()) / motion
        self._closest = closest if self._closest is None else min(self._closest, closest)
