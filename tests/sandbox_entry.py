"""What the sandbox tests run inside a worker: a handler that tries what it is told to, and says what the kernel answered.

A request is JSON: `{"try": NAME, ...}`. The answer is JSON: `{"errno": None}` where the attempt went through, otherwise the
kernel's number; `result` holds what the attempt returned.
"""

# ruff: noqa: PTH101, PTH102, PTH104, PTH108, PTH115, PTH208, PTH211

import ctypes
import fcntl
import json
import os
import resource
import signal
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

from moretta.core.errors import FieldError, MediaTruncated, ModelMissing, NotAuthenticated
from moretta.sandbox import mechanisms, privileges
from moretta.sandbox.confinement import Level, Mechanism, Support
from moretta.sandbox.frames import HEADER, Kind

Progress = Callable[[bytes], None]
_libc = ctypes.CDLL(None, use_errno=True)


def handler() -> Callable[[int, bytes, Progress], bytes]:
    """The entry point: a thread that was there before the confinement, and one attempt per request."""
    early = EarlyThread()

    def handle(media_fd: int, request: bytes, progress: Progress) -> bytes:
        order = json.loads(request)
        attempt = ATTEMPTS[order.pop("try")]
        run = early.run if order.pop("in_early_thread", False) else _call
        try:
            return json.dumps({"errno": None, "result": run(lambda: attempt(media_fd, progress, **order))}).encode()
        except OSError as error:
            return json.dumps({"errno": error.errno, "result": None}).encode()

    return handle


def handler_without_model() -> Callable[[int, bytes, Progress], bytes]:
    raise ModelMissing("expected the face detector, found nothing; run `moretta models install`")


def handler_that_dies() -> Callable[[int, bytes, Progress], bytes]:
    os._exit(3)


def handler_that_fails() -> Callable[[int, bytes, Progress], bytes]:
    raise ValueError("marked-secret-text")


def with_missing_mechanism(terms: mechanisms.Terms) -> tuple[Mechanism, ...]:
    """The standard mechanisms and one that no kernel offers."""
    absent = Support(Level.NONE, "no kernel offers it")
    return (*mechanisms.standard(terms), Mechanism("test double", lambda: absent))


def with_refused_mechanism(terms: mechanisms.Terms) -> tuple[Mechanism, ...]:
    """The standard mechanisms and one that the kernel announces, but refuses."""

    def refuse() -> Support:
        raise PermissionError(1, "Operation not permitted")

    announced = Support(Level.FULL, "announced")
    return (*mechanisms.standard(terms), Mechanism("test double", lambda: announced, after_loading=refuse))


def limits_only(terms: mechanisms.Terms) -> tuple[Mechanism, ...]:
    """Everything is announced as in force, but files, network and processes are not denied."""
    return tuple(m for m in mechanisms.standard(terms) if m.name == "limits")


class EarlyThread:
    """A thread that exists before the confinement, as the pools of inference libraries do."""

    def __init__(self) -> None:
        self._asked, self._done = threading.Semaphore(0), threading.Semaphore(0)
        threading.Thread(target=self._work, daemon=True).start()

    def run(self, work: Callable[[], Any]) -> Any:
        self._task = work
        self._asked.release()
        self._done.acquire()
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome

    def _work(self) -> None:
        while True:
            self._asked.acquire()
            try:
                self._outcome = self._task()
            except BaseException as error:
                self._outcome = error
            self._done.release()


def _call(work: Callable[[], Any]) -> Any:
    return work()


def _echo(media: int, _: Progress, text: str = "") -> str:
    return text + os.pread(media, 100, 0).decode()


def _offset(media: int, _: Progress) -> int:
    return os.lseek(media, 0, os.SEEK_CUR)


def _open(_media: int, _: Progress, path: str, flags: int = os.O_RDONLY) -> None:
    os.close(os.open(path, flags, 0o600))


def _reopen_media(media: int, _: Progress) -> None:
    os.close(os.open(f"/proc/self/fd/{media}", os.O_RDWR))


def _write_media(media: int, _: Progress) -> None:
    os.pwrite(media, b"overwritten", 0)


def _socket(_media: int, _: Progress, family: int, kind: int) -> None:
    socket.socket(socket.AddressFamily(family), socket.SocketKind(kind)).close()


def _pair(_media: int, _: Progress) -> None:
    for end in socket.socketpair():
        end.close()


def _path_call(_media: int, _: Progress, call: str, path: str) -> None:
    calls: dict[str, Callable[[], None]] = {
        "mkdir": lambda: os.mkdir(path),
        "unlink": lambda: os.unlink(path),
        "rename": lambda: os.rename(path, path + ".moved"),
        "symlink": lambda: os.symlink("/", path + ".link"),
        "link": lambda: os.link(path, path + ".link"),
        "chmod": lambda: os.chmod(path, 0o777),
        "utime": lambda: os.utime(path),
        "truncate": lambda: os.truncate(path, 0),
        "listdir": lambda: print(os.listdir(path)),
        "chdir": lambda: os.chdir(path),
        "mkfifo": lambda: os.mkfifo(path + ".fifo"),
        "setxattr": lambda: os.setxattr(path, "user.mark", b"1"),
        "getxattr": lambda: print(os.getxattr(path, "user.mark")),
        "listxattr": lambda: print(os.listxattr(path)),
        "readlink": lambda: print(os.readlink(path)),
    }
    calls[call]()


