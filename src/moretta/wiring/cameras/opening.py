"""Opening a camera's source in the door, so that its reader needs no files and no network.

Belongs here: one descriptor for one attempt, and the order of a folder's files. Does not belong here: reading a byte of it.
"""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from moretta.core.cameras import NETWORK, CameraSource, SourceKind
from moretta.core.errors import CameraUnavailable
from moretta.links.cameras import connected

# What is looked for in a folder; the bytes decide what each is.
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".ts", ".mts", ".m2ts")


@dataclass(frozen=True, slots=True)
class Opened:
    """A descriptor, which `close` gives back; `connection`: it is no file."""

    fd: int
    connection: bool
    close: Callable[[], None]


def opened(source: CameraSource, timeout_s: float, ca_file: Path | None = None) -> Opened:
    """The source, opened; TLS as `links.cameras.connected` has it.

    Raises:
        CameraUnavailable: it is not there; the message tells no name and no path.
    """
    if source.kind in NETWORK:
        connection = connected(source, timeout_s, ca_file)
        return Opened(connection.fd, True, connection.close)
    flags = os.O_RDWR if source.kind is SourceKind.DEVICE else os.O_RDONLY
    try:
        fd = os.open(source.path, flags | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise CameraUnavailable(f"the source cannot be opened: {error.strerror}") from None
    wanted = stat.S_ISCHR if source.kind is SourceKind.DEVICE else stat.S_ISREG
    if not wanted(os.fstat(fd).st_mode):
        os.close(fd)
        raise CameraUnavailable("the source cannot be opened: it is no file or camera device")
    return Opened(fd, source.kind is SourceKind.DEVICE, lambda: os.close(fd))


class Folder:
    """The videos of a folder, each once, by name; those that come later, too, once they no longer grow."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._done: set[str] = set()
        self._sizes: dict[str, int] = {}

    def next(self, *, growing: bool) -> CameraSource | None:
        """The next file; None where there is none now. `growing`: leave those for later whose size changed since the last look.

        Raises:
            CameraUnavailable: the folder cannot be read.
        """
        try:
            found = sorted(entry.name for entry in os.scandir(self._path) if self._counts(entry))
        except OSError as error:
            raise CameraUnavailable(f"the folder cannot be read: {error.strerror}") from None
        for name in found:
            size = self._size(name)
            settled = not growing or self._sizes.get(name) == size
            self._sizes[name] = size
            if settled:
                self._done.add(name)
                del self._sizes[name]
                return CameraSource(SourceKind.FILE, self._path / name)
        return None

    def _counts(self, entry: "os.DirEntry[str]") -> bool:
        return entry.name not in self._done and entry.name.lower().endswith(VIDEO_SUFFIXES) and entry.is_file()

    def _size(self, name: str) -> int:
        try:
            return (self._path / name).stat().st_size
        except OSError:
            return -1
