"""A face's surroundings in a fixed place of the frame, as a few numbers: what freezes and loops are recognised by.

Belongs here: the fingerprint alone; memory of fingerprints belongs to the cues.
"""

import cv2
import numpy as np

from moretta.core.geometry import iou
from moretta.core.values import FaceSample, Floats

SIDE = 16  # 16x16 cells: a face of 200 px gives cells of 16 px, whose means hardly feel sensor and encoder noise
ENLARGE = 1.3
# The region stays where it is until the face has left it by this much; moving it would look like motion.
MIN_OVERLAP = 0.35


class Fingerprinter:
    """Fingerprints of one track; keeps the place of the region and nothing else."""

    def __init__(self) -> None:
        self._region: Floats | None = None

    def take(self, sample: FaceSample) -> tuple[Floats | None, bool]:
        """The fingerprint, float32 (256,) in grey levels, and whether the region was placed anew (then nothing compares)."""
        box = sample.tracked.face.box
        fresh = self._region is None or float(iou(box, self._region[None])[0]) < MIN_OVERLAP
        if fresh:
            centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * ENLARGE
            self._region = np.concatenate([centre - half, centre + half]).astype(np.float32)
        region = self._region
        height, width = sample.frame.pixels.shape[:2]
        if region is None or not np.isfinite(region).all():
            self._region = None
            return None, fresh
        left, top = max(0, int(region[0])), max(0, int(region[1]))
        right, bottom = min(width, int(region[2])), min(height, int(region[3]))
        if right - left < SIDE or bottom - top < SIDE:
            return None, fresh
        # Every other px of a large face is plenty for a mean over a hundred of them.
        step = 2 if min(right - left, bottom - top) >= 8 * SIDE else 1
        # float32 keeps fractions of grey levels, which tell a frozen picture from a still person.
        green = sample.frame.pixels[top:bottom:step, left:right:step, 1].astype(np.float32)
        cells = cv2.resize(green, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        return np.asarray(cells, np.float32).reshape(-1), fresh
