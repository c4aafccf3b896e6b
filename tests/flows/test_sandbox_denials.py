"""Code that runs inside a worker cannot reach files, network, processes or the server; proved by letting it try."""

import errno
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moretta.sandbox.confinement import Mode
from moretta.sandbox.pool import WorkerPool

TESTS = str(Path(__file__).resolve().parents[1])
DENIED = {errno.EPERM, errno.EACCES, errno.ENOSYS}
MEDIA = b"media of the caller"


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    """One worker that tries what it is told to; `best-effort`, so that every denial below is the kernel's own."""
    os.environ["MORETTA_TEST_SECRET"] = "marked-secret-text"
    try:
        environment = {"PYTHONPATH": TESTS}
        with WorkerPool("sandbox_entry:handler", mode=Mode.BEST_EFFORT, environment=environment) as started:
            started.wait_ready(60)
            yield started
    finally:
        del os.environ["MORETTA_TEST_SECRET"]


@pytest.fixture
def media() -> Iterator[int]:
    descriptor = os.memfd_create("media", os.MFD_CLOEXEC)
    os.write(descriptor, MEDIA)
    yield descriptor
    os.close(descriptor)


def attempt(pool: WorkerPool, media: int, what: str, **arguments: Any) -> dict[str, Any]:
    answer = json.loads(pool.run(media, json.dumps({"try": what, **arguments}).encode()))
    assert isinstance(answer, dict)
    return answer


def snapshot(*folders: Path) -> dict[str, tuple[int, int, int]]:
    """Name, mode, size and change time of everything beneath `folders`."""
    found = {}
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            state = path.lstat()
            found[str(path)] = (state.st_mode, state.st_size, state.st_ctime_ns)
    return found


@pytest.mark.parametrize("early", [False, True], ids=["new thread", "thread older than the confinement"])
@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/proc/1/environ", "/proc/self/environ", "/proc/self/mem", "/dev/null"]
)
def test_no_file_can_be_read(pool: WorkerPool, media: int, path: str, early: bool) -> None:
    assert attempt(pool, media, "open", path=path, in_early_thread=early)["errno"] in DENIED


@pytest.mark.parametrize("early", [False, True], ids=["new thread", "thread older than the confinement"])
@pytest.mark.parametrize(
    "flags", [os.O_WRONLY | os.O_CREAT, os.O_RDWR | os.O_CREAT | os.O_EXCL, os.O_WRONLY | os.O_TRUNC]
)
def test_no_file_can_be_created_or_opened_for_writing(
    pool: WorkerPool, media: int, tmp_path: Path, flags: int, early: bool
) -> None:
    existing = tmp_path / "existing"
    existing.write_bytes(b"kept")
    before = snapshot(tmp_path)
    for path in (str(tmp_path / "new"), str(existing), "new-in-working-directory", "/dev/shm/new"):
        assert attempt(pool, media, "open", path=path, flags=flags, in_early_thread=early)["errno"] in DENIED
    unnamed = attempt(pool, media, "open", path=str(tmp_path), flags=os.O_TMPFILE | os.O_RDWR)
    assert unnamed["errno"] in DENIED
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("early", [False, True], ids=["new thread", "thread older than the confinement"])
def test_no_name_or_attribute_of_a_file_can_be_changed(
    pool: WorkerPool, media: int, tmp_path: Path, early: bool
) -> None:
    existing = tmp_path / "existing"
    existing.write_bytes(b"kept")
    before = snapshot(tmp_path)
    calls = ("unlink", "rename", "symlink", "link", "chmod", "utime", "truncate", "mkfifo", "setxattr")
    for call in calls:
        assert (
            attempt(pool, media, "path_call", call=call, path=str(existing), in_early_thread=early)["errno"] in DENIED
        )
    for call in ("mkdir", "chdir", "listdir"):
        path = str(tmp_path / "folder") if call == "mkdir" else str(tmp_path)
        assert attempt(pool, media, "path_call", call=call, path=path, in_early_thread=early)["errno"] in DENIED
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    "family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, 16], ids=lambda f: f"family {int(f)}"
)
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW])
def test_no_socket_can_be_made(pool: WorkerPool, media: int, family: int, kind: int) -> None:
    assert attempt(pool, media, "socket", family=int(family), kind=int(kind))["errno"] in DENIED
    assert attempt(pool, media, "socket", family=int(family), kind=int(kind), in_early_thread=True)["errno"] in DENIED


