"""Runs a command as if on another machine: `launched.py MODE [ARGUMENT] COMMAND...`.

`no-landlock`: the kernel answers that it has no Landlock. `alone REPORT`: a network namespace without any device that is up;
its counters are written to the file REPORT at the end. Exit status 99: this machine does not permit it.
"""

import ctypes
import json
import os
import platform
import struct
import subprocess
import sys
from pathlib import Path

NOT_PERMITTED = 99
# clone(2), prctl(2), seccomp(2), bpf(4).
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
ENOSYS = 38
# landlock_create_ruleset has the same number on every architecture that counts from asm-generic, x86-64 among them.
LANDLOCK_CREATE_RULESET = 444

_libc = ctypes.CDLL(None, use_errno=True)


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def without_landlock() -> None:
    """From now on landlock_create_ruleset(2) says ENOSYS, to this process and all that it starts."""
    code = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (LOAD_WORD, 0, 0, 0),
            (JUMP_IF_EQUAL, 0, 1, LANDLOCK_CREATE_RULESET),
            (RETURN, 0, 0, ERRNO | ENOSYS),
            (RETURN, 0, 0, ALLOW),
        )
    )
    buffer = ctypes.create_string_buffer(code)
    program = Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    _checked(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _checked(_libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0))


def alone(report: Path, command: list[str]) -> int:
    """Run `command` without any network and write what the kernel counted."""
    own_uid, own_gid = os.getuid(), os.getgid()
    if _libc.unshare(CLONE_NEWNET) != 0:
        _checked(_libc.unshare(CLONE_NEWUSER | CLONE_NEWNET))
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{own_uid} {own_uid} 1")
        Path("/proc/self/gid_map").write_text(f"{own_gid} {own_gid} 1")
    status = subprocess.run(command, check=False).returncode
    report.write_text(json.dumps(counters(Path("/proc/self/net/snmp").read_text())))
    return status


def counters(table: str) -> dict[str, int]:
    """`/proc/net/snmp` as numbers by `protocol.name`."""
    found: dict[str, int] = {}
    lines = [line.split() for line in table.splitlines()]
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        found |= {f"{names[0]}{name}": int(value) for name, value in zip(names[1:], values[1:], strict=True)}
    return found


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        print(f"not permitted here: {os.strerror(number)} on {platform.machine()}", file=sys.stderr)
        sys.exit(NOT_PERMITTED)


if __name__ == "__main__":
    if sys.argv[1] == "no-landlock":
        without_landlock()
        os.execv(sys.argv[2], sys.argv[2:])
    sys.exit(alone(Path(sys.argv[2]), sys.argv[3:]))
