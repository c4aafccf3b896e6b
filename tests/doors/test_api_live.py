"""Over a real socket: streams, callers who go away, uploads that must not touch the disk."""

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from api_fakes import COMPANY, PNG, House, held_until, open_uploads, progress, wait_until
from people_fakes import archive_in, photo_of

from moretta.core.ports import OnProgress

BIG = 200 * 1024 * 1024


def _events(response: httpx.Response) -> Iterator[dict[str, str]]:
    event: dict[str, str] = {}
    for line in response.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            event[name] = value
        else:
            yield event
            event = {}


def test_events_come_as_they_happen_with_a_heartbeat_between() -> None:
    steps = threading.Semaphore(0)

    def work(on_progress: OnProgress | None) -> None:
        assert on_progress is not None
        for done in (1, 2):
            assert steps.acquire(timeout=10)
            on_progress(progress(done))

    house = House(work, heartbeat_s=0.1)
    with house.served() as base, httpx.Client(base_url=base, headers=house.auth()) as client:
        job = client.post("/v1/analyze?async=1", content=PNG, headers={"Content-Type": "image/png"}).json()
        with client.stream("GET", f"/v1/jobs/{job['id']}/events") as response:
            events = _events(response)
            assert next(events) == {"retry": "2000"}
            assert next(events)["event"] == "heartbeat"
            steps.release()
            first = next(event for event in events if event["event"] != "heartbeat")
            assert (first["id"], first["event"], json.loads(first["data"])["frames_done"]) == ("1", "progress", 1)
            steps.release()
            rest = [event for event in events if event["event"] != "heartbeat"]
        assert [event["event"] for event in rest] == ["progress", "result"]
        assert json.loads(rest[-1]["data"])["media"]["bytes"] == len(PNG)


def test_a_reader_of_events_who_leaves_is_forgotten() -> None:
    go_on = threading.Event()
    house = House(held_until(go_on), heartbeat_s=0.05)
    with house.served() as base, httpx.Client(base_url=base, headers=house.auth()) as client:
        job = client.post("/v1/analyze?async=1", content=PNG, headers={"Content-Type": "image/png"}).json()
        with client.stream("GET", f"/v1/jobs/{job['id']}/events") as response:
            assert next(_events(response)) == {"retry": "2000"}
        wait_until(lambda: '"/v1/jobs/{job_id}/events"' in house.log.getvalue())
        go_on.set()
        wait_until(lambda: client.get(f"/v1/jobs/{job['id']}").json()["state"] == "succeeded")


def test_work_ends_and_memory_is_freed_when_the_caller_goes_away() -> None:
    begun, ended = threading.Event(), threading.Event()

    def work(on_progress: OnProgress | None) -> None:
        assert on_progress is not None
        begun.set()
        try:
            for done in range(2000):
                on_progress(progress(done))
                time.sleep(0.005)
        finally:
            ended.set()

    house = House(work)
    with house.served() as base:
        _raw(base, house, b"Content-Length: %d\r\n\r\n" % len(PNG) + PNG, lambda: begun.wait(10))
        assert ended.wait(5)
        wait_until(lambda: open_uploads() == 0)
        wait_until(lambda: '"status": 499' in house.log.getvalue())
    assert house.meter.records[0][1] == 409


def test_an_answer_that_was_ready_when_the_caller_went_away_is_given_to_the_repetition() -> None:
    begun, gone = threading.Event(), threading.Event()

    def work(_: OnProgress | None) -> None:
        begun.set()
        assert gone.wait(10)

    house = House(work)
    headers = {**house.auth(), "Idempotency-Key": "sent-over-a-bad-line", "Content-Type": "image/png"}
    with house.served() as base:
        address = urlsplit(base)
        first = http.client.HTTPConnection(str(address.hostname), address.port)
        first.request("POST", "/v1/analyze", body=PNG, headers=headers)
        assert begun.wait(10)
        first.close()
        time.sleep(0.3)  # the server learns of it
        gone.set()
        wait_until(lambda: '"request"' in house.log.getvalue())
        second = httpx.post(f"{base}/v1/analyze", content=PNG, headers=headers)
    assert (second.status_code, second.headers.get("idempotency-replayed")) == (200, "true")
    assert [record[1] for record in house.meter.records] == [200]


