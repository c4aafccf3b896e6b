"""Anonymous memory into which a worker writes what it made, and which nobody can change afterwards.

Belongs here: its size before, its seals after. Does not belong here: who writes what.

The worker maps it: its own limit of file sizes is 0, so that it can neither grow this nor write any other file. The parent
fixes the size first, which is the limit, cuts it to what the worker says is there, and seals it. Sealing fails while a writable
mapping is left: a worker that keeps one is ended, and its output with it.
"""

import fcntl
import os
from collections.abc import Callable

from moretta.core.errors import WorkerLost

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


class OutputMemory:
    """The memory of one output. `fd` is the caller's until `close`, or `detach`."""

    def __init__(self, limit_bytes: int) -> None:
        # The name shows up in /proc: it says nothing about the media.
        self.fd = os.memfd_create("moretta-output", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self.limit_bytes = limit_bytes
        try:
            os.ftruncate(self.fd, limit_bytes)
            fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
        except BaseException:
            os.close(self.fd)
            raise

    def finish(self, size: int, end_worker: Callable[[], None]) -> None:
        """Keep the first `size` bytes, for good.

        Raises:
            WorkerLost: the worker claims more than there can be, or still holds the memory; `end_worker` was called.
        """
        try:
            if not 0 < size <= os.fstat(self.fd).st_size:
                raise OSError("a size that the memory does not have")
            os.ftruncate(self.fd, size)
            fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, _SEALS)
        except OSError:
            end_worker()
            raise WorkerLost(
                "expected an output that its worker has let go of, got another; it is dropped and the worker was ended"
            ) from None
        os.lseek(self.fd, 0, os.SEEK_SET)

    def detach(self) -> int:
        """The descriptor, from now on the caller's."""
        fd, self.fd = self.fd, -1
        return fd

    def close(self) -> None:
        """Give the memory back. Idempotent."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
