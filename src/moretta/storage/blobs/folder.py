"""Blobs as files of one folder.

Belongs here: writing whole files durably. Does not belong here: what is in them.

A blob is written under its name with `.new-` before it, synced, and then renamed (rename(2) replaces at once), and the folder is
synced, so that after a crash it is there whole or not at all. What a dead writer left behind goes with the blob: `delete` knows
its name.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from moretta.core.errors import StorageUnusable
from moretta.storage.blobs.names import absent, require_blob_id

_DIRECTORY_MODE = 0o700
_FILE_MODE = 0o600
_BEGINNING = ".new-"


class FolderBlobs:
    """`core.recognition_store.BlobStore` in a folder, made with mode 0700 where it is absent; files have 0600.

    Safe for threads and processes. `folder` may be read by others who map its files: a file never changes under its name.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with _told():
            if not folder.is_dir():
                folder.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
            if folder.stat().st_mode & 0o077:
                folder.chmod(_DIRECTORY_MODE)

    @property
    def folder(self) -> Path:
        """Where the files lie, each under its blob's id."""
        return self._folder

    def put(self, blob_id: str, content: bytes) -> None:
        """Keep `content` whole or not at all."""
        target, beginning = self._paths(blob_id)
        with _told():
            descriptor = _begin(beginning)
            try:
                with open(descriptor, "wb", closefd=False) as file:
                    file.write(content)
                os.fsync(descriptor)
                beginning.replace(target)
            except BaseException:
                beginning.unlink(missing_ok=True)
                raise
            finally:
                os.close(descriptor)
            self._sync()

    def get(self, blob_id: str) -> bytes:
        """The content."""
        target, _ = self._paths(blob_id)
        with _told():
            try:
                return target.read_bytes()
            except FileNotFoundError:
                raise absent() from None

    def delete(self, blob_id: str) -> None:
        """Delete."""
        with _told():
            for path in self._paths(blob_id):
                path.unlink(missing_ok=True)
            self._sync()

    def ids(self) -> Iterator[str]:
        """The ids of all blobs."""
        with _told():
            names = [entry.name for entry in os.scandir(self._folder) if entry.is_file(follow_symlinks=False)]
        return iter(sorted(name for name in names if not name.startswith(".")))

    def _paths(self, blob_id: str) -> tuple[Path, Path]:
        return self._folder / require_blob_id(blob_id), self._folder / f"{_BEGINNING}{blob_id}"

    def _sync(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _begin(path: Path) -> int:
    """A descriptor of the empty file `path`, which no other writer has; who waited for one that was renamed begins anew."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _FILE_MODE)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_still(descriptor, path):
            os.ftruncate(descriptor, 0)
            return descriptor
        os.close(descriptor)


def _is_still(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "unknown reason"
        raise StorageUnusable(f"the folder of stored files cannot be used: {reason}; make room, or own it") from error
