"""Who stands close to whom, for how long, from the size and place of faces.

Belongs here: the distance between two faces and how long it was short. Does not belong here: how many pairs are counted
(`tables`).
"""

import math
from collections.abc import Sequence
from itertools import combinations

from moretta.core.statistics import Sighting

# Hall 1966, The Hidden Dimension: personal distance ends at 1.2 m.
CLOSE_M = 1.2
# The box of a face reaches from the chin to about the hairline: 0.19 m in adults (Farkas 1994, trichion to gnathion: 185 mm).
FACE_M = 0.19
# Faces whose sizes differ by more stand behind each other: at 3 m, a fifth is 0.6 m, half of the personal distance.
MOST_SIZE_RATIO = 1.2
# So long together is no passing by.
TOGETHER_S = 5.0
# Gaps of detection within which two people are still together.
APART_AFTER_S = 2.0

Placed = tuple[int, Sighting, frozenset[str]]


class Companions:
    """For each pair of open visits, since when they stand close; those long enough together are companions."""

    def __init__(self) -> None:
        self._together: dict[tuple[int, int], list[float]] = {}
        self._companions: dict[int, list[tuple[str, int, float]]] = {}

    def observe(self, people: Sequence[Placed], aspect: float) -> None:
        """Take the people of one frame: (visit_id, sighting, places they are in)."""
        for (first, one, places), (second, other, others) in combinations(people, 2):
            shared = places & others
            if shared and close(one, other, aspect):
                self._meet((min(first, second), max(first, second)), one.time_s, min(shared))

    def leave(self, visit_id: int) -> tuple[tuple[str, int, float], ...]:
        """The companions of a visit that ends: (zone, the other's visit_id, since when); nothing of it is kept here."""
        found = tuple(self._companions.pop(visit_id, ()))
        self._together = {pair: times for pair, times in self._together.items() if visit_id not in pair}
        return found

    def forget(self, visit_id: int) -> None:
        """Drop a visit from everybody's companions."""
        self.leave(visit_id)
        for companions in self._companions.values():
            companions[:] = [one for one in companions if one[1] != visit_id]

    def _meet(self, pair: tuple[int, int], time_s: float, place: str) -> None:
        times = self._together.get(pair)
        if times is None or time_s - times[1] > APART_AFTER_S:
            self._together[pair] = [time_s, time_s]
            return
        before = times[1] - times[0]
        times[1] = time_s
        if before < TOGETHER_S <= times[1] - times[0]:
            for one, other in (pair, pair[::-1]):
                known = self._companions.setdefault(one, [])
                if all(companion != other for _, companion, _ in known):
                    known.append((place, other, times[0]))


def close(one: Sighting, other: Sighting, aspect: float) -> bool:
    """Whether two people stand within the personal distance, taking their faces to be of equal height."""
    larger, smaller = max(one.size, other.size), min(one.size, other.size)
    if smaller <= 0 or larger / smaller > MOST_SIZE_RATIO:
        return False
    metre = (one.size + other.size) / 2 / FACE_M
    distance = math.hypot((one.x - other.x) * aspect, one.y - other.y)
    return distance <= CLOSE_M * metre
