"""A face's surroundings in a fixed place of the frame, as a few numbers: what freezes and loops are recognised by.

Belongs here: the fingerprint alone; memory of fingerprints belongs to the cues.
"""

import cv2
import numpy as np

from moretta.core.geometry import iou
from moretta.core.values import FaceSample, Floats, Pixels

SIDE = 20  # 20x20 cells: a face of 200 px gives cells of 10-16 px, whose means hardly feel sensor and encoder noise
ENLARGE = 1.3
# The region stays where it is until the face has left it by this much; moving it would look like motion.
MIN_OVERLAP = 0.35


class Fingerprinter:
    """Fingerprints of one track; keeps the place of the region and nothing else."""

    def __init__(self) -> None:
        self._region: Floats | None = None

    def take(self, sample: FaceSample) -> tuple[Floats | None, bool]:
        """The fingerprint, float32 (400,) in grey levels, and whether the region was placed anew (then nothing compares)."""
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
        green = np.ascontiguousarray(sample.frame.pixels[top:bottom, left:right, 1])
        cells = cv2.resize(green, (SIDE, SIDE), interpolation=cv2.INTER_AREA) if _small(green) else _pooled(green)
        return np.asarray(cells, np.float32).reshape(-1), fresh


def _small(green: Pixels) -> bool:
    return int(min(green.shape)) < 2 * SIDE


def _pooled(green: Pixels) -> Floats:
    """Cell means without rounding to whole grey levels, which `cv2.resize` of uint8 would do."""
    rows, cols = green.shape[0] // SIDE, green.shape[1] // SIDE
    cut = green[: rows * SIDE, : cols * SIDE].reshape(SIDE, rows, SIDE, cols)
    return np.asarray(cut.mean(axis=(1, 3), dtype=np.float32), np.float32)
