"""`python -m benchmarks.accountability [--write FILE]`: the transparency log at a million entries, and an erasure of 100,000.

Belongs here: the page. Does not belong here: how anything is measured (see `log` and `erasure`).
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.log import findings
from benchmarks.machine import load_now, machine
from benchmarks.processes import ROOT, environment
from benchmarks.results import targets_lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accountability", description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the page there")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="moretta-bench-") as folder:
        text = _page(Path(folder))
    print(text)
    if chosen.write:
        chosen.write.write_text(text)


def _page(scratch: Path) -> str:
    facts = machine()
    found = findings(scratch, _tell)
    _tell("erasing people of a gallery of 100,000")
    command = [sys.executable, str(Path(__file__).with_name("erasure.py"))]
    run = subprocess.run(command, cwd=ROOT, env=environment(scratch), capture_output=True, text=True, check=False)
    erased = run.stdout.rstrip() if run.returncode == 0 else "it could not be run"
    facts["load"] = facts["load"].format(load_now())
    head = [
        "# Rights and accountability, measured",
        "",
        "Written by `make bench`, all figures by one run on one machine.",
        "",
    ]
    lines = [f"- {name}: {words}" for name, words in facts.items()]
    erasing = ["", "## Erasing somebody, certificate included", "", "```", *erased.splitlines(), "```"]
    return "\n".join([*head, *lines, *targets_lines(found), *erasing, ""])


def _tell(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
