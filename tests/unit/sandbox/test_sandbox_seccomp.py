"""The filter program, run by an interpreter of classic BPF rather than by the kernel: it says what both architectures get."""

import errno
import struct

import pytest

from moretta.sandbox import seccomp
from moretta.sandbox.syscalls import BY_ARGUMENT, DENIED, NEWEST_KNOWN, numbers

ALLOW, KILL = 0x7FFF0000, 0x80000000
DENY, UNKNOWN = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
MACHINES = tuple(ARCHITECTURE)
OWN_PID = 4242


def run(program: list[seccomp.Instruction], data: bytes) -> int:
    """Interpret the five kinds of instruction that the filter uses."""
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, operand = program[at]
        at += 1
        if code == 0x20:
            accumulator = struct.unpack_from("=I", data, operand)[0]
        elif code == 0x06:
            return operand
        else:
            holds = {
                0x15: accumulator == operand,
                0x25: accumulator > operand,
                0x35: accumulator >= operand,
                0x45: accumulator & operand != 0,
            }[code]
            at += if_true if holds else if_false


def verdict(machine: str, name: str, *arguments: int, may_read: bool = False) -> int:
    return verdict_of_number(machine, numbers((*DENIED, *BY_ARGUMENT), machine)[name], *arguments, may_read=may_read)


def verdict_of_number(
    machine: str, number: int, *arguments: int, may_read: bool = False, arch: int | None = None
) -> int:
    six = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("=iIQ6Q", number, ARCHITECTURE[machine] if arch is None else arch, 0, *six)
    return run(seccomp.assemble(machine, OWN_PID, may_read=may_read), data)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_listed_system_call_is_denied(machine: str) -> None:
    listed = numbers(DENIED, machine)
    assert {name: verdict_of_number(machine, number) for name, number in listed.items()} == dict.fromkeys(listed, DENY)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("name", "x86_64", "aarch64"),
    [
        ("read", 0, 63),
        ("write", 1, 64),
        ("mmap", 9, 222),
        ("futex", 202, 98),
        ("recvmsg", 47, 212),
        ("munmap", 11, 215),
        ("exit_group", 231, 94),
        ("clock_gettime", 228, 113),
        ("getrandom", 318, 278),
        ("close", 3, 57),
    ],
)
def test_what_decoding_needs_is_allowed(machine: str, name: str, x86_64: int, aarch64: int) -> None:
    assert verdict_of_number(machine, {"x86_64": x86_64, "aarch64": aarch64}[machine]) == ALLOW, name


def test_a_call_of_another_architecture_ends_the_process() -> None:
    i386 = 0x40000003
    assert verdict_of_number("x86_64", 102, arch=i386) == KILL


def test_the_second_abi_of_x86_64_is_denied() -> None:
    x32_read = 0x40000000
    assert verdict_of_number("x86_64", x32_read) == DENY


@pytest.mark.parametrize("machine", MACHINES)
def test_a_system_call_newer_than_the_list_does_not_exist_for_a_worker(machine: str) -> None:
    assert verdict_of_number(machine, NEWEST_KNOWN + 1) == UNKNOWN


@pytest.mark.parametrize("machine", MACHINES)
def test_threads_may_start_but_processes_and_namespaces_may_not(machine: str) -> None:
    pthread_flags = 0x3D0F00  # what glibc passes for a thread
    assert verdict(machine, "clone", pthread_flags) == ALLOW
    assert verdict(machine, "clone", 0x01200011) == DENY  # what glibc passes for fork
    assert verdict(machine, "clone", pthread_flags | 0x10000000) == DENY  # CLONE_NEWUSER
    assert verdict(machine, "clone3") == UNKNOWN


@pytest.mark.parametrize("machine", MACHINES)
def test_a_worker_may_signal_only_itself(machine: str) -> None:
    minus_one, group = 0xFFFFFFFFFFFFFFFF, 0
    for name in ("kill", "tgkill"):
        assert verdict(machine, name, OWN_PID) == ALLOW
        assert {verdict(machine, name, target) for target in (1, group, minus_one, OWN_PID + 1)} == {DENY}


@pytest.mark.parametrize("machine", MACHINES)
def test_limits_may_be_read_but_not_set(machine: str) -> None:
    assert verdict(machine, "prlimit64", 0, 7, 0) == ALLOW
    assert verdict(machine, "prlimit64", 0, 7, 0x7FFF_0000_1234) == DENY
    assert verdict(machine, "prlimit64", 0, 7, 0x7FFF_0000_0000) == DENY  # only the upper half is set


@pytest.mark.parametrize("machine", MACHINES)
def test_opening_files_is_denied_unless_some_stay_readable(machine: str) -> None:
    read_only, for_writing = 0o2000000, (0o1, 0o2, 0o101, 0o1000, 0o20200000 | 0o2)  # O_CLOEXEC; O_WRONLY ... O_TMPFILE
    assert verdict(machine, "openat", 0, 0, read_only) == DENY
    assert verdict(machine, "openat", 0, 0, read_only, may_read=True) == ALLOW
    assert {verdict(machine, "openat", 0, 0, flags, may_read=True) for flags in for_writing} == {DENY}


@pytest.mark.parametrize("machine", MACHINES)
def test_the_ways_to_undo_the_confinement_are_denied(machine: str) -> None:
    set_dumpable, set_pdeathsig, set_name, f_setown, f_getfl = 4, 1, 15, 8, 3
    assert verdict(machine, "prctl", set_dumpable, 1) == DENY
    assert verdict(machine, "prctl", set_pdeathsig, 0) == DENY
    assert verdict(machine, "prctl", set_name) == ALLOW
    assert verdict(machine, "fcntl", 3, f_setown, 1) == DENY
    assert verdict(machine, "fcntl", 3, f_getfl) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_no_other_process_can_be_made_the_owner_of_a_sockets_signals(machine: str) -> None:
    f_setown, f_setown_ex, fiosetown, siocspgrp, fionread = 8, 15, 0x8901, 0x8902, 0x541B
    assert {verdict(machine, "fcntl", 3, command, 1) for command in (f_setown, f_setown_ex)} == {DENY}
    assert {verdict(machine, "ioctl", 3, command) for command in (fiosetown, siocspgrp)} == {DENY}
    assert verdict(machine, "ioctl", 3, fiosetown | 1 << 32) == DENY  # the kernel looks at the lower half alone
    assert verdict(machine, "ioctl", 3, fionread) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_no_number_is_listed_twice(machine: str) -> None:
    listed = list(numbers((*DENIED, *BY_ARGUMENT), machine).values())
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("machine", MACHINES)
def test_the_program_fits_the_kernels_limit(machine: str) -> None:
    assert len(seccomp.assemble(machine, OWN_PID)) <= 4096  # BPF_MAXINSNS
