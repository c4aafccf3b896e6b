"""A lost worker costs one request: crashes, limits, nonsense on the channel, cancellation, overload, and concurrent callers."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from moretta.core.errors import (
    Cancelled,
    FieldError,
    MediaTruncated,
    ModelMissing,
    MorettaError,
    Overloaded,
    RequestInvalid,
    SandboxUnavailable,
    TimeLimitExceeded,
    WorkerLost,
)
from moretta.sandbox.confinement import Level, Mode
from moretta.sandbox.pool import WorkerPool, probe

TESTS = str(Path(__file__).resolve().parents[1])
ENVIRONMENT = {"PYTHONPATH": TESTS}


def make_pool(entry_point: str = "sandbox_entry:handler", **options: Any) -> WorkerPool:
    return WorkerPool(entry_point, environment=ENVIRONMENT, **{"mode": Mode.BEST_EFFORT, **options})


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with make_pool(memory_bytes=2**30) as started:
        started.wait_ready(60)
        yield started


@pytest.fixture
def media() -> Iterator[int]:
    descriptor = os.memfd_create("media", os.MFD_CLOEXEC)
    os.write(descriptor, b"m")
    yield descriptor
    os.close(descriptor)


def ask(pool: WorkerPool, media: int, what: str, *, limit_s: float | None = None, **arguments: Any) -> Any:
    answer = json.loads(pool.run(media, json.dumps({"try": what, **arguments}).encode(), time_limit_s=limit_s))
    return answer["result"]


def gone(pid: int) -> bool:
    """Whether the process is dead with all of its threads: the first may be a zombie while others still hold descriptors."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "Z" and len(list(Path(f"/proc/{pid}/task").iterdir())) <= 1
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until_gone(pid: int, limit_s: float = 10.0) -> bool:
    deadline = time.monotonic() + limit_s
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return gone(pid)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("exit", "exit status 7"),
        ("crash", "SIGSEGV"),
        ("abort", "SIGABRT"),
        ("memory_bomb", "memory"),
    ],
)
def test_a_worker_that_dies_loses_one_request(pool: WorkerPool, media: int, what: str, said: str) -> None:
    before = ask(pool, media, "identity")["pid"]
    with pytest.raises(WorkerLost, match=said):
        ask(pool, media, what)
    assert gone(before)
    assert ask(pool, media, "echo") == "m"
    assert ask(pool, media, "identity")["pid"] != before


def test_a_native_library_that_runs_out_of_memory_meets_the_limit(pool: WorkerPool, media: int) -> None:
    taken_mib = ask(pool, media, "native_memory_bomb")
    assert taken_mib < 1024


def test_a_request_that_never_ends_meets_the_time_limit(pool: WorkerPool, media: int) -> None:
    before = ask(pool, media, "identity")["pid"]
    for what, arguments in (("spin", {}), ("sleep", {"seconds": 60})):
        with pytest.raises(TimeLimitExceeded):
            ask(pool, media, what, limit_s=0.3, **arguments)
    assert gone(before)
    assert ask(pool, media, "echo") == "m"


def test_a_result_over_the_limit_fails_alone_and_keeps_its_worker(pool: WorkerPool, media: int) -> None:
    before = ask(pool, media, "identity")["pid"]
    with pytest.raises(MorettaError):
        ask(pool, media, "huge")
    assert ask(pool, media, "identity")["pid"] == before


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"\xff" * 64, "an unknown kind"),
        (struct.pack("!BIQ", 5, 1, 2**63), "a result of 2^63 bytes"),
        (struct.pack("!BIQ", 4, 1, 2**20), "progress over its limit"),
        (struct.pack("!BIQ", 6, 1, 3) + b"{]}", "an error that is no JSON"),
        (struct.pack("!BIQ", 1, 1, 0), "a frame that only the server sends"),
    ],
)
def test_nonsense_on_the_channel_ends_the_worker_and_loses_one_request(media: int, head: bytes, what: str) -> None:
    with make_pool() as pool:
        with pytest.raises(WorkerLost):
            ask(pool, media, "raw", head=head.hex())
        assert ask(pool, media, "echo") == "m", what


