"""The 468-point face mesh and the irises.

Belongs here: cutting the region of a face, running MediaPipe's mesh and iris networks and mapping points back.
Does not belong here: what the points mean (pose, gaze, openness, quality) and which face is whose.
"""

import cv2
import numpy as np
import numpy.typing as npt

from moretta.core.geometry import LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS, bounding_box
from moretta.core.values import Face, Floats, Mesh, Pixels
from moretta.vision.detect import Session

MESH_SIDE = 192
MESH_REGION = 1.5  # region side over the longer side of the face box; MediaPipe face_landmark graphs
IRIS_SIDE = 64
IRIS_REGION = 2.3  # region side over the eye's width; MediaPipe iris_landmark graphs
MESH_POINTS = 468
IRIS_POINTS = 5
EYE_LINE = (RIGHT_EYE_CORNERS[0], LEFT_EYE_CORNERS[1])  # the outer corners
MIN_REGION_PX = 1.0  # keeps the map from region to picture invertible on degenerate faces

Affine = npt.NDArray[np.float64]


class FaceMesh:
    """MediaPipe's face mesh (Kartynnik et al. 2019) with its iris model (Ablavatski et al. 2020), a `LandmarkModel`.

    Args:
        mesh_session: `face_landmark` with input (1, 192, 192, 3) in 0-1; outputs 1404 coordinates and a presence logit.
        iris_session: `iris_landmark` with input (1, 64, 64, 3) in 0-1; outputs 213 eye and 15 iris coordinates.
    """

    def __init__(self, mesh_session: Session, iris_session: Session) -> None:
        self._mesh_session = mesh_session
        self._iris_session = iris_session

    def fit(self, pixels: Pixels, face: Face, irises: bool = True) -> Mesh:
        """The mesh of a detected face; `irises` chooses whether they are measured too."""
        eye_line = face.landmarks[1] - face.landmarks[0]
        return self._measured(pixels, _region(face.box, eye_line), irises)

    def follow(self, pixels: Pixels, previous: Mesh, irises: bool = True) -> Mesh:
        """The mesh in the next picture, looked for where `previous` was; low `presence` tells that the face is gone."""
        eye_line = previous.points[EYE_LINE[1], :2] - previous.points[EYE_LINE[0], :2]
        return self._measured(pixels, _region(bounding_box(previous.points), eye_line), irises)

    def _measured(self, pixels: Pixels, region: Affine, irises: bool) -> Mesh:
        outputs = self._mesh_session(_crop(pixels, region, MESH_SIDE))
        flat = {np.size(output): np.ravel(output) for output in outputs}
        raw = flat[MESH_POINTS * 3].reshape(MESH_POINTS, 3).astype(np.float64)
        points = np.empty((MESH_POINTS, 3), np.float32)
        points[:, :2] = _mapped(region, raw)
        points[:, 2] = raw[:, 2] * float(np.hypot(region[0, 0], region[1, 0]))
        presence = float(1 / (1 + np.exp(-np.clip(float(flat[1][0]), -80, 80))))
        return Mesh(points, presence, self._irises(pixels, points) if irises else None)

    def _irises(self, pixels: Pixels, points: Floats) -> Floats:
        angle = _angle(points[EYE_LINE[1], :2] - points[EYE_LINE[0], :2])
        return np.stack(
            [
                self._iris(pixels, points[list(RIGHT_EYE_CORNERS), :2], angle, mirrored=False),
                self._iris(pixels, points[list(LEFT_EYE_CORNERS), :2], angle, mirrored=True),
            ]
        )

    def _iris(self, pixels: Pixels, corners: Floats, angle: float, mirrored: bool) -> Floats:
        width = float(np.hypot(*(corners[1] - corners[0])))
        region = _region_map(corners.mean(axis=0), width * IRIS_REGION, angle, IRIS_SIDE, mirrored)
        outputs = self._iris_session(_crop(pixels, region, IRIS_SIDE))
        raw = next(np.ravel(output) for output in outputs if np.size(output) == IRIS_POINTS * 3)
        return _mapped(region, raw.reshape(IRIS_POINTS, 3)).astype(np.float32)


def _region(box: Floats, eye_line: Floats) -> Affine:
    """The map from mesh crop to picture: a square about the box, upright along the eyes."""
    centre = (box[:2] + box[2:]) / 2
    side = float((box[2:] - box[:2]).max()) * MESH_REGION
    return _region_map(centre, side, _angle(eye_line), MESH_SIDE, mirrored=False)


def _angle(line: Floats) -> float:
    return float(np.arctan2(line[1], line[0]))


def _region_map(centre: npt.NDArray[np.floating], side: float, angle: float, crop_side: int, mirrored: bool) -> Affine:
    """The affine map (2, 3) from the pixels of a square crop to those of the picture."""
    scale = max(side, MIN_REGION_PX) / crop_side
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    linear = np.array([[cos, -sin], [sin, cos]])
    if mirrored:
        linear[:, 0] = -linear[:, 0]
    shift = centre.astype(np.float64) - linear @ np.full(2, crop_side / 2)
    return np.hstack([linear, shift[:, None]])


def _mapped(region: Affine, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    return np.asarray(points[:, :2] @ region[:, :2].T + region[:, 2], np.float64)


def _crop(pixels: Pixels, region: Affine, side: int) -> Floats:
    """The region as (1, side, side, 3) in 0-1; black where it leaves the picture."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(pixels, region, (side, side), flags=flags)
    return np.asarray(np.multiply(crop[None], np.float32(1 / 255), dtype=np.float32))
