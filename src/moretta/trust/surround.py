"""Does what surrounds the face move with it? Around a living head it does not; around a print or a screen it does.

Basis: Anjos and Marcel, "Counter-measures to photo attacks in face recognition: a public database and a baseline", IJCB 2011;
Anjos, Chakka and Marcel, "Motion-based counter-measures to photo attacks", IET Biometrics 2014 (correlation of the
optical flow of face and background).

Belongs here: flow in a ring around the face against the face's own motion.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from moretta.core.geometry import apply, similarity_transform
from moretta.core.series import BoundedSeries
from moretta.core.values import FaceSample, Floats, Measurement, MediaKind
from moretta.trust.patches import eye_distance
from moretta.trust.planar_motion import RIGID
from moretta.trust.sampled import VIDEO, Clock, Schedule

STEP_S = 0.2
SIDE = 160  # px: the neighbourhood of the face is brought to this size, so that flow costs the same at any resolution
ENLARGE = 2.2
MIN_MOTION = 0.02  # eye distances: smaller motion drowns in the mesh's jitter
MIN_POINTS = 8
EDGE = 9  # px of the patch: the flow's window must not reach over the frame's edge
MIN_PAIRS = 5
WANTED_PAIRS = 20


@dataclass(frozen=True, slots=True)
class SurroundCoherence:
    """Value: log10 of how far the surroundings stray from the face's rigid motion, over that motion; low when they follow."""

    name: str = "surround_coherence"
    kinds: frozenset[MediaKind] = VIDEO

    def start(self) -> "SurroundMeter":
        """A fresh meter for one track."""
        return SurroundMeter()


@dataclass(frozen=True, slots=True)
class _View:
    grey: npt.NDArray[np.uint8]
    scale: float
    origin: npt.NDArray[np.float64]
    mesh: npt.NDArray[np.float64]
    box: Floats
    inside: tuple[tuple[int, int], tuple[int, int]]  # first and last px of the patch that the frame covers


class SurroundMeter:
    """Keeps one grey patch of 160x160 and 256 numbers."""

    def __init__(self) -> None:
        self._clock = Clock(Schedule(STEP_S))
        self._last: _View | None = None
        self._strays = BoundedSeries(256)
        self._looked = 0

    def observe(self, sample: FaceSample) -> None:
        """Take the next sample in time order."""
        if not self._clock.due(sample.time_s):
            return
        if self._last is not None:
            self._looked += 1
            stray = _stray(self._last, sample)
            if stray is not None:
                self._strays.add((math.log10(min(max(stray, 1e-2), 1e2)),))
        self._last = _view(sample)

    def measure(self) -> Measurement:
        """The median over pairs of frames in which the face moved."""
        count = len(self._strays)
        detail = {"pairs": float(count), "looked": float(self._looked)}
        if count < MIN_PAIRS:
            return Measurement(None, 0.0, "the face moved too little, or nothing around it could be followed", detail)
        value = float(np.median(np.array(self._strays.columns()[0], np.float64)))
        return Measurement(value, min(1.0, count / WANTED_PAIRS), detail=detail)


def _view(sample: FaceSample) -> _View | None:
    box = sample.tracked.face.box
    centre, half = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max()) / 2 * ENLARGE
    mesh = sample.tracked.mesh.points[list(RIGID), :2].astype(np.float64)
    if half < 16 or not np.isfinite(mesh).all() or not np.isfinite(centre).all():
        return None
    scale = SIDE / (2 * half)
    origin = np.asarray(centre, np.float64) - half
    height, width = sample.frame.pixels.shape[:2]
    first = np.clip(np.ceil(-origin * scale), 0, SIDE).astype(int)
    last = np.clip(np.floor((np.array([width, height]) - origin) * scale), 0, SIDE).astype(int)
    inside = ((int(first[0]), int(first[1])), (int(last[0]), int(last[1])))
    return _View(_patch(sample, scale, origin), scale, origin, mesh, box, inside)


def _patch(sample: FaceSample, scale: float, origin: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Luma of the square at `origin`, SIDE px wide; black beyond the frame."""
    side = SIDE / scale
    height, width = sample.frame.pixels.shape[:2]
    left, top = max(0, int(origin[0])), max(0, int(origin[1]))
    right, bottom = min(width, int(origin[0] + side) + 1), min(height, int(origin[1] + side) + 1)
    patch = np.zeros((SIDE, SIDE), np.uint8)
    step = max(1, int(1 / scale))  # subsampling first: at 0.2 s steps and 160 px aliasing costs less than time
    piece = sample.frame.pixels[top:bottom:step, left:right:step, 1]
    if min(piece.shape) < 2:
        return patch
    shift = (np.array([left, top]) - origin) * scale
    matrix = np.array([[scale * step, 0, shift[0]], [0, scale * step, shift[1]]])
    return np.asarray(
        cv2.warpAffine(np.ascontiguousarray(piece), matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR), np.uint8
    )


def _stray(last: _View, sample: FaceSample) -> float | None:
    """Median distance of the ring's flow from the face's similarity motion, over the size of that motion."""
    mesh = sample.tracked.mesh.points[list(RIGID), :2].astype(np.float64)
    eyes = eye_distance(sample.tracked.mesh.points)
    if not np.isfinite(mesh).all() or eyes < 4:
        return None
    motion = similarity_transform(last.mesh, mesh)
    points = _ring_points(last)
    if len(points) < MIN_POINTS:
        return None
    ring = points.astype(np.float64) / last.scale + last.origin
    expected = apply(motion, ring) - ring
    size = float(np.median(np.hypot(*expected.T)))
    if size < MIN_MOTION * eyes:
        return None
    after = _patch(sample, last.scale, last.origin)
    moved, status, _ = cv2.calcOpticalFlowPyrLK(
        last.grey, after, points[:, None], None, winSize=(13, 13), maxLevel=2, criteria=(3, 8, 0.05)
    )
    good = status[:, 0] == 1
    if np.count_nonzero(good) < MIN_POINTS:
        return None
    flow = (moved[:, 0] - points)[good].astype(np.float64) / last.scale
    return float(np.median(np.hypot(*(flow - expected[good]).T))) / size


def _ring_points(view: _View) -> Floats:
    """Corners outside of the face's box (hair and neck move with a living head) in patch px, shape (n, 2)."""
    # Not at the frame's own edge, whose corners stand still whatever moves.
    mask = np.zeros(view.grey.shape, np.uint8)
    (first_x, first_y), (last_x, last_y) = view.inside
    mask[first_y + EDGE : max(last_y - EDGE, 0), first_x + EDGE : max(last_x - EDGE, 0)] = 1
    centre, half = (view.box[:2] + view.box[2:]) / 2, (view.box[2:] - view.box[:2]) / 2
    left, top = ((centre - half * (1.35, 1.4) - view.origin) * view.scale).astype(int)
    right, bottom = ((centre + half * (1.35, 5.0) - view.origin) * view.scale).astype(int)
    mask[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 0  # head, neck and chest
    found = cv2.goodFeaturesToTrack(view.grey, 40, 0.03, 5, mask=mask)
    return np.zeros((0, 2), np.float32) if found is None else np.asarray(found[:, 0], np.float32)
