"""Face image quality in the component names of ISO/IEC 29794-5.

Belongs here: measuring one face in one frame. Does not belong here: choosing among frames, or refusing a face.
"""

import math

import cv2
import numpy as np

from moretta.core.geometry import Matrix, mesh_landmarks, similarity_transform
from moretta.core.values import Floats, Mesh, Pixels, Pose, Quality

SIDE = 128
# Where the five landmarks lie in the crop: the ArcFace template (Deng et al. 2019) for 112 px, scaled.
TEMPLATE = (
    np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
    * SIDE
    / 112
)
FACE_OVAL = (
    (SIDE // 2, SIDE * 58 // 100),
    (SIDE * 36 // 100, SIDE * 44 // 100),
)  # centre and half axes, px of the crop
DARK, BRIGHT = 25, 247  # luminance up to / from which a pixel has lost detail: ISO/IEC 29794-5, exposure components
EXPOSURE_TOLERATED = 0.25  # share of lost pixels at which half the exposure score is gone
EYE_DISTANCE_HALF_PX, EYE_DISTANCE_SLOPE_PX = 70.0, 20.0  # sigmoid of OFIQ's inter-eye distance component
SHARPNESS_HALF, SHARPNESS_SLOPE = -1.8, 0.2  # see `_detail_over_contrast`


def face_quality(pixels: Pixels, mesh: Mesh, pose: Pose) -> Quality:
    """The quality of a face; every component rises monotonically from 0 (worst) to 100 (best).

    Measures follow ISO/IEC 29794-5; the maps to 0-100 are the reference implementation's (OFIQ) for inter-eye distance and
    head pose and our own for sharpness and exposure. `unified` is the geometric mean of the components, so that one bad
    component makes a bad face; it is not the standard's learned unified score.
    """
    landmarks = mesh_landmarks(mesh.points)
    eye_px = float(np.hypot(*(landmarks[1] - landmarks[0]))) / max(float(np.cos(np.radians(pose.yaw))), 0.2)
    grey = _aligned_grey(pixels, landmarks)
    oval = _oval()
    inside = grey[oval > 0]
    components = (
        _sharpness(grey, oval),
        _exposure(float((inside <= DARK).mean())),
        _exposure(float((inside >= BRIGHT).mean())),
        100 * _sigmoid((eye_px - EYE_DISTANCE_HALF_PX) / EYE_DISTANCE_SLOPE_PX),
        100 * min(max(0.0, math.cos(math.radians(a))) ** 2 for a in (pose.yaw, pose.pitch, pose.roll)),
    )
    unified = float(np.exp(np.log(np.maximum(components, 1e-3)).mean()))
    return Quality(*components, unified=unified, inter_eye_px=eye_px)


def _aligned_grey(pixels: Pixels, landmarks: Floats) -> Pixels:
    try:
        matrix: Matrix = similarity_transform(landmarks, TEMPLATE)
    except ValueError:
        return np.zeros((SIDE, SIDE), np.uint8)
    crop = cv2.warpAffine(pixels, matrix, (SIDE, SIDE), flags=_interpolation(matrix))
    return np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), np.uint8)


def _interpolation(matrix: Matrix) -> int:
    return int(cv2.INTER_AREA if np.hypot(matrix[0, 0], matrix[1, 0]) < 0.5 else cv2.INTER_LINEAR)


def _oval() -> Pixels:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.ellipse(mask, *FACE_OVAL, 0, 0, 360, 255, -1)
    return mask


def _sharpness(grey: Pixels, oval: Pixels) -> float:
    ratio = _detail_over_contrast(grey, oval)
    return 0.0 if ratio is None else 100 * _sigmoid((ratio - SHARPNESS_HALF) / SHARPNESS_SLOPE)


def _detail_over_contrast(grey: Pixels, oval: Pixels) -> float | None:
    """Fine detail over contrast: log10 of the Laplacian's variance by the luminance's, so that brightness does not matter.

    On 300 development photographs the median is -1.2; blurred by a Gaussian of 1, 1.5 and 2 px of the crop it is -1.7, -2.0
    and -2.2. The sigmoid's middle is put between the first two.
    """
    inside = oval > 0
    contrast = float(grey[inside].var())
    detail = float(np.asarray(cv2.Laplacian(grey, cv2.CV_32F))[inside].var())
    if contrast < 1.0 or detail <= 0:
        return None
    return float(np.log10(detail / contrast))


def _exposure(lost: float) -> float:
    return 100 * max(0.0, 1 - lost) * math.pow(0.5, lost / EXPOSURE_TOLERATED)


def _sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(x, -60, 60))))
