"""The mean colour of forehead and cheeks.

Belongs here: averaging the pixels of mesh regions in one frame. Does not belong here: the pulse, which is a change over time.
"""

import cv2
import numpy as np

from moretta.core.values import Floats, Mesh, Pixels

# Convex outlines on the mesh that stay clear of eyes, brows, nostrils and beard line: forehead, right cheek, left cheek.
REGIONS = (
    (109, 10, 338, 299, 336, 9, 107, 69),
    (118, 100, 126, 129, 203, 205, 50),
    (347, 329, 355, 358, 423, 425, 280),
)
LEAST_PIXELS = 24  # camera noise of some grey levels is then averaged to well under one


def skin_colour(pixels: Pixels, mesh: Mesh) -> Floats | None:
    """Mean RGB (0-255) of forehead, right cheek, left cheek, float32 (3, 3).

    None where a region is too small or out of the picture.
    """
    colours = np.empty((3, 3), np.float32)
    for row, region in enumerate(REGIONS):
        colour = _mean_colour(pixels, mesh.points[list(region), :2])
        if colour is None:
            return None
        colours[row] = colour
    return colours


def _mean_colour(pixels: Pixels, outline: Floats) -> tuple[float, ...] | None:
    if not np.isfinite(outline).all():
        return None
    height, width = pixels.shape[:2]
    left, top = np.clip(np.floor(outline.min(axis=0)), 0, [width, height]).astype(int)
    right, bottom = np.clip(np.ceil(outline.max(axis=0)) + 1, 0, [width, height]).astype(int)
    if (right - left) * (bottom - top) < LEAST_PIXELS:
        return None
    mask = np.zeros((bottom - top, right - left), np.uint8)
    hull = cv2.convexHull(np.round(outline - (left, top)).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, 255)
    if cv2.countNonZero(mask) < LEAST_PIXELS:
        return None
    return tuple(cv2.mean(np.ascontiguousarray(pixels[top:bottom, left:right]), mask)[:3])
