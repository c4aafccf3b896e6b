"""Does the face itself move? Mouth, lids and brows of a living face move against each other; those of a photograph cannot.

Basis: Kollreider, Fronthaler and Bigun, "Non-intrusive liveness detection by face images", Image and Vision Computing 27,
2009 (optical flow of face parts); Bao, Li, Li and Jiang, "A liveness detection method for face recognition based on
optical flow field", IASP 2009 (a flat picture's flow is a plane's). The best homography takes out whatever a flat picture can do.

Belongs here: deformation over a fraction of a second, by optical flow, which is finer than the mesh. Does not belong here:
blinks, which have their own cue.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from moretta.core.series import BoundedSeries
from moretta.core.values import FaceSample, Measurement, MediaKind
from moretta.trust.patches import eye_distance, face_box
from moretta.trust.planar_motion import RIGID
from moretta.trust.sampled import VIDEO, Clock, Schedule

# Lips, chin, brows, lids: what speech and expression move.
MOVING = (61, 291, 13, 14, 0, 17, 78, 308, 152, 148, 377, 70, 300, 105, 334, 107, 336, 159, 145, 386, 374)
POINTS = (*RIGID, *MOVING)
STEP_S = 0.2  # a syllable lasts about 0.2 s, so lips have moved to another place
SIDE = 160  # px: the face is brought to this size, so that flow costs the same at any resolution
ENLARGE = 1.15
MIN_POINTS = 24
MOST_ERROR_PX = 1.0  # a point whose flow there and back ends this far away was lost
MIN_PAIRS = 5
WANTED_PAIRS = 20


@dataclass(frozen=True, slots=True)
class FacialMotion:
    """Value: log10 of the 80th percentile of deformation over 0.2 s, in eye distances; low for a photograph."""

    name: str = "facial_motion"
    kinds: frozenset[MediaKind] = VIDEO

    def start(self) -> "FacialMotionMeter":
        """A fresh meter for one track."""
        return FacialMotionMeter()


@dataclass(frozen=True, slots=True)
class _View:
    grey: npt.NDArray[np.uint8]
    points: npt.NDArray[np.float32]  # in px of the patch
    eyes_px: float
    time_s: float


class FacialMotionMeter:
    """Keeps one grey patch of 160x160 and 256 residuals."""

    def __init__(self) -> None:
        self._clock = Clock(Schedule(STEP_S))
        self._last: _View | None = None
        self._residuals = BoundedSeries(256)

    def observe(self, sample: FaceSample) -> None:
        """Take the next sample in time order."""
        if not self._clock.due(sample.time_s):
            return
        view = _view(sample)
        if view is not None and self._last is not None and view.time_s - self._last.time_s < 2.5 * STEP_S:
            residual = _deformation(self._last, view)
            if residual is not None:
                self._residuals.add((math.log10(max(residual, 1e-5)),))
        self._last = view

    def measure(self) -> Measurement:
        """The 80th percentile over pairs of views."""
        count = len(self._residuals)
        if count < MIN_PAIRS:
            return Measurement(None, 0.0, "the face was in view too briefly to see it move", {"pairs": float(count)})
        value = float(np.percentile(np.array(self._residuals.columns()[0], np.float64), 80))
        return Measurement(value, min(1.0, count / WANTED_PAIRS), detail={"pairs": float(count)})


def _view(sample: FaceSample) -> _View | None:
    """The face brought to `SIDE` px, following the mesh's box; black beyond the frame."""
    mesh = sample.tracked.mesh.points
    if not np.isfinite(mesh).all() or eye_distance(mesh) < 8:
        return None
    box = face_box(sample)
    centre, half = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max()) / 2 * ENLARGE
    scale = SIDE / (2 * half)
    origin = np.asarray(centre, np.float64) - half
    height, width = sample.frame.pixels.shape[:2]
    left, top = np.clip(np.floor(origin), 0, [width, height]).astype(int)
    right, bottom = np.clip(np.ceil(origin + 2 * half), 0, [width, height]).astype(int)
    if right - left < 24 or bottom - top < 24:
        return None
    piece = np.ascontiguousarray(sample.frame.pixels[top:bottom, left:right, 1])
    shift = (np.array([left, top]) - origin) * scale
    if scale < 0.5:
        piece = cv2.GaussianBlur(piece, (0, 0), 0.35 / scale)
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    grey = cv2.warpAffine(piece, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    points = ((mesh[list(POINTS), :2] - origin) * scale).astype(np.float32)
    return _View(np.asarray(grey, np.uint8), points, eye_distance(mesh) * scale, sample.time_s)


def _deformation(before: _View, after: _View) -> float | None:
    """What the best homography leaves of the flow, a trimmed mean in eye distances; None where too few points were kept."""
    start = before.points[:, None]
    criteria = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 12, 0.02)
    flags = cv2.OPTFLOW_USE_INITIAL_FLOW
    moved, there, _ = cv2.calcOpticalFlowPyrLK(
        before.grey, after.grey, start, after.points[:, None].copy(), None, None, (15, 15), 1, criteria, flags
    )
    back, again, _ = cv2.calcOpticalFlowPyrLK(
        after.grey, before.grey, moved, start.copy(), None, None, (15, 15), 1, criteria, flags
    )
    error = np.hypot(*(back - start)[:, 0].T)
    inside = ((moved[:, 0] > 2) & (moved[:, 0] < SIDE - 2)).all(1)
    kept = (there[:, 0] == 1) & (again[:, 0] == 1) & (error < MOST_ERROR_PX) & inside
    if np.count_nonzero(kept) < MIN_POINTS:
        return None
    source, target = start[kept, 0].astype(np.float64), moved[kept, 0].astype(np.float64)
    matrix, _ = cv2.findHomography(source, target, cv2.LMEDS)
    if matrix is None or not np.isfinite(matrix).all():
        return None
    mapped = cv2.perspectiveTransform(source[None], np.asarray(matrix, np.float64))[0]
    residuals = np.sort(np.hypot(*(mapped - target).T))
    # Points on the outline slip onto the background; without the worst tenth print and face lie further apart
    # (AUC .93 against .88 on the fitting side).
    residual = float(residuals[: math.ceil(0.9 * len(residuals))].mean())
    return residual / before.eyes_px if math.isfinite(residual) else None
