"""What a worker says is believed only where it is an analysis."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moretta.core.analysis import Analysis, AnalysisRequest, Feature, MediaInfo, Notice, Progress
from moretta.core.errors import WorkerLost
from moretta.core.values import MediaKind, Profile
from moretta.wiring.wire import (
    analysis_json,
    parse_analysis,
    parse_progress,
    parse_request,
    progress_json,
    request_json,
)

MEDIA = MediaInfo(MediaKind.VIDEO, "mp4", 640, 480, 50, 2.0, 25.0, False, 90, True, 1000)
ANALYSIS = Analysis(MEDIA, (), None, None, (), (Notice("a.code", "a detail"),), Profile.FAST)


def test_an_analysis_comes_back_as_it_went() -> None:
    assert parse_analysis(analysis_json(ANALYSIS)) == ANALYSIS
    assert b"\n" not in analysis_json(ANALYSIS)


@given(st.sampled_from(Profile), st.frozensets(st.sampled_from(Feature)))
def test_a_request_comes_back_as_it_went(profile: Profile, features: frozenset[Feature]) -> None:
    request = AnalysisRequest(profile, features)
    assert parse_request(request_json(request)) == request


def test_progress_comes_back_as_it_went() -> None:
    progress = Progress("frames", 5, None, 24.5, 0.2, 1)
    assert parse_progress(progress_json(progress)) == progress


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b"{}",
        json.dumps({**json.loads(analysis_json(ANALYSIS)), "media": "marked-text"}).encode(),
        json.dumps({**json.loads(analysis_json(ANALYSIS)), "faces": [{"track_id": "marked-text"}]}).encode(),
        analysis_json(ANALYSIS)[:-1],
    ],
)
def test_anything_else_is_dropped_and_not_repeated(said: bytes) -> None:
    with pytest.raises(WorkerLost) as lost:
        parse_analysis(said)
    assert "marked-text" not in repr((lost.value, lost.value.__cause__))


@pytest.mark.parametrize(
    "media",
    [
        {"frames": -1},
        {"frames": 2**60},
        {"duration_s": -5.0},
        {"duration_s": float("inf")},
        {"duration_s": float("nan")},
        {"width": -1},
    ],
    ids=str,
)
def test_numbers_that_no_media_has_are_dropped(media: dict[str, float]) -> None:
    """They would be counted: in metrics that never come back from infinity, and as an answer that then fails."""
    said = json.loads(analysis_json(ANALYSIS))
    said["media"] |= media
    with pytest.raises(WorkerLost):
        parse_analysis(json.dumps(said).encode())


@pytest.mark.parametrize("character", ["\x1b", "\x00", "\n", "\x7f", "\x9b"], ids=ascii)
def test_text_that_would_command_a_terminal_is_dropped(character: str) -> None:
    said = analysis_json(replace(ANALYSIS, warnings=(Notice("a.code", f"a {character} detail"),)))
    as_escapes = json.dumps(json.loads(said)).encode()
    for raw in (said, as_escapes):
        with pytest.raises(WorkerLost):
            parse_analysis(raw)
    with pytest.raises(WorkerLost):
        parse_progress(progress_json(Progress(f"{character}[2J", 5, None, 24.5, 0.2, 1)))


def test_text_in_any_language_and_with_any_sign_is_kept() -> None:
    detail = 'Gesicht: größer, 顔, "quoted", back\\slash, \\u001b spelt out, é'
    analysis = replace(ANALYSIS, warnings=(Notice("a.code", detail),))
    assert parse_analysis(analysis_json(analysis)) == analysis
    assert parse_analysis(json.dumps(json.loads(analysis_json(analysis))).encode()) == analysis
