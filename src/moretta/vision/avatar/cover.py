"""What lies where a face was: a smooth fill made of the colours around it.

Belongs here: filling ellipses from outside colours alone. Does not belong here: the avatar drawn over them.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from moretta.core.values import Floats, Pixels
from moretta.vision.avatar.raster import mix

GRID = 12  # cells across the surroundings: what is kept of them is 12 x 12 colours
MARGIN = 0.3  # of the ellipse's size that is looked at around it
FEATHER = 1.10  # the fill fades out up to this multiple of the ellipse's radius; within the ellipse it is opaque
GREY = 96.0  # where nothing around is left to be seen
FEATHER_SIDE = 96  # px in which the fading is worked out ...
MOST_SPREAD = 8.0  # ... and blurred at most, however far beyond the picture the ellipse reaches

Box = npt.NDArray[np.float64]


def covered(pixels: Pixels, boxes: Sequence[Floats]) -> list[float]:
    """Fill the ellipse of each box in `pixels`, in place; nothing under any of the ellipses has a part in any fill.

    Boxes that are not finite, empty or outside the picture are passed over. Returns the mean brightness (0-255) of each fill.
    """
    height, width = pixels.shape[:2]
    hidden = np.zeros((height, width), np.uint8)
    for box in boxes:
        if drawable(box):
            _ellipse(hidden, box, 1.0)
    source = pixels.copy() if len(boxes) > 1 else pixels
    return [_fill(pixels, source, hidden, box) if drawable(box) else GREY for box in boxes]


def drawable(box: Floats) -> bool:
    """Whether the box has finite coordinates and an extent that drawing can take."""
    return bool(np.isfinite(box).all() and (np.abs(box) < 1e5).all() and (box[2:] - box[:2] > 0).all())


def _ellipse(mask: Pixels, box: Floats, grow: float) -> None:
    left, top, right, bottom = (float(side) for side in box)
    centre = (round((left + right) * 8), round((top + bottom) * 8))
    # Half a pixel more than the ellipse: every pixel that it touches.
    axes = (round((right - left) * 8 * grow + 12), round((bottom - top) * 8 * grow + 12))
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 255, -1, cv2.LINE_8, 4)


def _fill(pixels: Pixels, source: Pixels, hidden: Pixels, box: Floats) -> float:
    height, width = pixels.shape[:2]
    size = box[2:] - box[:2]
    low = np.clip(np.floor(box[:2] - size * MARGIN), 0, (width, height)).astype(int)
    high = np.clip(np.ceil(box[2:] + size * MARGIN), 0, (width, height)).astype(int)
    if (high <= low).any():
        return GREY
    region = np.s_[low[1] : high[1], low[0] : high[0]]
    fill = _surroundings(source[region], cv2.bitwise_not(hidden[region]))
    moved = (box - np.tile(low, 2)).astype(np.float32)
    inside = np.zeros(fill.shape[:2], np.uint8)
    _ellipse(inside, moved, 1.0)
    mix(pixels[region], fill, np.maximum(_feathered(moved, inside.shape), inside))
    return float(cv2.mean(fill, inside)[1])


def _feathered(box: Floats, shape: tuple[int, ...]) -> Pixels:
    """How opaque the fill is about the ellipse, 0-255, worked out small and scaled up."""
    scale = FEATHER_SIDE / max(shape)
    small = np.zeros((max(round(shape[0] * scale), 2), max(round(shape[1] * scale), 2)), np.uint8)
    shrunk = box * np.tile((small.shape[1] / shape[1], small.shape[0] / shape[0]), 2).astype(np.float32)
    _ellipse(small, shrunk, (1 + FEATHER) / 2)
    spread = float((shrunk[2:] - shrunk[:2]).min()) * (FEATHER - 1) / 4
    blurred = cv2.GaussianBlur(small, (0, 0), min(max(spread, 0.5), MOST_SPREAD))
    return np.asarray(cv2.resize(blurred, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR), np.uint8)


def _surroundings(source: Pixels, visible: Pixels) -> Pixels:
    """Normalised convolution (Knutsson and Westin 1993) of the visible colours on a coarse grid, as large as `source`."""
    seen = cv2.bitwise_and(source, source, mask=visible)
    summed, weights = (_coarse(part) for part in (seen, visible))
    weights /= 255
    colours, counts = np.zeros_like(summed), np.zeros_like(weights)
    for spread, share in ((0.8, 1.0), (2.0, 1e-2), (6.0, 1e-4)):
        colours += share * cv2.GaussianBlur(summed, (0, 0), spread)
        counts += share * cv2.GaussianBlur(weights, (0, 0), spread)
    known = counts > 1e-6
    coarse = np.where(known[..., None], colours / np.maximum(counts, 1e-6)[..., None], GREY)
    height, width = source.shape[:2]
    coarse = np.clip(coarse, 0, 255).astype(np.uint8)
    # Cubics for smoothness where it is cheap, lines for the rest of the way.
    smooth = cv2.resize(coarse, (GRID * 8, GRID * 8), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _coarse(part: Pixels) -> npt.NDArray[np.float32]:
    """Means over the cells of the grid."""
    halfway = cv2.resize(part, (GRID * 4, GRID * 4), interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(cv2.resize(halfway, (GRID, GRID), interpolation=cv2.INTER_AREA), np.float32)
