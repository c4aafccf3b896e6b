"""Following a face between neighbouring pictures by its looks, where no detector finds it.

Belongs here: `core.redaction.FaceFollower`. Does not belong here: when a face is followed, and for how long.
"""

import cv2
import numpy as np

from moretta.core.values import Floats, Pixels

# px; a face that matters at 640 px of a detector has at least 4 px here, and a second of pictures takes under 2 MiB.
THUMBNAIL_SIDE = 320
# A face moves by less than its own half size between two pictures; farther away it is somebody else's.
_SEARCH = 0.6
_LEAST_PX = 6
# Patches flatter than this correlate with anything.
_FLAT = 4.0


class PatchFollower:
    """Normalised cross-correlation (Lewis 1995) of the face's grey patch around its last place."""

    def thumbnail(self, pixels: Pixels) -> Pixels:
        """See `FaceFollower`."""
        height, width = pixels.shape[:2]
        scale = min(1.0, THUMBNAIL_SIDE / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        return np.asarray(
            cv2.resize(np.ascontiguousarray(pixels[:, :, 1]), size, interpolation=cv2.INTER_AREA), np.uint8
        )

    def follow(self, before: Pixels, box: Floats, now: Pixels, scale: float) -> tuple[Floats, float]:
        """See `FaceFollower`."""
        height, width = before.shape
        left, top = np.clip(np.floor(box[:2] * scale), 0, [width, height]).astype(int)
        right, bottom = np.clip(np.ceil(box[2:] * scale), 0, [width, height]).astype(int)
        if right - left < _LEAST_PX or bottom - top < _LEAST_PX or before.shape != now.shape:
            return box, -1.0
        patch = before[top:bottom, left:right]
        if float(patch.std()) < _FLAT:
            return box, -1.0
        reach_x, reach_y = int((right - left) * _SEARCH) + 1, int((bottom - top) * _SEARCH) + 1
        x, y = max(0, left - reach_x), max(0, top - reach_y)
        area = now[y : min(height, bottom + reach_y), x : min(width, right + reach_x)]
        alike = cv2.matchTemplate(area, patch, cv2.TM_CCOEFF_NORMED)
        _, best, _, (at_x, at_y) = cv2.minMaxLoc(alike)
        step = np.array([x + at_x - left, y + at_y - top], np.float32) / scale
        return np.asarray(box + np.tile(step, 2), np.float32), float(best) if np.isfinite(best) else -1.0
