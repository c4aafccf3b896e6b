"""Head and shoulders of the person to whom a face belongs: the `PostureModel`.

Belongs here: MediaPipe's two body networks and the angles taken from them.
Does not belong here: summaries over time, and anything about the face itself.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from moretta.core.analysis import Posture
from moretta.core.geometry import Matrix
from moretta.core.values import Face, Floats, Pixels
from moretta.vision.detect import Session

# A square in which the upper body of the face's owner fills the detector: sides in face heights, and how far its middle
# lies below the face's. A head is about a seventh of a standing person; five head heights hold a seated one.
REGION_FACES = 5.0
REGION_BELOW = 1.2

DETECTOR_SIDE = 224
# MediaPipe pose_detection graph: anchors at strides 8, 16 and three times 32, two each; logits clipped to 100.
ANCHOR_LAYERS = ((8, 2), (16, 2), (32, 6))
DETECTOR_THRESHOLD = 0.5
LOGIT_LIMIT = 100.0
# Columns of a detection: box (4), then mid hips and a point above the head (x, y), which span the body's circle.
HIPS, CROWN = slice(4, 6), slice(6, 8)
CANDIDATES = 3

LANDMARK_SIDE = 256
LANDMARK_POINTS = 39
BODY_MARGIN = 1.25  # MediaPipe pose_detection_to_roi graph
BODY_PRESENT = 0.5  # MediaPipe pose_landmark_by_roi graph
NOSE, LEFT_SHOULDER, RIGHT_SHOULDER = 0, 11, 12

# Below this the shoulders are guessed, not seen (MediaPipe's own drawing threshold).
LEAST_VISIBILITY = 0.5
# How far the body's nose may lie outside the face box, as a share of its size, and still be the same person's.
NOSE_TOLERANCE = 0.25
# Shoulders narrower than this share of the face's width are seen from the side: their line has no tilt to speak of.
LEAST_SHOULDERS = 0.8


@dataclass(frozen=True, slots=True)
class _Body:
    """`points` px of the picture (33+, 2) and how likely each is seen (33+,)."""

    points: npt.NDArray[np.float64]
    visibility: npt.NDArray[np.float64]


class BlazePosture:
    """Posture by MediaPipe's BlazePose (Bazarevsky et al. 2020), a `PostureModel`.

    Args:
        detection_session: `pose_detection`, input (1, 224, 224, 3); outputs (1, 2254, 12) and (1, 2254, 1).
        landmark_session: `pose_landmark_full`, input (1, 256, 256, 3); outputs (1, 195) and a presence (1, 1) among others.
    """

    def __init__(self, detection_session: Session, landmark_session: Session) -> None:
        self._detect = detection_session
        self._landmarks = landmark_session
        self._anchors = _anchors()

    def estimate(self, pixels: Pixels, face: Face) -> Posture | None:
        """Tilts in degrees and the sideways lean of the person with `face`; None where the shoulders are not in view.

        `shoulder_tilt_deg` > 0: the subject's left shoulder is lower. `head_tilt_deg` > 0: the subject's left eye is
        lower. `lean`: the head's offset from above the middle of the shoulders, in shoulder widths, > 0 towards
        image-right. Tilt and lean are None where the shoulders are seen from the side.
        """
        for hips, crown in self._people(pixels, face):
            body = self._body(pixels, hips, crown)
            if body is not None and _same_person(body.points[NOSE], face):
                return _posture(body, face, pixels.shape[1], pixels.shape[0])
        return None

    def _people(self, pixels: Pixels, face: Face) -> list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
        """Mid hips and crown, px, of the likeliest people around `face`, most likely first."""
        region = _face_region(face)
        outputs = self._detect(_crop(pixels, region, DETECTOR_SIDE) * np.float32(2) - np.float32(1))
        boxes, logits = sorted((output[0] for output in outputs), key=lambda output: -output.shape[-1])
        scores = 1 / (1 + np.exp(-np.clip(logits[:, 0].astype(np.float64), -LOGIT_LIMIT, LOGIT_LIMIT)))
        found: list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]] = []
        for best in np.argsort(-scores, kind="stable"):
            if scores[best] < DETECTOR_THRESHOLD or len(found) == CANDIDATES:
                break
            anchor = self._anchors[best] * DETECTOR_SIDE
            hips, crown = boxes[best, HIPS] + anchor, boxes[best, CROWN] + anchor
            if all(np.hypot(*(hips - other[0])) > DETECTOR_SIDE / 8 for other in found):
                found.append((hips, crown))
        return [(_mapped(region, hips), _mapped(region, crown)) for hips, crown in found]

    def _body(self, pixels: Pixels, hips: npt.NDArray[np.float64], crown: npt.NDArray[np.float64]) -> _Body | None:
        up = crown - hips
        side = 2 * float(np.hypot(*up)) * BODY_MARGIN
        region = _region(hips, side, LANDMARK_SIDE, math.atan2(up[0], -up[1]))
        outputs = self._landmarks(_crop(pixels, region, LANDMARK_SIDE))
        flat = {int(np.size(output)): np.ravel(output).astype(np.float64) for output in outputs}
        values = flat[LANDMARK_POINTS * 5].reshape(LANDMARK_POINTS, 5)
        if flat[1][0] < BODY_PRESENT or not np.isfinite(values).all():
            return None
        visibility = 1 / (1 + np.exp(-np.clip(values[:, 3], -LOGIT_LIMIT, LOGIT_LIMIT)))
        return _Body(_mapped(region, values[:, :2]), visibility)


def _posture(body: _Body, face: Face, width: int, height: int) -> Posture | None:
    shoulders = body.points[[RIGHT_SHOULDER, LEFT_SHOULDER]]
    visibility = float(body.visibility[[RIGHT_SHOULDER, LEFT_SHOULDER]].min())
    inside = bool(((shoulders >= 0) & (shoulders < [width, height])).all())
    if visibility < LEAST_VISIBILITY or not inside:
        return None
    across, down = (float(value) for value in shoulders[1] - shoulders[0])
    eyes = (face.landmarks[1] - face.landmarks[0]).astype(np.float64)
    head_tilt = math.degrees(math.atan2(eyes[1], eyes[0])) if eyes.any() else None
    breadth = math.hypot(across, down)
    if abs(across) < LEAST_SHOULDERS * float(face.box[2] - face.box[0]):
        return Posture(None, head_tilt, None, visibility)
    head = (face.box[0] + face.box[2]) / 2
    lean = (float(head) - float(shoulders[:, 0].mean())) / breadth
    return Posture(math.degrees(math.atan2(down, abs(across))), head_tilt, lean, visibility)


def _same_person(nose: npt.NDArray[np.float64], face: Face) -> bool:
    margin = NOSE_TOLERANCE * (face.box[2:] - face.box[:2])
    return bool(((nose >= face.box[:2] - margin) & (nose <= face.box[2:] + margin)).all())


def _anchors() -> npt.NDArray[np.float64]:
    """Anchor centres (2254, 2) as shares of the detector's input."""
    layers = []
    for stride, repeats in ANCHOR_LAYERS:
        steps = (np.arange(DETECTOR_SIDE // stride) + 0.5) * stride / DETECTOR_SIDE
        grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
        layers.append(np.repeat(grid, repeats, axis=0))
    return np.concatenate(layers)


def _face_region(face: Face) -> Matrix:
    low, high = face.box[:2].astype(np.float64), face.box[2:].astype(np.float64)
    size = max(float((high - low).max()), 1.0)
    centre = (low + high) / 2 + np.array([0, REGION_BELOW * size])
    return _region(centre, REGION_FACES * size, DETECTOR_SIDE, 0.0)


def _region(centre: npt.NDArray[np.float64], side: float, crop_side: int, angle: float) -> Matrix:
    """The affine map (2, 3) from the pixels of a square crop, turned clockwise by `angle`, to those of the picture."""
    scale = max(side, 1.0) / crop_side
    cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
    linear = np.array([[cos, -sin], [sin, cos]])
    return np.hstack([linear, (centre - linear @ np.full(2, crop_side / 2))[:, None]])


def _mapped(region: Matrix, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    return np.asarray(points @ region[:, :2].T + region[:, 2], np.float64)


def _crop(pixels: Pixels, region: Matrix, side: int) -> Floats:
    """The region as float32 (1, side, side, 3) in 0-1; black where it leaves the picture."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(pixels, region, (side, side), flags=flags)[None], np.float32) / np.float32(255)
