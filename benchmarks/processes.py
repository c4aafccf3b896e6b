"""Child processes: on chosen cores, with one thread each, answering in JSON; and what the kernel says about them.

Belongs here: /proc. Does not belong here: what is run.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
PIN_AND_RUN = (
    "import os, sys; os.sched_setaffinity(0, map(int, sys.argv[1].split(','))); os.execv(sys.argv[2], sys.argv[2:])"
)


class ChildError(Exception):
    """A child process ended without an answer; the text is the last line it wrote."""


def cores(count: int) -> list[int]:
    """`count` of the cores that this process may use, or all there are."""
    return sorted(os.sched_getaffinity(0))[-count:]


def environment(data_dir: Path) -> dict[str, str]:
    """This process's environment with one thread per library, and a data folder that is thrown away."""
    return {**os.environ, **ONE_THREAD, "MORETTA_DATA_DIR": str(data_dir), "MORETTA_TIME_LIMIT_S": "7200"}


def answer(
    command: Sequence[str], on_cores: Iterable[int], env: Mapping[str, str], limit_s: float = 7200
) -> dict[str, object]:
    """The last line of JSON that `command` prints, run on those cores alone.

    Raises:
        ChildError: it ended with an error, or printed none.
    """
    pinned = [sys.executable, "-c", PIN_AND_RUN, ",".join(map(str, on_cores)), *command]
    with tempfile.TemporaryFile("w+") as errors:
        try:
            run = subprocess.run(
                pinned,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=ROOT,
                env=env,
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ChildError(f"no answer within {limit_s:.0f} s") from None
        errors.seek(0)
        said = [line for line in errors.read().splitlines() if line.strip()]
    lines = [line for line in run.stdout.splitlines() if line.startswith("{")]
    if run.returncode or not lines:
        raise ChildError(said[-1].strip() if said else f"it ended with status {run.returncode} and said nothing")
    return json.loads(lines[-1])


def descendants(pid: int) -> list[int]:
    """The processes below `pid`."""
    children = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has ended meanwhile
            children.setdefault(parent, []).append(int(folder.name))
    found, waiting = [], [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """User and system time of the processes so far, in seconds (of 1/100)."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> dict[str, float]:
    """MiB of `VmHWM` (peak resident), `RssAnon` and `RssShmem` now."""
    found = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in {"VmHWM", "VmRSS", "RssAnon", "RssShmem"}:
            found[name] = int(value.split()[0]) / 1024
    return found
