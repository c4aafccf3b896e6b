"""The real service and the real command line, each in directories of its own, watched from outside.

Shared by tests of the doors and the flows; it knows nothing of Moretta's inside.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np

from tests.media import make_video

LISTENS = re.compile(rb"Moretta listens on (http://\S+?)\.\s")
KEY = re.compile(rb"API key \(shown once, stored as a hash\): (\S+)")
LAUNCHER = Path(__file__).with_name("launched.py")
Snapshot = dict[str, tuple[int, int, int]]


class Place:
    """A home, a working, a temporary and a data directory that nothing else uses, and commands run there."""

    def __init__(self, root: Path, models_dir: Path, **settings: str) -> None:
        self.root = root
        self.data = root / "data"
        self._models_dir = models_dir
        self._settings = settings
        for name in ("home", "cwd", "tmp", "state", "cache", "config"):
            (root / name).mkdir(parents=True, exist_ok=True)

    def environment(self, **more: str) -> dict[str, str]:
        folders = {
            "HOME": "home",
            "TMPDIR": "tmp",
            "XDG_STATE_HOME": "state",
            "XDG_CACHE_HOME": "cache",
            "XDG_CONFIG_HOME": "config",
            "XDG_DATA_HOME": "state",
        }
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
            **{name: str(self.root / folder) for name, folder in folders.items()},
            "MORETTA_DATA_DIR": str(self.data),
            "MORETTA_MODELS_DIR": str(self._models_dir),
            **self._settings,
            **more,
        }

    def command(self, *arguments: str, launcher: tuple[str, ...] = ()) -> list[str]:
        """The command line; with a `launcher` mode of `launched.py`, under another kernel than the machine's."""
        before = [sys.executable, str(LAUNCHER), *launcher] if launcher else []
        return [*before, sys.executable, "-m", "moretta", *arguments]

    def moretta(
        self, *arguments: str | Path, stdin: bytes = b"", launcher: tuple[str, ...] = (), **settings: str
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.command(*map(str, arguments), launcher=launcher),
            input=stdin,
            capture_output=True,
            cwd=self.root / "cwd",
            env=self.environment(**settings),
            timeout=240,
            check=False,
        )

    def started(self, *arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command(*map(str, arguments)), cwd=self.root / "cwd", env=self.environment(), **options
        )

    def counted(self) -> dict[tuple[str, int], int]:
        """Items by endpoint and status, as `moretta usage` tells them."""
        told = self.moretta("usage", "--json")
        assert told.returncode == 0, told.stderr
        counts: dict[tuple[str, int], int] = {}
        for line in told.stdout.splitlines():
            row = json.loads(line)
            at = (row["endpoint"], row["status"])
            counts[at] = counts.get(at, 0) + row["items"]
        return counts


