"""Child processes that stay alive and take turns, so that a slow minute of the machine hits every contender alike.

A child loads its gallery, prints a first line of JSON with `"ready"`, and for each line it reads runs once and prints one line of
JSON. Belongs here: that conversation. Does not belong here: what is run.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.processes import PIN_AND_RUN, ROOT, ChildError


class Turns:
    """One contender's child, pinned to its cores."""

    def __init__(self, command: Sequence[str], on_cores: Iterable[int], env: Mapping[str, str]) -> None:
        pinned = [sys.executable, "-c", PIN_AND_RUN, ",".join(map(str, on_cores)), *command]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the child
        self._child = subprocess.Popen(
            pinned,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=ROOT,
            env=dict(env),
        )

    @property
    def pid(self) -> int:
        return self._child.pid

    def ready(self) -> dict:
        """What the child says when it has loaded. Raises `ChildError` where it ended instead."""
        return self._line()

    def go(self) -> dict:
        """One run's figures. Raises `ChildError` where the child ended."""
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.write("go\n")
            self._child.stdin.flush()
        return self._line()

    def close(self) -> None:
        """End the child. Idempotent."""
        self._child.kill()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def _line(self) -> dict:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            if line.startswith("{"):
                return json.loads(line)
        self._errors.seek(0)
        said = [line for line in self._errors.read().splitlines() if line.strip()]
        raise ChildError(said[-1].strip() if said else "it ended and said nothing")