def _connect(_media: int, _: Progress, host: str, port: int) -> None:
    socket.create_connection((host, port), timeout=2).close()


def _exec(_media: int, _: Progress) -> None:
    os.execv("/bin/true", ["true"])


def _fork(_media: int, _: Progress) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _thread(_media: int, _: Progress) -> str:
    answers: list[str] = []
    worker = threading.Thread(target=lambda: answers.append("ran"))
    worker.start()
    worker.join()
    return answers[0]


def _syscall(_media: int, _: Progress, number: int, arguments: tuple[int, ...] = ()) -> int:
    ctypes.set_errno(0)
    result = _libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments])
    if result == -1:
        raise OSError(ctypes.get_errno(), "refused")
    return int(result)


def _ptrace_parent(_media: int, _: Progress) -> None:
    if _libc.ptrace(16, os.getppid(), 0, 0) == -1:  # PTRACE_ATTACH
        raise OSError(ctypes.get_errno(), "refused")


def _kill_parent(_media: int, _: Progress, number: int = signal.SIGTERM) -> None:
    os.kill(os.getppid(), number)


def _starve(_media: int, _: Progress, how: str, pid: int) -> None:
    ways: dict[str, Callable[[], None]] = {
        "scheduler": lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)),
        "affinity": lambda: os.sched_setaffinity(pid, [min(os.sched_getaffinity(pid))]),
        "priority": lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
    }
    ways[how]()


def _signal_parent_through_channel(_media: int, _: Progress, request: int) -> None:
    """What fcntl(2) does with F_SETOWN, by way of ioctl(2): the kernel sends SIGIO to whom the socket belongs."""
    fcntl.ioctl(_channel(), request, struct.pack("=i", os.getppid()))


def _memory_bomb(_media: int, _: Progress) -> int:
    held = []
    while True:
        held.append(bytes(64 * 2**20))


def _native_memory_bomb(_media: int, _: Progress) -> int:
    _libc.malloc.restype = ctypes.c_void_p
    taken = 0
    while address := _libc.malloc(ctypes.c_size_t(64 * 2**20)):
        ctypes.memset(address, 1, 64 * 2**20)
        taken += 64
    return taken


def _spin(_media: int, _: Progress) -> None:
    while True:
        pass


def _sleep(_media: int, _: Progress, seconds: float) -> None:
    time.sleep(seconds)


def _exit(_media: int, _: Progress) -> None:
    os._exit(7)


def _crash(_media: int, _: Progress) -> None:
    ctypes.string_at(0)


def _abort(_media: int, _: Progress) -> None:
    os.abort()


def _huge(_media: int, _: Progress) -> str:
    return "x" * (65 * 2**20)


def _channel() -> int:
    for descriptor in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                return descriptor
        except OSError:
            continue
    raise AssertionError("no channel found")


def _raw(_media: int, _: Progress, head: str, repeat: int = 1) -> None:
    os.write(_channel(), bytes.fromhex(head) * repeat)


def _forged_result(_media: int, _: Progress) -> str:
    """A second answer, which the next request would take for its own."""
    number_of_next = 2
    os.write(_channel(), HEADER.pack(Kind.RESULT, number_of_next, 6) + b"forged")
    return "honest"


def _progress(_media: int, progress: Progress, count: int, pause_s: float = 0.0) -> int:
    for step in range(count):
        progress(str(step).encode())
        time.sleep(pause_s)
    return count


def _raise_media(_media: int, _: Progress) -> None:
    raise MediaTruncated("expected a whole picture", field_errors=(FieldError("file", "is cut off"),), legal_ref="none")


def _raise_foreign(_media: int, _: Progress) -> None:
    raise NotAuthenticated("marked-secret-text")


def _raise_unexpected(_media: int, _: Progress) -> None:
    raise ZeroDivisionError("marked-secret-text")


def _stderr(_media: int, _: Progress) -> None:
    os.write(2, b"marked-secret-text")
    os.write(1, b"marked-secret-text")


def _environment(_media: int, _: Progress) -> dict[str, str]:
    return dict(os.environ)


def _descriptors(_media: int, _: Progress) -> list[int]:
    found = []
    for descriptor in range(256):
        try:
            os.fstat(descriptor)
        except OSError:
            continue
        found.append(descriptor)
    return found


def _raise_limit(_media: int, _: Progress) -> None:
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
    except ValueError as error:  # Python's word for EPERM here
        raise PermissionError(1, "refused") from error


def _limits(_media: int, _: Progress) -> dict[str, Any]:
    names = ("RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_CORE", "RLIMIT_NOFILE", "RLIMIT_CPU")
    return {name: resource.getrlimit(getattr(resource, name)) for name in names}


def _identity(_media: int, _: Progress) -> dict[str, int]:
    return {"pid": os.getpid(), "capabilities": privileges.effective_capabilities()}


ATTEMPTS: dict[str, Callable[..., Any]] = {
    name.removeprefix("_"): function
    for name, function in list(globals().items())
    if name.startswith("_") and callable(function) and name not in ("_call", "_channel", "_libc")
}