class Service:
    """`moretta serve`, started, stopped and started again on the same data."""

    def __init__(self, place: Place, logs: Path) -> None:
        self.place = place
        self.key = ""
        self._logs = logs
        self._starts = 0

    def start(self, *, ready: bool = True, launcher: tuple[str, ...] = ()) -> "Service":
        self._starts += 1
        out, err = self._log("out"), self._log("err")
        with out.open("wb") as stdout, err.open("wb") as stderr:
            self.process = subprocess.Popen(
                self.place.command("serve", "--port", "0", launcher=launcher),
                stdout=stdout,
                stderr=stderr,
                stdin=subprocess.DEVNULL,
                cwd=self.place.root / "cwd",
                env=self.place.environment(),
            )
        try:
            self.base = str(wait_for(lambda: self._told(LISTENS), 120), "ascii")
            if found := KEY.search(out.read_bytes()):
                self.key = str(found[1], "ascii")
            if ready:
                wait_for(lambda: self.get("/readyz").status_code == 200, 180, every_s=0.1)
        except BaseException:
            self.stop(signal.SIGKILL)
            raise
        return self

    def stop(self, how: signal.Signals = signal.SIGTERM, limit_s: float = 60) -> int:
        """End it; the exit status, negative for a signal."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(how)
        return self.process.wait(limit_s)

    def written(self) -> dict[str, bytes]:
        """Every byte that the service wrote: its output, and every file in its directories."""
        files = [*self._logs.iterdir(), *(path for path in self.place.root.rglob("*") if path.is_file())]
        return {str(path): path.read_bytes() for path in files}

    def printed_now(self) -> bytes:
        """What it printed since its last start."""
        return self._log("out").read_bytes()

    def errors_now(self) -> bytes:
        """What it wrote to its standard error since its last start."""
        return self._log("err").read_bytes()

    def log_files(self) -> set[str]:
        return {str(path) for path in self._logs.iterdir()}

    def workers(self) -> list[int]:
        """The process ids of its children."""
        return children(self.process.pid)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.call("GET", path, **options)

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {**self.headers, **options.pop("headers", {})}
        return httpx.request(method, self.base + path, headers=headers, timeout=180, trust_env=False, **options)

    def analyze(self, media: bytes, kind: str = "application/octet-stream", **options: Any) -> httpx.Response:
        headers = {"Content-Type": kind, **options.pop("headers", {})}
        return self.call("POST", "/v1/analyze", content=media, headers=headers, **options)

    @contextlib.contextmanager
    def analyzing(self, media: bytes, **options: Any) -> Iterator[Future[httpx.Response]]:
        """A request under way in a thread, entered once a worker works on it."""
        before = self._worker_seconds()
        with ThreadPoolExecutor(1) as thread:
            answer = thread.submit(self.analyze, media, **options)
            wait_for(lambda: answer.done() or self._worker_seconds() > before + 0.3, 60)
            assert not answer.done(), "the request ended before anything could be done to it"
            yield answer

    def items(self) -> int:
        """The media items counted so far."""
        return int(self.get("/v1/usage").json()["total"])

    def _worker_seconds(self) -> float:
        return sum(cpu_seconds(pid) for pid in self.workers())

    def _told(self, pattern: re.Pattern[bytes]) -> bytes | None:
        found = pattern.search(self._log("out").read_bytes())
        if found is None and self.process.poll() is not None:
            raise AssertionError(f"the service ended with {self.process.returncode}: {self._log('err').read_text()}")
        return found[1] if found else None

    def _log(self, stream: str) -> Path:
        return self._logs / f"{stream}.{self._starts}"


def talking_cut(talking_clip: Path, frames: int = 60, audio_s: float = 2.5) -> bytes:
    """The first seconds of the demonstration clip with a tone, as an MP4."""
    with av.open(str(talking_clip)) as container:
        pictures = [
            frame.to_ndarray(format="rgb24") for frame, _ in zip(container.decode(video=0), range(frames), strict=False)
        ]
    height, width = pictures[0].shape[:2]
    return make_video("mp4", size=(width, height), rate=24, pictures=pictures, audio_s=audio_s)


def padded(clip: bytes, size: int, block: bytes) -> bytes:
    """An MP4 made `size` bytes long by a `free` box of repeated `block` at its end (ISO/IEC 14496-12, 8.1.2)."""
    length = size - len(clip)
    filling = (block * (length // len(block) + 1))[: length - 8]
    return clip + length.to_bytes(4, "big") + b"free" + filling


def fragments(content: bytes, count: int = 400) -> list[bytes]:
    """16-byte pieces of `content` from all over it, each so mixed that nothing else holds it by chance (no words either)."""
    offsets = np.random.default_rng(1).integers(0, max(1, len(content) - 16), count * 4)
    pieces = {content[at : at + 16] for at in offsets}
    mixed = (piece for piece in pieces if len(piece) == 16 and len(set(piece)) >= 10)
    return [piece for piece in mixed if sum(32 <= byte < 127 for byte in piece) <= 12][:count]


def marks_in(written: Mapping[str, bytes], marks: Mapping[str, bytes] | list[bytes]) -> list[str]:
    """Where which mark stands in what was written."""
    named = marks.items() if isinstance(marks, Mapping) else [(repr(mark), mark) for mark in marks]
    pairs = [(name, mark) for name, mark in named]
    return [f"{name} in {place}" for place, content in written.items() for name, mark in pairs if mark in content]


def snapshot(*roots: Path) -> Snapshot:
    """Size, modification time and inode of every file below `roots`."""
    found: Snapshot = {}
    for root in roots:
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)  # noqa: PTH118 - hundreds of thousands of them
                with contextlib.suppress(OSError):
                    state = os.lstat(path)
                    found[path] = (state.st_size, state.st_mtime_ns, state.st_ino)
    return found


def open_files(pid: int) -> set[str]:
    """What a process has open, but for sockets, pipes and devices; what the kernel does not let us see is left out."""
    names = set()
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                name = str(entry.readlink())
                if name.startswith("/") and not name.startswith("/dev/"):
                    names.add(name)
    return names


def children(pid: int) -> list[int]:
    """The process ids of the living children of `pid`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            state = process_state(int(entry.name))
            if state is not None and state[1] == str(pid) and state[0] != "Z":
                found.append(int(entry.name))
    return found


def is_gone(pid: int) -> bool:
    state = process_state(pid)
    return state is None or state[0] == "Z"


def cpu_seconds(pid: int) -> float:
    state = process_state(pid)
    return 0.0 if state is None else (int(state[11]) + int(state[12])) / os.sysconf("SC_CLK_TCK")


def process_state(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state (field 3 of proc(5)) on; None where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def wait_for(condition: Callable[[], Any], limit_s: float = 30, every_s: float = 0.02) -> Any:
    """The first true value of `condition`."""
    deadline = time.monotonic() + limit_s
    while not (value := _quietly(condition)):
        assert time.monotonic() < deadline, f"not within {limit_s} s: {condition}"
        time.sleep(every_s)
    return value


def _quietly(condition: Callable[[], Any]) -> Any:
    try:
        return condition()
    except (httpx.TransportError, FileNotFoundError):
        return None


class Watch:
    """Samples what processes have open while something runs."""

    def __init__(self, service: Service) -> None:
        self.seen: set[str] = set()
        self._service = service
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        pids = [self._service.process.pid, *self._service.workers()]
        while not self._stop.wait(0.01):
            for pid in pids:
                self.seen |= open_files(pid)


def raw_exchange(base: str, request: bytes) -> bytes:
    """What the service answers to bytes that need not be HTTP."""
    host, port = base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(OSError):
            while more := connection.recv(65536):
                answer += more
        return answer
