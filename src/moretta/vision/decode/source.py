"""A seekable descriptor as a Python file.

Belongs here: reading bytes. Does not belong here: what the bytes mean.
"""

import io
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class DescriptorFile(io.RawIOBase):
    """Reads a descriptor through a duplicate and an offset of its own.

    Two of these over one descriptor never disturb each other, because `pread` leaves the shared offset alone; so sound and
    pictures can be decoded in two threads. The caller keeps its descriptor. `fileno` is left unsupported on purpose:
    libraries that find one read through it, and then share the offset.

    `start` and `size` bound what is read to one of several items in the descriptor; left out, it is all of it.
    """

    def __init__(self, fd: int, start: int = 0, size: int | None = None) -> None:
        super().__init__()
        self._fd = os.dup(fd)
        self._start = start
        self._offset = 0
        left = max(0, os.fstat(self._fd).st_size - start)
        self.size = left if size is None else min(size, left)

    @classmethod
    def of(cls, other: "DescriptorFile") -> "DescriptorFile":
        """Another file over the same bytes, with its own duplicate and offset."""
        return cls(other._fd, other._start, other.size)

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fill `buffer` from the current offset; 0 at the end."""
        view = memoryview(buffer).cast("B")[: max(0, self.size - self._offset)]
        count = os.preadv(self._fd, [view], self._start + self._offset) if view else 0
        self._offset += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; a place beyond the end is allowed and reads nothing."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._offset, os.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise OSError(f"expected an offset within the media, got {base + offset}")
        self._offset = base + offset
        return self._offset

    def tell(self) -> int:
        """The current offset."""
        return self._offset

    def at(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset`; moves nothing."""
        if not 0 <= offset < self.size:
            return b""
        return os.pread(self._fd, min(count, self.size - offset), self._start + offset)

    def close(self) -> None:
        """Close the duplicate. Idempotent."""
        if not self.closed:
            os.close(self._fd)
        super().close()
