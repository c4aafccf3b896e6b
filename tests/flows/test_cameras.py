"""Cameras that stall, change their size, send rubbish or die beside one that does not, each read by a confined process."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest
from tests.cameras import Camera as Server
from tests.cameras import Manners, MjpegCamera, RtspCamera, picture
from tests.service_rig import is_gone, wait_for

from moretta.core.cameras import CameraState, parse_source
from moretta.core.errors import CameraUnavailable
from moretta.sandbox.slots import MOST_HEIGHT, MOST_WIDTH, PLACES, Picture, PictureMemory, picture_bytes
from moretta.wiring.cameras.camera import Camera, CameraTerms
from moretta.wiring.cameras.opening import Folder
from moretta.wiring.cameras.wire import Taken, parse_taken, taken_json

QUICK = CameraTerms(stall_s=2.0, connect_s=2.0, first_pause_s=0.05, longest_pause_s=0.2)


class Taker:
    """Takes pictures as a watching process would, and remembers what it saw."""

    def __init__(self, *cameras: Camera) -> None:
        self._cameras, self._over = cameras, threading.Event()
        self.seen: dict[str, list[tuple[float, tuple[int, int], int]]] = {camera.name: [] for camera in cameras}
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Taker":
        for camera in self._cameras:
            camera.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for camera in self._cameras:
            camera.stop()

    def _run(self) -> None:
        while not self._over.wait(0.01):
            for camera in self._cameras:
                camera.watch_stall()
                while taken := camera.take():
                    size = (taken.picture.width, taken.picture.height)
                    self.seen[camera.name].append(
                        (taken.time_s, size, picture_bytes(camera.memory.fd, taken.picture)[0])
                    )
                    camera.done(taken)


@pytest.fixture
def servers() -> Iterator[Callable[[Server], Server]]:
    with contextlib.ExitStack() as stack:
        yield stack.enter_context


def camera(name: str, server: Server, terms: CameraTerms = QUICK) -> Camera:
    return Camera(name, parse_source(server.url), terms, lambda: None)


def recording(path: Path, frames: int = 50, rate: int = 25, first: int = 0) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(first + number, 320, 240), format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_one_that_misbehaves_disturbs_no_other(servers: Callable[[Server], Server]) -> None:
    good = servers(RtspCamera())
    cameras = {
        "good": camera("good", good),
        "stalls": camera("stalls", servers(MjpegCamera(Manners(stall_after=3)))),
        "shrinks": camera("shrinks", servers(RtspCamera(Manners(resize_after=4)))),
        "rubbish": camera("rubbish", servers(RtspCamera(Manners(rubbish_after=3)))),
        "closes": camera("closes", servers(MjpegCamera(Manners(close_after=4)))),
    }
    with Taker(*cameras.values()) as taker:
        wait_for(lambda: cameras["good"].health.frames > 3, 60)
        first_pid = cameras["shrinks"].pid
        wait_for(
            lambda: (
                all(cameras[name].health.reconnects > 0 for name in ("stalls", "rubbish", "closes"))
                and cameras["good"].health.frames > 20
                and cameras["shrinks"].health.width == 160
            ),
            90,
        )
        health = {name: one.health for name, one in cameras.items()}
        assert cameras["shrinks"].pid == first_pid
    assert (health["good"].reconnects, health["good"].trouble, good.connections) == (0, None, 1)
    # Half of what comes ten times a second; word of the last may be on its way.
    assert health["good"].frames + health["good"].dropped >= good.sent // 2 - 12
    assert health["shrinks"].reconnects == 0
    assert {size for _, size, _ in taker.seen["shrinks"]} == {(320, 240), (160, 120)}
    assert len(taker.seen["stalls"]) >= 2 and len(taker.seen["closes"]) >= 2


def test_a_reader_that_is_killed_is_replaced_and_its_camera_read_again(servers: Callable[[Server], Server]) -> None:
    server = servers(RtspCamera(codec="JPEG"))
    one = camera("one", server)
    with Taker(one):
        wait_for(lambda: one.health.frames > 2, 60)
        killed = one.pid
        assert killed is not None
        assert "Seccomp:\t2" in Path(f"/proc/{killed}/status").read_text()
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: one.health.reconnects == 1 and one.health.state is CameraState.WATCHING, 60)
        assert one.pid != killed and server.connections == 2
        last = one.pid
    assert last is not None and is_gone(last) and one.ended


def test_a_camera_that_is_not_there_is_tried_again_later_and_later(servers: Callable[[Server], Server]) -> None:
    server = servers(MjpegCamera())
    source = parse_source(server.url)
    server.close()
    one = Camera("one", source, QUICK, lambda: None)
    with Taker(one):
        wait_for(lambda: one.health.reconnects >= 3, 60)
        assert "cannot be reached" in (one.health.trouble or "")


def test_a_camera_that_points_elsewhere_is_not_followed(servers: Callable[[Server], Server]) -> None:
    elsewhere = servers(MjpegCamera())
    one = camera("one", servers(MjpegCamera(status=302, location=elsewhere.url)))
    with Taker(one):
        wait_for(lambda: one.health.reconnects >= 1, 60)
    assert "points to another address" in (one.health.trouble or "") and elsewhere.connections == 0


def test_a_wrong_password_is_told_and_never_shown(servers: Callable[[Server], Server]) -> None:
    server = servers(RtspCamera(Manners(asks="Digest")))
    source = parse_source(server.url.replace("p%40ss", "wr0ngpass"))
    one = Camera("one", source, QUICK, lambda: None)
    with Taker(one):
        wait_for(lambda: one.health.reconnects >= 1, 60)
        assert one.health.trouble == "the camera refuses the user or the password"
        assert "wr0ngpass" not in repr(one.health)


def test_the_newest_picture_wins_where_nobody_takes_them(servers: Callable[[Server], Server]) -> None:
    server = servers(MjpegCamera(Manners(rate=20)))
    one = camera("one", server)
    one.start()
    try:
        wait_for(lambda: one.health.frames >= 12, 60)
        taken = one.take()
        assert taken is not None and one.take() is None
        # All that came before it were dropped, and all places but those of the newest are free again.
        assert one.health.dropped >= one.health.frames - 2 and one.health.frames >= 12
        one.done(taken)
    finally:
        one.stop()


def test_a_folder_is_read_file_by_file_and_what_is_no_video_does_not_end_it(tmp_path: Path) -> None:
    recording(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").write_bytes(b"no video at all" * 100)
    recording(tmp_path / "c.mp4", first=50)
    (tmp_path / "notes.txt").write_text("not looked at")
    terms = CameraTerms(paced=False, folder_again_s=0.1)
    one = Camera("one", parse_source(f"{tmp_path}/"), terms, lambda: None, origin_s=1000.0)
    with Taker(one) as taker:
        wait_for(lambda: len(taker.seen["one"]) == 20, 60)
        recording(tmp_path / "d.mp4")
        wait_for(lambda: len(taker.seen["one"]) == 30, 60)
        times = [time_s for time_s, _, _ in taker.seen["one"]]
    assert times == sorted(times) and times[0] == 1000.0 and len(set(times)) == 30
    assert one.health.dropped == 0 and one.health.analysed == 30


def test_a_recording_that_is_no_video_ends_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"\0" * 5000)
    found = [tmp_path / "x.mp4", tmp_path / "absent.mp4"]
    cameras = [Camera(path.stem, parse_source(str(path)), CameraTerms(), lambda: None) for path in found]
    with Taker(*cameras):
        wait_for(lambda: all(one.ended for one in cameras), 60)
    assert all(one.health.trouble and "x.mp4" not in one.health.trouble for one in cameras)


def test_files_of_a_folder_wait_until_they_no_longer_grow(tmp_path: Path) -> None:
    folder, growing = Folder(tmp_path), tmp_path / "now.mp4"
    growing.write_bytes(b"1")
    assert folder.next(growing=True) is None
    growing.write_bytes(b"12")
    assert folder.next(growing=True) is None
    found = folder.next(growing=True)
    assert found is not None and found.path == growing
    assert folder.next(growing=True) is None
    with pytest.raises(CameraUnavailable):
        Folder(tmp_path / "absent").next(growing=False)


def test_a_reader_cannot_make_the_memory_smaller_or_name_a_place_that_is_not_there() -> None:
    memory = PictureMemory.made()
    try:
        with pytest.raises(PermissionError):
            os.ftruncate(memory.fd, 4096)
        assert [memory.free_place() for _ in range(2)] == [0, 0]
        memory.put(0, b"\1" * 12)
        assert memory.free_place() == 1 and picture_bytes(memory.fd, Picture(0, 2, 2)) == b"\1" * 12
    finally:
        memory.close()
    for place, width, height in (
        (-1, 1, 1),
        (PLACES, 1, 1),
        (0, MOST_WIDTH + 1, 1),
        (0, 1, MOST_HEIGHT + 1),
        (0, 0, 1),
    ):
        with pytest.raises(ValueError, match="expected a picture"):
            Picture(place, width, height)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b'{"picture":{"place":9,"width":1,"height":1},"time_s":0}',
        b'{"picture":{"place":0,"width":1,"height":1},"time_s":-1}',
        b'{"picture":{"place":0,"width":1,"height":1},"time_s":1e300}',
        b'{"picture":{"place":0,"width":1,"height":1},"time_s":NaN}',
        b'{"picture":{"place":0,"width":1,"height":1},"time_s":0,"dropped":-1}',
    ],
)
def test_what_a_reader_says_is_checked(raw: bytes) -> None:
    from moretta.core.errors import WorkerLost

    with pytest.raises(WorkerLost):
        parse_taken(raw)
    assert parse_taken(taken_json(Taken(Picture(0, 4, 3), 1.5, 2))) == Taken(Picture(0, 4, 3), 1.5, 2)


def test_a_stop_is_never_late(servers: Callable[[Server], Server]) -> None:
    one = camera("one", servers(MjpegCamera(Manners(stall_after=0))))
    one.start()
    time.sleep(0.05)
    one.stop()
    one.stop()
    assert one.ended and one.pid is None


def test_a_stop_is_no_trouble_of_the_camera(servers: Callable[[Server], Server]) -> None:
    one = camera("one", servers(MjpegCamera()))
    with Taker(one):
        wait_for(lambda: one.health.frames > 0, 60)
    assert one.ended and (one.health.reconnects, one.health.trouble) == (0, None)
