"""How far released statistics of recorded people are from the truth: from the watching process's own tally, and from labels.

Belongs here: the section. Does not belong here: playing clips and laying out a day (see `statistics_clips`), errors (see
`statistics_utility`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.statistics_clips import WALKS, Passage, clips_in, eye_maker, laid_over_a_day, passages
from benchmarks.statistics_stream import MIDNIGHT_S, Exact, Moment, shop
from benchmarks.statistics_utility import (
    EPSILONS,
    FEW,
    HOURS,
    SEED,
    Effort,
    Errors,
    Tell,
    errors_of,
    figures_of,
    share_of,
    tables_of,
)
from moretta.core.site import Site
from moretta.core.statistics import TABLED, Measure, Table
from moretta.statistics.noise import Mechanism, OpenDpLaplace

# What a label that says "one face in every frame" and a walk that was laid out tell; age, gender and gaze are not labelled.
LABELLED = (
    Measure.PASSERS,
    Measure.VISITS,
    Measure.DWELL,
    Measure.DWELL_TIME,
    Measure.CROWDING,
    Measure.FLOW,
)
# Passages are recorded one by one: nobody stands with anybody.
MEASURED = tuple(measure for measure in TABLED if measure is not Measure.PROXIMITY)
# The longest clip ends within a minute after the last one has begun.
_AFTER_S = 60.0


@dataclass(frozen=True, slots=True)
class Against:
    """Errors of one measure's released figures against the tally, and against labels where there are any."""

    tally: Errors
    labels: Errors | None


def recorded_lines(effort: Effort, tell: Tell) -> Iterator[str]:
    """The section as Markdown."""
    yield from ("", "## Error on recorded streams", "")
    if effort.recorded is None:
        yield "Not measured in this run: give a folder of labelled clips with `--recorded DATA`."
        return
    clips = clips_in(effort.recorded)
    tell(f"recorded: {len(clips)} clips on {len(WALKS)} walks")
    made = list(passages(clips, eye_maker()))
    seen, told = whole_days(made, effort.people)
    yield from _what_it_is(made, len(clips), effort)
    yield from _pipeline_lines(shop(1.0), seen, told)
    opendp = OpenDpLaplace()
    for epsilon in EPSILONS:
        tell(f"recorded: buckets at epsilon {epsilon:g}")
        found = against(shop(epsilon), seen, told, opendp, effort.draws)
        yield from _table_lines(f"Recorded, all measures, epsilon {epsilon:g} for each bucket", found)
    for epsilon in EPSILONS:
        few = shop(epsilon, most_zones=1, weights=tuple((measure, 1.0) for measure in FEW))
        found = against(few, seen, told, opendp, effort.draws)
        yield from _table_lines(
            f"Recorded, three measures, one zone a visit, epsilon {epsilon:g} for each bucket", found
        )


def whole_days(made: Sequence[Passage], people: int) -> tuple[list[Moment], list[Moment]]:
    """A day of these passages as it was seen and as it is labelled; both begin and end with the shop's hours."""
    first_s, last_s = (MIDNIGHT_S + 3600.0 * hour for hour in HOURS)
    opening, closing = Moment(first_s, (), ()), Moment(last_s + _AFTER_S, (), ())
    seen, told = laid_over_a_day(made, people, HOURS, SEED)
    return [opening, *seen, closing], [opening, *told, closing]


def against(
    site: Site, seen: Sequence[Moment], told: Sequence[Moment], mechanism: Mechanism, draws: int
) -> dict[Measure, Against]:
    """Of each measure that the site releases, the errors of so many releases of the day as it was seen."""
    tally, labels = (tables_of(site, day, Exact(), live=False) for day in (seen, told))
    runs = [tables_of(site, seen, mechanism, live=False) for _ in range(draws)]
    return {
        measure: Against(
            errors_of(measure, tally, runs), errors_of(measure, labels, runs) if measure in LABELLED else None
        )
        for measure in MEASURED
        if site.epsilon_of(measure)
    }


def _what_it_is(made: Sequence[Passage], clips: int, effort: Effort) -> Iterator[str]:
    seconds = sum(one.seconds for one in made[:: len(WALKS)])
    yield (
        f"Recorded: {clips} clips of people who talk, {seconds:.0f} s together, labelled as one face in every frame. Composed: "
        f"each clip's picture is shown in a grey one of 640x480, half as wide, on {len(WALKS)} walks (standing in the left or "
        "right zone, carried over the line either way); each of these goes through every step of the watching process from the "
        f"decoded picture on; and {effort.people} passages, each one of the {len(made)} drawn anew (seed {SEED}), are laid over "
        f"a day from {HOURS[0]} to {HOURS[1]} h. So faces, tracks, stays, gaze, ages and genders are what the models make of "
        "recorded people. How many come when, and where they go, is made up, and nobody hides another one or stands with "
        "somebody (`proximity` is left out)."
    )
    yield ""
    yield (
        f"Released {effort.draws} times for each epsilon. Tally: the watching process's own figures without noise. Labels: one "
        "person a passage, for as long as the clip is, where the walk goes; age, gender and attention are not labelled. Held: "
        "share of figures within their 95 % interval about the tally, since intervals are about noise only."
    )


def _pipeline_lines(site: Site, seen: Sequence[Moment], told: Sequence[Moment]) -> Iterator[str]:
    yield from (
        "",
        "### Without noise: the tally against labels",
        "",
        "| measure | labelled, whole day | tally, whole day | mean labelled figure | error | share |",
        "|---|---|---|---|---|---|",
    )
    tally, labels = (tables_of(site, day, Exact(), live=False) for day in (seen, told))
    for measure in LABELLED:
        errors = errors_of(measure, labels, [tally])
        whole = [_whole(measure, day) for day in (labels, tally)]
        figures = f"{errors.truth:.1f} | {errors.error:.1f} | {share_of(errors)}"
        yield f"| {measure} | {whole[0]} | {whole[1]} | {figures} |"


def _whole(measure: Measure, day: Sequence[tuple[Table, ...]]) -> int:
    return int(np.sum([figures_of(tables, measure) for tables in day]))


def _table_lines(title: str, found: dict[Measure, Against]) -> Iterator[str]:
    yield from (
        "",
        f"### {title}",
        "",
        "| measure | mean tally | error against it | share | held | mean labelled figure | error against it | share |",
        "|---|---|---|---|---|---|---|---|",
    )
    for measure, errors in found.items():
        tally, labels = errors.tally, errors.labels
        told = "– | – | –" if labels is None else f"{labels.truth:.1f} | {labels.error:.1f} | {share_of(labels)}"
        figures = f"{tally.truth:.1f} | {tally.error:.1f} | {share_of(tally)} | {tally.held:.1%}"
        yield f"| {measure} | {figures} | {told} |"
