"""`moretta analyze` as a person and as a script meet it."""

import contextlib
import json
import os
import pty
import signal
import struct
import subprocess
import zlib
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from tests.media import make_still, make_video
from tests.service_rig import Place, children, cpu_seconds, is_gone, wait_for

from moretta.api.schemas import analysis_schema

pytestmark = pytest.mark.models


@pytest.fixture
def files(tmp_path: Path, short_clip: bytes) -> dict[str, Path]:
    """A clip, a still and a broken file."""
    contents = {"clip.mp4": short_clip, "photo.png": make_still("png"), "broken.mp4": b"no video at all"}
    folder = tmp_path / "media"
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in contents}


def test_several_files_give_a_line_each_and_the_broken_one_its_own_status(
    place: Place, files: Mapping[str, Path], tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    order = [files["broken.mp4"], tmp_path / "missing.mp4", files["clip.mp4"], files["photo.png"]]
    told = place.moretta("analyze", *order, "--json", "-", "--report", report, "--profile", "fast")

    assert told.returncode == 65, "the first failure's"
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert [line["problem"]["code"] if "problem" in line else line["media"]["kind"] for line in lines] == [
        "media.unsupported",
        "not_found",
        "video",
        "image",
    ]
    validator = jsonschema_rs.validator_for(analysis_schema())
    for line in lines[2:]:
        validator.validate(line)
    clip = lines[2]
    assert (clip["media"]["frames"], clip["profile"], clip["media"]["has_audio"]) == (60, "fast", True)
    assert [face["track_id"] for face in clip["faces"]] == [1]
    assert {model["name"] for model in clip["models"]} >= {"centerface", "face-landmark", "blending"}
    assert b"Traceback" not in told.stderr
    for word in (b"broken.mp4: The media format is not supported", b"missing.mp4: Not found", b"Report: "):
        assert word in told.stderr
    assert place.counted() == {("cli:analyze", 0): 2, ("cli:analyze", 65): 1}
    check_page(report.read_text())


def test_standard_input_is_analysed_and_the_summary_is_for_reading(place: Place, files: Mapping[str, Path]) -> None:
    told = place.moretta("analyze", "-", stdin=files["clip.mp4"].read_bytes())
    assert (told.returncode, told.stderr) == (0, b""), "no progress bar without a terminal"
    text = told.stdout.decode()
    assert "standard input" in text
    assert "mp4 video, 360 x 288 px, 2.5 s, 60 frames, with sound" in text
    assert "Trust score" in text
    assert "\x1b" not in text
    assert "not counted; the report and the JSON show them" in text
    [person] = [line for line in text.splitlines() if "/100" in line]
    assert person.count("°") == 3


def test_a_person_at_a_terminal_sees_progress_and_colours(place: Place, files: Mapping[str, Path]) -> None:
    control, terminal = pty.openpty()
    shown = bytearray()
    with place.started("analyze", files["clip.mp4"], stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        with contextlib.suppress(OSError):  # Linux: the other end is closed
            while piece := os.read(control, 65536):
                shown += piece
    os.close(control)
    assert process.returncode == 0
    assert b"1/1" in shown
    assert b"frames/s" in shown or b"\xe2\x94\x81" in shown, "a bar, or the speed"
    assert b"\x1b[" in shown
    assert b"Trust score" in shown


MEDIA_PROBLEMS = {
    "empty": (b"", "media.empty"),
    "words": (b"To whom it may concern: this is a letter, not a film.\n" * 20, "media.unsupported"),
    "sound": (make_video("mp4", video=False, audio_s=0.5), "media.no_video"),
    "cut": (make_video("mp4", frames=30)[:700], "media.truncated"),
    "no-frames": (make_video("mp4", frames=0), "media.no_frames"),
    "huge": (b"", "media.dimensions_too_large"),
}


def huge_png() -> bytes:
    """A PNG of a few bytes that announces 60,000 by 60,000 px."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def test_each_fault_of_media_has_its_own_problem_and_message(place: Place, tmp_path: Path) -> None:
    paths = []
    for name, (content, _) in MEDIA_PROBLEMS.items():
        paths.append(tmp_path / f"{name}.mp4")
        paths[-1].write_bytes(huge_png() if name == "huge" else content)
    told = place.moretta("analyze", *paths, "--json", "-")
    problems = [json.loads(line)["problem"] for line in told.stdout.splitlines()]
    found = dict(zip(MEDIA_PROBLEMS, (problem["code"] for problem in problems), strict=True))
    assert found == {name: code for name, (_, code) in MEDIA_PROBLEMS.items()}
    assert told.returncode == 65
    assert len({problem["detail"] for problem in problems}) == len(problems)
    messages = told.stderr.decode()
    assert "Traceback" not in messages
    for path, problem in zip(paths, problems, strict=True):
        assert f"{path.name}: {problem['title']}: {problem['detail']}" in messages
        assert problem["detail"].strip()


def test_a_video_that_breaks_half_way_gives_the_result_up_to_there_and_a_warning(
    place: Place, short_clip: bytes, tmp_path: Path
) -> None:
    half = tmp_path / "half.mp4"
    with_index_first = make_video("mp4", size=(160, 120), frames=100, rate=25, faststart=True)
    half.write_bytes(with_index_first[: len(with_index_first) * 6 // 10])
    told = place.moretta("analyze", half, "--json", "-", "--profile", "fast", "--features", "pose")
    assert told.returncode == 0, told.stderr
    result = json.loads(told.stdout)
    assert 10 < result["media"]["frames"] < 100
    assert result["warnings"]


def test_a_reader_that_goes_away_ends_it_quietly(place: Place, files: Mapping[str, Path]) -> None:
    command = place.command("analyze", str(files["photo.png"]), str(files["photo.png"]), "--json", "-")
    process = subprocess.Popen(
        command, cwd=place.root / "cwd", env=place.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) in {0, 1}


def test_an_interrupt_ends_it_at_once_and_leaves_no_process(place: Place, talking_clip: Path) -> None:
    process = place.started("analyze", talking_clip, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    [worker] = wait_for(lambda: children(process.pid), 60)
    wait_for(lambda: cpu_seconds(worker) > 4, 120)  # past its start, at work
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert (out, err) == (b"", b"")
    wait_for(lambda: is_gone(worker), 10)
    # The item was in the hands of a worker, so it is counted, as one that was not finished.
    assert set(place.counted()) <= {("cli:analyze", 130)}


def test_what_cannot_be_done_is_refused_before_the_work(
    place: Place, files: Mapping[str, Path], tmp_path: Path
) -> None:
    photo = str(files["photo.png"])
    refused: list[tuple[list[str], int, str]] = [
        ([photo, "--report", str(tmp_path / "nowhere" / "report.html")], 64, "folder that exists"),
        ([photo, "--json", str(tmp_path)], 64, "folder that exists"),
        ([photo, "--features", "aura"], 64, "expected features out of: landmarks"),
        ([photo, "--features", "+expression"], 77, "AI Act"),
        ([photo, "--profile", "best"], 2, "'fast'"),
        ([photo, "--nonsense"], 2, "No such option"),
        ([], 2, "Missing argument"),
    ]
    for arguments, status, words in refused:
        told = place.moretta("analyze", *arguments, COLUMNS="200")
        assert (told.returncode, told.stdout) == (status, b""), arguments
        assert words in " ".join(told.stderr.decode().replace("│", " ").split()), arguments
        assert "Traceback" not in told.stderr.decode()
    assert place.counted() == {}


def test_the_demo_takes_a_file_of_ones_own(place: Place, files: Mapping[str, Path]) -> None:
    told = place.moretta("demo", files["clip.mp4"])
    assert told.returncode == 0, told.stderr
    assert b"report.html" in told.stdout
    check_page((place.root / "cwd" / "report.html").read_text())


class Tags(HTMLParser):
    """The elements of a page and every address in their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> Any:
        self.names.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "data", "action"}]


def check_page(page: str) -> None:
    """A report holds drawings, and neither pixels nor scripts nor anything from elsewhere."""
    tags = Tags()
    tags.feed(page)
    assert "svg" in tags.names
    assert not tags.names & {"img", "image", "picture", "video", "canvas", "script", "iframe", "object", "embed"}
    assert [address for address in tags.addresses if not address.startswith("#")] == []
    assert "data:image" not in page
    assert "base64" not in page
