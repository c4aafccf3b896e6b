"""How the canonical face moves with an expression.

Belongs here: smooth displacements of canonical points. Does not belong here: measuring an expression, drawing.

The weights are drawn by hand on the canonical face: Gaussians about the feature that moves, in cm.
"""

import numpy as np

from moretta.vision.avatar.canonical import (
    INNER_CORNERS,
    LEFT_AROUND,
    LEFT_LIDS,
    RIGHT_AROUND,
    RIGHT_LIDS,
    CanonicalFace,
    Points,
)
from moretta.vision.avatar.expression import Expression

WIDE_EYE = 1.7  # over the model's own opening, which looks sleepy; designed on contact sheets
LOWER_LID_SHARE = -0.4  # of the opening that the line of shut eyes lies above the lower lid: lashes hang down
# The last three make a mesh that is fitted anew see shut eyes: their aspect ratio falls to .6 of open ones', from .76 without.
AROUND_SHARE = 1.1  # of a lid's way that the ring around it goes
LIP_LINE = -4.28  # y between the model's lips, which are half a cm apart; cm
UPPER_LIP_SHARE = 0.2  # of the gap that the upper lip rises; the lower lip sinks by the rest
CHIN_Y, CHIN_X = -8.0, 6.5  # where the chin moves with the jaw fully, and how far to the sides
CORNERS_SHARE = 0.8  # at the corners both displacements add to about what is measured
GAP_PER_OPEN = 4.3  # the width of the inner lips, cm


class Rig:
    """Moves the points of `face`."""

    def __init__(self, face: CanonicalFace) -> None:
        self._points = face.points
        x, y = face.points[:, 0], face.points[:, 1]
        self._lower = y < LIP_LINE
        reach = np.where(self._lower, _ramp((LIP_LINE - y) / (LIP_LINE - CHIN_Y)), 0)
        half = abs(float(face.points[INNER_CORNERS[0], 0]))
        across = np.clip(1 - (x / (half + reach * (CHIN_X - half))) ** 2, 0, 1)
        rising = np.where(self._lower, 0, across * _ramp((y + 2.2) / (LIP_LINE + 2.2)))
        self._upper_lip = rising.astype(np.float32)
        self._lower_lip = np.where(self._lower, across * (1 - reach), 0).astype(np.float32)
        self._chin = np.where(self._lower, across**0.5 * reach, 0).astype(np.float32)
        near = np.exp(-np.maximum(np.abs(y - LIP_LINE) - 0.27, 0) / 0.35) * np.clip(1 - (x / half) ** 2, 0, 1) ** 0.5
        self._closing = np.where(np.abs(x) < half, (LIP_LINE - y).clip(-0.27, 0.27) * near, 0).astype(np.float32)
        self._mouth = np.exp(-((x / 4.4) ** 4) - ((y + 4.3) / 2.2) ** 2).astype(np.float32)
        self._lips_up = 0.5 * self._mouth
        self._corners = sum(
            _bump(x, y, side * 2.5, -4.34, 1.4, 1.3) + 0.35 * _bump(x, y, side * 4, -2.2, 1.6, 1.3) for side in (-1, 1)
        )
        self._brows = [_bump(x, y, side * 3.4, 4.8, 2.4, 1.3) * _ramp(side * x / 1.6 + 0.5) for side in (-1, 1)]

    def deformed(self, expression: Expression) -> Points:
        """The canonical points, float32 (468, 3) cm, with that expression."""
        points = self._points.copy()
        gap = expression.mouth_open * GAP_PER_OPEN
        points[:, 1] += self._closing
        points[:, 1] += self._upper_lip * (gap * UPPER_LIP_SHARE) - self._lower_lip * (gap * (1 - UPPER_LIP_SHARE))
        points[:, 1] -= self._chin * expression.jaw
        points[:, 0] *= 1 + self._mouth * expression.mouth_width
        points[:, 1] += (self._corners + self._lips_up) * expression.mouth_corners * CORNERS_SHARE
        points[:, 1] += self._brows[0] * expression.brow_right + self._brows[1] * expression.brow_left
        _lids(points, self._points, RIGHT_LIDS, RIGHT_AROUND, expression.eye_right)
        _lids(points, self._points, LEFT_LIDS, LEFT_AROUND, expression.eye_left)
        return points


def _lids(
    points: Points,
    rest: Points,
    lids: tuple[tuple[int, int], ...],
    around: tuple[tuple[int, int], ...],
    openness: float,
) -> None:
    upper, lower = np.array(lids).T
    opening = rest[upper] - rest[lower]
    shut = 1 - min(openness, 1.0)
    down = rest[lower] + opening * (LOWER_LID_SHARE * shut)
    up = rest[lower] + opening * (LOWER_LID_SHARE * shut + WIDE_EYE * max(openness, 0.0))
    points[lower], points[upper] = down, up
    above = np.array(around)[:, 0]
    points[above] += (up - rest[upper]) * AROUND_SHARE


def _ramp(share: Points) -> Points:
    """0 to 1 with level ends (smoothstep)."""
    level = np.clip(share, 0, 1)
    return np.asarray(level * level * (3 - 2 * level), np.float32)


def _bump(x: Points, y: Points, at_x: float, at_y: float, wide: float, high: float) -> Points:
    return np.exp(-(((x - at_x) / wide) ** 2) - ((y - at_y) / high) ** 2).astype(np.float32)
