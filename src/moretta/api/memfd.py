"""Media in anonymous memory, sealed, and the budget of all of it.

Belongs here: what holds an upload's bytes. Does not belong here: where they come from, what they mean.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

from moretta.core.errors import MediaEmpty, MediaTooLarge, Overloaded

# Enough for every container's signature (MPEG-TS needs two packets of 188 bytes).
HEAD_BYTES = 512
_COPY_BYTES = 1 << 20
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


class MemoryBudget:
    """Counts the bytes that all uploads hold together. Used from the event loop and from job threads."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._used: dict[int, int] = {}

    @property
    def used_bytes(self) -> int:
        """Bytes held now."""
        return sum(self._used.copy().values())

    def hold(self, fd: int, size: int) -> None:
        """Note that `fd` holds `size` bytes. Raises `Overloaded` where that is over the limit."""
        if self.used_bytes - self._used.get(fd, 0) + size > self._limit:
            raise Overloaded("The memory for uploads is in use; try again in a moment or send a smaller file.")
        self._used[fd] = size

    def free(self, fd: int) -> None:
        """Forget `fd`."""
        self._used.pop(fd, None)


class Upload:
    """The media items of one request, one after the other in one memfd. Whoever holds it closes it.

    One descriptor however many the items: a hundred photos of an import must not take a hundred of the process's.
    """

    def __init__(self, item_bytes: int, total_bytes: int, budget: MemoryBudget, *, digest: bool) -> None:
        # The name shows up in /proc: it says nothing about the media.
        self.fd = _anonymous()
        self.size = 0
        self.head = b""
        self.spans: list[tuple[int, int]] = []
        self._start = 0
        self._item_bytes = item_bytes
        self._total_bytes = total_bytes
        self._budget = budget
        self._digest = hashlib.sha256() if digest else None
        self._open = True

    def write(self, chunk: bytes | memoryview) -> None:
        """Append `chunk` to the present item. Raises `MediaTooLarge` before a byte over a limit is kept."""
        self.size += len(chunk)
        if self.size - self._start > self._item_bytes:
            raise too_large(self._item_bytes)
        if self.size > self._total_bytes:
            raise too_large(self._total_bytes)
        self._budget.hold(self.fd, self.size)
        if len(self.head) < HEAD_BYTES:
            self.head += bytes(chunk[: HEAD_BYTES - len(self.head)])
        if self._digest is not None:
            self._digest.update(chunk)
        _write_all(self.fd, memoryview(chunk))

    def end_item(self) -> None:
        """The present item is complete; what is written next belongs to another. Raises `MediaEmpty` for an empty one."""
        length = self.size - self._start
        if length == 0:
            raise MediaEmpty("The upload holds no bytes; was the file read before it was sent?")
        self.spans.append((self._start, length))
        if self._digest is not None:
            # Where an item ends is part of what was sent.
            self._digest.update(length.to_bytes(8, "big"))
        self._start = self.size

    def seal(self) -> None:
        """From now on nobody can change the bytes, not even the worker that reads them."""
        _seal(self.fd)

    @contextmanager
    def item(self, index: int) -> Iterator[int]:
        """A sealed descriptor of one item alone, read from its start; closed at the end.

        Raises:
            Overloaded: no memory left for a copy of it.
        """
        length = self.spans[index][1]
        if length == self.size:
            os.lseek(self.fd, 0, os.SEEK_SET)
            yield self.fd
            return
        fd = self.copy(index)
        try:
            self._budget.hold(fd, length)
            yield fd
        finally:
            self._budget.free(fd)
            os.close(fd)

    def copy(self, index: int) -> int:
        """A new sealed descriptor of one item alone, which the caller closes; outside of the budget."""
        start, length = self.spans[index]
        fd = _anonymous()
        try:
            for at in range(start, start + length, _COPY_BYTES):
                _write_all(fd, memoryview(os.pread(self.fd, min(_COPY_BYTES, start + length - at), at)))
            _seal(fd)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def item_sha256(self, index: int) -> str:
        """The digest of one item."""
        start, length = self.spans[index]
        digest = hashlib.sha256()
        for at in range(start, start + length, _COPY_BYTES):
            digest.update(os.pread(self.fd, min(_COPY_BYTES, start + length - at), at))
        return digest.hexdigest()

    @property
    def sha256(self) -> str:
        """Digest of all items, kept only where the caller asked for idempotency."""
        return self._digest.hexdigest() if self._digest is not None else ""

    def close(self) -> None:
        """Give the memory back. Idempotent."""
        if self._open:
            self._open = False
            self._budget.free(self.fd)
            os.close(self.fd)


def too_large(limit_bytes: int) -> MediaTooLarge:
    """The refusal of media over `limit_bytes`."""
    return MediaTooLarge(
        f"The upload is over {limit_bytes} bytes. Send a shorter or smaller file, or raise the operator's byte limit."
    )


def _anonymous() -> int:
    return os.memfd_create("moretta-upload", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def _seal(fd: int) -> None:
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    os.lseek(fd, 0, os.SEEK_SET)


def _write_all(fd: int, view: memoryview) -> None:
    while view:
        view = view[os.write(fd, view) :]
