"""Landlock: take the file system, TCP, abstract sockets and signals from this process.

Belongs here: the ruleset of each kernel ABI and how it is applied. Source: the kernel's userspace-api/landlock and
include/uapi/linux/landlock.h.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from moretta.sandbox import libc
from moretta.sandbox.confinement import Level, Support

# The same numbers on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
# LANDLOCK_ACCESS_FS_*: 13 rights since ABI 1 (bits 0-12), then REFER (2), TRUNCATE (3) and IOCTL_DEV (5).
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_TCP_ABI, _TCP_RIGHTS = 4, 0b11  # bind, connect
_SCOPE_ABI, _SCOPES = 6, 0b11  # abstract Unix sockets, signals


def abi() -> int:
    """The kernel's Landlock version, 0 where there is none."""
    if not libc.on_linux():
        return 0
    try:
        return libc.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    except OSError:
        return 0


def available() -> Support:
    """What this kernel's Landlock can deny."""
    version = abi()
    if version == 0:
        return Support(
            Level.NONE, "the kernel offers no Landlock (Linux 5.13 or later, with `landlock` in its LSM list)"
        )
    if version < _SCOPE_ABI:
        lacks = "abstract sockets and signals" if version >= _TCP_ABI else "TCP, abstract sockets and signals"
        return Support(Level.PARTIAL, f"ABI {version}: files; it does not know {lacks} (Linux 6.12 does)")
    return Support(Level.FULL, f"ABI {version}: files, TCP, abstract sockets and signals")


def apply_read_only() -> Support:
    """Deny this thread, and all it starts, every change to the file system, all TCP, and signals to other processes.

    Reading stays possible, so that models and libraries can be loaded.

    Raises:
        OSError: the kernel refused.
    """
    return _restrict([(Path("/"), _EXECUTE | _READ_FILE | _READ_DIR), (Path("/dev/null"), _device_rights())])


def apply(readable: Iterable[Path] = ()) -> Support:
    """Deny this thread, and all it starts, the whole file system, all TCP, and signals to other processes.

    Args:
        readable: directories beneath which files stay readable; none is the safe default.

    Raises:
        OSError: the kernel refused, or a directory is not there.
    """
    return _restrict([(path, _READ_FILE | _READ_DIR) for path in readable])


def _restrict(rules: list[tuple[Path, int]]) -> Support:
    version = abi()
    if version == 0:
        raise OSError(errno.ENOSYS, available().detail)
    handled = _FILE_RIGHTS[max(known for known in _FILE_RIGHTS if known <= version)]
    network = _TCP_RIGHTS if version >= _TCP_ABI else 0
    scopes = _SCOPES if version >= _SCOPE_ABI else 0
    attribute = struct.pack("=QQQ", handled, network, scopes)
    ruleset = libc.syscall(_CREATE_RULESET, _buffer(attribute), len(attribute), 0)
    try:
        for path, rights in rules:
            _allow(ruleset, path, rights & handled)
        libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
        libc.syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return available()


def _allow(ruleset: int, path: Path, rights: int) -> None:
    beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, _buffer(struct.pack("=Qi", rights, beneath)), 0)
    finally:
        os.close(beneath)


def _device_rights() -> int:
    return _READ_FILE | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV


def _buffer(raw: bytes) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(raw, len(raw))
