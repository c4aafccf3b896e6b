"""Cues that look at a few single frames of a track and summarise what they saw.

Belongs here: when to look, and how single looks become one measurement. Does not belong here: what is looked at.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from moretta.core.series import BoundedSeries
from moretta.core.values import FaceSample, Measurement, MediaKind

Look = Callable[[FaceSample], float | None]

BOTH = frozenset({MediaKind.IMAGE, MediaKind.VIDEO})
VIDEO = frozenset({MediaKind.VIDEO})
IMAGE = frozenset({MediaKind.IMAGE})

# Evenly spread looks kept per track; a median over 64 looks has an error of about 0.16 of the looks' own spread.
KEPT_LOOKS = 64


class Summary(StrEnum):
    """How several looks become one value."""

    MEDIAN = "median"
    MEAN = "mean"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to look, in media time since the track's first sample.

    The first sample is always looked at (a still has no other), then one each `gap_s`; with `growth` 2 the gap doubles
    after each look, so that the number of looks grows with the logarithm of the length.
    """

    gap_s: float
    growth: float = 1.0


class Clock:
    """Says which samples of a track are due under a `Schedule`."""

    def __init__(self, schedule: Schedule) -> None:
        self._growth = schedule.growth
        self._gap_s = schedule.gap_s
        self._due_s: float | None = None

    def due(self, time_s: float) -> bool:
        """Whether to look now; every True moves the next look on."""
        if self._due_s is not None and time_s < self._due_s - 1e-6:
            return False
        if self._due_s is not None:
            self._gap_s *= self._growth
        self._due_s = time_s + self._gap_s
        return True


@dataclass(frozen=True, slots=True)
class SampledCue:
    """A `TrustCue` made of single looks. `wanted` looks (on a still: one) make full coverage.

    `look` returns None where the frame does not carry the evidence; `absent` then is the reason in plain words.
    """

    name: str
    look: Look
    schedule: Schedule
    absent: str
    kinds: frozenset[MediaKind] = BOTH
    wanted: int = 4
    summary: Summary = Summary.MEDIAN

    def start(self) -> "SampledMeter":
        """A fresh meter for one track."""
        return SampledMeter(self)


@dataclass(slots=True)
class SampledMeter:
    """Looks at due samples and keeps at most `KEPT_LOOKS` numbers."""

    cue: SampledCue
    _clock: Clock = field(init=False)
    _seen: int = field(init=False, default=0)
    _tried: int = field(init=False, default=0)
    _values: BoundedSeries = field(init=False)

    def __post_init__(self) -> None:
        self._clock = Clock(self.cue.schedule)
        self._values = BoundedSeries(KEPT_LOOKS)

    def observe(self, sample: FaceSample) -> None:
        """Take the next sample in time order."""
        self._seen += 1
        if not self._clock.due(sample.time_s):
            return
        self._tried += 1
        value = self.cue.look(sample)
        if value is not None and math.isfinite(value):
            self._values.add((value,))

    def measure(self) -> Measurement:
        """The median or mean over the looks, with their spread in `detail`."""
        count = len(self._values)
        if count == 0:
            return Measurement(None, 0.0, self.cue.absent if self._tried else "no frame was looked at")
        values = np.array(self._values.columns()[0], np.float64)
        middle = np.median(values) if self.cue.summary is Summary.MEDIAN else values.mean()
        wanted = 1 if self._seen == 1 else self.cue.wanted
        detail = {"looks": float(count), "spread": float(values.std())}
        return Measurement(float(middle), min(1.0, count / wanted), detail=detail)
