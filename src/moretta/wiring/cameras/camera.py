"""One camera of a watched site: a thread that opens its source, a process that reads it, and pictures that wait to be taken.

Belongs here: attempts and the pauses between them, stalls, health, and which pictures are kept when more come than are taken.
Does not belong here: what is made of a picture.

Nothing that one camera does reaches another: each has its thread, its process and its memory.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from moretta.core.cameras import CHALLENGE, RECORDED, CameraHealth, CameraSource, CameraState, SourceKind
from moretta.core.errors import CameraUnavailable, MediaError, MorettaError, RequestInvalid, SandboxUnavailable
from moretta.sandbox.confinement import Mode
from moretta.sandbox.process import WorkerProcess, WorkerTerms
from moretta.sandbox.slots import PLACES, Picture, PictureMemory
from moretta.wiring.cameras.opening import Folder, opened
from moretta.wiring.cameras.wire import ReadRequest, parse_taken, read_request_json

ENTRY_POINT = "moretta.wiring.cameras.reader:reader_handler"
# A request that goes on until the camera is stopped; poll(2) counts milliseconds in 31 bits, which are 24.8 days.
_LONGEST_READ_S = 20 * 86400.0
# An 8K camera.
MOST_PIXELS = 36_000_000
# Pictures a second: as fast as most cameras take them (`moretta watch --rate` and the API allow the same).
MOST_RATE = 30.0


@dataclass(frozen=True, slots=True)
class CameraTerms:
    """How cameras are read.

    `rate`: pictures analysed a second. `paced`: see `ReadRequest`. `stall_s`: a camera that is silent for so long is left and
    tried again, after `first_pause_s`, then twice that and so on to `longest_pause_s`, each shortened by chance by up to half.
    `ca_file`: certificates (PEM) to trust instead of the system's. `folder_again_s`: how often a folder that is read to its end
    is looked at again; None: it has ended.
    """

    rate: float = 5.0
    paced: bool = True
    connect_s: float = 10.0
    stall_s: float = 10.0
    first_pause_s: float = 1.0
    longest_pause_s: float = 60.0
    folder_again_s: float | None = None
    start_limit_s: float = 60.0
    # ffmpeg and its buffers for an 8K camera stay under 1 GiB; address space counts what is only reserved, too.
    memory_bytes: int = 2 * 2**30
    mode: Mode = Mode.REQUIRED
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        if not 0 < self.rate <= MOST_RATE:
            raise RequestInvalid(
                f"expected a rate above 0 and up to {MOST_RATE:g} pictures a second, got {self.rate:g}"
            )


@dataclass(frozen=True, slots=True)
class Waiting:
    """A picture that waits to be analysed; `time_s` is since 1970, in the clock that the camera goes by."""

    picture: Picture
    time_s: float


class Camera:
    """Reads one source from `start` to `stop`. Safe for threads.

    Args:
        on_news: called, in the camera's thread, whenever there is a new picture or state.
        clock_s: the present time, for cameras that go on as it passes.
        origin_s: where time begins for recordings that are read faster than that.
    """

    def __init__(
        self,
        name: str,
        source: CameraSource,
        terms: CameraTerms,
        on_news: Callable[[], None],
        *,
        clock_s: Callable[[], float] = time.time,
        origin_s: float = 0.0,
    ) -> None:
        self.name = name
        self.memory = PictureMemory.made()
        self._source, self._terms, self._on_news, self._clock_s = source, terms, on_news, clock_s
        self._origin_s, self._file_origin_s = origin_s, origin_s
        self._lock = threading.Lock()
        self._waiting: deque[Waiting] = deque()
        self._looked_at: set[int] = set()
        self._stopping = threading.Event()
        self._process: WorkerProcess | None = None
        self._folder = Folder(source.path) if source.kind is SourceKind.FOLDER else None
        self._challenge = ""
        self._last_news_s = time.monotonic()
        self._reading = False
        self._dropped_before = 0
        self._health = CameraHealth(name, source.place, CameraState.CONNECTING, datetime.now(UTC))
        self._thread = threading.Thread(target=self._run, name=f"camera-{name}", daemon=True)

    @property
    def health(self) -> CameraHealth:
        """How it does."""
        with self._lock:
            return self._health

    @property
    def pid(self) -> int | None:
        """The reader's process id; None while there is none."""
        process = self._process
        return None if process is None else process.pid

    @property
    def ended(self) -> bool:
        """Whether no further picture will come."""
        return self.health.state is CameraState.ENDED

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reading and give everything back. Idempotent."""
        self._stopping.set()
        self._end_attempt()
        while self._thread.is_alive():
            self._thread.join(0.2)
            self._end_attempt()
        self.memory.close()

    def waiting(self) -> Waiting | None:
        """The next picture without taking it; None where none waits."""
        with self._lock:
            return self._waiting[0] if self._waiting else None

    def take(self) -> Waiting | None:
        """The next picture, now the caller's until `done`; None where none waits."""
        with self._lock:
            taken = self._waiting.popleft() if self._waiting else None
            if taken is not None:
                self._looked_at.add(taken.picture.place)
            return taken

    def done(self, taken: Waiting) -> None:
        """Give a picture's place back, once it was analysed."""
        with self._lock:
            self._looked_at.discard(taken.picture.place)
            self.memory.release(taken.picture.place)
            self._health = replace(self._health, analysed=self._health.analysed + 1)

    def watch_stall(self) -> None:
        """End the attempt under way where it has been silent for too long. To be called now and then from outside."""
        paced_file = self._source.kind in RECORDED and not self._terms.paced and bool(self._waiting)
        if self._reading and not paced_file and time.monotonic() - self._last_news_s > self._terms.stall_s:
            self._end_attempt()

    def _run(self) -> None:
        failures = 0
        try:
            while not self._stopping.is_set():
                before = self.health.frames
                over, trouble = self._attempt()
                if over:
                    break
                if trouble is None:
                    continue
                failures = 0 if self.health.frames > before else failures + 1
                self._pause(trouble, failures)
        finally:
            self._note(CameraState.ENDED, self.health.trouble)
            self._close_process()

    def _attempt(self) -> tuple[bool, str | None]:
        """Read once. Whether that was the last time, and what it ended with; None where the next follows at once."""
        try:
            source = self._source if self._folder is None else self._next_of(self._folder)
            if source is None:
                return True, None
            self._read(source)
        except MorettaError as error:
            if self._stopping.is_set():  # `stop` ended the reader: that is no trouble of the camera.
                return True, None
            return self._failed(error)
        if self._source.kind in RECORDED:
            return self._folder is None, None
        return False, "the camera ended the stream"

    def _failed(self, error: MorettaError) -> tuple[bool, str | None]:
        asked = next((one.detail for one in error.field_errors if one.field == CHALLENGE), "")
        self._challenge = asked
        if asked:
            return False, None
        trouble = error.detail if isinstance(error, SandboxUnavailable) else self._told(error)
        of_a_folder = self._folder is not None and isinstance(error, MediaError)
        once = self._source.kind in RECORDED and self._terms.folder_again_s is None
        if isinstance(error, SandboxUnavailable) or of_a_folder or once:
            # A recording does not get better by being read again; a folder has others.
            self._note(self.health.state, trouble)
            return not of_a_folder, None
        return False, trouble

    def _next_of(self, folder: Folder) -> CameraSource | None:
        again_s = self._terms.folder_again_s
        while not self._stopping.is_set():
            found = folder.next(growing=again_s is not None)
            if found is not None or again_s is None:
                return found
            self._note(CameraState.WAITING, self.health.trouble)
            self._stopping.wait(again_s)
        return None

    def _read(self, source: CameraSource) -> None:
        """One attempt, until the source ends or fails."""
        self._note(CameraState.CONNECTING, self.health.trouble)
        process = self._running_process()
        now = opened(source, self._terms.connect_s, self._terms.ca_file)
        with self._lock:
            self._file_origin_s = max(self._file_origin_s, self._origin_s)
            self._dropped_before = self._health.dropped
        self._last_news_s = time.monotonic()
        self._reading = True
        try:
            if self._stopping.is_set():
                return
            process.serve(
                now.fd,
                read_request_json(self._request(source)),
                self._came,
                _LONGEST_READ_S,
                self.memory.fd,
                connection=now.connection,
            )
        finally:
            self._reading = False
            with suppress(OSError):
                now.close()

    def _request(self, source: CameraSource) -> ReadRequest:
        return ReadRequest(
            source.kind,
            self._terms.rate,
            MOST_PIXELS,
            self._terms.paced,
            source.host,
            source.port,
            source.tls,
            source.target,
            source.user,
            source.password,
            self._challenge,
        )

    def _came(self, raw: bytes) -> None:
        taken = parse_taken(raw)
        self._last_news_s = time.monotonic()
        with self._lock:
            health = self._health
            if self._terms.paced:
                time_s = self._clock_s()
                while self._waiting:  # The newest wins.
                    self.memory.release(self._waiting.popleft().picture.place)
                    health = replace(health, dropped=health.dropped + 1)
                    self._dropped_before += 1
            else:
                time_s = self._file_origin_s + taken.time_s
                self._origin_s = max(self._origin_s, time_s + 1 / self._terms.rate)
            if len(self._waiting) >= PLACES:
                return
            self._waiting.append(Waiting(taken.picture, time_s))
            since = health.since if health.state is CameraState.WATCHING else datetime.now(UTC)
            self._health = replace(
                health,
                state=CameraState.WATCHING,
                since=since,
                frames=health.frames + 1,
                dropped=max(health.dropped, self._dropped_before + taken.dropped),
                width=taken.picture.width,
                height=taken.picture.height,
                trouble=None,
            )
        self._on_news()

    def _running_process(self) -> WorkerProcess:
        if self._process is not None and self._process.usable:
            return self._process
        self._close_process()
        terms = WorkerTerms(ENTRY_POINT, self._terms.mode, self._terms.memory_bytes)
        try:
            process = WorkerProcess(terms)
        except OSError as error:
            raise CameraUnavailable(f"no process could be started to read it: {error.strerror}") from None
        self._process = process
        process.handshake(self._terms.start_limit_s)
        with self._lock:
            self._waiting.clear()
            self.memory.reset(kept=self._looked_at)
        return process

    def _close_process(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.close()

    def _end_attempt(self) -> None:
        process = self._process
        if process is not None:
            process.end()

    def _pause(self, trouble: str, failures: int) -> None:
        """Wait before the next attempt: longer after each failure in a row, shortened by chance so that cameras of one switch
        that comes back are not all asked at once."""
        self._note(CameraState.WAITING, trouble)
        with self._lock:
            self._health = replace(self._health, reconnects=self._health.reconnects + 1)
        longest = min(self._terms.longest_pause_s, self._terms.first_pause_s * 2 ** min(max(failures - 1, 0), 16))
        self._stopping.wait(longest * random.uniform(0.5, 1.0))  # noqa: S311 - spreading load, nothing secret

    def _note(self, state: CameraState, trouble: str | None) -> None:
        with self._lock:
            if self._health.state is not state or self._health.trouble != trouble:
                self._health = replace(self._health, state=state, since=datetime.now(UTC), trouble=trouble)
        self._on_news()

    def _told(self, error: MorettaError) -> str:
        if isinstance(error, CameraUnavailable | MediaError):
            return error.detail
        silent = time.monotonic() - self._last_news_s > self._terms.stall_s
        return "no picture for too long" if silent else "its reader died"
