"""Files that only their owner may read: written whole or not at all, durable when the call returns.

Belongs here: folders of mode 0700 and files of mode 0600. Does not belong here: what is in them.
"""

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from moretta.core.errors import KeyUnusable


def private_folder(folder: Path) -> Path:
    """`folder`, made where it is not there, with mode 0700.

    Raises:
        KeyUnusable: others can look into it, or it belongs to somebody else.
    """
    try:
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_folder(folder.parent)
        found = folder.stat()
    except OSError as error:
        raise KeyUnusable(f"the folder of keys cannot be used ({error.strerror}); name a folder of your own") from None
    _refuse_shared(found, "folder of keys", "700")
    return folder


def read_private(path: Path, most: int = 4096) -> bytes | None:
    """At most `most` bytes of a file; None where it is not there.

    Raises:
        KeyUnusable: others can read it, it belongs to somebody else, it is a link, or it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyUnusable(f"a key file cannot be read ({error.strerror}); check its owner and mode") from None
    with os.fdopen(descriptor, "rb") as file:
        _refuse_shared(os.fstat(descriptor), "key file", "600")
        return file.read(most)


def write_private(path: Path, content: bytes) -> None:
    """Put `content` at `path`, replacing what was there."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)  # of a process that died here
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    temporary.replace(path)
    sync_folder(path.parent)


def overwrite_and_unlink(path: Path) -> None:
    """Overwrite a file with zeros, then unlink it. Idempotent.

    The zeros reach the file's own blocks on a file system that writes in place; a copy-on-write one, or a flash drive, may
    keep the old blocks until it needs them. Only a token or an encrypted disk helps against who reads those.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.pwrite(descriptor, bytes(os.fstat(descriptor).st_size), 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make what was renamed and unlinked in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Keep every other process and thread out of what is done under this lock meanwhile."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _refuse_shared(found: os.stat_result, what: str, mode: str) -> None:
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyUnusable(f"expected a {what} that only its owner can read; `chmod {mode}` mends it")
    if found.st_uid not in (0, os.geteuid()):
        raise KeyUnusable(f"expected a {what} that belongs to the user of this process; `chown` mends it")
