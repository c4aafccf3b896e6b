"""seccomp: take system calls from every thread of this process.

Belongs here: the filter program and how it is installed. The filter is a list of what a decoder and its models never
need, so that their threads, memory and clocks go on working. Source: seccomp(2), Documentation/userspace-api/seccomp_filter.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterable

from moretta.sandbox import libc
from moretta.sandbox.confinement import Level, Support
from moretta.sandbox.syscalls import BY_ARGUMENT, DENIED, NEWEST_KNOWN, numbers

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand: struct sock_filter

_SECCOMP = {"x86_64": 317, "aarch64": 277}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SET_MODE_FILTER, _GET_ACTION_AVAIL = 1, 2
_ALL_THREADS = 1  # SECCOMP_FILTER_FLAG_TSYNC
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_DENY = _ERRNO | errno.EPERM
_UNKNOWN = _ERRNO | errno.ENOSYS
_X32_BIT = 0x40000000  # the second ABI of x86_64, whose numbers would slip past the list

# Classic BPF: load a 32-bit word, compare, return.
_LOAD, _EQUAL, _GREATER, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in struct seccomp_data

_CLONE_THREAD = 0x00010000
# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_CLONE_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
# O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND and the bit that makes O_TMPFILE; the same on both architectures.
_OPEN_FOR_WRITING = 0o1 | 0o2 | 0o100 | 0o1000 | 0o2000 | 0o20000000
_SIGNALLING_FCNTL = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: signals to others through a descriptor
_SIGNALLING_IOCTL = (0x8901, 0x8902)  # FIOSETOWN, SIOCSPGRP: the same by another name, for sockets
_DENIED_PRCTL = (
    libc.PR_SET_PDEATHSIG,
    libc.PR_SET_DUMPABLE,
    libc.PR_SET_SECCOMP,
    libc.PR_SET_MM,
    libc.PR_CAP_AMBIENT,
    libc.PR_SET_PTRACER,
)


def available() -> Support:
    """Whether this kernel filters system calls, and whether their numbers are known here."""
    machine = libc.machine()
    if not libc.on_linux() or machine not in _SECCOMP:
        return Support(Level.NONE, "known only for Linux on x86_64 and aarch64")
    try:
        action = ctypes.create_string_buffer(struct.pack("=I", _ERRNO), 4)
        libc.syscall(_SECCOMP[machine], _GET_ACTION_AVAIL, 0, action)
    except OSError as error:
        return Support(
            Level.NONE, f"the kernel offers no seccomp filters ({errno.errorcode.get(error.errno or 0, '?')})"
        )
    return Support(Level.FULL, "the kernel filters system calls")


def apply(*, may_read: bool = False) -> Support:
    """Deny every thread of this process the network, new files, new processes and the kernel's configuration.

    Args:
        may_read: leave opening files for reading to Landlock; otherwise no file can be opened at all.

    Raises:
        OSError: the kernel refused.
    """
    machine = libc.machine()
    if available().level is Level.NONE:
        raise OSError(errno.ENOSYS, available().detail)
    program = assemble(machine, os.getpid(), may_read=may_read)
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    # struct sock_fprog: the number of instructions, and a pointer at its natural alignment.
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)), 16)
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    if libc.syscall(_SECCOMP[machine], _SET_MODE_FILTER, _ALL_THREADS, header) != 0:
        raise OSError(errno.EBUSY, "a thread could not be put under the filter")
    return Support(Level.FULL, f"{len(numbers(DENIED, machine))} system calls denied to every thread")


def assemble(machine: str, own_pid: int, *, may_read: bool = False) -> list[Instruction]:
    """The filter program for `machine` (`x86_64` or `aarch64`).

    Args:
        machine: whose system call numbers to use.
        own_pid: the only process that may be signalled, such as by abort(3).
        may_read: see `apply`.
    """
    by_name = numbers(BY_ARGUMENT, machine)
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        _returning(_KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32_BIT),
        _returning(_DENY),
        (_GREATER, 0, 1, NEWEST_KNOWN),
        _returning(_UNKNOWN),
    ]
    for number in numbers(DENIED, machine).values():
        program += _when(number, [_returning(_DENY)])
    bodies = {
        "open": _unless_any_bit(1, _OPEN_FOR_WRITING) if may_read else [_returning(_DENY)],
        "openat": _unless_any_bit(2, _OPEN_FOR_WRITING) if may_read else [_returning(_DENY)],
        "clone": _threads_only(),
        "clone3": [_returning(_UNKNOWN)],  # its flags lie in memory, out of a filter's sight; libc falls back to clone
        "kill": _only_if_equal(0, own_pid),
        "tgkill": _only_if_equal(0, own_pid),
        "prctl": _unless_equal(0, _DENIED_PRCTL),
        "fcntl": _unless_equal(1, _SIGNALLING_FCNTL),
        "ioctl": _unless_equal(1, _SIGNALLING_IOCTL),
        "prlimit64": _only_if_null(2),
    }
    for name, body in bodies.items():
        if name in by_name:
            program += _when(by_name[name], body)
    return [*program, _returning(_ALLOW)]


def _when(number: int, body: list[Instruction]) -> list[Instruction]:
    """`body`, which returns on every path, for one system call; the number is still loaded after it."""
    return [(_EQUAL, 0, len(body), number), *body]


def _returning(action: int) -> Instruction:
    return (_RETURN, 0, 0, action)


def _argument(index: int, *, high: bool = False) -> Instruction:
    """Load half of an argument; both architectures are little-endian."""
    return (_LOAD, 0, 0, 16 + 8 * index + (4 if high else 0))


def _unless_any_bit(argument: int, bits: int) -> list[Instruction]:
    return [_argument(argument), (_ANY_BIT, 0, 1, bits), _returning(_DENY), _returning(_ALLOW)]


def _unless_equal(argument: int, values: Iterable[int]) -> list[Instruction]:
    body = [_argument(argument)]
    for value in values:
        body += [(_EQUAL, 0, 1, value), _returning(_DENY)]
    return [*body, _returning(_ALLOW)]


def _only_if_equal(argument: int, value: int) -> list[Instruction]:
    return [_argument(argument), (_EQUAL, 0, 1, value), _returning(_ALLOW), _returning(_DENY)]


def _only_if_null(argument: int) -> list[Instruction]:
    return [
        _argument(argument),
        (_EQUAL, 0, 2, 0),
        _argument(argument, high=True),
        (_EQUAL, 1, 0, 0),
        _returning(_DENY),
        _returning(_ALLOW),
    ]


def _threads_only() -> list[Instruction]:
    return [
        _argument(0),
        (_ANY_BIT, 0, 1, _CLONE_THREAD),
        (_ANY_BIT, 0, 1, _CLONE_NAMESPACES),
        _returning(_DENY),
        _returning(_ALLOW),
    ]
