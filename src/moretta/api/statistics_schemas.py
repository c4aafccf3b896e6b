"""The shapes of anonymous statistics, and how core's values turn into them.

Belongs here: what the API shows of them. Does not belong here: addresses, sums.

Figures and points are plain dataclasses: an answer has tens of thousands of them, and models that are checked when they are made,
or frozen, would take several times as long as the query.
"""

from dataclasses import dataclass
from datetime import date, datetime
from itertools import starmap
from typing import Annotated

from pydantic import BaseModel, Field

from moretta.core.statistics import MEASURES, Alarm, AlarmKind, DayBudget, Measure
from moretta.use_cases.statistics import LiveSite, Series, Step

Value = Annotated[int | None, Field(description="Null: too small to be shown.")]


@dataclass(slots=True)
class FigureView:
    """One noisy figure; the true one lies in low..high with the given confidence."""

    cell: str
    value: Value
    low: int | None
    high: int | None
    share: Annotated[float | None, Field(description="Of the place's cells together, 0 to 1.")] = None


@dataclass(slots=True)
class PointView:
    """The figures of one place from `start` on."""

    start: Annotated[datetime, Field(description="Of a day: its date's midnight in UTC.")]
    place: str
    covered_s: Annotated[float, Field(description="Seconds that were watched, over all sessions; whole minutes.")]
    figures: list[FigureView]
    day: Annotated[
        date | None,
        Field(description="Of a day: the site's own date, from midnight to midnight there; otherwise null."),
    ] = None


class SeriesView(BaseModel):
    """A measure of a site over time."""

    site: str
    measure: Measure
    title: str
    unit: str
    step: Step
    confidence: float
    points: list[PointView]


class LiveFigureView(BaseModel):
    """A live counter of one place."""

    place: str
    measure: Measure
    title: str
    unit: str
    figures: list[FigureView]


class LiveView(BaseModel):
    """The live counters of a site's day as last released."""

    site: str
    day: date
    time: datetime
    confidence: float
    data: list[LiveFigureView]


class SiteView(BaseModel):
    """A site of which something was released."""

    site: str


class SiteList(BaseModel):
    """All sites."""

    data: list[SiteView]


class AlarmView(BaseModel):
    """A released figure went over what the site's operator set."""

    site: str
    time: datetime
    kind: AlarmKind
    place: str
    value: Annotated[int, Field(description="The noisy figure.")]
    threshold: float


class AlarmList(BaseModel):
    """Alarms, the newest first."""

    data: list[AlarmView]


class BudgetView(BaseModel):
    """What may be spent on any one visit of a site's day, and what was."""

    site: str
    day: date
    limit: Annotated[float, Field(description="Epsilon.")]
    spent: float
    left: float


class BudgetList(BaseModel):
    """Budgets in the order of site and day."""

    data: list[BudgetView]


def series_view(series: Series) -> SeriesView:
    """As the API shows it."""
    terms = MEASURES[series.measure]
    cells, figures = len(terms.cells), list(starmap(FigureView, series.table.fields()))
    points = [
        PointView(point.start, point.place, point.covered_s, figures[at : at + cells], point.day)
        for at, point in zip(range(0, len(figures), cells), series.points, strict=True)
    ]
    return SeriesView(
        site=series.site,
        measure=series.measure,
        title=terms.title,
        unit=terms.unit,
        step=series.step,
        confidence=series.confidence,
        points=points,
    )


def live_view(live: LiveSite) -> LiveView:
    """As the API shows it."""
    data = [
        LiveFigureView(
            place=place,
            measure=measure,
            title=MEASURES[measure].title,
            unit=MEASURES[measure].unit,
            figures=list(starmap(FigureView, figures)),
        )
        for (place, measure), figures in live.figures.items()
    ]
    return LiveView(site=live.site, day=live.day, time=live.time, confidence=live.confidence, data=data)


def alarm_view(alarm: Alarm) -> AlarmView:
    """As the API shows it."""
    return AlarmView(
        site=alarm.site,
        time=alarm.time,
        kind=alarm.kind,
        place=alarm.place,
        value=alarm.value,
        threshold=alarm.threshold,
    )


def budget_view(budget: DayBudget) -> BudgetView:
    """As the API shows it."""
    return BudgetView(site=budget.site, day=budget.day, limit=budget.limit, spent=budget.spent, left=budget.left)
