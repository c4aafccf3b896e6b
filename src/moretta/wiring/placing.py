"""Putting an output at its path: as a whole, or not at all.

Belongs here: the file that nobody sees until it is complete. Does not belong here: what is in it.

The bytes go into a file without a name (O_TMPFILE, Linux 3.11), which the kernel forgets with the process, whatever ends it.
Where the file system has none, they go into `.moretta-*.partial` beside the target; what a killed process leaves of that is
removed by the next output that goes into the folder, unless a running process still holds it.
"""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from moretta.core.errors import RequestInvalid

_PREFIX, _SUFFIX = ".moretta-", ".partial"
_COPY_BYTES = 1 << 20


def check_place(path: Path) -> None:
    """Refuse before the work what could not be written after it.

    Raises:
        RequestInvalid: a folder, or a place where nothing can be written.
    """
    followed = Path(os.path.realpath(path))
    if path.is_dir() or not os.access(followed.parent, os.W_OK | os.X_OK):
        raise RequestInvalid("expected the output to be a file in a folder that exists and can be written to")


def place(fd: int, path: Path) -> None:
    """Copy all of the seekable descriptor `fd` into the file `path`, which appears, or is replaced, at the end.

    Raises:
        RequestInvalid: it cannot be written; what was there before still is.
    """
    target = Path(os.path.realpath(path))
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as stream:  # a pipe or a device is written to, and never replaced by a file
                _copy(fd, stream.fileno())
            return
        sweep(target.parent)
        partial = target.with_name(f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}")
        try:
            _write(fd, partial)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise RequestInvalid(f"expected a place to write the output; it cannot be written: {error.strerror}") from None


def sweep(folder: Path) -> None:
    """Remove what killed processes left in `folder`; what a running one holds stays."""
    for partial in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            fd = os.open(partial, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                partial.unlink()
            finally:
                os.close(fd)


def _write(fd: int, partial: Path) -> None:
    try:
        made = os.open(partial.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    except OSError:  # a file system without files that have no name
        _write_named(fd, partial)
        return
    with _closing(made):
        _copy(fd, made)
        os.fsync(made)
        _name(made, partial)


def _name(made: int, partial: Path) -> None:
    """Give the file its name. Only with a folder's descriptor does Python call linkat(2) so that it follows the link."""
    folder = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with _closing(folder):
        os.link(str(made), partial, src_dir_fd=folder, follow_symlinks=True)


def _write_named(fd: int, partial: Path) -> None:
    made = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    with _closing(made):
        fcntl.flock(made, fcntl.LOCK_EX)
        _copy(fd, made)
        os.fsync(made)


@contextlib.contextmanager
def _closing(fd: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(fd)


def _copy(source: int, target: int) -> None:
    at = 0
    while piece := os.pread(source, _COPY_BYTES, at):
        at += len(piece)
        view = memoryview(piece)
        while view:
            view = view[os.write(target, view) :]
