"""Does the face itself move? Mouth, lids and brows of a living face move against each other; those of a photograph cannot.

Basis: Kollreider, Fronthaler and Bigun, "Non-intrusive liveness detection by face images", Image and Vision Computing 27,
2009 (motion of face parts); the homography takes out whatever a hand-held flat picture can do.

Belongs here: deformation over a fraction of a second. Does not belong here: blinks, which have their own cue.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moretta.core.series import BoundedSeries
from moretta.core.values import FaceSample, Measurement, MediaKind
from moretta.trust.patches import eye_distance
from moretta.trust.planar_motion import RIGID, homography_residual
from moretta.trust.sampled import VIDEO, Clock, Schedule

# Lips, chin, brows, lids: what speech and expression move.
MOVING = (61, 291, 13, 14, 0, 17, 78, 308, 152, 148, 377, 70, 300, 105, 334, 107, 336, 159, 145, 386, 374)
POINTS = (*RIGID, *MOVING)
STEP_S = 0.1
LAG_STEPS = 4  # 0.4 s: a syllable lasts about 0.2 s, so lips have moved to another place
MIN_PAIRS = 8
WANTED_PAIRS = 40


@dataclass(frozen=True, slots=True)
class FacialMotion:
    """Value: log10 of the 80th percentile of deformation over 0.4 s, in eye distances; low for a photograph."""

    name: str = "facial_motion"
    kinds: frozenset[MediaKind] = VIDEO

    def start(self) -> "FacialMotionMeter":
        """A fresh meter for one track."""
        return FacialMotionMeter()


class FacialMotionMeter:
    """Keeps five sets of points and 256 residuals."""

    def __init__(self) -> None:
        self._clock = Clock(Schedule(STEP_S))
        self._recent: deque[npt.NDArray[np.float64]] = deque(maxlen=LAG_STEPS + 1)
        self._residuals = BoundedSeries(256)

    def observe(self, sample: FaceSample) -> None:
        """Take the next sample in time order."""
        if not self._clock.due(sample.time_s):
            return
        points = sample.tracked.mesh.points[list(POINTS), :2].astype(np.float64)
        eyes_px = eye_distance(sample.tracked.mesh.points)
        if eyes_px < 4 or not np.isfinite(points).all():
            return
        self._recent.append(points)
        if len(self._recent) > LAG_STEPS:
            residual = homography_residual(self._recent[0], points)
            if residual is not None:
                self._residuals.add((math.log10(max(residual / eyes_px, 1e-5)),))

    def measure(self) -> Measurement:
        """The 80th percentile over pairs 0.4 s apart."""
        count = len(self._residuals)
        if count < MIN_PAIRS:
            return Measurement(None, 0.0, "the face was in view too briefly to see it move", {"pairs": float(count)})
        value = float(np.percentile(np.array(self._residuals.columns()[0], np.float64), 80))
        return Measurement(value, min(1.0, count / WANTED_PAIRS), detail={"pairs": float(count)})
