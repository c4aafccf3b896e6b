"""The report is one self-contained page that draws numbers and never a picture."""

import re

import numpy as np
import pytest

from moretta.core.analysis import (
    Analysis,
    Blinks,
    Cue,
    FaceReport,
    MediaInfo,
    ModelUse,
    Notice,
    Pulse,
    Series,
    TrustPoint,
    TrustReport,
    Voice,
)
from moretta.core.values import MediaKind, Profile
from moretta.pages.charts import Line, line_chart, share_strip
from moretta.pages.report import render_report


def _analysis(*, score: float | None = 7.5) -> Analysis:
    times = tuple(i / 10 for i in range(50))
    wave = tuple(float(np.sin(t * 7)) for t in times)
    mesh = tuple((float(x), float(y)) for x, y in np.random.default_rng(0).random((468, 2)))
    face = FaceReport(
        1,
        50,
        0.0,
        4.9,
        (10, 10, 90, 110),
        0.9,
        mesh=mesh,
        blinks=Blinks(2, 12.0, 0.2, (1.0, 3.0), 4.9),
        pulse=Pulse(66.0, "POS", 4.0, 1.0, 4.9, None, wave, 10.0),
        series=Series(times, wave, wave, wave, wave, wave, wave),
    )
    trust = TrustReport(
        score,
        0.6,
        (
            Cue("planar_motion", 1.2, 0.4, 1.0, 0.03, "the head moves as a solid body"),
            Cue("moire", None, 0.0, 0.0, None, "none"),
        ),
        () if score is not None else ("Too short: 0.4 s of the 2 s wanted.",),
        1,
        (TrustPoint(1.0, 5.0), TrustPoint(2.0, 6.0), TrustPoint(3.0, None)),
    )
    media = MediaInfo(MediaKind.VIDEO, "mp4", 640, 480, 50, 5.0, 10.0, False, 0, True, 12345)
    voice = Voice(0.5, 120.0, 30.0, -20.0, 1, 0.5, ((0.5, 1.5), (2.0, 3.0)), 5.0)
    return Analysis(
        media, (face,), trust, voice, (ModelUse("centerface", "ab" * 32),), (Notice("x", "careful"),), Profile.FAST
    )


def test_the_report_asks_nothing_of_another_host_and_runs_no_script() -> None:
    page = render_report([("My clip", _analysis())])
    assert "http:" not in page
    assert "https:" not in page
    assert "<script" not in page
    assert "<img" not in page
    assert " style=" not in page
    assert "default-src 'none'" in page


def test_the_stylesheet_is_the_one_that_the_policy_allows() -> None:
    from base64 import b64encode
    from hashlib import sha256

    page = render_report([("My clip", _analysis())])
    style = re.search(r"<style>(.*?)</style>", page, re.S)
    allowed = re.search(r"style-src '(sha256-[^']+)'", page)
    assert style
    assert allowed
    assert allowed[1] == "sha256-" + b64encode(sha256(style[1].encode()).digest()).decode()


def test_a_heading_cannot_inject_markup() -> None:
    page = render_report([("<b>evil</b>", _analysis())])
    assert "<b>evil" not in page
    assert "&lt;b&gt;evil" in page


def test_the_report_tells_score_evidence_measurements_and_models() -> None:
    page = render_report([("My clip", _analysis())])
    for text in (
        "7.5",
        "planar motion",
        "the head moves as a solid body",
        "66 per minute",
        "ab" * 32,
        "careful",
        "120 Hz",
    ):
        assert text in page
    assert page.count('class="chart"') >= 4
    assert page.count('class="mesh"') == 1


def test_no_score_says_why() -> None:
    page = render_report([("My clip", _analysis(score=None))])
    assert "No trust score" in page
    assert "Too short: 0.4 s of the 2 s wanted." in page


@pytest.mark.parametrize("points", [[], [(0.0, None)], [(0.0, 1.0)], [(0.0, float("nan")), (1.0, float("inf"))]])
def test_a_chart_of_too_little_says_so(points: list[tuple[float, float | None]]) -> None:
    assert "not enough was measured" in line_chart("Gaze", [Line("x", points)], y_unit="")


def test_a_chart_breaks_its_line_at_a_gap_and_marks_events() -> None:
    drawing = line_chart(
        "G", [Line("x", [(0, 1.0), (1, None), (2, 1.0), (3, 1.0)])], y_unit="", marks=[1.5], marks_legend="blink"
    )
    path = re.search(r'class="line c1" d="([^"]+)"', drawing)
    assert path
    assert path[1].count("M") == 2
    assert drawing.count('class="mark"') == 2  # the line and its legend


def test_a_strip_fills_its_segments() -> None:
    assert share_strip("speech", [(0, 1), (2, 3)], 4).count('class="c2"') == 2
    assert share_strip("speech", [], 0) == ""
