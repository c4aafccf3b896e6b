"""Cuts faces out of pictures for networks.

Belongs here: warps from picture to crop. Does not belong here: what a network wants in it besides geometry.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

from moretta.core.geometry import Matrix, similarity_transform
from moretta.core.values import Floats, Pixels

# Beyond this oversampling of the crop, cost grows and nothing is gained: a face of 8 x 112 px fills a full HD picture.
_MAX_OVERSAMPLING = 8


def aligned(
    pixels: Pixels, landmarks: Floats, template: npt.NDArray[np.floating], side: int, *, crisp: bool = False
) -> Pixels:
    """The face at `landmarks` brought to `template`, RGB uint8 (side, side, 3); black where it leaves the picture.

    Args:
        pixels: RGB uint8 (h, w, 3).
        landmarks: px, shape (5, 2), in the order of `values.Face`.
        template: where the landmarks shall lie in the crop, px, shape (5, 2).
        side: px.
        crisp: interpolate by cubics instead of lines, which keeps fine detail and costs little more.

    Raises:
        ValueError: all landmarks coincide.
    Source: Umeyama 1991, eq. 40-43.
    """
    method = cv2.INTER_CUBIC if crisp else cv2.INTER_LINEAR
    return _warped(pixels, similarity_transform(landmarks, template), side, method)


def squared(pixels: Pixels, box: Floats, side: int, share: float = 1.0, roll_rad: float = 0.0) -> Pixels:
    """A square about the middle of `box`, `share` times its longer side, turned upright by `roll_rad`.

    Returns:
        RGB uint8 (side, side, 3); black where the square leaves the picture.
    """
    centre = (box[:2] + box[2:]).astype(np.float64) / 2
    scale = side / max(float((box[2:] - box[:2]).max()) * share, 1.0)
    cos, sin = math.cos(roll_rad) * scale, math.sin(roll_rad) * scale
    linear = np.array([[cos, sin], [-sin, cos]])
    return _warped(pixels, np.hstack([linear, (side / 2 - linear @ centre)[:, None]]), side)


def _warped(pixels: Pixels, matrix: Matrix, side: int, method: int = cv2.INTER_LINEAR) -> Pixels:
    """`matrix` applied; where it shrinks to below half, the crop is drawn larger and its areas averaged (no aliasing)."""
    shrink = 1 / max(math.hypot(matrix[0, 0], matrix[1, 0]), 1e-6)
    times = min(max(math.floor(shrink), 1), _MAX_OVERSAMPLING)
    # Pixel centres lie at half-integers of the crop's plane, hence the shift of (times - 1) / 2.
    enlarged = matrix * times + np.array([[0, 0, (times - 1) / 2]] * 2)
    crop = cv2.warpAffine(pixels, enlarged, (side * times, side * times), flags=method)
    if times > 1:
        crop = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, np.uint8)
