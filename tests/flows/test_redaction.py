"""Redaction through a confined worker, on the demonstration clip and photos: what the doors give, and that faces are gone."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from tests.media import make_video, memory_file
from tests.service_rig import talking_cut

from moretta.core.errors import LeakFound, MediaTooLarge, RequestInvalid
from moretta.core.redaction import Method, RedactionRequest
from moretta.sdk_redaction import Redactor
from moretta.settings import Settings
from moretta.vision.decode import open_media
from moretta.vision.detect import CenterFaceDetector
from moretta.vision.models import load
from moretta.vision.sessions import open_session
from moretta.wiring.executor import PoolExecutor, start_executor

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def settings(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        data_dir=tmp_path_factory.mktemp("data"), models_dir=models_dir, sandbox="best-effort", queue_limit_s=120.0
    )


@pytest.fixture(scope="module")
def executor(settings: Settings) -> Iterator[PoolExecutor]:
    started = start_executor(settings, workers=1)
    yield started
    started.close()


@pytest.fixture(scope="module")
def clip(talking_clip: Path) -> bytes:
    return talking_cut(talking_clip, frames=24, audio_s=1.0)


def redacter(executor: PoolExecutor, settings: Settings, method: Method = Method.BLUR) -> Redactor:
    return Redactor(method, settings=settings, executor=executor)


def faces_found(content: bytes, models_dir: Path) -> int:
    """Frames in which an independent look finds a face that could be recognised."""
    detector = CenterFaceDetector(open_session(load("centerface", models_dir).path), 0.8)
    with memory_file(content) as fd:
        reader = open_media(fd, Settings().limits)
        found = [bool(detector.detect(frame.pixels)) for frame in reader.frames()]
        reader.close()
    return sum(found)


def test_the_faces_of_a_clip_are_covered_and_the_check_says_so(
    executor: PoolExecutor, settings: Settings, clip: bytes, models_dir: Path
) -> None:
    out = io.BytesIO()
    done = redacter(executor, settings, Method.SOLID).redact(clip, out, strict=True)
    assert done.report is not None
    assert done.report.clean
    assert done.report.frames == done.report.frames_with_faces == done.frames
    assert [track.exempt for track in done.tracks] == [False]
    assert len(out.getvalue()) == done.bytes
    assert faces_found(clip, models_dir) == done.frames
    assert faces_found(out.getvalue(), models_dir) == 0
    with av.open(io.BytesIO(clip)) as before, av.open(io.BytesIO(out.getvalue())) as after:
        times = [[frame.pts * frame.time_base for frame in each.decode(video=0)] for each in (before, after)]
    assert times[0] == times[1]


def test_a_face_that_is_exempt_stays_and_is_no_leak(
    executor: PoolExecutor, settings: Settings, demo_photo: bytes, models_dir: Path
) -> None:
    redactor = redacter(executor, settings)
    listed = redactor.tracks(demo_photo)
    assert (listed.bytes, [track.track_id for track in listed.tracks]) == (0, [1])
    out = io.BytesIO()
    done = redactor.redact(demo_photo, out, exempt=[1], strict=True)
    assert [track.exempt for track in done.tracks] == [True]
    assert faces_found(out.getvalue(), models_dir) == 1
    with pytest.raises(RequestInvalid, match="list the tracks first"):
        redactor.redact(demo_photo, io.BytesIO(), only=[9])


@pytest.fixture(scope="module")
def demo_photo(models_dir: Path) -> bytes:
    out = io.BytesIO()
    with Image.open(models_dir.parent / "media" / "people" / "obama.jpg") as photo:
        photo.thumbnail((400, 400))
        photo.save(out, "JPEG", quality=92)
    return out.getvalue()


@pytest.mark.parametrize("method", list(Method))
def test_every_method_leaves_nothing_of_a_photo_s_face(
    executor: PoolExecutor, settings: Settings, demo_photo: bytes, method: Method
) -> None:
    out = io.BytesIO()
    done = redacter(executor, settings, method).redact(demo_photo, out, strict=True)
    assert done.report is not None
    assert done.report.clean
    assert (done.report.gallery_size, done.report.reidentification_trials) == (100, 1), "one face among strangers"
    assert done.report.reversal_similarity is not None
    assert done.report.reversal_similarity < 0.6, "two photographs of one person are above"
    before, after = (
        np.array(Image.open(io.BytesIO(each)).convert("RGB"), np.int16) for each in (demo_photo, out.getvalue())
    )
    assert before.shape == after.shape
    height, width = before.shape[:2]
    corner = np.abs(before - after)[-height // 8 :, : width // 8]
    assert corner.mean() < 3, "what lies far from the face is as it was, but for being saved again"


def test_an_output_that_would_be_too_large_is_refused_and_the_worker_goes_on(
    settings: Settings, executor: PoolExecutor, demo_photo: bytes
) -> None:
    narrow = PoolExecutor(executor.pool, most_output_bytes=2000)
    with memory_file(demo_photo) as fd:
        with pytest.raises(MediaTooLarge, match="at most 2000 bytes"):
            narrow.redact(fd, RedactionRequest())
        done, output = executor.redact(fd, RedactionRequest())
        os.close(output)
    assert done.bytes > 2000


def test_the_output_is_sealed(executor: PoolExecutor) -> None:
    with memory_file(make_video("mp4", frames=3)) as fd:
        done, output = executor.redact(fd, RedactionRequest())
    try:
        assert os.fstat(output).st_size == done.bytes
        with pytest.raises(PermissionError):
            os.pwrite(output, b"x", 0)
    finally:
        os.close(output)


def test_a_leak_leaves_no_file_where_none_may_be(settings: Settings, clip: bytes, tmp_path: Path) -> None:
    """The executor stands in: no item is known on which the real one leaks."""
    from moretta.core.redaction import LeakReport, Redaction, SoundTreatment

    class Leaking:
        def redact(self, media_fd: int, request: RedactionRequest, on_progress: object = None) -> tuple[Redaction, int]:
            fd = os.memfd_create("output")
            os.write(fd, b"abc")
            report = LeakReport(10, 10, 10, 2, 80.0)
            return Redaction(request.method, 1, 1, 10, 0.4, SoundTreatment.KEEP, "mp4", 3, (), report), fd

        def close(self) -> None:
            pass

    redactor = Redactor(settings=settings, executor=Leaking())
    with pytest.raises(LeakFound, match="2 of 10 frames"):
        redactor.redact(clip, tmp_path / "out.mp4", strict=True)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(LeakFound):
        redactor.redact(clip, tmp_path / "out.mp4", strict=True, keep_leaking=True)
    assert (tmp_path / "out.mp4").read_bytes() == b"abc"
    assert redactor.redact(clip, tmp_path / "other.mp4").report is not None


def test_the_command_redacts_a_folder_and_one_failure_does_not_stop_the_others(
    settings: Settings, demo_photo: bytes, tmp_path: Path
) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    (source / "deep").mkdir(parents=True)
    (source / "a.jpg").write_bytes(b"\xff\xd8\xff broken")
    (source / "deep" / "b.jpg").write_bytes(demo_photo)
    (source / "notes.txt").write_text("not media")
    ended = subprocess.run(
        [sys.executable, "-m", "moretta", "redact", str(source), str(target), "--method", "mosaic", "--json", "-"],
        env=_environment(settings),
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 65, ended.stderr.decode()
    assert [path.relative_to(target).as_posix() for path in sorted(target.rglob("*")) if path.is_file()] == [
        "deep/b.jpg"
    ]
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert lines[0]["problem"]["code"] in {"image.unreadable", "media.truncated"}
    assert lines[1]["report"]["frames_leaking"] == 0


def test_a_command_that_is_killed_leaves_nothing(settings: Settings, clip: bytes, tmp_path: Path) -> None:
    (tmp_path / "in.mp4").write_bytes(clip)
    target = tmp_path / "out"
    target.mkdir()
    running = subprocess.Popen(
        [sys.executable, "-m", "moretta", "redact", str(tmp_path / "in.mp4"), str(target / "out.mp4")],
        env=_environment(settings),
    )
    try:
        while not any(path.read_text() for path in Path(f"/proc/{running.pid}/task").glob("*/children")):
            assert running.poll() is None
            time.sleep(0.01)
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(0.5)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert list(target.iterdir()) == []


def _environment(settings: Settings) -> dict[str, str]:
    named = {"MORETTA_DATA_DIR": settings.data_dir, "MORETTA_MODELS_DIR": settings.models_dir}
    return {**os.environ, **{name: str(value) for name, value in named.items()}, "MORETTA_SANDBOX": "best-effort"}
