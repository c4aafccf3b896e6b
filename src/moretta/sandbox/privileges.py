"""Give up what a process may do beyond its own user: capabilities, new privileges, being inspected, outliving its parent.

Belongs here: prctl(2) and capset(2).
"""

import ctypes
import os
import signal
import struct

from moretta.sandbox import libc
from moretta.sandbox.confinement import Level, Support

_CAPGET = {"x86_64": 125, "aarch64": 90}
_CAPSET = {"x86_64": 126, "aarch64": 91}
_VERSION_3 = 0x20080522  # _LINUX_CAPABILITY_VERSION_3: two 32-bit words per set
# The one capability kept while models load: a container's root may have to read files of another owner.
_DAC_READ_SEARCH = 1 << 2
_LAST_CAPABILITY = 63


def available() -> Support:
    """Whether privileges can be given up here."""
    if libc.on_linux() and libc.machine() in _CAPSET:
        return Support(Level.FULL, "no new privileges, no capabilities")
    return Support(Level.NONE, "known only for Linux on x86_64 and aarch64")


def apply_for_loading(parent_pid: int) -> Support:
    """Drop every capability but reading files, forbid new privileges, and end when the parent ends.

    Raises:
        OSError: the kernel refused, or the parent is gone already.
    """
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    _drop_bounding_set()
    _keep_only(_DAC_READ_SEARCH)
    libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        raise ProcessLookupError("the parent process is gone")
    return available()


def apply() -> Support:
    """Drop the last capability, and let no other process read or trace this one.

    Raises:
        OSError: the kernel refused.
    """
    _keep_only(0)
    libc.prctl(libc.PR_SET_DUMPABLE, 0)
    return Support(Level.FULL, "no new privileges, no capabilities, not traceable, ends with the server")


def effective_capabilities() -> int:
    """The capabilities in effect, one bit each."""
    effective, _ = _capabilities()
    return effective


def _drop_bounding_set() -> None:
    libc.prctl(libc.PR_CAP_AMBIENT, libc.PR_CAP_AMBIENT_CLEAR_ALL)
    for capability in range(_LAST_CAPABILITY + 1):
        try:
            libc.prctl(libc.PR_CAPBSET_DROP, capability)
        except PermissionError:
            return  # without CAP_SETPCAP there is nothing to gain from the set either: new privileges are forbidden
        except OSError:
            return  # EINVAL: beyond the last capability that this kernel knows


def _keep_only(kept: int) -> None:
    _, permitted = _capabilities()
    kept &= permitted
    header = ctypes.create_string_buffer(struct.pack("=Ii", _VERSION_3, 0), 8)
    low, high = kept & 0xFFFFFFFF, kept >> 32
    data = ctypes.create_string_buffer(struct.pack("=6I", low, low, 0, high, high, 0), 24)
    libc.syscall(_CAPSET[libc.machine()], header, data)


def _capabilities() -> tuple[int, int]:
    header = ctypes.create_string_buffer(struct.pack("=Ii", _VERSION_3, 0), 8)
    data = ctypes.create_string_buffer(24)
    libc.syscall(_CAPGET[libc.machine()], header, data)
    words = struct.unpack("=6I", data.raw)
    return words[0] | words[3] << 32, words[1] | words[4] << 32
