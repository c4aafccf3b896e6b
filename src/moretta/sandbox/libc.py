"""The few C library calls that Python does not offer, with their errors as `OSError`.

Belongs here: `syscall` and `prctl`, and nothing that decides what to call.
"""

import ctypes
import os
import platform
import sys
from functools import cache

# prctl(2) options, include/uapi/linux/prctl.h.
PR_SET_PDEATHSIG = 1
PR_GET_PDEATHSIG = 2
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_MM = 35
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
PR_SET_PTRACER = 0x59616D61


def on_linux() -> bool:
    """Whether this process runs on Linux, the only kernel that has these mechanisms."""
    return sys.platform == "linux"


def machine() -> str:
    """The instruction set as the kernel names it, such as `x86_64` or `aarch64`."""
    return platform.machine()


def syscall(number: int, *arguments: int | ctypes.Array[ctypes.c_char] | None) -> int:
    """Make a system call by its number.

    Raises:
        OSError: the kernel refused; `errno` says why.
    """
    library = _libc()
    ctypes.set_errno(0)
    result = int(library.syscall(ctypes.c_long(number), *[_as_word(argument) for argument in arguments]))
    if result == -1:
        raise _last_error()
    return result


def prctl(option: int, *arguments: int) -> int:
    """Call prctl(2), its missing arguments zero.

    Raises:
        OSError: the kernel refused; `errno` says why.
    """
    library = _libc()
    ctypes.set_errno(0)
    words = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:4]]
    result = int(library.prctl(ctypes.c_int(option), *words))
    if result == -1:
        raise _last_error()
    return result


def unshare(flags: int) -> None:
    """Move this process into new namespaces.

    Raises:
        OSError: the kernel refused; `errno` says why.
    """
    library = _libc()
    ctypes.set_errno(0)
    if library.unshare(ctypes.c_int(flags)) != 0:
        raise _last_error()


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _as_word(argument: int | ctypes.Array[ctypes.c_char] | None) -> object:
    return ctypes.c_long(argument) if isinstance(argument, int) else argument


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
