"""What lies where a face was: a plain backdrop, the same over every face and in every picture.

Belongs here: drawing it. Does not belong here: the avatar drawn over it.

A fill made of the colours around a face shows nobody anything that is not beside it, but it looks as the surroundings do, and
these tell people apart (docs/model-cards/redaction.md, "learned, around the cover"). No pixel of the picture has a part in this.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from moretta.core.values import Floats, Pixels
from moretta.vision.avatar.raster import mix

# RGB at the upper and the lower end of the ellipse: a lit wall in the middle of the range, calm in bright and in dark pictures.
ABOVE, BELOW = (172, 175, 180), (118, 121, 126)
FEATHER = 1.10  # the backdrop fades out up to this multiple of the ellipse's radius; within the ellipse it is opaque
MARGIN = 0.1  # of the ellipse's size that is touched around it
FEATHER_SIDE = 96  # px in which the fading is worked out ...
MOST_SPREAD = 8.0  # ... and blurred at most, however far beyond the picture the ellipse reaches


def covered(pixels: Pixels, boxes: Sequence[Floats]) -> None:
    """Lay the backdrop over the ellipse of each box in `pixels`, in place.

    Boxes that are not finite, empty or outside the picture are passed over.
    """
    for box in boxes:
        if drawable(box):
            _fill(pixels, box)


def drawable(box: Floats) -> bool:
    """Whether the box has finite coordinates and an extent that drawing can take."""
    return bool(np.isfinite(box).all() and (np.abs(box) < 1e5).all() and (box[2:] - box[:2] > 0).all())


def _ellipse(mask: Pixels, box: Floats, grow: float) -> None:
    left, top, right, bottom = (float(side) for side in box)
    centre = (round((left + right) * 8), round((top + bottom) * 8))
    # Half a pixel more than the ellipse: every pixel that it touches.
    axes = (round((right - left) * 8 * grow + 12), round((bottom - top) * 8 * grow + 12))
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 255, -1, cv2.LINE_8, 4)


def _fill(pixels: Pixels, box: Floats) -> None:
    height, width = pixels.shape[:2]
    size = box[2:] - box[:2]
    low = np.clip(np.floor(box[:2] - size * MARGIN), 0, (width, height)).astype(int)
    high = np.clip(np.ceil(box[2:] + size * MARGIN), 0, (width, height)).astype(int)
    if (high <= low).any():
        return
    view = pixels[low[1] : high[1], low[0] : high[0]]
    moved = (box - np.tile(low, 2)).astype(np.float32)
    inside = np.zeros(view.shape[:2], np.uint8)
    _ellipse(inside, moved, 1.0)
    mix(view, _backdrop(moved, view.shape), np.maximum(_feathered(moved, inside.shape), inside))


def _backdrop(box: Floats, shape: tuple[int, ...]) -> Pixels:
    down = (np.arange(shape[0], dtype=np.float32) + 0.5 - box[1]) / (box[3] - box[1])
    rows = np.array(ABOVE) + np.clip(down, 0, 1)[:, None] * np.subtract(BELOW, ABOVE)
    filled = np.empty((shape[0], shape[1], 3), np.uint8)
    filled[:] = np.round(rows).astype(np.uint8)[:, None]
    return filled


def _feathered(box: Floats, shape: tuple[int, ...]) -> Pixels:
    """How opaque the backdrop is about the ellipse, 0-255, worked out small and scaled up."""
    scale = FEATHER_SIDE / max(shape)
    small = np.zeros((max(round(shape[0] * scale), 2), max(round(shape[1] * scale), 2)), np.uint8)
    shrunk = box * np.tile((small.shape[1] / shape[1], small.shape[0] / shape[0]), 2).astype(np.float32)
    _ellipse(small, shrunk, (1 + FEATHER) / 2)
    spread = float((shrunk[2:] - shrunk[:2]).min()) * (FEATHER - 1) / 4
    blurred = cv2.GaussianBlur(small, (0, 0), min(max(spread, 0.5), MOST_SPREAD))
    return np.asarray(cv2.resize(blurred, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR), np.uint8)
