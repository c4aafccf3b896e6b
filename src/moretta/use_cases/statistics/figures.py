"""Noisy figures as their readers get them: sums of released tables, each with its interval, small ones left out.

Belongs here: the arithmetic, of all points of an answer at once. Does not belong here: what is asked, the store.

An answer has tens of thousands of figures: their intervals are worked out in arrays, and each becomes an object of its own only
where somebody looks at it; one by one they would take longer than the database.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from moretta.core.intervals import CONFIDENCE, half_width, least_shown
from moretta.core.statistics import MEASURES, Measure

Counts = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]


class Figure(NamedTuple):
    """One noisy figure. The true one (of the visits as they were counted) lies in `low`..`high` with the series' confidence.

    `value`, `low` and `high` are None where the figure is too small to be shown. `share` is the part of the place's cells
    together, where cells are parts of a whole.
    """

    cell: str
    value: int | None
    low: int | None
    high: int | None
    share: float | None = None


Fields = tuple[str, int | None, int | None, int | None, float | None]


@dataclass(frozen=True, slots=True)
class FigureTable:
    """The figures of all points of an answer as columns: point after point, of each its cells; fields as of `Figure`."""

    cells: tuple[str, ...]
    values: Sequence[int | None] = ()
    low: Sequence[int | None] = ()
    high: Sequence[int | None] = ()
    shares: Sequence[float | None] = ()

    def fields(self) -> Iterator[Fields]:
        """What makes up the figures of all points, one after the other."""
        # Not `strict`: the cells go on for ever.
        return zip(cycle(self.cells), self.values, self.low, self.high, self.shares)

    def figures(self, point: int) -> tuple[Figure, ...]:
        """The figures of that point."""
        own = slice(point * len(self.cells), (point + 1) * len(self.cells))
        return tuple(map(Figure, self.cells, self.values[own], self.low[own], self.high[own], self.shares[own]))


class Noisy(Protocol):
    """What figures are made of: a released table, or one of live counters; fields as of `core.statistics.Table`."""

    @property
    def values(self) -> Sequence[int]:
        """Of the measure's cells."""

    @property
    def scale(self) -> float:
        """That of the noise on each."""

    @property
    def half_width(self) -> float:
        """How far each may be from the truth, with probability `confidence`."""

    @property
    def confidence(self) -> float:
        """See `half_width`."""


def figures_of(
    measure: Measure, tables: Sequence[Noisy], points: Sequence[int], least_cells: Sequence[float] | None
) -> FigureTable:
    """For each point the figures of the tables of `measure` that belong to it, summed; small ones are left out.

    Sums are of 64 bits: a table's figures are below 2^45 (`wiring.watching.wire`), and no answer has 2^18 tables of one place.

    Args:
        points: to which point each table belongs, counted from 0 in the order in which their first tables come.
        least_cells: of each point, as `Release.least_cell`; None: everything is shown.
    """
    cells = MEASURES[measure].cells
    if not tables:
        return FigureTable(cells)
    count = max(points) + 1
    sums = np.array([table.values for table in tables], np.int64)
    if count < len(tables):
        values, sums = sums, np.zeros((count, len(cells)), np.int64)
        np.add.at(sums, np.asarray(points), values)
        widths = _widths_of_sums(tables, points, count)
    else:
        widths = [_width([table]) for table in tables]
    columns = _columns(sums, np.array(widths)[:, None])
    if least_cells is not None:
        least = [least_shown(measure, cell, width) for cell, width in zip(least_cells, widths, strict=True)]
        for index in np.flatnonzero(sums < np.array(least)[:, None]).tolist():
            for column in columns:
                column[index] = None
    return FigureTable(cells, *columns)


def _columns(values: Counts, widths: Reals) -> list[list[Any]]:
    # No count is below 0: that is known of the truth beforehand, so that cutting there tells nothing.
    known = np.maximum(values, 0)
    low = np.maximum(np.rint(values - widths), 0).astype(np.int64)
    high = np.maximum(np.rint(values + widths), 0).astype(np.int64)
    return [*(one.ravel().tolist() for one in (known, low, high)), _shares(known)]


def _shares(known: Counts) -> list[float | None]:
    """Of each figure, row after row; None where there is nothing to be a part of."""
    if known.shape[1] == 1:
        return [None] * len(known)
    whole = known.sum(1, keepdims=True)
    parts: list[float] = (known / np.where(whole > 0, whole, math.nan)).ravel().tolist()
    return list(parts) if whole.all() else [None if math.isnan(part) else part for part in parts]


def _widths_of_sums(tables: Sequence[Noisy], points: Sequence[int], count: int) -> list[float]:
    groups: list[list[Noisy]] = [[] for _ in range(count)]
    for table, point in zip(tables, points, strict=True):
        groups[point].append(table)
    return [_width(group) for group in groups]


def _width(group: Sequence[Noisy]) -> float:
    if len(group) == 1 and group[0].confidence == CONFIDENCE:
        return group[0].half_width
    return half_width([table.scale for table in group])
