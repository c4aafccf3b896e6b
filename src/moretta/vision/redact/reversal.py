"""Undoing blur and mosaic, as far as it can be done without knowing the face.

Belongs here: what an attacker does to a hidden face before showing it to a recogniser. Does not belong here: the recogniser, and
networks that draw a likely face: what they add, they have from their training and not from the picture.
"""

from collections.abc import Callable

import cv2
import numpy as np

from moretta.core.values import Floats, Pixels
from moretta.vision.redact.cells import ACROSS, DOWN

# Richardson-Lucy comes to rest on pictures of 8 bits by then; more turns sharpen noise.
TURNS = 20
# How far a cell spreads what is in it, as a share of its side: a mean over it is a box, whose standard deviation is its side over
# the root of 12; the cubic between cells adds about as much again (variances add).
_SPREAD = float(np.sqrt(2 / 12))
# px of the longer side on which it is undone: many times as fine as the cells, and a kernel of few px.
_SIDE = 64


def deconvolved(pixels: Pixels, box: Floats) -> Pixels:
    """`pixels` (h, w, 3) with a blur of cells undone under `box` (xyxy px): Richardson 1972, Lucy 1974, Gaussian kernel."""
    return _under(pixels, box, lambda part: _richardson_lucy(part, *_spread(part)))


def smoothed_and_deconvolved(pixels: Pixels, box: Floats) -> Pixels:
    """`pixels` with tiles undone under `box`: the tiles' colours are read, joined by cubics, and what is left is deconvolved."""
    return _under(pixels, box, lambda part: _richardson_lucy(_joined(part), *_spread(part)))


def _joined(part: Floats) -> Floats:
    cells = cv2.resize(part, (ACROSS, DOWN), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(cells, part.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def _spread(part: Floats) -> tuple[float, float]:
    """Standard deviations of the kernel across and down, px."""
    return part.shape[1] / ACROSS * _SPREAD, part.shape[0] / DOWN * _SPREAD


def _richardson_lucy(blurred: Floats, across: float, down: float) -> Floats:
    seen = np.maximum(blurred, 1.0)
    guess = seen.copy()
    for _ in range(TURNS):
        again = cv2.GaussianBlur(guess, (0, 0), across, sigmaY=down, borderType=cv2.BORDER_REPLICATE)
        ratio = cv2.GaussianBlur(
            seen / np.maximum(again, 1.0), (0, 0), across, sigmaY=down, borderType=cv2.BORDER_REPLICATE
        )
        guess = np.clip(guess * ratio, 0, 255).astype(np.float32)
    return guess


def _inside_alone(part: Floats, box: Floats) -> Floats:
    """`part` with the mean of the ellipse in `box` around it: what lies there was never blurred, and would be drawn into it."""
    middle, half = (box[:2] + box[2:]) / 2, np.maximum(box[2:] - box[:2], 1) / 2
    across = (np.arange(part.shape[1]) + 0.5 - middle[0]) / half[0]
    down = (np.arange(part.shape[0]) + 0.5 - middle[1]) / half[1]
    inside = np.square(across)[None, :] + np.square(down)[:, None] <= 1
    if not inside.any():
        return part
    return np.where(inside[..., None], part, part[inside].mean(axis=0)).astype(np.float32)


def _under(pixels: Pixels, box: Floats, undo: Callable[[Floats], Floats]) -> Pixels:
    """A copy of `pixels` in which what lies under the ellipse in `box` was undone, its surroundings having no part in that;
    unchanged where nothing of it is in the picture."""
    height, width = pixels.shape[:2]
    undone = pixels.copy()
    left, top = np.clip(np.floor(box[:2]), 0, [width, height]).astype(int)
    right, bottom = np.clip(np.ceil(box[2:]), 0, [width, height]).astype(int)
    if right - left < ACROSS or bottom - top < DOWN:
        return undone
    part = _inside_alone(pixels[top:bottom, left:right].astype(np.float32), box - np.array([left, top, left, top]))
    scale = min(1.0, _SIDE / max(part.shape[:2]))
    small = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else part
    found = undo(np.asarray(small, np.float32))
    whole = cv2.resize(found, (right - left, bottom - top), interpolation=cv2.INTER_CUBIC)
    undone[top:bottom, left:right] = np.clip(whole + 0.5, 0, 255).astype(np.uint8)
    return undone
