"""The service as a client meets it: how soon it is up, and how soon a warm one answers.

Belongs here: starting `moretta serve` and timing calls over the loopback. Does not belong here: judging the figures.
"""

import http.client
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import ROOT, ChildError, cpu_s, descendants, environment

START_LIMIT_S = 120.0
POLL_S = 0.02
WARM_UP_CALLS = 5
HTTP_OK = 200


@dataclass(frozen=True, slots=True)
class Started:
    """Seconds from the start of the process to the first answer, and to the first that says it takes work.

    `start_cpu_s` is the processor time of all its processes until then.
    """

    healthy_s: float
    ready_s: float
    start_cpu_s: float
    port: int
    pid: int
    token: str


@contextmanager
def served(workers: int) -> Iterator[Started]:
    """A running `moretta serve` with a data folder of its own.

    Raises:
        ChildError: it ended, or was not ready in time.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="moretta-bench-") as folder, tempfile.TemporaryFile("w+") as out:
        env = environment(Path(folder)) | {"MORETTA_RATE_PER_MINUTE": "1000000", "MORETTA_WORKERS": str(workers)}
        command = [str(Path(sys.executable).parent / "moretta"), "serve", "--port", str(port)]
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT, env=env)
        try:
            healthy_s = _until(process, port, "/healthz", start)
            ready_s = _until(process, port, "/readyz", start)
            out.seek(0)
            token = re.search(r"API key[^:]*: (\S+)", out.read())
            if token is None:
                raise ChildError("`moretta serve` printed no API key")
            yield Started(healthy_s, ready_s, _spent_s(process.pid), port, process.pid, token[1])
        finally:
            process.terminate()
            process.wait(30)


def answers_ms(started: Started, path: str, still: bytes, calls: int) -> tuple[list[float], float, dict]:
    """Milliseconds from sending `still` to having the whole answer, for each of `calls` calls after a few unmeasured ones;
    the mean processor time that the service spent on one; and the last answer.

    Raises:
        ChildError: an answer was not 200, or named no face.
    """
    connection = http.client.HTTPConnection("127.0.0.1", started.port, timeout=60)
    headers = {"Authorization": f"Bearer {started.token}", "Content-Type": "image/jpeg"}
    taken = []
    try:
        for call in range(WARM_UP_CALLS + calls):
            if call == WARM_UP_CALLS:
                spent_s = _spent_s(started.pid)
            start = time.perf_counter()
            connection.request("POST", path, still, headers)
            response = connection.getresponse()
            body = response.read()
            elapsed = time.perf_counter() - start
            answer = json.loads(body)
            if response.status != HTTP_OK or not answer["faces"]:
                raise ChildError(f"{path} answered {response.status}: {body[:200]!r}")
            if call >= WARM_UP_CALLS:
                taken.append(1000 * elapsed)
    finally:
        connection.close()
    return taken, 1000 * (_spent_s(started.pid) - spent_s) / calls, answer


def _spent_s(pid: int) -> float:
    return cpu_s([pid, *descendants(pid)])


def _until(process: subprocess.Popen, port: int, path: str, start: float) -> float:
    while time.perf_counter() - start < START_LIMIT_S:
        if process.poll() is not None:
            raise ChildError(f"`moretta serve` ended with status {process.returncode}")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path)
            status = connection.getresponse().status
            connection.close()
        except OSError:
            status = 0
        if status == HTTP_OK:
            return time.perf_counter() - start
        time.sleep(POLL_S)
    raise ChildError(f"`moretta serve` did not answer {path} with 200 within {START_LIMIT_S:.0f} s")
