"""The ellipse that covers a face.

Belongs here: where it lies in a picture, and how strongly each pixel under it is covered. Does not belong here: with what.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from moretta.core.redaction import REACH
from moretta.core.values import Floats, Pixels

# The edge fades outwards only, over this share of the half axes: everything within the ellipse is covered wholly.
SOFT_EDGE = 0.12


@dataclass(frozen=True, slots=True)
class Patch:
    """The part of a picture that a covering ellipse touches.

    `pixels` is a view into the picture (h, w, 3). `cover` float32 (h, w, 1): 1 within the ellipse, falling to 0 outside of it.
    `whole` xyxy: the ellipse's frame in px of the patch, parts outside of the picture included.
    """

    pixels: Pixels
    cover: Floats
    whole: tuple[float, float, float, float]


def patch_of(pixels: Pixels, box: Floats, soft: float = SOFT_EDGE) -> Patch | None:
    """The patch of the ellipse inscribed in `box` (xyxy px); None where nothing of it is in the picture, or `box` is no box."""
    if not np.isfinite(box).all() or (box[2:] - box[:2] < 1).any():
        return None
    height, width = pixels.shape[:2]
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    outer = half * (1 + min(soft, REACH))
    left, top = np.maximum(np.floor(centre - outer), 0).astype(int)
    right, bottom = np.minimum(np.ceil(centre + outer), [width, height]).astype(int)
    if left >= right or top >= bottom:
        return None
    across = (np.arange(left, right, dtype=np.float32) + 0.5 - centre[0]) / half[0]
    down = (np.arange(top, bottom, dtype=np.float32) + 0.5 - centre[1]) / half[1]
    radius = np.sqrt(np.square(across)[None, :] + np.square(down)[:, None])
    cover = (radius <= 1).astype(np.float32) if soft <= 0 else np.clip((1 + soft - radius) / soft, 0, 1)
    whole = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    return Patch(pixels[top:bottom, left:right], cover[..., None].astype(np.float32), tuple(map(float, whole)))  # type: ignore[arg-type]


def laid_over(patch: Patch, over: Pixels) -> None:
    """Draw `over` (h, w, 3) into the patch as far as it is covered."""
    under = np.ascontiguousarray(patch.pixels)
    cover = np.ascontiguousarray(patch.cover[..., 0])
    patch.pixels[:] = cv2.blendLinear(np.ascontiguousarray(over), under, cover, 1 - cover)
