"""How the eyes open and close: people blink, photographs do not.

Basis: Pan, Sun, Wu and Lao, "Eyeblink-based anti-spoofing in face recognition from a generic webcamera", ICCV 2007; eye
aspect ratio of Soukupova and Cech, "Real-time eye blink detection using facial landmarks", CVWW 2016. Relative to the
person's own median, as laughing and glasses shift the absolute ratio.

Belongs here: lids. Does not belong here: the blink statistics shown to users, which `signals` measures.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from moretta.core.values import FaceSample, Measurement, MediaKind
from moretta.trust.sampled import VIDEO

KEPT_SAMPLES = 1800  # a minute at 30 frames a second
MIN_OBSERVED_S = 3.0
WANTED_S = 8.0  # a person at rest blinks about every 4 s (Bentivoglio et al. 1997: 17 a minute)


@dataclass(frozen=True, slots=True)
class BlinkDynamics:
    """Value: depth of the deepest closures (2nd percentile) as a share of the person's median opening; low for a photo."""

    name: str = "blink_dynamics"
    kinds: frozenset[MediaKind] = VIDEO

    def start(self) -> "BlinkMeter":
        """A fresh meter for one track."""
        return BlinkMeter()


class BlinkMeter:
    """Keeps the last minute of eye openness."""

    def __init__(self) -> None:
        self._openness: deque[tuple[float, float]] = deque(maxlen=KEPT_SAMPLES)

    def observe(self, sample: FaceSample) -> None:
        """Take the next sample in time order; strongly turned heads hide one eye and are left out."""
        if np.isfinite(sample.eye_openness) and abs(sample.pose.yaw) < 35:
            self._openness.append((sample.time_s, sample.eye_openness))

    def measure(self) -> Measurement:
        """The depth of closure; `detail` counts closures of more than 40 % as blinks."""
        series = np.array(self._openness, np.float64).reshape(-1, 2)
        observed_s = float(series[-1, 0] - series[0, 0]) if len(series) else 0.0
        if observed_s < MIN_OBSERVED_S:
            return Measurement(
                None, 0.0, f"the eyes were in view for {observed_s:.1f} s, {MIN_OBSERVED_S:.0f} s are needed"
            )
        median = float(np.median(series[:, 1]))
        if median <= 0:
            return Measurement(None, 0.0, "the eyes were never seen open")
        relative = series[:, 1] / median
        closed = relative < 0.6
        blinks = float(np.count_nonzero(closed[1:] & ~closed[:-1]))
        depth = 1 - float(np.percentile(relative, 2))
        detail = {"blinks": blinks, "observed_s": observed_s}
        return Measurement(depth, min(1.0, observed_s / WANTED_S), detail=detail)
