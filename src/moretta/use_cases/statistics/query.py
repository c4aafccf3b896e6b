"""Reading released statistics: sums over buckets and sessions, with the interval of each, small cells left out.

Belongs here: what is asked and answered. Does not belong here: making releases, SQL, forms of export.

Everything here is post-processing of what was released: it spends nothing, however often it is asked.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from moretta.core.errors import NotFound, RequestInvalid
from moretta.core.intervals import CONFIDENCE, half_width, least_shown
from moretta.core.statistics import (
    MEASURES,
    TABLED,
    Alarm,
    BudgetStore,
    DayBudget,
    LiveFigures,
    Measure,
    Release,
    ReleaseStore,
    Table,
)

# A year of hours of one measure is read in about a tenth of a second; beyond it, ask for parts.
LONGEST = timedelta(days=400)


class Step(StrEnum):
    """What one point of a series covers."""

    BUCKET = "bucket"
    DAY = "day"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Figure:
    """One noisy figure. The true one (of the visits as they were counted) lies in `low`..`high` with the series' confidence.

    `value`, `low` and `high` are None where the figure is too small to be shown. `share` is the part of the place's cells
    together, where cells are parts of a whole.
    """

    cell: str
    value: int | None
    low: int | None
    high: int | None
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """The figures of one place from `start` on; `covered_s` are the seconds of it that were watched, over all sessions."""

    start: datetime
    place: str
    figures: tuple[Figure, ...]
    covered_s: float


@dataclass(frozen=True, slots=True)
class Series:
    """A measure of a site over time; every interval holds with `confidence`, each by itself."""

    site: str
    measure: Measure
    step: Step
    points: tuple[Point, ...]
    confidence: float = CONFIDENCE


@dataclass(frozen=True, slots=True)
class LiveSite:
    """The live counters of all sessions together: (place, measure) to figures, as of `time`."""

    site: str
    day: date
    time: datetime
    figures: Mapping[tuple[str, Measure], tuple[Figure, ...]]
    confidence: float = CONFIDENCE


class Statistics:
    """The statistics of one company's sites. Safe to share between threads."""

    def __init__(self, releases: ReleaseStore, budgets: BudgetStore) -> None:
        self._releases, self._budgets = releases, budgets

    def sites(self) -> Sequence[str]:
        """The names of all sites of which anything was released."""
        return self._releases.sites()

    def series(self, site: str, measure: Measure, first: datetime, last: datetime, step: Step = Step.BUCKET) -> Series:
        """The figures of `measure` whose buckets start in [first, last).

        Raises:
            RequestInvalid: a measure that only live counters have, or a time that ends before it begins or is too long.
            NotFound: nothing was ever released of such a site.
        """
        if measure not in TABLED:
            raise RequestInvalid(f"expected one of {', '.join(TABLED)}; {measure} is a live counter")
        if not first < last or last - first > LONGEST:
            raise RequestInvalid(f"expected a time that ends after it begins, at most {LONGEST.days} days later")
        self._known(site)
        found = self._releases.tables(site, measure, first, last)
        groups: dict[tuple[datetime, str], list[tuple[Release, Table]]] = {}
        for release, table in found:
            groups.setdefault((_start(release, step, first), table.place), []).append((release, table))
        return Series(
            site, measure, step, tuple(_point(start, place, group) for (start, place), group in groups.items())
        )

    def live(self, site: str) -> LiveSite:
        """The live counters as last released. Raises `NotFound` where there are none."""
        sessions = self._releases.live(site)
        if not sessions:
            raise NotFound("there are no live figures of such a site; `moretta watch` makes them")
        tables: dict[tuple[str, Measure], list[Table]] = {}
        newest = max(sessions, key=lambda figures: figures.time)
        for table in _tables_of(sessions, newest):
            tables.setdefault((table.place, table.measure), []).append(table)
        figures = {key: _figures(key[1], found, None) for key, found in tables.items()}
        return LiveSite(site, newest.day, newest.time, figures)

    def alarms(self, site: str, first: datetime, last: datetime) -> Sequence[Alarm]:
        """The alarms of [first, last), the newest first. Raises as `series`."""
        if not first < last or last - first > LONGEST:
            raise RequestInvalid(f"expected a time that ends after it begins, at most {LONGEST.days} days later")
        self._known(site)
        return self._releases.alarms(site, first, last)

    def budgets(self, site: str | None, first: date, last: date) -> Sequence[DayBudget]:
        """What was spent on the days first..last, of all sites where `site` is None. Raises `RequestInvalid`."""
        if first > last or last - first > LONGEST:
            raise RequestInvalid(f"expected days in order, at most {LONGEST.days} of them")
        return self._budgets.budgets(site, first, last)

    def _known(self, site: str) -> None:
        if site not in self._releases.sites():
            raise NotFound("there is no such site, or nothing was released of it yet")


def _start(release: Release, step: Step, first: datetime) -> datetime:
    match step:
        case Step.BUCKET:
            return release.bucket
        case Step.DAY:
            return datetime(release.day.year, release.day.month, release.day.day, tzinfo=UTC)
        case Step.ALL:
            return first


def _point(start: datetime, place: str, group: Sequence[tuple[Release, Table]]) -> Point:
    least_cell = max(release.least_cell for release, _ in group)
    figures = _figures(group[0][1].measure, [table for _, table in group], least_cell)
    return Point(start, place, figures, sum(release.covered_s for release, _ in group))


def _tables_of(sessions: Iterable[LiveFigures], newest: LiveFigures) -> Iterable[Table]:
    """Totals of the day add up over sessions; who is present now is told only by a session that still goes on."""
    for figures in sessions:
        over = newest.time - figures.time > timedelta(minutes=5)
        yield from (table for table in figures.tables if not (over and table.measure is Measure.PRESENT))


def _figures(measure: Measure, tables: Sequence[Table], least_cell: float | None) -> tuple[Figure, ...]:
    """The sums of the tables' cells; those too small to be shown are left out, unless `least_cell` is None."""
    if len(tables) == 1:
        values: Sequence[int] = tables[0].values
        width = tables[0].half_width if tables[0].confidence == CONFIDENCE else half_width([tables[0].scale])
    else:
        values = [sum(cell) for cell in zip(*(table.values for table in tables), strict=True)]
        width = half_width([table.scale for table in tables])
    least = -math.inf if least_cell is None else least_shown(measure, least_cell, width)
    cells = MEASURES[measure].cells
    whole = sum(value for value in values if value > 0) if len(cells) > 1 else 0
    return tuple(
        _figure(cell, value, width, whole) if value >= least else Figure(cell, None, None, None)
        for cell, value in zip(cells, values, strict=True)
    )


def _figure(cell: str, value: int, width: float, whole: int) -> Figure:
    # No count is below 0: that is known of the truth beforehand, so that cutting there tells nothing.
    known = value if value > 0 else 0
    low, high = round(value - width), round(value + width)
    return Figure(cell, known, low if low > 0 else 0, high if high > 0 else 0, known / whole if whole else None)
