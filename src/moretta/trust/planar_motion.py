"""Does the face move as a plane? A photograph or a screen moves as a homography; a head that turns does not.

Basis: De Marsico, Nappi, Riccio and Dugelay, "Moving face spoofing detection via 3D projective invariants", ICB 2012;
Wang, Yang, Lei, Liao and Li, "Face liveness detection using 3D structure recovered from a single camera", ICB 2013.
A replayed video shows a head that turns, so this cue speaks about photographs only.

Belongs here: rigid points of the mesh between frames of different head pose.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from moretta.core.series import BoundedSeries
from moretta.core.values import FaceSample, Measurement, MediaKind, Pose
from moretta.trust.patches import eye_distance
from moretta.trust.sampled import VIDEO, Clock, Schedule

# Mesh points that speech and blinks leave in place, over the whole depth of the head.
_FOREHEAD = (10, 67, 297, 151, 9, 8, 109, 338, 103, 332)
_NOSE = (168, 6, 197, 195, 5, 4, 1, 98, 327, 49, 279)
_EYES_AND_CHEEKS = (33, 133, 362, 263, 50, 280, 101, 330, 117, 346, 123, 352)
_SIDES = (234, 454, 127, 356, 93, 323)
RIGID = (*_FOREHEAD, *_NOSE, *_EYES_AND_CHEEKS, *_SIDES)
# Under this turn the mesh's own jitter (about 0.5 % of the eye distance) outweighs the parallax of the nose.
MIN_TURN_DEG = 6.0
KEPT_REFERENCES = 10
WANTED_PAIRS = 24
MIN_PAIRS = 6


@dataclass(frozen=True, slots=True)
class PlanarMotion:
    """Value: log10 of the homography residual, in eye distances, per radian of head turn; low for a photograph."""

    name: str = "planar_motion"
    kinds: frozenset[MediaKind] = VIDEO

    def start(self) -> "PlanarMotionMeter":
        """A fresh meter for one track."""
        return PlanarMotionMeter()


@dataclass(frozen=True, slots=True)
class _View:
    points: npt.NDArray[np.float64]
    eyes_px: float
    pose: Pose


class PlanarMotionMeter:
    """Keeps at most `KEPT_REFERENCES` earlier views (40 points each) and 256 residuals."""

    def __init__(self) -> None:
        self._clock = Clock(Schedule(0.2))
        self._references: list[_View] = []
        self._ratios = BoundedSeries(256)
        self._widest_deg = 0.0

    def observe(self, sample: FaceSample) -> None:
        """Take the next sample in time order."""
        if not self._clock.due(sample.time_s):
            return
        points = sample.tracked.mesh.points[list(RIGID), :2].astype(np.float64)
        view = _View(points, eye_distance(sample.tracked.mesh.points), sample.pose)
        if view.eyes_px < 4 or not np.isfinite(points).all():
            return
        turns = [_turn_deg(view.pose, reference.pose) for reference in self._references]
        for reference, turn in zip(self._references, turns, strict=True):
            self._widest_deg = max(self._widest_deg, turn)
            if turn >= MIN_TURN_DEG:
                residual = homography_residual(reference.points, view.points)
                if residual is not None:
                    self._ratios.add((math.log10(max(residual / view.eyes_px / math.radians(turn), 1e-5)),))
        # A reference in each region of pose, so that a later turn finds something to be compared with.
        if min(turns, default=90.0) >= MIN_TURN_DEG / 2 and len(self._references) < KEPT_REFERENCES:
            self._references.append(view)

    def measure(self) -> Measurement:
        """The median over pairs of views; nothing where the head turned too little."""
        count = len(self._ratios)
        detail = {"pairs": float(count), "widest_turn_deg": self._widest_deg}
        if count < MIN_PAIRS:
            return Measurement(None, 0.0, "the head turned too little to tell a head from a flat picture", detail)
        value = float(np.median(np.array(self._ratios.columns()[0], np.float64)))
        return Measurement(value, min(1.0, count / WANTED_PAIRS), detail=detail)


def homography_residual(source: npt.NDArray[np.float64], target: npt.NDArray[np.float64]) -> float | None:
    """Root mean square distance in px that the best homography from `source` to `target` (n, 2) leaves; None if none fits."""
    matrix, _ = cv2.findHomography(source, target, 0)
    if matrix is None or not np.isfinite(matrix).all():
        return None
    mapped = cv2.perspectiveTransform(source[None], np.asarray(matrix, np.float64))[0]
    residual = float(np.sqrt(((mapped - target) ** 2).sum(1).mean()))
    return residual if math.isfinite(residual) else None


def _turn_deg(a: Pose, b: Pose) -> float:
    return math.hypot(a.yaw - b.yaw, a.pitch - b.pitch)
