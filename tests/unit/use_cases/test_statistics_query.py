"""Series are sums of released tables, each figure with its own interval; one by one and all at once they are the same."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from moretta.core.errors import NotFound
from moretta.core.intervals import half_width, shown
from moretta.core.statistics import MEASURES, TABLED, Alarm, DayBudget, LiveFigures, Measure, ReleasedTable, Table
from moretta.use_cases.statistics import Figure, Statistics, Step

MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)
END = MIDNIGHT + timedelta(days=2)


class Stored:
    """One measure's tables, in memory."""

    def __init__(self, *found: ReleasedTable, live: tuple[LiveFigures, ...] = ()) -> None:
        self._found, self._live = found, live

    def sites(self) -> list[str]:
        return ["shop"]

    def tables(self, site: str, measure: Measure, first: datetime, last: datetime) -> list[ReleasedTable]:
        return [table for table in self._found if site == "shop" and first <= table.bucket < last]

    def live(self, site: str) -> list[LiveFigures]:
        return list(self._live)

    def alarms(self, site: str, first: datetime, last: datetime) -> list[Alarm]:
        return []


class NoBudgets:
    def budgets(self, *_: object) -> list[DayBudget]:
        return []


def statistics(*found: ReleasedTable, live: tuple[LiveFigures, ...] = ()) -> Statistics:
    return Statistics(Stored(*found, live=live), NoBudgets())  # type: ignore[arg-type]


def table(hour: int, values: tuple[int, ...], place: str = "door/all", **terms: Any) -> ReleasedTable:
    """Of a site an hour ahead of UTC, whose day begins at 23 h."""
    bucket = MIDNIGHT + timedelta(hours=hour)
    made = ReleasedTable(bucket, (bucket + timedelta(hours=1)).date(), place, values, 2.0, 6.0, 0.95, 1800.0, 10.0)
    return made._replace(**terms)


def one_by_one(measure: Measure, tables: list[ReleasedTable]) -> tuple[Figure, ...]:
    """What the docstrings say, without arrays."""
    values = [sum(cell) for cell in zip(*(one.values for one in tables), strict=True)]
    alone = len(tables) == 1 and tables[0].confidence == 0.95
    width = tables[0].half_width if alone else half_width([one.scale for one in tables])
    known = [max(0, value) for value in values]
    figures = []
    for cell, value in zip(MEASURES[measure].cells, values, strict=True):
        if not shown(measure, value, max(one.least_cell for one in tables), width):
            figures.append(Figure(cell, None, None, None))
            continue
        share = max(0, value) / sum(known) if len(known) > 1 else None
        low, high = max(0, round(value - width)), max(0, round(value + width))
        figures.append(Figure(cell, max(0, value), low, high, share))
    return tuple(figures)


@pytest.mark.parametrize("measure", TABLED)
@pytest.mark.parametrize("step", Step)
def test_figures_of_many_tables_are_what_each_is_by_itself(measure: Measure, step: Step) -> None:
    chance = np.random.default_rng(3)
    cells = len(MEASURES[measure].cells)
    found = [
        table(hour, tuple(map(int, chance.integers(-30, 4000, cells))), place, scale=scale, half_width=width)
        for hour in range(48)
        for place in ("door/all", "door/left")
        for scale, width in ((2.0, 6.0), (9.0, 27.5))[: 1 + hour % 2]
    ]
    groups: dict[tuple[object, str], list[ReleasedTable]] = {}
    for one in found:
        start = {Step.BUCKET: one.bucket, Step.DAY: one.day, Step.ALL: None}[step]
        groups.setdefault((start, one.place), []).append(one)
    points = statistics(*found).series("shop", measure, MIDNIGHT, END, step).points
    assert [point.place for point in points] == [place for _, place in groups]
    assert [point.covered_s for point in points] == [1800.0 * len(group) for group in groups.values()]
    assert [point.figures for point in points] == [one_by_one(measure, group) for group in groups.values()]


def test_an_interval_of_another_confidence_is_worked_out_anew() -> None:
    (point,) = (
        statistics(table(9, (500,), confidence=0.5, half_width=1.0))
        .series("shop", Measure.VISITS, MIDNIGHT, END)
        .points
    )
    assert point.figures == (Figure("count", 500, 500 - half_width([2.0]), 500 + half_width([2.0])),)


def test_a_day_is_named_by_the_sites_own_date_and_other_steps_have_none() -> None:
    found = statistics(table(22, (500,)), table(23, (700,)))
    days = found.series("shop", Measure.VISITS, MIDNIGHT, END, Step.DAY).points
    assert [point.day for point in days] == [date(2026, 11, 24), date(2026, 11, 25)]
    assert [point.start for point in days] == [MIDNIGHT, MIDNIGHT + timedelta(days=1)]
    for step in (Step.BUCKET, Step.ALL):
        points = found.series("shop", Measure.VISITS, MIDNIGHT, END, step).points
        assert {point.day for point in points} == {None}


def test_a_time_without_releases_is_empty_and_an_unknown_site_is_not_found() -> None:
    assert statistics().series("shop", Measure.VISITS, MIDNIGHT, END).points == ()
    with pytest.raises(NotFound):
        statistics().series("hall", Measure.VISITS, MIDNIGHT, END)
    with pytest.raises(NotFound):
        statistics().alarms("hall", MIDNIGHT, END)


def test_live_figures_of_sessions_add_up_and_show_also_what_is_nothing() -> None:
    def session(name: str, *crossings: int) -> LiveFigures:
        made = Table("door/line", Measure.FLOW, crossings, 4.0, 11.0)
        return LiveFigures("shop", MIDNIGHT.date(), MIDNIGHT, name, (made,))

    found = statistics(live=(session("s", -3, 40), session("t", -2, 30))).live("shop")
    width = half_width([4.0, 4.0])
    nothing, many = found.figures["door/line", Measure.FLOW]
    assert nothing == Figure("forward", 0, 0, max(0, width - 5), 0.0)
    assert many == Figure("backward", 70, 70 - width, 70 + width, 1.0)
    empty = statistics(live=(session("s", -3, -40),)).live("shop").figures["door/line", Measure.FLOW]
    assert [(figure.value, figure.low, figure.share) for figure in empty] == [(0, 0, None)] * 2
