"""`python -m benchmarks.statistics [--write FILE] [--quick] [--recorded DATA]`: what anonymous statistics are worth, and take.

Belongs here: the page and its sections. Does not belong here: how anything is measured.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.machine import load_now, machine
from benchmarks.statistics_query import query_lines
from benchmarks.statistics_recorded import recorded_lines
from benchmarks.statistics_utility import Effort, utility_lines

FULL = Effort(people_per_hour=300, frames_per_s=2, repetitions=40, live_repetitions=3, people=2400, draws=200)
QUICK = Effort(people_per_hour=60, frames_per_s=1, repetitions=10, live_repetitions=2, people=300, draws=20)
# Each takes the effort and a way to tell of its progress, and gives the lines of its section. Queries come first: what others
# leave in memory is looked through by the garbage collector while they are timed.
SECTIONS = (query_lines, utility_lines, recorded_lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statistics", description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the page there")
    parser.add_argument("--quick", action="store_true", help="a minute instead of several; coarser figures")
    parser.add_argument(
        "--recorded", type=Path, metavar="DATA", help="a folder of labelled clips, for errors on recorded streams"
    )
    chosen = parser.parse_args()
    text = _page(replace(QUICK if chosen.quick else FULL, recorded=chosen.recorded))
    print(text)
    if chosen.write:
        chosen.write.write_text(text)


def _page(effort: Effort) -> str:
    facts = machine()
    sections = [line for section in SECTIONS for line in section(effort, _tell)]
    facts["load"] = facts["load"].format(load_now())
    given = " --recorded DATA" if effort.recorded is not None else ""
    head = [
        "# Anonymous statistics, measured",
        "",
        f"Written by `python -m benchmarks.statistics{given} --write benchmarks/STATISTICS.md`, all figures by one run on one "
        "machine.",
        "",
    ]
    return "\n".join([*head, *(f"- {name}: {words}" for name, words in facts.items()), *sections, ""])


def _tell(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
