"""Reporting into a file of the operator's own: one signed envelope on a line, each batch once."""

import fcntl
import mmap
import os
from pathlib import Path

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.metering import Delivery, Record, SealedBatch

_FILE_MODE = 0o600


class FileSender:
    """`core.metering.BatchSender` that appends to a file. Nothing leaves the machine."""

    channel = "file"
    address = ""

    def __init__(self, path: Path, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._path = path
        self._checkpoint = checkpoint

    def deliver(self, batch: SealedBatch, record: Record) -> Delivery:
        """Append the envelope as one line unless it is there; acknowledged once it is on the disk."""
        line = self.preview(batch)
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _FILE_MODE)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                _mend_last_line(descriptor, line)
                if not _holds(descriptor, line):
                    record(line)
                    _write(descriptor, line)
                self._checkpoint("file:written")
                os.fsync(descriptor)
                _sync_folder(self._path.parent)
                self._checkpoint("file:synced")
            finally:
                os.close(descriptor)
        except OSError:
            return Delivery(False, "file not writable")
        return Delivery(True, "acknowledged")

    def preview(self, batch: SealedBatch) -> bytes:
        """The exact line."""
        return batch.envelope + b"\n"


def _mend_last_line(descriptor: int, line: bytes) -> None:
    """Undo a line that a crash cut off. Ours is written again as a whole; of another's, only the line is ended."""
    size = os.fstat(descriptor).st_size
    if size == 0 or os.pread(descriptor, 1, size - 1) == b"\n":
        return
    with mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) as content:
        start = content.rfind(b"\n") + 1
        ours = line.startswith(content[start:])
    if ours:
        os.ftruncate(descriptor, start)
    else:
        _write(descriptor, b"\n")


def _holds(descriptor: int, line: bytes) -> bool:
    size = os.fstat(descriptor).st_size
    if size == 0:
        return False
    with mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) as content:
        found = content.find(line)
        return found == 0 or (found > 0 and content.find(b"\n" + line) >= 0)


def _write(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