def test_an_answer_prepared_for_the_next_request_is_never_taken(media: int) -> None:
    with make_pool() as pool:
        with pytest.raises(WorkerLost):
            ask(pool, media, "forged_result")
        assert ask(pool, media, "echo", text="next ") == "next m"


def test_what_the_handler_raises_is_raised_here(pool: WorkerPool, media: int) -> None:
    with pytest.raises(MediaTruncated) as caught:
        ask(pool, media, "raise_media")
    assert caught.value.detail == "expected a whole picture"
    assert caught.value.field_errors == (FieldError("file", "is cut off"),)
    assert caught.value.legal_ref == "none"


@pytest.mark.parametrize("what", ["raise_unexpected", "raise_foreign"])
def test_an_unforeseen_error_is_reported_and_logged_without_its_text(
    pool: WorkerPool, media: int, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = ask(pool, media, "identity")["pid"]
    with pytest.raises(MorettaError) as caught:
        ask(pool, media, what)
    assert type(caught.value) is MorettaError
    assert "marked-secret-text" not in str(caught.value) + caplog.text
    assert ask(pool, media, "identity")["pid"] == before


def test_a_request_over_its_limit_is_refused_before_it_is_sent(pool: WorkerPool, media: int) -> None:
    with pytest.raises(RequestInvalid):
        pool.run(media, b"x" * (2**20 + 1))
    assert ask(pool, media, "echo") == "m"


def test_progress_arrives_in_order_and_before_the_result(pool: WorkerPool, media: int) -> None:
    heard: list[bytes] = []
    pool.run(media, json.dumps({"try": "progress", "count": 5}).encode(), heard.append)
    assert heard == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize("error", [Cancelled("the caller asked for it"), TimeoutError("not the channel's"), EOFError()])
def test_whatever_on_progress_raises_ends_the_worker_and_is_raised(
    pool: WorkerPool, media: int, error: Exception
) -> None:
    before = ask(pool, media, "identity")["pid"]

    def cancel(_: bytes) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        # The pause keeps further frames from being what gives the worker away as out of step.
        pool.run(media, json.dumps({"try": "progress", "count": 2, "pause_s": 1.0}).encode(), cancel)
    assert caught.value is error
    assert gone(before)
    assert ask(pool, media, "echo") == "m"


def test_callers_at_once_each_get_their_own_answer() -> None:
    def call(pool: WorkerPool, number: int) -> bool:
        descriptor = os.memfd_create("media", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, f"media {number}".encode())
            return bool(ask(pool, descriptor, "echo", text=f"{number}: ") == f"{number}: media {number}")
        finally:
            os.close(descriptor)

    with make_pool(workers=3) as pool, ThreadPoolExecutor(12) as threads:
        assert all(threads.map(lambda number: call(pool, number), range(200)))


def test_a_caller_who_waits_too_long_for_a_worker_is_told_so(media: int) -> None:
    with make_pool(queue_limit_s=0.2) as pool, ThreadPoolExecutor(1) as thread:
        pool.wait_ready(60)
        first = thread.submit(ask, pool, media, "sleep", seconds=1.5)
        while not pool._busy:
            time.sleep(0.01)
        with pytest.raises(Overloaded):
            ask(pool, media, "echo")
        first.result()
        assert ask(pool, media, "echo") == "m"


def test_a_worker_is_replaced_after_its_share_of_requests(media: int) -> None:
    with make_pool(requests_per_worker=2) as pool:
        pids = [ask(pool, media, "identity")["pid"] for _ in range(6)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [2, 2, 2]


def test_a_worker_that_was_killed_while_it_was_idle_costs_nothing(media: int) -> None:
    with make_pool() as pool:
        pid = ask(pool, media, "identity")["pid"]
        os.kill(pid, signal.SIGKILL)
        assert wait_until_gone(pid)
        assert ask(pool, media, "echo") == "m"


def test_a_worker_ends_with_its_server() -> None:
    server = (
        "import json, os, sys\n"
        "from moretta.sandbox.confinement import Mode\n"
        "from moretta.sandbox.pool import WorkerPool\n"
        f"pool = WorkerPool('sandbox_entry:handler', mode=Mode.BEST_EFFORT, environment={ENVIRONMENT!r})\n"
        "media = os.memfd_create('media')\n"
        "print(json.loads(pool.run(media, b'{\"try\": \"identity\"}'))['result']['pid'], flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    finished = subprocess.run([sys.executable, "-c", server], stdout=subprocess.PIPE, timeout=60, check=False)
    assert finished.returncode == -signal.SIGKILL
    assert wait_until_gone(int(finished.stdout))


def test_closing_ends_the_workers_and_what_they_were_doing(media: int) -> None:
    pool = make_pool(workers=2)
    pool.wait_ready(60)
    pid = ask(pool, media, "identity")["pid"]
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(ask, pool, media, "sleep", seconds=60)
        while not pool._busy:
            time.sleep(0.01)
        pool.close()
        pool.close()
        with pytest.raises(WorkerLost):
            running.result()
    assert gone(pid)
    assert not pool.ready()
    with pytest.raises(WorkerLost):
        ask(pool, media, "echo")


def test_a_lazy_pool_starts_with_its_first_request(media: int) -> None:
    with make_pool(lazy=True) as pool:
        assert pool.confinement() is None
        assert not pool.ready()
        assert ask(pool, media, "echo") == "m"
        assert pool.ready()


@pytest.mark.parametrize("mechanisms", ["with_missing_mechanism", "with_refused_mechanism", "limits_only"])
def test_required_fails_closed_where_something_is_missing(media: int, mechanisms: str) -> None:
    with make_pool(mode=Mode.REQUIRED, mechanisms=f"sandbox_entry:{mechanisms}") as pool:
        with pytest.raises(SandboxUnavailable, match="best-effort"):
            pool.wait_ready(60)
        with pytest.raises(SandboxUnavailable):
            ask(pool, media, "echo")
        assert not pool.ready()


@pytest.mark.parametrize("mechanisms", ["with_missing_mechanism", "with_refused_mechanism", "limits_only"])
def test_best_effort_goes_on_and_says_what_is_missing(media: int, mechanisms: str) -> None:
    with make_pool(mechanisms=f"sandbox_entry:{mechanisms}") as pool:
        assert ask(pool, media, "echo") == "m"
        confinement = pool.confinement()
        assert confinement is not None
        assert not confinement.complete
        assert confinement.missing


def test_a_probe_reports_what_a_worker_found_and_required_agrees_with_it(media: int) -> None:
    found = probe()
    assert {m.name for m in found.mechanisms} == {"network namespace", "privileges", "limits", "landlock", "seccomp"}
    assert len(found.attempts) == 4
    with make_pool(mode=Mode.REQUIRED) as pool:
        if found.complete:
            assert ask(pool, media, "echo") == "m"
        else:
            with pytest.raises(SandboxUnavailable):
                ask(pool, media, "echo")


def test_where_the_network_namespace_is_in_force_it_is_empty() -> None:
    network = next(m for m in probe().mechanisms if m.name == "network namespace")
    assert network.level in (Level.FULL, Level.NONE)
    assert network.detail


def test_what_keeps_a_handler_from_loading_is_raised_to_callers(media: int) -> None:
    with make_pool("sandbox_entry:handler_without_model") as pool, pytest.raises(ModelMissing, match="models install"):
        ask(pool, media, "echo")


@pytest.mark.parametrize(
    ("entry_point", "said"),
    [
        ("handler_that_dies", "exit status 3"),
        ("handler_that_fails", "ValueError"),
        ("no_such_handler", "AttributeError"),
    ],
)
def test_workers_that_never_come_up_are_tried_more_and_more_slowly_and_end_in_a_clear_error(
    media: int, entry_point: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    began = time.monotonic()
    with make_pool(f"sandbox_entry:{entry_point}") as pool:
        with pytest.raises(WorkerLost, match=said):
            ask(pool, media, "echo")
        assert time.monotonic() - began >= 1.5  # two pauses, of 0.5 s and 1 s, before it gave up
        assert "marked-secret-text" not in caplog.text
