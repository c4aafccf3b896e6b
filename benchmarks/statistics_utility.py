"""How far released statistics are from the truth, for each measure and epsilon.

Belongs here: errors, intervals that hold, and what one would use instead. Does not belong here: the stream (see
`statistics_stream`), the page.

The truth is what the same keeper gives out without noise: after clipping and caps, which are part of what a figure means.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.statistics_stream import Exact, Moment, day, released, shop
from moretta.core.intervals import half_width
from moretta.core.site import Site
from moretta.core.statistics import LIVE, TABLED, LiveFigures, Measure, Release, Table
from moretta.statistics.noise import Mechanism, OpenDpLaplace

EPSILONS = (0.5, 1.0, 2.0)
HOURS = (9, 20)
TICKS_A_DAY = 1440
SEED = 7
FEW = (Measure.PASSERS, Measure.DWELL, Measure.FLOW)
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured. `recorded`: a folder of labelled clips, `people` and `draws` what is made of those."""

    people_per_hour: float
    frames_per_s: float
    repetitions: int
    live_repetitions: int
    people: int
    draws: int
    recorded: Path | None = None


@dataclass(frozen=True, slots=True)
class Errors:
    """Of one measure: the mean true figure, the mean absolute error, and the share of figures within their interval.

    `day_truth`, `day_error`, `day_held`: the same of the sum of a day's buckets, for each place and cell.
    """

    truth: float
    error: float
    held: float
    day_truth: float = 0.0
    day_error: float = 0.0
    day_held: float = 0.0


def utility_lines(effort: Effort, tell: Tell) -> Iterator[str]:
    """The section as Markdown."""
    tell("a made-up day before a shop")
    moments = day(effort.people_per_hour, HOURS, effort.frames_per_s, SEED)
    visits = sum(len(moment.visits) for moment in moments)
    opendp = OpenDpLaplace()
    yield from (
        "",
        "## Error against the truth",
        "",
        f"A made-up shop (`moretta.statistics.simulation`, seed {SEED}), one camera with two zones, a line and a screen, "
        f"{HOURS[0]} to {HOURS[1]} h, {visits} visits, hourly buckets. Each release drawn {effort.repetitions} times for each "
        "epsilon, which all measures of a bucket share equally. The truth is the figure without noise, after clipping and caps. "
        "Error: mean absolute error of one figure, beside it as a share of the mean true figure. Held: share of figures "
        "within their 95 % interval.",
    )
    for epsilon in EPSILONS:
        tell(f"buckets at epsilon {epsilon:g}")
        rows = _bucket_errors(shop(epsilon), moments, opendp, effort.repetitions)
        yield from _table_lines(f"All measures, epsilon {epsilon:g} for each bucket", rows)
    few = shop(1.0, most_zones=1, weights=tuple((measure, 1.0) for measure in FEW))
    yield from _table_lines(
        "A narrower plan: three measures, one zone a visit, epsilon 1 for each bucket",
        _bucket_errors(few, moments, opendp, effort.repetitions),
    )
    yield from (
        "",
        "### Live figures",
        "",
        f"The same day, a tick each minute, {effort.live_repetitions} times; epsilon is that of a whole day, shared equally by "
        "the live measures.",
        "",
        "| plan | measure | mean true figure | error | share | held |",
        "|---|---|---|---|---|---|",
    )
    present = shop(1.0, most_zones=1, live_weights=((Measure.PRESENT, 1.0),))
    plans = [(f"all, epsilon {epsilon:g}", shop(epsilon)) for epsilon in EPSILONS]
    for name, site in (*plans, ("only who is present, one zone a visit, epsilon 1", present)):
        tell(f"live figures: {name}")
        for measure, errors in _live_errors(site, moments, opendp, effort.live_repetitions).items():
            yield f"| {name} | {measure} | {_plain(errors)} |"
    yield from _reference_lines(opendp)


