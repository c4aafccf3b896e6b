"""The benchmark beside deface is honest: a face that is still there is missed, whoever left it, and coding noise hides nobody."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks.redaction import DEFACE, OURS, UNCHECKED, Measured, Runs, findings, page, ratio, sized_clip
from benchmarks.redaction_judge import Judge, Judged, decoded, hidden, judge_stills
from PIL import Image

BOX = np.array([40, 20, 100, 100], np.float32)


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (120, 400, 3), np.uint8)


def covered(pixels: np.ndarray, box: np.ndarray) -> np.ndarray:
    out = pixels.copy()
    left, top, right, bottom = box.astype(int)
    out[top:bottom, left:right] = 128
    return out


def test_a_covered_face_is_hidden_and_an_untouched_one_is_missed() -> None:
    judge = Judge()
    judge.frame(picture(), covered(picture(), BOX), [BOX, BOX + np.array([200, 0, 200, 0], np.float32)])
    found = judge.judged()
    assert (found.faces, found.missed, found.frames_missing, found.miss_rate) == (2, 1, 1, 0.5)


def test_coding_noise_hides_nobody() -> None:
    noisy = np.clip(picture().astype(int) + np.random.default_rng(1).integers(-3, 4, (120, 400, 3)), 0, 255)
    judge = Judge()
    judge.frame(picture(), noisy.astype(np.uint8), [BOX])
    assert judge.judged().missed == 1
    assert judge.judged().noise == 0


def test_a_cover_over_a_quarter_of_the_face_hides_nobody() -> None:
    quarter = np.array([40, 20, 70, 60], np.float32)
    change = np.abs(picture().astype(int) - covered(picture(), quarter).astype(int)).mean(axis=2)
    assert not hidden(change, BOX)


def test_an_output_that_ends_early_or_is_of_another_size_hides_nobody(tmp_path: Path) -> None:
    judge = Judge()
    judge.frame(picture(), None, [BOX])
    judge.frame(picture(), picture()[:60], [BOX])
    assert judge.judged().missed == 2
    Image.fromarray(picture()).save(tmp_path / "original.png")
    assert judge_stills([(tmp_path / "original.png", tmp_path / "nothing.png", [BOX])]).missed == 1


def test_the_clip_is_cut_about_the_middle_to_the_size_asked_for(tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "wide.mp4"), "w") as made:
        stream = made.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 160, "yuv420p"
        pixels = np.zeros((160, 320, 3), np.uint8)
        pixels[:, 80:240] = 200
        for index in range(12):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = index
            made.mux(stream.encode(frame))
        made.mux(stream.encode())
    assert sized_clip(tmp_path / "wide.mp4", tmp_path / "square.mp4", (64, 64), 1.0) == 10
    first = next(decoded(tmp_path / "square.mp4", 1))
    assert first.shape == (64, 64, 3)
    assert first[8:56, 8:56].min() > 180, "the dark sides are cut away"


def runs(name: str, wall_s: float, missed: int, failure: str = "") -> Runs:
    judged = None if failure else Judged(100, missed, 100, missed, 0.0, 100)
    return Runs(name, 300, [] if failure else [wall_s], [] if failure else [wall_s * 2], failure, judged)


@pytest.mark.parametrize(("ours_s", "ours_missed", "met"), [(15, 0, [True, True]), (25, 3, [False, False])])
def test_the_bounds_are_judged_against_deface_in_the_same_run(ours_s: float, ours_missed: int, met: list[bool]) -> None:
    measured = Measured("720p", (runs(DEFACE, 100, 2), runs(OURS, ours_s, ours_missed), runs(UNCHECKED, 10, 0)))
    found = {each.promise: each.met for each in findings([measured], None)}
    assert [
        found[f"720p, {OURS}: at least 5 times deface's frame rate"],
        found["720p: misses no more than deface"],
    ] == met


def test_who_could_not_run_has_no_figures_and_nothing_is_promised_of_it() -> None:
    measured = Measured("720p", (runs(DEFACE, 1, 0, "no wheel"), runs(OURS, 10, 0), runs(UNCHECKED, 10, 0)))
    assert all(each.met is None for each in findings([measured], None))
    text = page({"processor": "one"}, "a clip", 1, [measured], None)
    assert "| deface 1.5.0 | could not be run: no wheel |" in text


def test_ratios_are_of_runs_beside_each_other() -> None:
    assert ratio([10, 20, 30], [1, 2, 10]) == 10


def test_the_command_says_what_it_takes() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.redaction", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert "--crowds" in told.stdout
