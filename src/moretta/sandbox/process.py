"""One worker process, as the server sees it.

Belongs here: starting it, its handshake, one request, its end. Whatever goes wrong in between ends the process: a worker
whose channel is out of step is never used again.
"""

import contextlib
import fcntl
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from moretta.core.errors import MorettaError, RequestInvalid, SandboxUnavailable, TimeLimitExceeded, WorkerLost
from moretta.sandbox import limits
from moretta.sandbox.confinement import Confinement, Mode
from moretta.sandbox.frames import (
    HEADER,
    OUT_OF_MEMORY,
    REQUEST_LIMIT,
    Failure,
    Kind,
    ProtocolViolation,
    pack_header,
    unpack_header,
)
from moretta.sandbox.mechanisms import Terms
from moretta.sandbox.worker import StartTerms, unavailable

STANDARD_MECHANISMS = "moretta.sandbox.mechanisms:standard"
_PIECE = 1024 * 1024
# fcntl(2): seals of a memfd, include/uapi/linux/fcntl.h.
_F_ADD_SEALS = 1033
_SEAL_SHRINK_GROW_WRITE = 0x2 | 0x4 | 0x8

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerTerms:
    """How every worker of a pool is started."""

    entry_point: str
    mode: Mode = Mode.REQUIRED
    memory_bytes: int = 4 * 2**30
    readable: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    mechanisms: str = STANDARD_MECHANISMS
    show_stderr: bool = False


class WorkerProcess:
    """A running worker. One thread at a time may call its methods, except for `end`."""

    def __init__(self, terms: WorkerTerms) -> None:
        """Start the process; it ends when the thread that called this ends (prctl(2), PR_SET_PDEATHSIG)."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "moretta.sandbox.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=None if terms.show_stderr else subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=_environment(terms.environment),
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._terms = terms
        self._channel = ours
        self._number = 0
        self._ended_here = False
        self.served = 0
        self.confinement: Confinement | None = None

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def handshake(self, limit_s: float) -> Confinement:
        """Send the terms and wait until the models are loaded and the worker is confined.

        Raises:
            SandboxUnavailable: required, and not all of it is in force.
            MorettaError: what the entry point raised, such as `ModelMissing`.
            WorkerLost: it died, or was not ready in time.
        """
        terms = Terms(os.getpid(), self._terms.memory_bytes, self._terms.readable)
        start = StartTerms(self._terms.entry_point, self._terms.mechanisms, self._terms.mode, terms)
        deadline = time.monotonic() + limit_s
        try:
            self._send(Kind.START, start.to_json(), (), deadline)
            kind, _, body = self._receive(deadline)
            if kind is Kind.READY:
                self.confinement = self._accepted(body)
                return self.confinement
            failure = Failure.from_json(body)
        except TimeoutError:
            raise WorkerLost(f"the analysis process was not ready within {limit_s:.0f} s") from None
        except (OSError, EOFError, ProtocolViolation, ValueError):
            raise WorkerLost(f"the analysis process ended before it was ready ({self._ending()})") from None
        if failure.exception:
            raise WorkerLost(f"the analysis process could not start ({failure.exception}); see `moretta doctor`")
        raise failure.to_error()

    def serve(
        self,
        media_fd: int,
        request: bytes,
        on_progress: Callable[[bytes], None] | None,
        time_limit_s: float,
        output_fd: int | None = None,
        *,
        connection: bool = False,
    ) -> bytes:
        """Run one request; `output_fd` is what the worker may write into, where it is to write.

        `connection`: `media_fd` is a connected socket or a device, which has no read-only side: the worker gets it as it is.

        Raises:
            TimeLimitExceeded: it took longer than `time_limit_s`; the process was ended.
            WorkerLost: the process died or talked nonsense; it is ended.
            MorettaError: what the handler raised.
        """
        if len(request) > REQUEST_LIMIT:
            raise RequestInvalid(f"expected a request of at most {REQUEST_LIMIT} bytes, got {len(request)}")
        media = os.dup(media_fd) if connection else read_only(media_fd)
        answered = False
        try:
            descriptors = [media] if output_fd is None else [media, output_fd]
            answer = self._exchange(descriptors, request, on_progress, time_limit_s)
            answered = not (isinstance(answer, Failure) and answer.code == OUT_OF_MEMORY)
        finally:
            os.close(media)
            self.served += 1
            if not answered:  # whatever was raised, also by `on_progress`: the channel is out of step
                self.close()
        if isinstance(answer, Failure):
            raise self._reported(answer)
        return answer

    @property
    def usable(self) -> bool:
        """Whether the process lives and has said nothing unasked."""
        if self._channel.fileno() < 0 or self._process.poll() is not None:
            return False
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ)
            return not selector.select(0)

    def end(self) -> None:
        """Kill the process; whoever waits for it finds its channel closed. Any thread may call this, more than once."""
        self._ended_here = True
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()

    def close(self) -> None:
        """Kill the process and give everything back. Idempotent."""
        self.end()
        self._process.wait()
        self._channel.close()

    def _exchange(
        self,
        descriptors: Sequence[int],
        request: bytes,
        on_progress: Callable[[bytes], None] | None,
        time_limit_s: float,
    ) -> bytes | Failure:
        self._number = (self._number + 1) & 0xFFFFFFFF
        deadline = time.monotonic() + time_limit_s
        with contextlib.suppress(OSError):  # no /proc, or the process has died: the wall clock still holds
            limits.allow_cpu_time(self.pid, time_limit_s)
        with self._translated(time_limit_s):
            self._send(Kind.REQUEST, request, descriptors, deadline)
        while True:
            with self._translated(time_limit_s):
                kind, number, body = self._receive(deadline)
                if number != self._number or kind not in (Kind.PROGRESS, Kind.RESULT, Kind.ERROR):
                    raise ProtocolViolation("a frame that nobody asked for")
                if kind is Kind.ERROR:
                    return Failure.from_json(body)
            if kind is Kind.RESULT:
                return body
            if on_progress is not None:
                on_progress(body)

    @contextlib.contextmanager
    def _translated(self, time_limit_s: float) -> Iterator[None]:
        """Turn what the channel raises into what the caller can act on."""
        try:
            yield
        except TimeoutError:
            raise _too_slow(time_limit_s) from None
        except (OSError, EOFError):
            raise self._lost(time_limit_s) from None
        except ProtocolViolation as violation:
            _log.error("sandbox.protocol_violation: %s", violation)
            raise WorkerLost("the analysis process answered with something that is no answer; it was ended") from None

    def _accepted(self, body: bytes) -> Confinement:
        confinement = Confinement.from_json(body)
        if self._terms.mode is Mode.REQUIRED and not confinement.complete:
            raise unavailable(confinement)
        return confinement

    def _reported(self, failure: Failure) -> MorettaError:
        if failure.exception:
            _log.error("sandbox.handler_error: %s", failure.exception)
        if failure.code == OUT_OF_MEMORY:
            return WorkerLost("the analysis needed more memory than a worker may use; it was ended")
        return failure.to_error()

    def _lost(self, time_limit_s: float) -> MorettaError:
        ending = self._ending()
        if not self._ended_here:
            _log.error("sandbox.worker_lost: %s", ending)
        if ending == "SIGXCPU":
            return _too_slow(time_limit_s)
        return WorkerLost(f"the analysis process died ({ending}); only this request is lost")

    def _ending(self) -> str:
        """How the process ended, in a word: a signal's name or an exit status."""
        try:
            status = self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return "it closed its channel"
        if status >= 0:
            return f"exit status {status}"
        try:
            return signal.Signals(-status).name
        except ValueError:
            return f"signal {-status}"

    def _send(self, kind: Kind, body: bytes, descriptors: Sequence[int], deadline: float) -> None:
        self._channel.settimeout(_left(deadline))
        head = pack_header(kind, self._number, len(body))
        if descriptors:
            sent = socket.send_fds(self._channel, [head], list(descriptors))
            head = head[sent:]
        self._channel.sendall(head + body)

    def _receive(self, deadline: float) -> tuple[Kind, int, bytes]:
        kind, number, length = unpack_header(self._exactly(HEADER.size, deadline))
        return kind, number, self._exactly(length, deadline)

    def _exactly(self, length: int, deadline: float) -> bytes:
        """`length` bytes. Plain recv(2): descriptors that a worker might attach are dropped by the kernel."""
        received = bytearray()
        while len(received) < length:
            self._channel.settimeout(_left(deadline))
            piece = self._channel.recv(min(_PIECE, length - len(received)))
            if not piece:
                raise EOFError
            received += piece
        return bytes(received)