def test_no_connection_arrives_at_a_server_on_this_machine(pool: WorkerPool, media: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        assert attempt(pool, media, "connect", host="127.0.0.1", port=server.getsockname()[1])["errno"] in DENIED
        with pytest.raises(TimeoutError):
            server.accept()


def test_no_pair_of_sockets_can_be_made(pool: WorkerPool, media: int) -> None:
    assert attempt(pool, media, "pair")["errno"] in DENIED


def test_no_process_can_be_started(pool: WorkerPool, media: int) -> None:
    for what in ("fork", "exec"):
        for early in (False, True):
            assert attempt(pool, media, what, in_early_thread=early)["errno"] in DENIED


def test_threads_can_still_be_started(pool: WorkerPool, media: int) -> None:
    assert attempt(pool, media, "thread") == {"errno": None, "result": "ran"}


def test_the_server_can_be_neither_signalled_nor_traced(pool: WorkerPool, media: int) -> None:
    received: list[int] = []
    previous = signal.signal(signal.SIGTERM, lambda number, _frame: received.append(number))
    try:
        for early in (False, True):
            assert attempt(pool, media, "kill_parent", in_early_thread=early)["errno"] in DENIED
            assert attempt(pool, media, "ptrace_parent", in_early_thread=early)["errno"] in DENIED
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert received == []


def test_another_process_cannot_be_starved(pool: WorkerPool, media: int) -> None:
    with WorkerPool("sandbox_entry:handler", mode=Mode.BEST_EFFORT, environment={"PYTHONPATH": TESTS}) as other:
        neighbour = attempt(other, media, "identity")["result"]["pid"]
        for how in ("scheduler", "affinity", "priority"):
            assert attempt(pool, media, "starve", how=how, pid=neighbour)["errno"] in DENIED, how
        assert os.sched_getscheduler(neighbour) != os.SCHED_IDLE


@pytest.mark.parametrize("request_", [0x8901, 0x8902], ids=["FIOSETOWN", "SIOCSPGRP"])
def test_the_server_cannot_be_made_the_owner_of_a_workers_signals(pool: WorkerPool, media: int, request_: int) -> None:
    assert attempt(pool, media, "signal_parent_through_channel", request=request_)["errno"] in DENIED


def test_no_attribute_or_link_of_a_file_can_be_read_by_its_name(pool: WorkerPool, media: int, tmp_path: Path) -> None:
    existing, link = tmp_path / "existing", tmp_path / "link"
    existing.write_bytes(b"kept")
    link.symlink_to("where-somebody-keeps-something")
    os.setxattr(existing, "user.mark", b"where it was downloaded")
    for call, path in (("getxattr", existing), ("listxattr", existing), ("readlink", link)):
        assert attempt(pool, media, "path_call", call=call, path=str(path))["errno"] in DENIED, call


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers below are those of x86_64")
@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("unshare", 272),
        ("setns", 308),
        ("mount", 165),
        ("bpf", 321),
        ("io_uring_setup", 425),
        ("perf_event_open", 298),
        ("keyctl", 250),
        ("process_vm_readv", 310),
        ("pidfd_open", 434),
        ("memfd_create", 319),
        ("clone3", 435),
        ("shmget", 29),
        ("mq_open", 240),
        ("setuid", 105),
        ("capset", 126),
        ("a call of the future", 500),
        ("getpid in the x32 ABI", 1073741824 + 39),
    ],
)
def test_no_other_way_into_the_kernel_is_open(pool: WorkerPool, media: int, name: str, number: int) -> None:
    assert attempt(pool, media, "syscall", number=number)["errno"] in DENIED, name


