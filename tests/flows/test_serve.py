"""`moretta serve` goes on: after lost workers, hanging media and hung-up callers, and after its own death."""

import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.media import make_still, make_video
from tests.service_rig import Place, Service, is_gone, wait_for

pytestmark = pytest.mark.models

STILL = make_still()
# Longer than any analysis of a still takes on a busy machine, much shorter than one of the long clip.
TIME_LIMIT_S = 4


@pytest.fixture
def mortal(killable: Service) -> Service:
    """A running service that the test may kill."""
    return killable if killable.process.poll() is None else killable.start()


@pytest.fixture(scope="module")
def killable(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for the tests of this module."""
    root = tmp_path_factory.mktemp("mortal")
    (root / "logs").mkdir()
    settings = {"MORETTA_WORKERS": "1", "MORETTA_TIME_LIMIT_S": str(TIME_LIMIT_S)}
    service = Service(Place(root / "place", models_dir, **settings), root / "logs").start()
    yield service
    service.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def long_clip(talking_clip: Path) -> bytes:
    """A clip whose analysis takes far longer than the time limit."""
    return talking_clip.read_bytes()


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    return answer.status_code, answer.json()["code"]


def test_a_killed_worker_loses_one_request_and_the_next_one_succeeds(mortal: Service, long_clip: bytes) -> None:
    [worker] = mortal.workers()
    with mortal.analyzing(long_clip) as answer:
        os.kill(worker, signal.SIGKILL)
        assert problem(answer.result(30)) == (500, "worker.lost")
    assert mortal.analyze(STILL).status_code == 200
    assert worker not in mortal.workers()


def test_a_worker_that_hangs_meets_the_time_limit_and_the_service_goes_on(mortal: Service, long_clip: bytes) -> None:
    [worker] = mortal.workers()
    with mortal.analyzing(long_clip) as answer:
        os.kill(worker, signal.SIGSTOP)
        assert problem(answer.result(TIME_LIMIT_S * 5)) == (422, "analysis.time_limit")
    assert is_gone(worker)
    assert mortal.analyze(STILL).status_code == 200


def test_media_that_takes_too_long_meets_the_time_limit_and_is_counted(mortal: Service) -> None:
    bomb = make_video("mp4", size=(32, 32), frames=20_000, rate=240)
    before = mortal.items()
    assert len(bomb) < 8 * 2**20
    assert problem(mortal.analyze(bomb)) == (422, "analysis.time_limit")
    assert mortal.items() == before + 1
    assert mortal.analyze(STILL).status_code == 200


def test_a_caller_who_hangs_up_frees_the_worker(mortal: Service, long_clip: bytes) -> None:
    host, port = mortal.base.removeprefix("http://").split(":")
    worker_before = mortal.workers()
    head = f"POST /v1/analyze HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {mortal.key}\r\nContent-Type: video/mp4\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + f"Content-Length: {len(long_clip)}\r\n\r\n".encode() + long_clip)
        time.sleep(1)
    started = time.monotonic()
    assert mortal.analyze(STILL).status_code == 200
    assert worker_before  # there was one to be freed
    wait_for(lambda: b'"status": 499' in b"".join(mortal.written().values()))
    assert time.monotonic() - started < 60


def test_what_was_answered_is_counted_even_where_the_service_is_killed_right_after(
    mortal: Service, long_clip: bytes
) -> None:
    key, before = mortal.key, mortal.place.counted()
    answer = mortal.analyze(STILL)
    mortal.process.kill()
    assert answer.status_code == 200
    mortal.process.wait()
    after = mortal.place.counted()
    assert after[("/v1/analyze", 200)] == before[("/v1/analyze", 200)] + 1

    mortal.start()
    assert mortal.key == key
    assert b"API key" not in mortal.printed_now(), "an API key is printed once"
    assert mortal.place.counted() == after
    assert mortal.items() == sum(after.values())


def test_a_killed_service_leaves_no_worker_behind(mortal: Service, long_clip: bytes) -> None:
    workers = mortal.workers()
    with mortal.analyzing(long_clip) as answer:
        mortal.stop(signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            answer.result(30)
    assert workers
    wait_for(lambda: all(is_gone(pid) for pid in workers), 10)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_service_cleanly_in_the_middle_of_work(
    mortal: Service, long_clip: bytes, how: signal.Signals
) -> None:
    workers = mortal.workers()
    with mortal.analyzing(long_clip) as answer:
        assert mortal.stop(how, 20) == 0
        with contextlib.suppress(httpx.TransportError):
            assert answer.result(20).status_code in {422, 500, 503}, "refused, ended or over its time"
    wait_for(lambda: all(is_gone(pid) for pid in workers), 10)
    assert b"Traceback" not in mortal.errors_now()


def test_a_port_that_is_taken_is_told_before_a_key_is_shown(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        told = place.moretta("serve", "--port", str(taken.getsockname()[1]))
    assert (told.returncode, told.stdout) == (64, b"")
    assert b"free port" in told.stderr
    assert b"Traceback" not in told.stderr


def test_one_item_is_one_record_and_a_repetition_is_none(service: Service, short_clip: bytes) -> None:
    before = service.items()
    answers = [service.analyze(short_clip, headers={"Idempotency-Key": "repeat-1"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.content for answer in answers}) == 1
    assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None, "true", "true"]
    assert service.items() == before + 1
    assert problem(service.analyze(b"words, not a picture")) == (415, "media.unsupported")
    assert service.items() == before + 2
    assert problem(service.analyze(STILL, params={"features": "nonsense"}))[0] == 422
    assert problem(service.analyze(b"")) == (400, "media.empty")
    assert service.items() == before + 2


def test_a_job_is_counted_once_however_often_it_is_fetched(service: Service, short_clip: bytes) -> None:
    before = service.items()
    taken = service.analyze(short_clip, headers={"Prefer": "respond-async"})
    assert taken.status_code == 202
    job = taken.headers["location"]
    with httpx.stream("GET", f"{service.base}{job}/events", headers=service.headers, timeout=60) as events:
        told = [line.removeprefix("event: ") for line in events.iter_lines() if line.startswith("event: ")]
    assert told[-1] == "result"
    results = [service.get(job).json() for _ in range(3)]
    assert {result["state"] for result in results} == {"succeeded"}
    assert results[0]["result"]["media"]["frames"] == 60
    assert service.items() == before + 1


def test_readiness_says_what_the_kernel_denies(service: Service) -> None:
    told = service.get("/readyz").json()
    assert told["ready"] is True
    assert told["sandbox"]["mode"] == "required"
    levels = {
        mechanism["name"]: mechanism["level"] for mechanism in told["sandbox"]["mechanisms"] if mechanism["essential"]
    }
    assert set(levels) == {"privileges", "limits", "landlock", "seccomp"}
    assert "none" not in levels.values()
    assert {attempt["what"]: attempt["denied"] for attempt in told["sandbox"]["attempts"]} == {
        "read files": True,
        "create files": True,
        "reach the network": True,
        "start processes": True,
    }


def test_metrics_tell_how_busy_the_workers_are(service: Service, short_clip: bytes) -> None:
    idle = service.get("/metrics").text
    assert 'moretta_workers{state="busy"} 0.0' in idle
    assert 'moretta_workers{state="idle"} 1.0' in idle
    with service.analyzing(short_clip) as answer:
        busy = service.get("/metrics").text
        assert answer.result(60).status_code == 200
    assert 'moretta_workers{state="busy"} 1.0' in busy


class TestWithoutLandlock:
    """On a kernel that answers as one without Landlock does."""

    LAUNCHER = ("no-landlock",)

    def test_nothing_is_read_where_the_sandbox_is_required(self, place: Place, tmp_path: Path) -> None:
        (tmp_path / "logs").mkdir()
        service = Service(place, tmp_path / "logs").start(ready=False, launcher=self.LAUNCHER)
        try:
            wait_for(lambda: "landlock" in service.get("/readyz").json()["checks"][0]["detail"], 60, every_s=0.1)
            told = service.get("/readyz")
            assert (told.status_code, told.json()["ready"]) == (503, False)
            assert "doctor" in told.json()["checks"][0]["mend"]
            assert problem(service.analyze(STILL)) == (503, "sandbox.unavailable")
            assert service.items() == 0
        finally:
            service.stop()

    def test_the_command_line_refuses_and_says_how_to_go_on(self, place: Place, tmp_path: Path) -> None:
        picture = tmp_path / "picture.jpg"
        picture.write_bytes(STILL)
        refused = place.moretta("analyze", picture, "--json", "-", launcher=self.LAUNCHER)
        assert refused.returncode == 78
        assert json.loads(refused.stdout)["problem"]["code"] == "sandbox.unavailable"
        assert b"best-effort" in refused.stderr
        assert place.counted() == {}

    def test_best_effort_goes_on_and_doctor_says_what_is_missing(self, place: Place, tmp_path: Path) -> None:
        picture = tmp_path / "picture.jpg"
        picture.write_bytes(STILL)
        done = place.moretta("analyze", picture, launcher=self.LAUNCHER, MORETTA_SANDBOX="best-effort")
        assert done.returncode == 0, done.stderr
        required, accepted = (
            place.moretta("doctor", "--json", launcher=self.LAUNCHER, MORETTA_SANDBOX=mode)
            for mode in ("required", "best-effort")
        )
        assert (required.returncode, accepted.returncode) == (78, 0)
        for told, needed in ((required, True), (accepted, False)):
            landlock = next(row for row in json.loads(told.stdout) if row["what"] == "sandbox: landlock")
            assert (landlock["ok"], landlock["needed"]) == (False, needed)
            assert "kernel" in landlock["mend"]


def test_a_crash_of_the_service_writes_no_core_dump(service: Service) -> None:
    limits = Path(f"/proc/{service.process.pid}/limits").read_text()
    (line,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]
