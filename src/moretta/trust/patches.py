"""Pieces of a frame that texture cues look at: grey crops and the zones around a face's outline.

Belongs here: cutting and masking. Does not belong here: what a cue concludes from a piece.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from moretta.core.geometry import bounding_box
from moretta.core.values import FaceSample, Floats, Pixels

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Crop:
    """A piece of a frame at its native resolution: `pixels` RGB (h, w, 3), and where its upper left corner lies."""

    pixels: Pixels
    left: int
    top: int

    def grey(self) -> Floats:
        """Luma (Rec. 601) 0-255 float32, shape (h, w)."""
        return np.asarray(cv2.cvtColor(self.pixels, cv2.COLOR_RGB2GRAY), np.float32)


@dataclass(frozen=True, slots=True)
class Zones:
    """Disjoint masks over a crop: the `inner` face, the `edge` band along its outline, and the `ring` outside of it."""

    inner: Mask
    edge: Mask
    ring: Mask


def face_box(sample: FaceSample) -> Floats:
    """The xyxy box of the mesh: tighter and steadier than the detector's."""
    return bounding_box(sample.tracked.mesh.points)


def face_width(sample: FaceSample) -> float:
    """Width of the mesh's box in px."""
    box = face_box(sample)
    return float(box[2] - box[0])


def eye_distance(points: npt.NDArray[np.floating]) -> float:
    """Distance in px between the centres of the eyes of a mesh (468, 2+)."""
    right, left = points[[33, 133], :2].mean(0), points[[362, 263], :2].mean(0)
    return float(np.hypot(*(left - right)))


def crop_around(pixels: Pixels, box: Floats, scale: float) -> Crop | None:
    """What `box` enlarged by `scale` about its centre covers of the frame; None where that is under 24 px wide or high."""
    centre = (box[:2] + box[2:]) / 2
    half = (box[2:] - box[:2]) / 2 * scale
    if not np.isfinite(centre).all() or not np.isfinite(half).all():
        return None
    left, top = np.maximum(np.floor(centre - half), 0).astype(int)
    right, bottom = np.minimum(np.ceil(centre + half), [pixels.shape[1], pixels.shape[0]]).astype(int)
    if right - left < 24 or bottom - top < 24:
        return None
    return Crop(pixels[top:bottom, left:right], int(left), int(top))


def face_zones(sample: FaceSample, crop: Crop) -> Zones:
    """The zones of the sample's face within `crop`; a band is 5 % of the face's width to either side of the outline."""
    points = sample.tracked.mesh.points[:, :2] - (crop.left, crop.top)
    outline = cv2.convexHull(np.clip(points, -1e4, 1e4).astype(np.int32))
    face = np.zeros(crop.pixels.shape[:2], np.uint8)
    cv2.fillConvexPoly(face, outline, 1)
    # Distances to the outline, positive outside; far cheaper than growing and shrinking the mask.
    beyond = cv2.distanceTransform(1 - face, cv2.DIST_L2, 3) - cv2.distanceTransform(face, cv2.DIST_L2, 3)
    band = max(1.0, 0.05 * face_width(sample))
    return Zones(inner=beyond < -band, edge=np.abs(beyond) <= band, ring=(beyond > band) & (beyond <= 4 * band))
