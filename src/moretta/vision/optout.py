"""The printed opt-out marker: whoever wears it is painted over before anything looks for faces.

Belongs here: finding the marker and how much of the picture belongs to its wearer. Does not belong here: faces, tracks.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from moretta.core.values import Floats, Pixels

# AprilTag 36h11 (Olson 2011): any two of its 587 codes differ in at least 11 of 36 bits, so that patterns of clothes and
# shelves are hardly ever read as one. One code of it means "do not count me".
_DICTIONARY = cv2.aruco.DICT_APRILTAG_36h11
CODE = 77
# The badge is worn on the chest and its black square is 80 mm wide. Above its middle, 0.75 m reach over the crown of somebody
# who is tall (2.0 m) and wears it low (1.3 m, the height of the elbow is 1.2 m); shoulders are at most 0.6 m wide (DIN 33402-2:
# 95th percentile 0.55 m).
BADGE_M = 0.08
_UP_M, _DOWN_M, _ASIDE_M = 0.75, 0.15, 0.3
# Somebody who turns hides the badge for a moment; a walker (1.4 m/s) is out of a region of that size after half a second, so
# that it grows by as much a second on either side while the badge is not seen.
HOLD_S = 1.0
# The detector passes over squares close to the picture's edge, and over badges on a sheet whose own edge is: at the bottom of the
# picture, where chests are. With four px of grey around the picture it finds each badge that is whole.
_MARGIN_PX = 8
_GROWS_M_PER_S = 0.6


@dataclass(frozen=True, slots=True)
class OptOutRegion:
    """What belongs to somebody who opted out: `box` xyxy px float32 (4,), within the picture or partly outside."""

    box: Floats

    def holds(self, x: float, y: float) -> bool:
        """Whether a point in px lies in it."""
        return bool(self.box[0] <= x <= self.box[2] and self.box[1] <= y <= self.box[3])


@dataclass(slots=True)
class _Badge:
    middle: tuple[float, float]
    side_px: float
    seen_s: float


class OptOutMarkers:
    """Finds the marker in one camera's frames and remembers it for a moment. Read at least every fifth of a second."""

    def __init__(self) -> None:
        parameters = cv2.aruco.DetectorParameters()
        # Exactly the code or nothing: a misread bit elsewhere in the picture must not blind the camera.
        parameters.errorCorrectionRate = 0.3
        self._detector = cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(_DICTIONARY), parameters)
        self._badges: list[_Badge] = []

    def hide(self, pixels: Pixels, time_s: float) -> tuple[Pixels, tuple[OptOutRegion, ...]]:
        """The picture (h, w, 3) RGB uint8 with every wearer painted grey, and where; the same array where nobody wears one."""
        self._find(pixels, time_s)
        regions = tuple(_region(badge, time_s) for badge in self._badges)
        if not regions:
            return pixels, ()
        hidden = pixels.copy()
        for region in regions:
            left, top, right, bottom = (max(0, round(float(value))) for value in region.box)
            hidden[top:bottom, left:right] = 128
        return hidden, regions

    def _find(self, pixels: Pixels, time_s: float) -> None:
        grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        framed = cv2.copyMakeBorder(
            grey, _MARGIN_PX, _MARGIN_PX, _MARGIN_PX, _MARGIN_PX, cv2.BORDER_CONSTANT, value=128
        )
        corners, codes, _ = self._detector.detectMarkers(framed)
        found = []
        for quad, code in zip(corners, codes.ravel() if codes is not None else (), strict=True):
            if int(code) == CODE:
                points = quad.reshape(4, 2) - _MARGIN_PX
                side = float(np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1).max())
                found.append(_Badge((float(points[:, 0].mean()), float(points[:, 1].mean())), side, time_s))
        kept = [
            old
            for old in self._badges
            if 0 <= time_s - old.seen_s <= HOLD_S and not any(_same(old, new) for new in found)
        ]
        self._badges = found + kept


def marker(side_px: int) -> Pixels:
    """The marker to print: RGB uint8 (n, n, 3), a black square of about `side_px` px with the white edge that it needs.

    `side_px` is at least 80: ten px for each of its eight cells.
    """
    cells = cv2.aruco.getPredefinedDictionary(_DICTIONARY).generateImageMarker(CODE, max(side_px, 80))
    edge = cells.shape[0] // 4
    return np.repeat(np.pad(cells, edge, constant_values=255)[:, :, None], 3, axis=2)


def _region(badge: _Badge, now_s: float) -> OptOutRegion:
    metre = badge.side_px / BADGE_M
    grown = _GROWS_M_PER_S * (now_s - badge.seen_s)
    x, y = badge.middle
    aside, up, down = ((reach + grown) * metre for reach in (_ASIDE_M, _UP_M, _DOWN_M))
    return OptOutRegion(np.array([x - aside, y - up, x + aside, y + down], np.float32))


def _same(old: _Badge, new: _Badge) -> bool:
    """Whether the new badge is the old one, moved: within a metre, of about the same size."""
    moved = float(np.hypot(old.middle[0] - new.middle[0], old.middle[1] - new.middle[1]))
    return moved <= new.side_px / BADGE_M and 0.5 < old.side_px / new.side_px < 2
