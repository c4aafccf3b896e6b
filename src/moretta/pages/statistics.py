"""The page of a watched site's anonymous statistics.

Belongs here: which charts there are, and their words. Does not belong here: sums and intervals (`use_cases.statistics`), HTTP.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files

from markupsafe import Markup

from moretta import __version__
from moretta.core.errors import NotFound
from moretta.core.statistics import MEASURES, Measure, Subject
from moretta.pages.interval_charts import Bar, interval_bars, spent_strip
from moretta.pages.rendering import page_environment
from moretta.use_cases.statistics import Figure, LiveSite, Point, Series, Statistics, Step

_ASSETS = {"moretta.css": "text/css; charset=utf-8", "statistics.js": "text/javascript; charset=utf-8"}
# Over time, one bar each bucket or day; as a histogram, one bar each cell.
_OVER_TIME = (Measure.PASSERS, Measure.VISITS, Measure.ATTENTION, Measure.PROXIMITY, Measure.FLOW)
_HISTOGRAMS = (Measure.DWELL, Measure.AGE, Measure.GENDER)
# Sums of seconds, which are told in words.
_SUMS = (Measure.DWELL_TIME, Measure.ATTENTION_TIME, Measure.CROWDING)
# Beyond that, days are bars: a week of hours is 168 of them.
_HOURS_UNTIL = timedelta(days=2)

# A page is for a look; `moretta stats alarms` lists all.
_MOST_ALARMS = 20

SPANS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}


@dataclass(frozen=True, slots=True)
class _Chart:
    heading: str
    drawing: Markup


@dataclass(frozen=True, slots=True)
class _Now:
    words: str
    figure: Figure
    cell: str


class StatisticsPageMaker:
    """Renders the page, and holds its stylesheet and its one script, which only fetches the same page again."""

    def __init__(self) -> None:
        environment = page_environment(lstrip_blocks=True)
        self._template = environment.get_template("statistics.html")
        folder = files("moretta.pages") / "static"
        self._assets = {name: ((folder / name).read_bytes(), kind) for name, kind in _ASSETS.items()}

    def page(self, statistics: Statistics, site: str | None, place: str | None, span: str, until: datetime) -> str:
        """The page as HTML: of the first site and place where none are named, over the `span` (one of `SPANS`) up to `until`.

        Raises:
            NotFound: a site of which nothing was released.
        """
        sites = statistics.sites()
        site = site or next(iter(sites), None)
        if site is None:
            return self._rendered(span=span, sites=(), site=None)
        if site not in sites:
            raise NotFound("there is no such site, or nothing was released of it yet")
        step = Step.BUCKET if SPANS[span] <= _HOURS_UNTIL else Step.DAY
        first = until - SPANS[span]
        series = {measure: statistics.series(site, measure, first, until, step) for measure in _OVER_TIME}
        whole = {
            measure: statistics.series(site, measure, first, until, Step.ALL) for measure in (*_HISTOGRAMS, *_SUMS)
        }
        live = _live(statistics, site)
        places = _places(live, [*series.values(), *whole.values()])
        place = place if place in places else next(iter(places), None)
        days = (until.date() - timedelta(days=6), until.date() + timedelta(days=1))
        return self._rendered(
            span=span,
            sites=sites,
            site=site,
            places=places,
            place=place,
            now=_now(live, place),
            live=live,
            charts=_charts(series, whole, place, step),
            sums=[(MEASURES[m], figures) for m in _SUMS if (figures := _of(whole[m].points, place))],
            alarms=statistics.alarms(site, first, until)[:_MOST_ALARMS],
            budgets=[
                (budget, spent_strip(f"{budget.spent:g} of {budget.limit:g} spent", budget.spent, budget.limit))
                for budget in reversed(statistics.budgets(site, *days))
            ],
        )

    def asset(self, name: str) -> tuple[bytes, str] | None:
        """A file that the page loads, and its media type; None where there is none of that name."""
        return self._assets.get(name)

    def _rendered(self, **values: object) -> str:
        return self._template.render(version=__version__, spans=list(SPANS), **values)


def _live(statistics: Statistics, site: str) -> LiveSite | None:
    try:
        return statistics.live(site)
    except NotFound:
        return None


def _places(live: LiveSite | None, series: Sequence[Series]) -> list[str]:
    """Zones first, then lines, each once."""
    found: dict[str, Subject] = {}
    for one in series:
        found |= {point.place: MEASURES[one.measure].subject for point in one.points}
    for place, measure in live.figures if live is not None else ():
        found[place] = MEASURES[measure].subject
    return sorted(found, key=lambda place: (found[place] is Subject.LINE, place))


def _now(live: LiveSite | None, place: str | None) -> list[_Now]:
    if live is None:
        return []
    return [
        _Now(f"{MEASURES[measure].unit} {MEASURES[measure].title}", figure, figure.cell)
        for (of, measure), figures in live.figures.items()
        if of == place
        for figure in figures
    ]


def _charts(series: dict[Measure, Series], whole: dict[Measure, Series], place: str | None, step: Step) -> list[_Chart]:
    charts = []
    for measure, one in series.items():
        terms = MEASURES[measure]
        points = [point for point in one.points if point.place == place]
        for number, cell in enumerate(terms.cells):
            if points:
                heading = f"{terms.unit.capitalize()} {terms.title}" + (f", {cell}" if len(terms.cells) > 1 else "")
                bars = [_bar(_when(point.start, step), point.figures[number]) for point in points]
                charts.append(_Chart(heading, interval_bars(heading, bars, terms.unit, 1 + number % 4)))
    for measure in _HISTOGRAMS:
        figures = _of(whole[measure].points, place)
        if figures:
            heading = f"{MEASURES[measure].unit.capitalize()} {MEASURES[measure].title}"
            bars = [_bar(figure.cell, figure) for figure in figures]
            charts.append(_Chart(heading, interval_bars(heading, bars, MEASURES[measure].unit, 3)))
    return charts


def _of(points: Sequence[Point], place: str | None) -> tuple[Figure, ...]:
    return next((point.figures for point in points if point.place == place), ())


def _bar(label: str, figure: Figure) -> Bar:
    if figure.value is None:
        return Bar(label, f"{label}: too small to be shown", None, None, None)
    return Bar(label, f"{label}: {figure.value} ({figure.low} to {figure.high})", figure.value, figure.low, figure.high)


def _when(start: datetime, step: Step) -> str:
    return f"{start.astimezone(UTC):%H:%M}" if step is Step.BUCKET else f"{start:%d %b}"