def test_the_service_ends_although_work_and_readers_are_under_way() -> None:
    ended = threading.Semaphore(0)

    def work(on_progress: OnProgress | None) -> None:
        assert on_progress is not None
        try:
            for done in range(4000):
                on_progress(progress(done))
                time.sleep(0.005)
        finally:
            ended.release()

    house = House(work)
    with (
        ThreadPoolExecutor(2) as callers,
        house.served() as base,
        httpx.Client(base_url=base, headers=house.auth()) as client,
    ):
        job = client.post("/v1/analyze?async=1", content=PNG, headers={"Content-Type": "image/png"}).json()
        asked = [
            callers.submit(_until_hung_up, base, house, "GET", f"/v1/jobs/{job['id']}/events"),
            callers.submit(_until_hung_up, base, house, "POST", "/v1/analyze"),
        ]
        wait_until(lambda: len(house.executor.requests) == 2)
        stopped = time.monotonic()
    assert [call.result() for call in asked] == [None, None]
    assert ended.acquire(timeout=5)
    assert ended.acquire(timeout=5)
    assert time.monotonic() - stopped < 8
    wait_until(lambda: open_uploads() == 0)


def _until_hung_up(base: str, house: House, method: str, url: str) -> None:
    with (
        contextlib.suppress(httpx.TransportError),
        httpx.Client(base_url=base, headers=house.auth(), timeout=20) as client,
    ):
        client.request(method, url, content=PNG, headers={"Content-Type": "image/png"})


def test_an_upload_that_breaks_off_leaves_nothing_behind() -> None:
    house = House()
    with house.served() as base:
        _raw(base, house, b"Content-Length: 100000\r\n\r\n" + PNG, lambda: wait_until(lambda: open_uploads() == 1))
        wait_until(lambda: open_uploads() == 0)
        wait_until(lambda: '"status": 499' in house.log.getvalue())
    assert house.executor.requests == []
    assert house.meter.records == []


def test_an_upload_that_stands_still_is_ended() -> None:
    house = House(upload_idle_s=0.1)
    with house.served() as base:
        answer = _raw(base, house, b"Content-Length: 100000\r\n\r\n" + PNG, read=True)
    assert b" 408 " in answer.splitlines()[0]
    assert b"upload.timeout" in answer
    assert open_uploads() == 0


@pytest.mark.parametrize("chunked", [True, False])
def test_an_upload_over_the_limit_is_refused_while_it_comes_in(chunked: bool) -> None:
    house = House()
    small = house.services.limits.__class__(bytes=100_000)
    house = House(limits=small)
    with house.served() as base:
        if chunked:  # No Content-Length at all.
            body = b"Transfer-Encoding: chunked\r\n\r\n" + b"ffff\r\n" + bytes(0xFFFF) + b"\r\n"
            answer = _raw(base, house, body + b"ffff\r\n" + bytes(0xFFFF) + b"\r\n", read=True)
        else:
            answer = _raw(base, house, b"Content-Length: 999999999999\r\n\r\n", read=True)
    assert b" 413 " in answer.splitlines()[0]
    assert b"media.too_large" in answer
    assert open_uploads() == 0


def test_uploads_together_stay_within_the_memory_they_may_hold() -> None:
    house = House(upload_bytes_total=1000)
    response = house.call("POST", "/v1/analyze", content=bytes(1001), headers={"Content-Type": "image/png"})
    assert (response.status_code, response.json()["code"]) == (503, "service.overloaded")
    assert (
        house.call("POST", "/v1/analyze", content=bytes(999), headers={"Content-Type": "image/png"}).status_code == 200
    )
    assert (
        house.call("POST", "/v1/analyze", content=bytes(999), headers={"Content-Type": "image/png"}).status_code == 200
    )


def test_a_big_upload_never_becomes_a_file(tmp_path: Path) -> None:
    """200 MB through a form: no file appears in the temporary or the working directory, and no descriptor but a memfd."""
    port = _free_port()
    here = Path(__file__).parent
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(here), "HOME": str(tmp_path)}
    command = [sys.executable, "-B", str(here / "api_server.py"), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path, env=environment, text=True) as server:
        try:
            assert server.stdout is not None
            token = server.stdout.readline().strip()
            wait_until(lambda: _listens(port), 30)
            before = _files_of(server.pid)
            seen: set[str] = set()
            stop = threading.Event()
            watcher = threading.Thread(target=_watch, args=(server.pid, tmp_path, seen, stop))
            watcher.start()
            status, answer = _send_big_form(port, token)
            stop.set()
            watcher.join()
            assert status == 200, answer
            assert json.loads(answer)["media"]["bytes"] == BIG
            assert {name for name in seen - before if "memfd:moretta-upload" not in name} == set()
            assert any("memfd:moretta-upload" in name for name in seen)
            assert list(tmp_path.iterdir()) == []
            wait_until(lambda: open_uploads(server.pid) == 0)
        finally:
            server.terminate()


