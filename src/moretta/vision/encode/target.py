"""The descriptor into which a confined worker writes, as a Python file.

Belongs here: placing bytes. Does not belong here: what they mean.
"""

import io
import mmap
import os
from typing import TYPE_CHECKING

from moretta.core.errors import MediaTooLarge

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# A window of this many bytes is mapped at a time; a multiple of every page size (4 to 64 KiB).
_WINDOW = 8 * 2**20


class DescriptorTarget(io.RawIOBase):
    """Writes through a mapping of the descriptor, whose size the parent fixed beforehand: that size is the limit.

    A mapping and not write(2), because a worker's limit of file sizes is 0 (`sandbox.limits`) and stays so.
    """

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = os.dup(fd)
        self.limit = os.fstat(self._fd).st_size
        self._offset = 0
        self._window: mmap.mmap | None = None
        self._window_at = -1
        self.size = 0
        """How many bytes there are: the end of the last that was written."""

    def writable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def write(self, data: "ReadableBuffer") -> int:
        """Put all of `data` at the offset.

        Raises:
            MediaTooLarge: it would reach beyond the limit; nothing of it is written.
        """
        view = memoryview(data).cast("B")
        if self._offset + len(view) > self.limit:
            raise MediaTooLarge(
                f"expected an output of at most {self.limit} bytes, which it passed; cut the media, "
                "or raise the setting max_bytes"
            )
        done = 0
        while done < len(view):
            window, at = self._mapped(self._offset)
            count = min(len(view) - done, len(window) - at)
            window[at : at + count] = view[done : done + count]
            done += count
            self._offset += count
        self.size = max(self.size, self._offset)
        return done

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._offset, os.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise OSError(f"expected an offset within the output, got {base + offset}")
        self._offset = base + offset
        return self._offset

    def tell(self) -> int:
        """The current offset."""
        return self._offset

    def close(self) -> None:
        """Give the mapping back; the parent can seal the descriptor only then. Idempotent."""
        if not self.closed:
            self._unmap()
            os.close(self._fd)
        super().close()

    def _mapped(self, offset: int) -> tuple[mmap.mmap, int]:
        start = offset // _WINDOW * _WINDOW
        if self._window is None or start != self._window_at:
            self._unmap()
            length = min(_WINDOW, self.limit - start)
            self._window = mmap.mmap(self._fd, length, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=start)
            self._window_at = start
        return self._window, offset - start

    def _unmap(self) -> None:
        if self._window is not None:
            self._window.close()
            self._window = None
