"""Plane geometry of boxes and point sets.

Belongs here: pure functions of coordinates. Does not belong here: anything that touches pixels.
"""

import numpy as np
import numpy.typing as npt

from moretta.core.values import Floats

Matrix = npt.NDArray[np.float64]


def similarity_transform(source: npt.NDArray[np.floating], target: npt.NDArray[np.floating]) -> Matrix:
    """The rotation, uniform scale and shift that best maps `source` onto `target`.

    Args:
        source: points, shape (n, 2), n >= 2.
        target: points, shape (n, 2).

    Returns:
        float64, shape (2, 3), for column vectors (x, y, 1).

    Raises:
        ValueError: all source points coincide.
    Source: Umeyama 1991, eq. 40-43.
    """
    src = np.asarray(source, np.float64)
    dst = np.asarray(target, np.float64)
    src_mean, dst_mean = src.mean(0), dst.mean(0)
    src_c, dst_c = src - src_mean, dst - dst_mean
    variance = float((src_c**2).sum() / len(src))
    if variance == 0:
        raise ValueError("expected at least two distinct points")
    u, singular, vt = np.linalg.svd(dst_c.T @ src_c / len(src))
    sign = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt)) or 1.0])
    linear = (singular * sign).sum() / variance * (u * sign) @ vt
    return np.hstack([linear, (dst_mean - linear @ src_mean)[:, None]])


def apply(matrix: Matrix, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """`points` (n, 2) under the affine `matrix` (2, 3)."""
    return np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]


def iou(box: Floats, others: Floats) -> Floats:
    """Intersection over union of `box` (4,) with each of `others` (n, 4), xyxy."""
    left_top = np.maximum(box[:2], others[:, :2])
    right_bottom = np.minimum(box[2:], others[:, 2:])
    inter = np.prod(np.clip(right_bottom - left_top, 0, None), axis=1)
    area = float(np.prod(box[2:] - box[:2]))
    union = area + np.prod(others[:, 2:] - others[:, :2], axis=1) - inter
    return np.asarray(inter / np.maximum(union, 1e-9), np.float32)


# Indices into the 468-point mesh (MediaPipe canonical face model).
RIGHT_EYE_CORNERS = (33, 133)
LEFT_EYE_CORNERS = (362, 263)
NOSE_TIP = 1
MOUTH_CORNERS = (61, 291)


def mesh_landmarks(points: Floats) -> Floats:
    """The five landmarks (right eye, left eye, nose tip, right and left mouth corner) of a mesh (468, 3)."""
    xy = points[:, :2]
    right = xy[list(RIGHT_EYE_CORNERS)].mean(0)
    left = xy[list(LEFT_EYE_CORNERS)].mean(0)
    return np.stack([right, left, xy[NOSE_TIP], xy[MOUTH_CORNERS[0]], xy[MOUTH_CORNERS[1]]]).astype(np.float32)


def bounding_box(points: Floats) -> Floats:
    """The xyxy box of points (n, 2+)."""
    return np.concatenate([points[:, :2].min(0), points[:, :2].max(0)]).astype(np.float32)