def _send_big_form(port: int, token: str) -> tuple[int, bytes]:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="secret.mp4"\r\n\r\n'
    tail = b"\r\n--b--\r\n"
    block = bytes(range(256)) * 4096
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.putrequest("POST", "/v1/analyze")
        connection.putheader("Authorization", f"Bearer {token}")
        connection.putheader("Content-Type", "multipart/form-data; boundary=b")
        connection.putheader("Content-Length", str(len(head) + BIG + len(tail)))
        connection.endheaders()
        connection.send(head)
        for _ in range(BIG // len(block)):
            connection.send(block)
        connection.send(tail)
        response = connection.getresponse()
        return response.status, response.read()


def _watch(pid: int, folder: Path, seen: set[str], stop: threading.Event) -> None:
    while not stop.is_set():
        seen |= _files_of(pid) | {str(path) for path in folder.rglob("*")}
        time.sleep(0.005)


def _files_of(pid: int) -> set[str]:
    """What the process has open for writing, but for sockets, pipes and other things that hold no bytes."""
    names = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            name = str(entry.readlink())
            flags = int(re.search(r"flags:\s+(\d+)", Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text())[1], 8)  # type: ignore[index]
        except FileNotFoundError:
            continue
        if name.startswith("/") and flags & os.O_ACCMODE != os.O_RDONLY:
            names.add(name)
    return names


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _raw(base: str, house: House, rest: bytes, then: object = None, *, read: bool = False) -> bytes:
    """Send a request by hand, wait for `then`, and hang up (after reading the answer, where `read`)."""
    port = urlsplit(base).port
    with socket.create_connection(("127.0.0.1", port or 0), timeout=10) as connection:
        head = f"POST /v1/analyze HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.token}\r\nContent-Type: image/png\r\n"
        connection.sendall(head.encode() + rest)
        if callable(then):
            then()
        answer = b""
        while read:
            try:
                more = connection.recv(65536)
            except ConnectionResetError:
                break
            if not more:
                break
            answer += more
        return answer


def test_an_export_streams_and_ends_where_its_reader_leaves() -> None:
    house = House()
    collection = house.people.create_collection(COMPANY, "big", "test")
    house.people.photos = dict.fromkeys((f"photo-{i}" for i in range(64)), os.urandom(1 << 20))
    written: list[float] = []
    house.people.hooks["export_photo"] = lambda: written.append(time.monotonic())
    at = f"/v1/collections/{collection.collection_id}/export"
    with house.served() as base, httpx.Client(base_url=base, headers=house.auth(house.writer)) as client:
        with client.stream("GET", at) as response:
            assert next(response.iter_bytes(1 << 16))[:2] == b"PK"
            assert len(written) < 40, "it waits for its reader"
        wait_until(lambda: '"/v1/collections/{collection_id}/export"' in house.log.getvalue())
        wait_until(lambda: time.monotonic() - max(written, default=0.0) > 0.3)
        assert len(written) < 40, "nobody writes on"
        whole = client.get(at)
    assert len(archive_in(whole.content).namelist()) == 65
    assert archive_in(whole.content).testzip() is None


def test_an_export_that_breaks_off_is_not_taken_for_a_whole_one() -> None:
    house = House()
    collection = house.people.create_collection(COMPANY, "big", "test")
    house.people.photos = {"photo-0": os.urandom(1 << 20), "photo-1": b""}
    house.people.fails["export_photo"] = OSError("secret-name.jpg")
    at = f"/v1/collections/{collection.collection_id}/export"
    with (
        house.served() as base,
        httpx.Client(base_url=base, headers=house.auth(house.writer)) as client,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        client.get(at)
    assert "secret-name" not in house.log.getvalue()


def test_photos_to_enrol_touch_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A temporary folder of this test's own: other programs write to the one that all share.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    house = House()
    collection = house.people.create_collection(COMPANY, "big", "test")
    photo = photo_of("ann") + b" " * (8 << 20)
    at = f"/v1/collections/{collection.collection_id}"
    files = [("file", ("ann.jpg", photo, "image/jpeg")) for _ in range(3)]
    with house.served() as base, httpx.Client(base_url=base, headers=house.auth(house.writer)) as client:
        assert tempfile.gettempdir() == str(tmp_path)
        before = tmp_path.stat().st_mtime_ns
        assert client.post(f"{at}/persons", files=files).status_code == 201
        job = client.post(f"{at}/import", files=files).headers["location"]
        wait_until(lambda: client.get(job).json()["state"] == "succeeded")
        assert list(tmp_path.iterdir()) == []
        assert tmp_path.stat().st_mtime_ns == before, "a file was made and removed again"
        wait_until(lambda: open_uploads() == 0)
