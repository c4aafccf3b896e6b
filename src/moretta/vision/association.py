"""Which of the faces found now are those of before.

Belongs here: pure geometry and assignment of placements. Does not belong here: pictures, networks, the life of a track.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from moretta.core.geometry import iou
from moretta.core.values import Floats

FORBIDDEN = 1e6  # cost of a pair that is out of the question
MOST_EXTRAPOLATED_S = 0.5  # a head does not keep its speed for longer
RETURN_DISTANCE = 0.6  # face sizes that a returning face may be away at once ...
RETURN_SPEED = 1.2  # ... and face sizes per second that it may have moved unseen
RETURN_GROWTH = 1.6  # box size ratio; detector and mesh boxes alone differ by up to 1.3

Costs = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a face is: `box` xyxy px (4,) and `landmarks` px (5, 2)."""

    box: Floats
    landmarks: Floats

    @property
    def centre(self) -> Floats:
        """Mean of the landmarks, which moves less than the box does when a face turns or speaks."""
        return np.asarray(self.landmarks.mean(axis=0), np.float32)

    @property
    def size(self) -> float:
        """Geometric mean of the box sides in px, at least 1."""
        return max(1.0, float(np.sqrt(np.prod(np.maximum(self.box[2:] - self.box[:2], 0)))))


def pair_costs(before: Sequence[Placement], now: Sequence[Placement], gate: float) -> Costs:
    """Half the missing overlap plus half the landmark distance in face sizes, shape (len(before), len(now)).

    Pairs that cost more than `gate` are forbidden.
    """
    costs = np.full((len(before), len(now)), FORBIDDEN)
    if not costs.size:
        return costs
    boxes = np.stack([place.box for place in now])
    marks = np.stack([place.landmarks for place in now])
    for row, place in enumerate(before):
        distance = np.linalg.norm(marks - place.landmarks, axis=2).mean(axis=1) / place.size
        cost = 0.5 * (1 - iou(place.box, boxes)) + 0.5 * np.minimum(distance, 1.0)
        costs[row] = np.where(cost <= gate, cost, FORBIDDEN)
    return costs


def assigned(costs: Costs) -> list[tuple[int, int]]:
    """The pairs (row, column) of the cheapest assignment (Kuhn 1955), without forbidden pairs."""
    if not costs.size:
        return []
    rows, columns = linear_sum_assignment(costs)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if costs[r, c] < FORBIDDEN]


def unambiguous(costs: Costs, pairs: Sequence[tuple[int, int]], ratio: float) -> list[tuple[int, int]]:
    """The pairs whose cost is below `ratio` times every other possible pair of their row and column."""
    clear = []
    for row, column in pairs:
        rivals = np.concatenate([np.delete(costs[row], column), np.delete(costs[:, column], row)])
        if not rivals.size or costs[row, column] < ratio * float(rivals.min()):
            clear.append((row, column))
    return clear


def return_costs(
    place: Placement, velocity: Floats, away_s: float, now: Sequence[Placement]
) -> npt.NDArray[np.float64]:
    """How unlikely each placement is that of a face last seen at `place`, `away_s` ago; above 1 it is inconsistent.

    The face may have stayed or moved on at `velocity` (px/s); the allowed distance grows with the time away.
    """
    moved = place.centre + velocity * min(away_s, MOST_EXTRAPOLATED_S)
    allowed = (RETURN_DISTANCE + RETURN_SPEED * away_s) * place.size
    costs = np.empty(len(now))
    for column, found in enumerate(now):
        distance = min(float(np.hypot(*(found.centre - place.centre))), float(np.hypot(*(found.centre - moved))))
        growth = abs(float(np.log(found.size / place.size))) / np.log(RETURN_GROWTH)
        costs[column] = max(distance / allowed, growth)
    return costs
