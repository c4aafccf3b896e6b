"""Blinks from the opening of the eyes over time.

Belongs here: telling a blink from a look down, a laugh or a turned head. Does not belong here: the eye aspect ratio itself.
"""

import statistics
from collections import deque

from moretta.core.analysis import Blinks
from moretta.core.values import FaceSample

# A blink closes the eye to less than this share of the person's own median opening (a fixed ratio misfires on narrow eyes,
# glasses and laughing): half-way between the .25 of a full blink and 1 on our clips, as in Soukupova and Cech 2016, fig. 3.
CLOSED_SHARE = 0.65
REOPENED_SHARE = 0.8  # a blink is over when the eye has opened again to this share
SHORTEST_S, LONGEST_S = 0.05, 0.5  # Caffier et al. 2003: spontaneous blinks last 50-500 ms
MOST_YAW_DEG, MOST_PITCH_DEG = 30.0, 25.0  # beyond, the lids' projection says more of the head than of the lids
BASELINE_S = 10.0
BASELINE_ROWS = 300
LEAST_BASELINE_S = 1.0
LONGEST_STEP_S = 0.25  # a longer step between samples hides a blink, so it does not count as observed
LEAST_OBSERVED_FOR_RATE_S = 10.0  # one blink more or less changes the rate by 6 a minute
LEAST_RATE_HZ = 12.0  # slower sampling steps over most blinks
MOST_BLINKS = 1000
MEDIAN_EVERY_S = 0.2


class BlinkMeter:
    """Collects one track's eye openings; keeps the latest ten seconds and the blinks found."""

    def __init__(self) -> None:
        self._open: deque[tuple[float, float]] = deque(maxlen=BASELINE_ROWS)
        self._blinks: deque[tuple[float, float]] = deque(maxlen=MOST_BLINKS)
        self._count = 0
        self._observed_s = 0.0
        self._steps = 0
        self._last_s: float | None = None
        self._closed_since: float | None = None
        self._baseline = 0.0
        self._baseline_s = float("-inf")

    def observe(self, sample: FaceSample) -> None:
        """Take the next sample in time order; turned heads are passed over."""
        now = sample.time_s
        if abs(sample.pose.yaw) > MOST_YAW_DEG or abs(sample.pose.pitch) > MOST_PITCH_DEG or sample.eye_openness <= 0:
            self._interrupt()
            return
        if self._last_s is not None:
            step = now - self._last_s
            if step <= 0:
                return
            if step > LONGEST_STEP_S:
                self._interrupt()
            else:
                self._observed_s += step
                self._steps += 1
        self._last_s = now
        self._open.append((now, sample.eye_openness))
        while now - self._open[0][0] > BASELINE_S:
            self._open.popleft()
        if now - self._open[0][0] >= LEAST_BASELINE_S:
            self._judge(now, sample.eye_openness)

    def estimate(self) -> Blinks:
        """The blinks so far; no rate before ten seconds of open view, or at a frame rate that steps over blinks."""
        sampled = self._steps >= LEAST_RATE_HZ * self._observed_s
        enough = self._observed_s >= LEAST_OBSERVED_FOR_RATE_S and sampled
        durations = [duration for _, duration in self._blinks]
        return Blinks(
            count=self._count,
            rate_per_min=round(60 * self._count / self._observed_s, 1) if enough else None,
            median_duration_s=round(statistics.median(durations), 3) if durations else None,
            times_s=tuple(round(start, 3) for start, _ in self._blinks),
            observed_s=round(self._observed_s, 2),
        )

    def _interrupt(self) -> None:
        self._last_s = None
        self._closed_since = None

    def _judge(self, now: float, openness: float) -> None:
        if now - self._baseline_s >= MEDIAN_EVERY_S:
            self._baseline = statistics.median(value for _, value in self._open)
            self._baseline_s = now
        share = openness / self._baseline
        if self._closed_since is None:
            if share < CLOSED_SHARE:
                self._closed_since = now
            return
        if share < REOPENED_SHARE:
            return
        duration = now - self._closed_since
        if duration + 1e-6 >= SHORTEST_S and duration <= LONGEST_S + 1e-6:
            self._count += 1
            self._blinks.append((self._closed_since, duration))
        self._closed_since = None
