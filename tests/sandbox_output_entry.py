"""What the tests of outputs run inside a worker: a handler that writes as it is told, or tries what it must not."""

import errno
import mmap
import os
from collections.abc import Callable

Progress = Callable[[bytes], None]
_held: list[mmap.mmap] = []


def handler() -> Callable[..., bytes]:
    """The entry point: one attempt per request; the answer is the size that the worker claims, or an error's name."""

    def handle(media_fd: int, request: bytes, progress: Progress, output_fd: int | None = None) -> bytes:
        if output_fd is None:
            return b"no output"
        try:
            return ATTEMPTS[request.decode()](output_fd)
        except OSError as error:
            return errno.errorcode[error.errno or 0].encode()

    return handle


def _map(fd: int) -> bytes:
    with mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE) as memory:
        memory[:5] = b"moved"
    return b"5"


def _hold(fd: int) -> bytes:
    _held.append(mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE))
    return b"5"


def _write(fd: int) -> bytes:
    return str(os.write(fd, b"written")).encode()


def _grow(fd: int) -> bytes:
    os.ftruncate(fd, 2**30)
    return b"1"


def _lie(fd: int) -> bytes:
    return b"123456789"


ATTEMPTS = {"map": _map, "hold": _hold, "write": _write, "grow": _grow, "lie": _lie}
