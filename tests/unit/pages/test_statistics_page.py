"""The page of statistics: intervals are drawn, what is small is not, and nothing in it comes from anybody."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from moretta.core.errors import NotFound
from moretta.core.statistics import Alarm, AlarmKind, DayBudget, LiveFigures, Measure, Release, ReleasedTable, Table
from moretta.pages.interval_charts import Bar, interval_bars, spent_strip
from moretta.pages.statistics import StatisticsPageMaker
from moretta.use_cases.statistics import Statistics

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


class Releases:
    """Releases of one site, in memory."""

    def __init__(self, *tables: Table, live: tuple[Table, ...] = ()) -> None:
        self._release = Release(
            "r", "shop", NOON.date(), NOON - timedelta(hours=2), 3600, "s/10", "laplace", 1.0, tables, 3600.0
        )
        self._live = LiveFigures("shop", NOON.date(), NOON, "s", live)

    def sites(self) -> list[str]:
        return ["shop"]

    def tables(self, site: str, measure: Measure, first: datetime, last: datetime) -> list[ReleasedTable]:
        made = self._release
        inside = first <= made.bucket < last
        return [
            ReleasedTable(
                made.bucket,
                made.day,
                table.place,
                table.values,
                table.scale,
                table.half_width,
                table.confidence,
                made.covered_s,
                made.least_cell,
            )
            for table in made.tables
            if inside and table.measure is measure
        ]

    def live(self, site: str) -> list[LiveFigures]:
        return [self._live] if self._live.tables else []

    def alarms(self, site: str, first: datetime, last: datetime) -> list[Alarm]:
        return [Alarm("shop", NOON, AlarmKind.CROWDING, "door/all", 77, 40.0)]

    def keep_alarm(self, alarm: Alarm) -> None:
        raise AssertionError("a page keeps nothing")

    def keep(self, release: Release) -> Release:
        raise AssertionError("a page keeps nothing")

    def keep_live(self, figures: LiveFigures) -> None:
        raise AssertionError("a page keeps nothing")

    def release(self, release_id: str) -> Release | None:
        raise AssertionError("a page asks for series")


class NoReleases(Releases):
    def sites(self) -> list[str]:
        return []


class Budgets:
    def spend(self, *_: object) -> DayBudget:
        raise AssertionError("reading spends nothing")

    def budget(self, *_: object) -> DayBudget | None:
        raise AssertionError("the page lists days")

    def budgets(self, *_: object) -> list[DayBudget]:
        return [DayBudget("shop", NOON.date(), 2.0, 1.5)]


def page(releases: Releases, place: str | None = None, span: str = "day", site: str | None = None) -> str:
    return StatisticsPageMaker().page(Statistics(releases, Budgets()), site, place, span, NOON)


VISITS = Table("door/all", Measure.VISITS, (120,), 2.0, 6.0)
SMALL = Table("door/all", Measure.PASSERS, (3,), 2.0, 6.0)
DWELL = Table("door/all", Measure.DWELL, (90, 40, 30, 20, 15, 12, 2), 2.0, 6.0)
SECONDS = Table("door/all", Measure.DWELL_TIME, (7200,), 300.0, 900.0)
FLOW = Table("door/line", Measure.FLOW, (70, 60), 4.0, 12.0)
NOW = Table("door/all", Measure.PRESENT, (14,), 2.0, 6.0)


def test_each_figure_is_drawn_with_its_interval_and_a_small_one_is_not_drawn() -> None:
    html = page(Releases(VISITS, SMALL, DWELL, SECONDS, FLOW, live=(NOW,)))
    assert f"As of {NOON:%Y-%m-%d %H:%M} UTC. The site's day is {NOON.date()}." in html
    assert "10:00: 120 (114 to 126)" in html
    assert "People came into the zone: nothing that is large enough to be shown." in html
    assert "0-5: 90 (84 to 96)" in html and "300+: too small to be shown" in html
    assert "<strong>14</strong>" in html and "8 to 20" in html
    assert re.search(r"7200</td><td class=\"number\">6300 and 8100", html)
    assert "1.5 of 2 spent" in html
    assert re.search(r"crowding</td><td>door/all</td><td class=\"number\">77", html)
    assert html.count('class="interval"') == 1 + 6  # visits, and the cells of the histogram that are shown


def test_a_line_has_a_chart_for_each_way() -> None:
    html = page(Releases(VISITS, FLOW), place="door/line")
    assert "Crossings of the line, each way, forward" in html and "10:00: 60 (48 to 72)" in html
    assert "120 (114" not in html


def test_over_a_week_days_are_bars() -> None:
    assert "25 Nov: 120 (114 to 126)" in page(Releases(VISITS), span="week")


def test_a_site_that_is_not_there_and_no_site_at_all_are_said_in_words() -> None:
    with pytest.raises(NotFound):
        page(Releases(VISITS), site="hall")
    assert "moretta watch" in page(NoReleases())


def test_nothing_on_the_page_comes_from_another_host_and_scripts_and_styles_are_files_of_ours() -> None:
    html = page(Releases(VISITS, live=(NOW,)))
    assert not re.search(r"(src|href)=\"(https?:)?//", html)
    assert "<style>" not in html and "onclick" not in html
    maker = StatisticsPageMaker()
    for name in re.findall(r"/statistics/assets/([\w.]+)", html):
        assert maker.asset(name) is not None
    assert maker.asset("../statistics.py") is None


def test_words_in_a_chart_are_escaped() -> None:
    drawn = interval_bars("<b>", [Bar("<i>", "<u>", 3.0, 1.0, 5.0)], "<s>")
    assert not re.search(r"<[bius]>", drawn)


def test_the_interval_reaches_from_its_low_to_its_high_end() -> None:
    drawn = interval_bars("visits", [Bar("a", "a", 50.0, 0.0, 100.0)], "visits")
    low, high = re.search(r"M[\d.]+ ([\d.]+)V([\d.]+)M", drawn).groups()  # type: ignore[union-attr]
    bar = re.search(r'<rect class="c2" x="[\d.]+" y="([\d.]+)"', drawn).group(1)  # type: ignore[union-attr]
    assert float(high) < float(bar) < float(low)
    assert float(bar) == pytest.approx((float(high) + float(low)) / 2, abs=0.2)


def test_a_spent_budget_fills_its_strip() -> None:
    assert 'class="c2" width="640.0"' in spent_strip("spent", 2.0, 2.0)
    assert 'class="c2" width="160.0"' in spent_strip("spent", 0.5, 2.0)
