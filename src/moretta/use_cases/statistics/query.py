"""Reading released statistics: sums over buckets and sessions, with the interval of each, small cells left out.

Belongs here: what is asked and answered. Does not belong here: making releases, SQL, forms of export.

Everything here is post-processing of what was released: it spends nothing, however often it is asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from moretta.core.errors import NotFound, RequestInvalid
from moretta.core.intervals import CONFIDENCE
from moretta.core.statistics import (
    TABLED,
    Alarm,
    BudgetStore,
    DayBudget,
    LiveFigures,
    Measure,
    ReleasedTable,
    ReleaseStore,
    Table,
)
from moretta.use_cases.statistics.figures import Figure, FigureTable, figures_of

# A year of hours of one measure is read in about a tenth of a second; beyond it, ask for parts.
LONGEST = timedelta(days=400)


class Step(StrEnum):
    """What one point of a series covers."""

    BUCKET = "bucket"
    DAY = "day"
    ALL = "all"


class Point(NamedTuple):
    """The figures of one place from `start` on; `covered_s` are the seconds of it that were watched, over all sessions.

    Where a point covers a day, `day` is the site's own date, which begins when the site's midnight is, and `start` that date's
    midnight in UTC, which orders days and is no moment at the site; otherwise `day` is None.
    """

    start: datetime
    place: str
    covered_s: float
    day: date | None
    number: int
    table: FigureTable

    @property
    def figures(self) -> tuple[Figure, ...]:
        """One for each cell of the measure; made anew at each look."""
        return self.table.figures(self.number)


@dataclass(frozen=True, slots=True)
class Series:
    """A measure of a site over time; every interval holds with `confidence`, each by itself. `table` has the figures of all
    points, in their order."""

    site: str
    measure: Measure
    step: Step
    points: tuple[Point, ...]
    table: FigureTable
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
        found = self._releases.tables(site, measure, first, last)
        if not found:
            self._known(site)
        return Series(site, measure, step, *_points(measure, step, first, found))

    def live(self, site: str) -> LiveSite:
        """The live counters as last released. Raises `NotFound` where there are none."""
        sessions = self._releases.live(site)
        if not sessions:
            raise NotFound("there are no live figures of such a site; `moretta watch` makes them")
        tables: dict[tuple[str, Measure], list[Table]] = {}
        newest = max(sessions, key=lambda figures: figures.time)
        for table in _tables_of(sessions, newest):
            tables.setdefault((table.place, table.measure), []).append(table)
        figures = {key: figures_of(key[1], found, [0] * len(found), None).figures(0) for key, found in tables.items()}
        return LiveSite(site, newest.day, newest.time, figures)

    def alarms(self, site: str, first: datetime, last: datetime) -> Sequence[Alarm]:
        """The alarms of [first, last), the newest first. Raises as `series`."""
        if not first < last or last - first > LONGEST:
            raise RequestInvalid(f"expected a time that ends after it begins, at most {LONGEST.days} days later")
        found = self._releases.alarms(site, first, last)
        if not found:
            self._known(site)
        return found

    def budgets(self, site: str | None, first: date, last: date) -> Sequence[DayBudget]:
        """What was spent on the days first..last, of all sites where `site` is None. Raises `RequestInvalid`."""
        if first > last or last - first > LONGEST:
            raise RequestInvalid(f"expected days in order, at most {LONGEST.days} of them")
        return self._budgets.budgets(site, first, last)

    def _known(self, site: str) -> None:
        if site not in self._releases.sites():
            raise NotFound("there is no such site, or nothing was released of it yet")


def _points(
    measure: Measure, step: Step, first: datetime, found: Sequence[ReleasedTable]
) -> tuple[tuple[Point, ...], FigureTable]:
    """A point for each start and place, in the order in which they come, and their figures."""
    starts = [table.bucket if step is Step.BUCKET else table.day if step is Step.DAY else first for table in found]
    numbers: dict[tuple[datetime | date, str], int] = {}
    of = [numbers.setdefault((start, table.place), len(numbers)) for start, table in zip(starts, found, strict=True)]
    covered_s, least_cells = [0.0] * len(numbers), [0.0] * len(numbers)
    for number, table in zip(of, found, strict=True):
        covered_s[number] += table.covered_s
        least_cells[number] = max(least_cells[number], table.least_cell)
    figures = figures_of(measure, found, of, least_cells)
    points = (
        Point(_moment(start), place, covered_s[number], _day(start), number, figures)
        for (start, place), number in numbers.items()
    )
    return tuple(points), figures


def _moment(start: datetime | date) -> datetime:
    return start if isinstance(start, datetime) else datetime(start.year, start.month, start.day, tzinfo=UTC)


def _day(start: datetime | date) -> date | None:
    return None if isinstance(start, datetime) else start


def _tables_of(sessions: Iterable[LiveFigures], newest: LiveFigures) -> Iterable[Table]:
    """Totals of the day add up over sessions; who is present now is told only by a session that still goes on."""
    for figures in sessions:
        over = newest.time - figures.time > timedelta(minutes=5)
        yield from (table for table in figures.tables if not (over and table.measure is Measure.PRESENT))