def test_the_media_can_be_read_but_not_changed(pool: WorkerPool, media: int) -> None:
    assert attempt(pool, media, "echo")["result"] == MEDIA.decode()
    assert attempt(pool, media, "write_media")["errno"] in {errno.EBADF, *DENIED}
    assert attempt(pool, media, "reopen_media")["errno"] in DENIED
    assert os.pread(media, 100, 0) == MEDIA


def test_the_media_is_read_from_its_start_wherever_the_caller_left_off(pool: WorkerPool, media: int) -> None:
    assert os.lseek(media, 0, os.SEEK_CUR) == len(MEDIA)
    assert attempt(pool, media, "offset")["result"] == 0
    assert os.lseek(media, 0, os.SEEK_CUR) == len(MEDIA)


def test_a_sealable_media_file_is_sealed(pool: WorkerPool) -> None:
    descriptor = os.memfd_create("media", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.write(descriptor, MEDIA)
        assert attempt(pool, descriptor, "echo")["result"] == MEDIA.decode()
        with pytest.raises(PermissionError):
            os.pwrite(descriptor, b"x", 0)
    finally:
        os.close(descriptor)


def test_a_worker_inherits_neither_environment_nor_descriptors(pool: WorkerPool, media: int) -> None:
    environment = attempt(pool, media, "environment")["result"]
    assert "MORETTA_TEST_SECRET" not in environment
    assert set(environment) <= {
        "PATH",
        "LANG",
        "LC_CTYPE",
        "PYTHONPATH",
        "PYTHONDONTWRITEBYTECODE",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "ORT_DISABLE_TELEMETRY",
    }
    descriptors = attempt(pool, media, "descriptors")["result"]
    assert len(descriptors) == 5  # null in and out, standard error, the channel, this request's media


def test_a_worker_has_no_capability_and_cannot_raise_its_limits(pool: WorkerPool, media: int) -> None:
    assert attempt(pool, media, "identity")["result"]["capabilities"] == 0
    limits = attempt(pool, media, "limits")["result"]
    assert limits["RLIMIT_FSIZE"] == limits["RLIMIT_CORE"] == [0, 0]
    assert limits["RLIMIT_AS"] == [4 * 2**30, 4 * 2**30]
    assert limits["RLIMIT_NOFILE"][1] <= 128
    assert limits["RLIMIT_CPU"][0] > 0
    assert attempt(pool, media, "raise_limit")["errno"] in DENIED


def test_what_a_library_prints_goes_nowhere(pool: WorkerPool, media: int, capfd: pytest.CaptureFixture[str]) -> None:
    assert attempt(pool, media, "stderr")["errno"] is None
    assert capfd.readouterr() == ("", "")


def test_directories_that_are_named_stay_readable_and_no_others(tmp_path: Path, media: int) -> None:
    named, other = tmp_path / "named", tmp_path / "other"
    for folder in (named, other):
        folder.mkdir()
        (folder / "file").write_bytes(b"content")
    with WorkerPool(
        "sandbox_entry:handler", mode=Mode.BEST_EFFORT, environment={"PYTHONPATH": TESTS}, readable=(named,)
    ) as pool:
        assert attempt(pool, media, "open", path=str(named / "file"))["errno"] is None
        assert attempt(pool, media, "open", path=str(named / "file"), flags=os.O_RDWR)["errno"] in DENIED
        assert attempt(pool, media, "open", path=str(named / "new"), flags=os.O_RDWR | os.O_CREAT)["errno"] in DENIED
        assert attempt(pool, media, "open", path=str(other / "file"))["errno"] in DENIED
