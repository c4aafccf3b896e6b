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
import stat
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
    if _is_stream(path):
        return
    if not os.access(_followed(path).parent, os.W_OK | os.X_OK) or path.is_dir():
        raise RequestInvalid("expected the output to be a file in a folder that exists and can be written to")


def place(fd: int, path: Path) -> None:
    """Copy all of the seekable descriptor `fd` into the file `path`, as `placed` does."""
    with placed(path) as made:
        at = 0
        while piece := os.pread(fd, _COPY_BYTES, at):
            at += len(piece)
            _write(made, piece)


def place_bytes(content: bytes, path: Path) -> None:
    """Put `content` into the file `path`, as `placed` does."""
    with placed(path) as made:
        _write(made, content)


@contextlib.contextmanager
def placed(path: Path, mode: int = 0o666) -> Iterator[int]:
    """A descriptor to write to; the file `path` appears, or is replaced, where the context ends without an error.

    A pipe or a device is written to at once, and never replaced by a file.

    Args:
        path: links are followed.
        mode: who may read and write the file, less the process's umask.

    Raises:
        RequestInvalid: it cannot be written; what was there before still is.
    """
    try:
        if _is_stream(path):
            with path.open("wb") as stream:
                yield stream.fileno()
            return
        target = _followed(path)
        sweep(target.parent)
        partial = target.with_name(f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}")
        try:
            with _partial(partial, mode) as made:
                yield made
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


@contextlib.contextmanager
def _partial(partial: Path, mode: int) -> Iterator[int]:
    """A new file, which has the name `partial` at the latest once the context ends."""
    try:
        made = os.open(partial.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, mode)
        named = False
    except OSError:  # a file system without files that have no name
        made = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        named = True
    with _closing(made):
        if named:
            fcntl.flock(made, fcntl.LOCK_EX)
        yield made
        os.fsync(made)
        if not named:
            _name(made, partial)


def _name(made: int, partial: Path) -> None:
    """Give the file its name. Only with a folder's descriptor does Python call linkat(2) so that it follows the link."""
    folder = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with _closing(folder):
        os.link(str(made), partial, src_dir_fd=folder, follow_symlinks=True)


def _write(made: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(made, view) :]


def _is_stream(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _followed(path: Path) -> Path:
    """Where `path` leads, links resolved, whether or not something is there."""
    return Path(os.path.realpath(path))


@contextlib.contextmanager
def _closing(fd: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(fd)
