"""References that stand in no segment yet: a table of single ciphertexts in memory.

Belongs here: keeping them so that comparisons under way are not disturbed. Does not belong here: locks, segments, payloads.

Not for two changes at once; whoever compares takes a `Singles.picked` under the caller's lock and goes on with it alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from moretta.core.protection import Rows
from moretta.protection.he.kernel import to_points
from moretta.protection.he.parameters import Limbs, N, P
from moretta.protection.he.transforms import tables

_ROOM = 64  # ciphertexts for which a new table has room (0.6 MB at d = 192); it doubles from there


@dataclass(frozen=True, slots=True)
class Picked:
    """Some of the table: position `places[i]` of `c0` (shape (n, d)) and `c1` (shape (n, N), at points) holds row `rows[i]`."""

    rows: Rows
    places: tuple[int, ...]
    c0: Limbs
    c1: Limbs


class Singles:
    """Single ciphertexts by row. Places are written once: what was removed stays until the table moves."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._place: dict[int, int] = {}
        self._used = 0
        self._allocate(0)

    def put(self, row: int, c0: Limbs, c1: Limbs) -> None:
        """Take a reference, instead of the one that the row had."""
        if self._used == len(self._c0):
            self._move(max(_ROOM, 2 * len(self._place)))
        points = c1.reshape(1, N).copy()
        to_points(points, tables(P).ahead)
        self._c0[self._used], self._c1[self._used] = c0, points[0]
        self._place[row] = self._used
        self._used += 1

    def remove(self, rows: Iterable[int]) -> None:
        """Forget rows; their ciphertexts leave memory when a quarter of the table is of removed ones."""
        for row in rows:
            self._place.pop(row, None)
        if self._used > _ROOM and len(self._place) < 0.75 * self._used:
            self._move(max(_ROOM, len(self._place)))

    def picked(self, rows: Iterable[int]) -> Picked:
        """Those of `rows` that are here."""
        present = [row for row in rows if row in self._place]
        places = tuple(self._place[row] for row in present)
        return Picked(np.array(present, np.uint32), places, self._c0, self._c1)

    def __contains__(self, row: int) -> bool:
        return row in self._place

    def __iter__(self) -> Iterator[int]:
        return iter(tuple(self._place))

    def __len__(self) -> int:
        return len(self._place)

    def _move(self, room: int) -> None:
        c0, c1, places = self._c0, self._c1, list(self._place.values())
        self._allocate(room)
        self._c0[: len(places)], self._c1[: len(places)] = c0[places], c1[places]
        self._place = {row: place for place, row in enumerate(self._place)}
        self._used = len(places)

    def _allocate(self, room: int) -> None:
        self._c0: Limbs = np.empty((room, self._dimension), np.uint32)
        self._c1: Limbs = np.empty((room, N), np.uint32)
