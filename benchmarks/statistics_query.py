"""How long a query takes over 30 days of buckets, in a database of four sites with a year of releases.

Belongs here: filling a database and asking it. Does not belong here: the page.
"""

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.statistics_utility import Effort
from moretta.api.schemas import to_json
from moretta.api.statistics_schemas import SeriesView, series_view
from moretta.core.statistics import MEASURES, TABLED, Measure, Release, Subject, Table
from moretta.storage.database import open_database
from moretta.storage.statistics.budgets import SqlBudgetStore
from moretta.storage.statistics.releases import SqlReleaseStore
from moretta.use_cases.statistics import Series, Statistics, Step

GOAL_MS = 50.0
_COMPANY = "co_" + "a" * 20
_SITES, _DAYS, _ZONES, _LINES = 4, 365, 4, 2
_REPETITIONS = 20
_LAST = datetime(2026, 1, 1, tzinfo=UTC)


def query_lines(effort: Effort, tell: Callable[[str], None]) -> list[str]:
    """The section's lines. `effort` plays no part: the database is the same."""
    del effort
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(Path(folder) / "moretta.db")
        releases = SqlReleaseStore(engine, _COMPANY)
        tell(f"query: {_SITES} sites, {_DAYS} days of hours")
        with_noise = np.random.default_rng(1)
        for site in range(_SITES):
            for hour in range(_DAYS * 24 if site == 0 else 30 * 24):
                releases.keep(_release(f"site-{site}", _LAST - timedelta(hours=hour + 1), with_noise))
        statistics = Statistics(releases, SqlBudgetStore(engine, _COMPANY))
        first = _LAST - timedelta(days=30)
        rows = []
        for words, measure, step in (
            ("visits, every hour", Measure.VISITS, Step.BUCKET),
            ("visits, every day", Measure.VISITS, Step.DAY),
            ("visits, in all", Measure.VISITS, Step.ALL),
            ("dwell histogram, every hour", Measure.DWELL, Step.BUCKET),
            ("age bands, in all", Measure.AGE, Step.ALL),
        ):
            query = partial(statistics.series, "site-0", measure, first, _LAST, step)
            rows.append((words, *_timed(query), *_timed(lambda query=query: _answer(query()))))  # type: ignore[misc]
        engine.dispose()
    return [
        "",
        "## A query over 30 days of hours",
        "",
        f"A SQLite database with a year of one site and 30 days of {_SITES - 1} others, {_ZONES} zones and {_LINES} lines each, "
        f"all measures; the median and the longest of {_REPETITIONS} queries in one process, and of as many with the JSON of "
        f"`GET /v1/stats/MEASURE` made of them. Goal: below {GOAL_MS:g} ms.",
        "",
        "| Query of 720 buckets | median | longest | met | as JSON, median | longest | met |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {words} | {median:.1f} ms | {longest:.1f} ms | {_met(median)} | {with_json:.1f} ms | {longest_json:.1f} ms "
            f"| {_met(with_json)} |"
            for words, median, longest, with_json, longest_json in rows
        ),
    ]


def _met(median: float) -> str:
    return "yes" if median < GOAL_MS else "no"


def _answer(series: Series) -> bytes:
    return to_json(SeriesView, series_view(series))


def _release(site: str, bucket: datetime, chance: np.random.Generator) -> Release:
    tables = []
    for measure in TABLED:
        terms = MEASURES[measure]
        places = (
            [f"door/zone-{n}" for n in range(_ZONES)]
            if terms.subject is Subject.ZONE
            else [f"door/line-{n}" for n in range(_LINES)]
        )
        for place in places:
            values = tuple(int(value) for value in chance.integers(0, 400, len(terms.cells)))
            tables.append(Table(place, measure, values, 22.0, 66.0))
    return Release(
        f"{site}-{bucket:%Y%m%dT%H}",
        site,
        bucket.date(),
        bucket,
        3600,
        f"s/{bucket:%Y%m%dT%H}",
        "laplace",
        1.0,
        tuple(tables),
        3600.0,
    )


def _timed(query: Callable[[], object]) -> tuple[float, float]:
    query()
    times = []
    for _ in range(_REPETITIONS):
        start = time.perf_counter()
        query()
        times.append((time.perf_counter() - start) * 1000)
    return float(np.median(times)), max(times)
