"""The pool of confined workers: who gets one, how long they wait, and how a lost one is replaced.

Belongs here: threads and queues. What a worker is, and what it may do, is in `process` and `worker`.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from moretta.core.errors import MorettaError, Overloaded, WorkerLost
from moretta.sandbox.confinement import Confinement, Mode
from moretta.sandbox.output import OutputMemory
from moretta.sandbox.process import STANDARD_MECHANISMS, WorkerProcess, WorkerTerms

_BACKOFF_S, _LONGEST_BACKOFF_S = 0.5, 30.0
# A worker that dies while it starts may have met a passing lack of memory; three in a row mean that none will come up.
_HOPELESS_AFTER = 3
# How long `close` waits for requests that run to notice that their worker is gone.
_FAREWELL_S = 10.0

_log = logging.getLogger(__name__)


class WorkerPool:
    """Worker processes that are confined before they see any media. Thread-safe.

    Args:
        entry_point: `package.module:callable`; a worker calls it once, before its confinement, for its handler
            `(media_fd, request, progress) -> result`. It must load and warm up all that the handler will need.
        workers: how many processes.
        mode: whether to go on where the kernel does not give all of the sandbox.
        memory_bytes: address space of one worker, libraries and models included.
        time_limit_s: longest time of one request.
        queue_limit_s: longest wait for a free worker.
        start_limit_s: longest time until a worker is ready.
        requests_per_worker: after so many a worker is replaced, and whatever its memory still held is gone.
        environment: the workers' environment beyond a fixed minimum; nothing of the server's own is inherited.
        readable: directories whose files stay readable to a confined worker.
        lazy: start processes with the first request rather than now.
        mechanisms: `package.module:callable` with the signature of `mechanisms.standard`.
        show_stderr: let workers write to the server's standard error; native libraries may print parts of media there.
    """

    def __init__(
        self,
        entry_point: str,
        *,
        workers: int = 1,
        mode: Mode = Mode.REQUIRED,
        memory_bytes: int = 4 * 2**30,
        time_limit_s: float = 300.0,
        queue_limit_s: float = 30.0,
        start_limit_s: float = 120.0,
        requests_per_worker: int = 200,
        environment: Mapping[str, str] | None = None,
        readable: tuple[Path, ...] = (),
        lazy: bool = False,
        mechanisms: str = STANDARD_MECHANISMS,
        show_stderr: bool = False,
    ) -> None:
        self._terms = WorkerTerms(
            entry_point, mode, memory_bytes, readable, dict(environment or {}), mechanisms, show_stderr
        )
        self._size = workers
        self._time_limit_s = time_limit_s
        self._queue_limit_s = queue_limit_s
        self._start_limit_s = start_limit_s
        self._requests_per_worker = requests_per_worker
        self._changed = threading.Condition()
        self._idle: deque[WorkerProcess] = deque()
        self._starting: set[WorkerProcess] = set()
        self._busy: set[WorkerProcess] = set()
        self._wanted = 0 if lazy else workers
        self._waiting = 0
        self._failures = 0
        self._last_failure: MorettaError | None = None
        self._not_before = 0.0
        self._confinement: Confinement | None = None
        self._closed = False
        # One thread starts every process: a worker ends when the thread that started it ends.
        self._spawner = threading.Thread(target=self._keep_filled, name="sandbox-spawner", daemon=True)
        self._spawner.start()

    def run(
        self,
        media_fd: int,
        request: bytes,
        on_progress: Callable[[bytes], None] | None = None,
        *,
        time_limit_s: float | None = None,
        output: OutputMemory | None = None,
        size_of: Callable[[bytes], int] | None = None,
    ) -> bytes:
        """The handler's result for one request.

        Args:
            media_fd: a seekable descriptor; the worker gets its own, read-only one. The caller closes it.
            request: at most 1 MiB.
            on_progress: gets what the handler reports; whatever it raises ends the worker and is raised here.
            time_limit_s: instead of the pool's.
            output: what the handler writes into; sealed when this returns. The caller closes it.
            size_of: how many bytes of `output` there are, by the result; 0 for none, and then nothing is kept of it.

        Raises:
            TimeLimitExceeded: it took too long; the worker was ended.
            WorkerLost: the worker died; later calls work.
            Overloaded: no worker became free in time.
            SandboxUnavailable: required, and not all of it is in force.
            MorettaError: what the handler raised, or what kept the workers from starting.
        """
        worker = self._checked_out()
        try:
            fd = None if output is None else output.fd
            result = worker.serve(media_fd, request, on_progress, time_limit_s or self._time_limit_s, fd)
            size = 0 if size_of is None else size_of(result)
            if output is not None and size:
                output.finish(size, worker.close)
            return result
        finally:
            self._give_back(worker)

    def ready(self) -> bool:
        """Whether at least one worker is up, confined and either free or at work."""
        with self._changed:
            return bool(self._busy) or any(worker.usable for worker in self._idle)

    def wait_ready(self, limit_s: float) -> None:
        """Wait until every worker of a pool is up.

        Raises:
            MorettaError: they do not start, or not in time.
        """
        deadline = time.monotonic() + limit_s
        with self._changed:
            self._want_all()
            while len(self._idle) + len(self._busy) < self._size:
                self._refuse_if_hopeless()
                if not self._changed.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    raise Overloaded(f"the analysis processes were not ready within {limit_s:g} s")

    def confinement(self) -> Confinement | None:
        """What the worker that started last reported to be in force; None before the first one."""
        with self._changed:
            return self._confinement

    def counts(self) -> tuple[int, int, int]:
        """How many workers are up, how many of them are at work, and how many requests wait for one."""
        with self._changed:
            return len(self._idle) + len(self._busy), len(self._busy), self._waiting

    def start_failure(self) -> MorettaError | None:
        """Why the last attempt to start a worker failed; None where it did not."""
        with self._changed:
            return self._last_failure

    def close(self) -> None:
        """End the workers; requests that are running raise `WorkerLost`. Idempotent."""
        with self._changed:
            self._closed = True
            idle = list(self._idle)
            self._idle.clear()
            for worker in (*self._busy, *self._starting):
                worker.end()
            self._changed.notify_all()
        for worker in idle:
            worker.close()
        if threading.current_thread() is not self._spawner:
            self._spawner.join(_FAREWELL_S)

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _checked_out(self) -> WorkerProcess:
        with self._changed:
            self._waiting += 1
            try:
                return self._next_free(time.monotonic() + self._queue_limit_s)
            finally:
                self._waiting -= 1

    def _next_free(self, deadline: float) -> WorkerProcess:
        """Wait for a usable worker; called with the lock held."""
        with self._changed:
            self._want_all()
            while True:
                if self._closed:
                    raise WorkerLost("the service is shutting down")
                while self._idle:
                    worker = self._idle.popleft()
                    if worker.usable:
                        self._busy.add(worker)
                        return worker
                    self._discard(worker)
                self._refuse_if_hopeless()
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Overloaded(
                        f"no analysis process became free within {self._queue_limit_s:g} s; try again later"
                    )
                self._changed.wait(left)

    def _give_back(self, worker: WorkerProcess) -> None:
        with self._changed:
            self._busy.discard(worker)
            if not self._closed and worker.usable and worker.served < self._requests_per_worker:
                self._idle.append(worker)
                self._changed.notify_all()
                return
            self._discard(worker)

    def _discard(self, worker: WorkerProcess) -> None:
        worker.close()
        self._changed.notify_all()  # the spawner starts another

    def _want_all(self) -> None:
        if self._wanted < self._size:
            self._wanted = self._size
            self._changed.notify_all()

    def _refuse_if_hopeless(self) -> None:
        """Raise what keeps workers from starting, unless one is up or another attempt may help."""
        if self._last_failure is None or self._busy or self._idle:
            return
        if not isinstance(self._last_failure, WorkerLost) or self._failures >= _HOPELESS_AFTER:
            error = self._last_failure
            raise type(error)(error.detail, field_errors=error.field_errors, legal_ref=error.legal_ref)

    def _keep_filled(self) -> None:
        """Start processes until there are as many as wanted, then wait for one to be lost."""
        while True:
            with self._changed:
                while not self._closed and (delay := self._spawn_delay()) != 0:
                    self._changed.wait(delay)
                if self._closed:
                    break
                try:
                    worker = WorkerProcess(self._terms)
                except OSError as error:
                    self._note_failure(WorkerLost(f"no analysis process could be started ({error.strerror})"))
                    continue
                self._starting.add(worker)
            threading.Thread(target=self._bring_up, args=(worker,), name="sandbox-start", daemon=True).start()
        self._await_all_ended()

    def _spawn_delay(self) -> float | None:
        """Seconds until the next process is due: 0 for now, None while there are enough."""
        if len(self._idle) + len(self._busy) + len(self._starting) >= self._wanted:
            return None
        return max(0.0, self._not_before - time.monotonic())

    def _bring_up(self, worker: WorkerProcess) -> None:
        failure: MorettaError | None = None
        try:
            confinement = worker.handshake(self._start_limit_s)
        except MorettaError as error:
            failure = error
        with self._changed:
            self._starting.discard(worker)
            if failure is None and not self._closed:
                self._confinement = confinement
                self._failures, self._last_failure, self._not_before = 0, None, 0.0
                self._idle.append(worker)
            else:
                worker.close()
                if failure is not None and not self._closed:
                    self._note_failure(failure)
            self._changed.notify_all()

    def _note_failure(self, failure: MorettaError) -> None:
        _log.error("sandbox.start_failed: %s: %s", failure.code, failure.detail)
        self._failures += 1
        self._last_failure = failure
        delay = min(_LONGEST_BACKOFF_S, _BACKOFF_S * 2 ** min(self._failures - 1, 10))
        self._not_before = time.monotonic() + delay
        self._changed.notify_all()

    def _await_all_ended(self) -> None:
        """Keep this thread, and with it the workers' parent, until the last of them is gone."""
        with self._changed:
            while self._busy or self._starting:
                self._changed.wait()


def probe(
    mode: Mode = Mode.BEST_EFFORT, *, environment: Mapping[str, str] | None = None, start_limit_s: float = 60.0
) -> Confinement:
    """What would be in force around a worker here, found by starting one.

    Raises:
        SandboxUnavailable: `mode` is `required`, and not all of it is in force.
        WorkerLost: no worker could be started.
    """
    worker = WorkerProcess(WorkerTerms("moretta.sandbox.pool:idle_handler", mode, environment=dict(environment or {})))
    try:
        return worker.handshake(start_limit_s)
    finally:
        worker.close()


def idle_handler() -> Callable[[int, bytes, Callable[[bytes], None]], bytes]:
    """The entry point of `probe`: a handler that answers every request with nothing."""
    return lambda _media, _request, _progress: b""
