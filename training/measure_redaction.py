"""Prints who is still recognised after hiding, what stays uncovered, and what a detector still finds.

    python -m training.measure_redaction people DATA/lfw [--people 500] [--each 4]
    python -m training.measure_redaction cells DATA/lfw [--people 500]
    python -m training.measure_redaction crowds DATA [--photos 40]
    python -m training.measure_redaction sizes DATA [--photos 400]
    python -m training.measure_redaction clips DATA/talking

The figures of docs/model-cards/redaction.md. DATA/lfw is a folder with a folder for each person; DATA holds the labelled crowds
`maskgroups`, and beside it `manifests`; DATA/talking holds clips with a face in every frame. Nothing of them is kept.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from moretta.core.redaction import Method
from moretta.settings import Settings
from moretta.wiring.instruments import Workshop
from moretta.wiring.redacting import attack_tools
from training.redaction.cells import rows
from training.redaction.coverage import clips, crowds
from training.redaction.faces import portraits, shown
from training.redaction.reidentification import FMR, Reidentification, Success
from training.redaction.sizes import sizes

# The gate of the first release: ranked first at most this many times as often as by chance.
MOST_TIMES_CHANCE = 3.0
LEAST_TOLD = 1e-4  # a probability below it is told as that


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["people", "cells", "crowds", "sizes", "clips"])
    parser.add_argument("data", type=Path)
    parser.add_argument("--people", type=int, default=500, help="size of the gallery")
    parser.add_argument(
        "--each", type=int, default=4, help="photographs of a person at most: one known, the others tried"
    )
    parser.add_argument("--photos", type=int, default=40, help="how many of the crowds")
    parser.add_argument("--methods", nargs="*", type=Method, default=list(Method), help="none: what no method changes")
    given = parser.parse_args()
    if given.part == "people":
        people(given.data, given.people, given.each, given.methods)
    elif given.part == "cells":
        cells(given.data, given.people)
    elif given.part == "crowds":
        crowds(given.data, given.methods, given.photos)
    elif given.part == "sizes":
        sizes(given.data, given.photos)
    else:
        clips(given.data, given.methods)


def people(folder: Path, most: int, each: int, methods: Sequence[Method]) -> None:
    """Print the table of attackers."""
    workshop = Workshop(Settings().models_dir, allow_expression=False)
    judged = Reidentification(list(shown(portraits(folder, most, each), workshop)), attack_tools(workshop))
    expected = judged.probes / judged.people
    print(
        f"gallery of {judged.people} people, {judged.probes} probes; by chance {expected:.1f} of them are ranked first"
    )
    print(
        "| method | attacker | ranked first (by person) | hits | times chance (exact interval) | so many by chance "
        f"| ranked above others | TAR at FMR {FMR:g} | mean cosine |\n|---|---|---|---|---|---|---|---|---|"
    )
    _row("none", judged.originals(), judged.people)
    _row("any", judged.surroundings(), judged.people)
    for method in methods:
        for success in judged.attacks(method):
            _row(method.value, success, judged.people)


def cells(folder: Path, most: int) -> None:
    """Print how much grids of cells tell."""
    workshop = Workshop(Settings().models_dir, allow_expression=False)
    photos = list(shown(portraits(folder, most, 2), workshop))
    gallery = sum(each.portrait.photo == 0 for each in photos)
    print("| cells | step | noise | ranked first | times chance |\n|---|---|---|---|---|")
    for (across, down, step, reach), share in rows(photos):
        print(f"| {across} x {down} | {step} | {reach} | {share:.2%} | {share * gallery:.1f} |", flush=True)


def _row(method: str, found: Success, gallery: int) -> None:
    times = f"{found.rank1 * gallery:.1f} ({found.times_chance[0]:.1f} to {found.times_chance[1]:.1f})"
    over = method != "none" and found.rank1 * gallery > MOST_TIMES_CHANCE
    cells = (
        method,
        found.attack,
        f"{found.rank1:.2%} ({_interval(found.rank1_interval)})",
        f"{found.hits}",
        f"**{times}**" if over else times,
        f"{found.by_chance:.2g}" if found.by_chance >= LEAST_TOLD else f"under {LEAST_TOLD:g}",
        f"{found.ranks_above:.3f} ({found.ranks_above_interval[0]:.3f} to {found.ranks_above_interval[1]:.3f})",
        f"{found.tar:.2%} ({_interval(found.tar_interval)})",
        f"{found.cosine:.3f}",
    )
    print(f"| {' | '.join(cells)} |", flush=True)


def _interval(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.2%} to {interval[1]:.2%}"


if __name__ == "__main__":
    main()