def _bucket_errors(
    site: Site, moments: Sequence[Moment], mechanism: Mechanism, repetitions: int
) -> dict[Measure, Errors]:
    truth = tables_of(site, moments, Exact(), live=False)
    runs = [tables_of(site, moments, mechanism, live=False) for _ in range(repetitions)]
    measures = [measure for measure in TABLED if site.epsilon_of(measure)]
    return {measure: errors_of(measure, truth, runs) for measure in measures}


def _live_errors(
    site: Site, moments: Sequence[Moment], mechanism: Mechanism, repetitions: int
) -> dict[Measure, Errors]:
    truth = tables_of(site, moments, Exact(), live=True)
    runs = [tables_of(site, moments, mechanism, live=True) for _ in range(repetitions)]
    measures = [measure for measure in LIVE if site.live_epsilon_of(measure)]
    return {measure: errors_of(measure, truth, runs) for measure in measures}


def tables_of(site: Site, moments: Sequence[Moment], mechanism: Mechanism, *, live: bool) -> list[tuple[Table, ...]]:
    made: list[Release | LiveFigures] = list(released(site, moments, mechanism, live=live))
    return [one.tables for one in made]


def errors_of(
    measure: Measure, truth: Sequence[tuple[Table, ...]], runs: Sequence[Sequence[tuple[Table, ...]]]
) -> Errors:
    true = np.array([figures_of(tables, measure) for tables in truth], float)
    noisy = np.array([[figures_of(tables, measure) for tables in run] for run in runs], float)
    widths = np.array([_widths(tables, measure) for tables in runs[0]], float)
    errors, day_errors = np.abs(noisy - true), np.abs(noisy.sum(1) - true.sum(0))
    scale = next(table.scale for table in runs[0][0] if table.measure is measure)
    day_width = half_width([scale] * len(truth))
    return Errors(
        float(true.mean()),
        float(errors.mean()),
        float((errors <= widths).mean()),
        float(true.sum(0).mean()),
        float(day_errors.mean()),
        float((day_errors <= day_width).mean()),
    )


def figures_of(tables: Sequence[Table], measure: Measure) -> list[int]:
    return [value for table in tables if table.measure is measure for value in table.values]


def _widths(tables: Sequence[Table], measure: Measure) -> list[float]:
    return [table.half_width for table in tables if table.measure is measure for _ in table.values]


def _table_lines(title: str, rows: dict[Measure, Errors]) -> Iterator[str]:
    yield from (
        "",
        f"### {title}",
        "",
        "| measure | mean true figure | error | share | held | mean true day | error | share | held |",
        "|---|---|---|---|---|---|---|---|---|",
    )
    for measure, errors in rows.items():
        whole = Errors(errors.day_truth, errors.day_error, errors.day_held)
        yield f"| {measure} | {_plain(errors)} | {_plain(whole)} |"


def _plain(errors: Errors) -> str:
    return f"{errors.truth:.1f} | {errors.error:.1f} | {share_of(errors)} | {errors.held:.1%}"


def share_of(errors: Errors) -> str:
    """The error as a share of the mean true figure."""
    if errors.truth <= 0:
        return "–"
    return f"{errors.error / errors.truth:.0%}" if errors.error <= 10 * errors.truth else "over 1000%"


def _reference_lines(mechanism: Mechanism) -> Iterator[str]:
    """The same noise source in the hands of whoever needs one figure only, or who would show a live total without a tree."""
    site = shop(1.0)
    share = site.live_epsilon_of(Measure.PASSERS)
    ways = (
        ("exact counts", "no noise at all: one visit is told with certainty", None),
        ("one count an hour, one zone, nothing else", "OpenDP, all of epsilon 1 on it", (1, 1.0)),
        (
            "a live total, new noise at each of 1,440 ticks",
            "OpenDP, the same share of epsilon 1, no tree",
            (2 * TICKS_A_DAY, share),
        ),
    )
    yield from ("", "### What one would use instead", "", "| way | what it is | error of one figure |", "|---|---|---|")
    for name, what, terms in ways:
        error = 0.0 if terms is None else float(np.mean(np.abs(mechanism.measurement(*terms).release([0] * 4000))))
        yield f"| {name} | {what} | {error:.1f} |"