def read_only(media_fd: int) -> int:
    """A new descriptor of the same media, at its start, through which it cannot be changed; the caller closes it.

    An anonymous file whose owner allows seals is sealed against writing as well.

    Raises:
        SandboxUnavailable: the system does not let us open it again and it is open for writing.
    """
    with contextlib.suppress(OSError):
        fcntl.fcntl(media_fd, _F_ADD_SEALS, _SEAL_SHRINK_GROW_WRITE)
    try:
        return os.open(f"/proc/self/fd/{media_fd}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        pass
    if fcntl.fcntl(media_fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY:
        raise SandboxUnavailable(
            "expected media that can be opened read-only through /proc; mount /proc, or pass it read-only"
        )
    copy = os.dup(media_fd)
    os.lseek(copy, 0, os.SEEK_SET)
    return copy


def _environment(additional: Mapping[str, str]) -> dict[str, str]:
    """A worker's whole environment: nothing of the server's own, which may hold secrets."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        **additional,
        # onnxruntime 1.29 and later open a telemetry cache below the home directory and upload from it, unless told not to
        # before they load (microsoft/onnxruntime pull request 27379). The kernel would refuse both; this avoids the attempt.
        "ORT_DISABLE_TELEMETRY": "1",
    }


def _too_slow(time_limit_s: float) -> TimeLimitExceeded:
    return TimeLimitExceeded(
        f"the analysis took longer than {time_limit_s:g} s and was ended; use the fast profile, a shorter video, or raise "
        "the time limit"
    )


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
