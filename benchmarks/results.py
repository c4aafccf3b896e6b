"""The findings as a Markdown page, which is also what the terminal shows."""

import statistics
from collections.abc import Iterator, Sequence

from benchmarks.comparison import Outcome
from benchmarks.targets import Finding, spread

_WORD = {True: "yes", False: "**no**", None: "not measured"}


def page(machine: dict[str, str], media: str, outcomes: Sequence[Outcome], findings: Sequence[Finding]) -> str:
    """The whole page."""
    return "\n".join([*_head(machine, media), *_comparison(outcomes), *targets_lines(findings), ""])


def _head(machine: dict[str, str], media: str) -> Iterator[str]:
    yield "# Speed and memory, measured"
    yield ""
    yield "Written by `make bench`, all figures by one run on one machine. Figures are medians (lowest to highest)."
    yield ""
    for name, words in machine.items():
        yield f"- {name}: {words}"
    yield f"- clip: {media}"


def _comparison(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield from (
        "",
        "## Beside what one would use instead",
        "",
        "Everyone gets the same file, decodes it with the same library, one thread, pinned to the same single core, with "
        "models loaded and warm before the clock starts, and runs in turn with the others, every second turn in reverse. "
        "Decoding is included. Those that follow nothing from frame to frame are run on every 5th or 10th frame, which gives "
        "the same time a frame. Moretta is called through its SDK: its confined worker, the copy of the upload and the usage "
        "record are part of its time. *Times ours* is the processor time a frame of that contender over that of the row of "
        "ours named beside it (over 1: ours is quicker).",
        "",
        "| | frames/s by the clock | processor ms a frame | frames with a face | faces a frame | times ours |",
        "|---|---|---|---|---|---|",
    )
    by_name = {outcome.contender.name: outcome for outcome in outcomes}
    for outcome in outcomes:
        yield _row(outcome, by_name)
    yield from ("", "What each computes:", "")
    for outcome in outcomes:
        contender = outcome.contender
        versions = ", ".join(f"{name} {number}" for name, number in _versions(outcome).items())
        cues = outcome.runs[-1].get("cues") if outcome.runs else None
        measured = f" Trust cues that ran: {', '.join(cues)}." if cues else ""
        yield f"- **{contender.name}**{f' ({versions})' if versions else ''}: {contender.computes}.{measured}"
    yield from (
        "",
        "*Frames with a face* is each contender's recall on the clip (the demonstration clip shows one face in every frame) "
        "(for Moretta's profiles: the frames of its longest track); *faces a frame* over 1 are false ones or ids given twice.",
    )


def _row(outcome: Outcome, by_name: dict[str, Outcome]) -> str:
    name = outcome.contender.name
    if outcome.failure:
        return f"| {name} | could not be run: {outcome.failure} | | | | |"
    rates = outcome.figures(lambda run: run["frames"] / run["wall_s"])
    cost = outcome.figures(_cost_ms)
    last = outcome.runs[-1]
    return (
        f"| {name} | {spread(rates)} | {spread(cost)} | {last['recall']:.1%} | {last['faces_per_frame']:.2f} | "
        f"{_ratio(outcome, by_name)} |"
    )


def _ratio(outcome: Outcome, by_name: dict[str, Outcome]) -> str:
    reference = by_name.get(outcome.contender.against)
    if reference is None or reference.failure:
        return ""
    ratio = statistics.median(outcome.figures(_cost_ms)) / statistics.median(reference.figures(_cost_ms))
    return f"{ratio:.2f} ({reference.contender.name})"


def _cost_ms(run: dict) -> float:
    return 1000 * run["cpu_s"] / run["frames"]


def _versions(outcome: Outcome) -> dict[str, str]:
    return outcome.runs[-1].get("versions", {}) if outcome.runs else {}


def targets_lines(findings: Sequence[Finding]) -> Iterator[str]:
    yield from ("", "## What was promised", "", "| | measured | met |", "|---|---|---|")
    for finding in findings:
        yield f"| {finding.promise} | {finding.measured} | {_WORD[finding.met]} |"
