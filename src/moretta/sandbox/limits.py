"""Resource limits: memory, file size, core dumps, descriptors, and CPU time.

Belongs here: setrlimit(2). The hard limits fall with the soft ones, so that a worker cannot raise them again; CPU time
counts over a process's life, so its soft limit is moved from outside before every request (`allow_cpu_time`).
"""

import errno
import os
import resource
from math import ceil
from pathlib import Path

from moretta.sandbox.confinement import Level, Support

# The channel, stderr, a request's media, what libraries keep open for their thread pools; measured 12 with all models.
OPEN_FILES = 128


def available() -> Support:
    """Resource limits exist on every system that Moretta runs on."""
    return Support(Level.FULL, "memory, file size, core dumps, open files and CPU time")


def apply_for_loading(memory_bytes: int) -> Support:
    """Limit this process's memory for good, and forbid core dumps, which would hold media.

    Args:
        memory_bytes: most address space, libraries and models included.

    Raises:
        OSError: the kernel refused.
    """
    _lower({resource.RLIMIT_AS: memory_bytes, resource.RLIMIT_CORE: 0})
    return Support(Level.PARTIAL, f"{memory_bytes // 2**20} MiB of memory, no core dump")


def apply(memory_bytes: int) -> Support:
    """Limit what is left: files (anonymous ones as well), open descriptors, message queues.

    Raises:
        OSError: the kernel refused.
    """
    wanted = {resource.RLIMIT_FSIZE: 0, resource.RLIMIT_NOFILE: OPEN_FILES}
    if hasattr(resource, "RLIMIT_MSGQUEUE"):
        wanted[resource.RLIMIT_MSGQUEUE] = 0
    _lower(wanted)
    return Support(
        Level.FULL, f"{memory_bytes // 2**20} MiB of memory, files of 0 bytes, no core dump, bounded CPU time"
    )


def allow_cpu_time(pid: int, wall_s: float) -> None:
    """Let the process `pid` use no more CPU time than every core can give in the next `wall_s` seconds.

    The wall clock ends a worker that is too slow; this ends one whose parent can no longer do so.

    Raises:
        OSError: the process is gone, or the kernel does not let us.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    used_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime, proc(5) fields 14 and 15
    soft = ceil(used_s + wall_s * (os.cpu_count() or 1)) + 1
    resource.prlimit(pid, resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _lower(wanted: dict[int, int]) -> None:
    for limit, value in wanted.items():
        _, hard = resource.getrlimit(limit)
        lowered = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(limit, (lowered, lowered))
        except ValueError as error:
            raise OSError(errno.EPERM, "the kernel refused a resource limit") from error
