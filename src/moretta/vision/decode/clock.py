"""The times of a video's frames.

Belongs here: pure arithmetic on time stamps, in constant memory.
"""

import math
from fractions import Fraction

_NS = 1_000_000_000
# Rates to fall back on where the container tells none: film's and television's middle.
_DEFAULT_RATE = Fraction(25)
# Intervals whose spread is under this share of their mean come from one rate: one lost frame in 400 has 0.05.
_STEADY_SPREAD = 0.05
# Rounding a time to the time base spreads an interval by at most this many units (uniform errors at both ends: sqrt(2/12)).
_ROUNDING_SPREAD = 0.41


class FrameClock:
    """Gives each frame its time in ns since the first, strictly increasing, and sums up the intervals.

    Args:
        time_base: seconds per unit of `pts`.
        rate: announced frames per second, used where a frame has no `pts`; None where unknown.
    """

    def __init__(self, time_base: Fraction, rate: Fraction | None) -> None:
        self._time_base = time_base
        self._nominal_ns = int(_NS / (rate if rate is not None and rate > 0 else _DEFAULT_RATE))
        self._origin: int | None = None
        self._last_ns = -1
        self._count = 0
        self._sum_s = 0.0
        self._sum_squares = 0.0

    @property
    def origin_s(self) -> float:
        """When the first frame is shown, in the container's own time."""
        return float((self._origin or 0) * self._time_base)

    def tick(self, pts: int | None) -> int:
        """The time of the next frame in ns; one nominal interval after the last where `pts` is missing or runs back."""
        if self._origin is None:
            self._origin = pts
        first = self._last_ns < 0
        time_ns = -1
        if pts is not None and self._origin is not None:
            time_ns = int((pts - self._origin) * self._time_base * _NS)
        if time_ns <= self._last_ns:
            time_ns = 0 if first else self._last_ns + self._nominal_ns
        if not first:
            self._add((time_ns - self._last_ns) / _NS)
        self._last_ns = time_ns
        return time_ns

    @property
    def rate(self) -> float | None:
        """Mean frames per second so far; None before the second frame."""
        return self._count / self._sum_s if self._sum_s > 0 else None

    @property
    def duration_s(self) -> float:
        """From the first frame to the end of the last, whose length is the mean interval."""
        if self._last_ns < 0:
            return 0.0
        return self._last_ns / _NS + (self._sum_s / self._count if self._count else self._nominal_ns / _NS)

    @property
    def variable(self) -> bool:
        """Whether the intervals spread more than one rate and its rounding explain."""
        if self._count < 2:
            return False
        mean = self._sum_s / self._count
        spread = math.sqrt(max(0.0, self._sum_squares / self._count - mean**2))
        return spread > _STEADY_SPREAD * mean + _ROUNDING_SPREAD * float(self._time_base)

    def _add(self, interval_s: float) -> None:
        self._count += 1
        self._sum_s += interval_s
        self._sum_squares += interval_s**2
