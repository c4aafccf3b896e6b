"""Statistics as files: CSV for spreadsheets, rows for Parquet, the newest figures for Prometheus.

Belongs here: the columns and the text forms. Does not belong here: Parquet's bytes (see `wiring.parquet`), sums.
"""

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

from moretta.core.clock import to_second
from moretta.core.errors import NotFound
from moretta.core.statistics import MEASURES, TABLED
from moretta.use_cases.statistics.figures import Figure
from moretta.use_cases.statistics.query import Statistics, Step

COLUMNS = (
    "site",
    "place",
    "measure",
    "unit",
    "cell",
    "start",
    "covered_s",
    "value",
    "low",
    "high",
    "share",
    "confidence",
)
# Prometheus' text exposition format 0.0.4; each figure with its interval is three samples.
_METRIC = "moretta_statistics"


class TextFormat(StrEnum):
    """The forms that are text."""

    CSV = "csv"
    PROMETHEUS = "prometheus"


TEXT_FORMATS = {TextFormat.CSV: "text/csv", TextFormat.PROMETHEUS: "text/plain"}

Row = tuple[str, str, str, str, str, str, float, int | None, int | None, int | None, float | None, float]


def exported(statistics: Statistics, site: str, first: datetime, last: datetime, form: TextFormat) -> str:
    """The site's statistics in that form. Raises as `Statistics.series`."""
    if form is TextFormat.PROMETHEUS:
        return _prometheus(statistics, site, first, last)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(rows(statistics, site, first, last))
    return text.getvalue()


def rows(statistics: Statistics, site: str, first: datetime, last: datetime) -> Iterator[Row]:
    """A row for each figure, as `COLUMNS` name its fields; a figure too small to be shown has no value and no interval."""
    for measure in TABLED:
        series = statistics.series(site, measure, first, last, Step.BUCKET)
        for point in series.points:
            for one in point.figures:
                place = (site, point.place, measure.value, MEASURES[measure].unit, one.cell)
                figure = (one.value, one.low, one.high, one.share, series.confidence)
                yield (*place, to_second(point.start), point.covered_s, *figure)


def _prometheus(statistics: Statistics, site: str, first: datetime, last: datetime) -> str:
    """The newest bucket of every measure and the live counters, as gauges; what is too small to be shown is left out."""
    lines = [
        f"# HELP {_METRIC} Anonymous statistics with differential privacy; bound says value, low or high of the interval.",
        f"# TYPE {_METRIC} gauge",
    ]
    for measure in TABLED:
        points = statistics.series(site, measure, first, last, Step.BUCKET).points
        newest = max((point.start for point in points), default=None)
        for point in points:
            if point.start == newest:
                lines += _samples(site, point.place, measure.value, "bucket", point.figures)
    try:
        live = statistics.live(site)
    except NotFound:
        return "\n".join(lines) + "\n"
    for (place, counter), figures in live.figures.items():
        lines += _samples(site, place, counter.value, "live", figures)
    return "\n".join(lines) + "\n"


def _samples(site: str, place: str, measure: str, kind: str, figures: tuple[Figure, ...]) -> Iterator[str]:
    # Names are letters, digits, hyphens and a slash (`core.site`): nothing in them needs escaping.
    for one in figures:
        for bound, value in (("value", one.value), ("low", one.low), ("high", one.high)):
            if value is not None:
                labels = (
                    f'site="{site}",place="{place}",measure="{measure}",cell="{one.cell}",kind="{kind}",bound="{bound}"'
                )
                yield f"{_METRIC}{{{labels}}} {value}"
