"""The order and the bounds of an analysis, told with fakes."""

from typing import NoReturn

import pytest
from tests.fakes import FakeReader, fake_instruments, tracked_face

from moretta.core.analysis import AnalysisRequest, Feature, Notice, Progress
from moretta.core.errors import Cancelled, MediaTruncated
from moretta.core.values import MediaKind, TrackedFace
from moretta.use_cases.analyse import MAX_FACES, MAX_TRUST_TRACKS, analyse

ALL = AnalysisRequest(features=frozenset(Feature) - {Feature.EXPRESSION})


def test_each_person_is_reported_once_with_times_and_measurements() -> None:
    def script(i: int) -> list[TrackedFace]:
        return [tracked_face(1)] + ([tracked_face(2, 110)] if 5 <= i < 15 else [])

    reader = FakeReader(20, blocks=2)
    result = analyse(reader, ALL, fake_instruments(script))
    assert [(f.track_id, f.frames, f.first_time_s, f.last_time_s) for f in result.faces] == [
        (1, 20, 0, 1.9),
        (2, 10, 0.5, 1.4),
    ]
    first = result.faces[0]
    assert first.pose is not None
    assert (first.pose.yaw, first.pose.yaw_range) == (1.0, 0.0)
    assert first.mesh is not None
    assert len(first.mesh) == 468
    assert first.series is not None
    assert len(first.series.time_s) == 20
    assert first.blinks is not None
    assert first.blinks.count == 20
    assert first.synchrony is not None
    assert result.voice is not None
    assert result.voice.observed_s == 2.0
    assert reader.closed


def test_the_trust_report_is_that_of_the_most_prominent_person() -> None:
    def script(i: int) -> list[TrackedFace]:
        return [tracked_face(1, side=40), tracked_face(2, 90, side=90)]

    trust = analyse(FakeReader(20), ALL, fake_instruments(script)).trust
    assert trust is not None
    assert trust.track_id == 2
    assert trust.score == 10.0
    assert [p.score for p in trust.over_time][:1] == [10.0]


def test_only_what_was_asked_for_is_measured() -> None:
    request = AnalysisRequest(features=frozenset({Feature.POSE}))
    result = analyse(FakeReader(5, blocks=1), request, fake_instruments(lambda _: [tracked_face(1)]))
    face = result.faces[0]
    assert face.pose is not None
    assert (face.gaze, face.blinks, face.quality, face.pulse, face.series, face.mesh, face.landmarks) == (None,) * 7
    assert result.trust is None
    assert result.voice is None


def test_a_still_has_no_signals_over_time() -> None:
    result = analyse(FakeReader(1, kind=MediaKind.IMAGE), ALL, fake_instruments(lambda _: [tracked_face(1)]))
    face = result.faces[0]
    assert (face.blinks, face.pulse, face.series, face.synchrony) == (None,) * 4
    assert result.trust is not None
    assert result.trust.cues[0].explanation == "image"


def test_no_face_is_a_warning_and_no_score() -> None:
    result = analyse(FakeReader(5), ALL, fake_instruments(lambda _: []))
    assert result.faces == ()
    assert result.trust is not None
    assert result.trust.score is None
    assert result.trust.insufficient
    assert [w.code for w in result.warnings] == ["face.none"]


def test_a_glimpse_in_a_video_is_not_a_person() -> None:
    result = analyse(FakeReader(20), ALL, fake_instruments(lambda i: [tracked_face(1)] if i < 2 else []))
    assert result.faces == ()


def test_coordinates_are_those_of_the_original_picture() -> None:
    result = analyse(FakeReader(5, scale=0.5), ALL, fake_instruments(lambda _: [tracked_face(1, 10, 80)]))
    assert result.faces[0].box == (20.0, 20.0, 180.0, 180.0)
    assert result.faces[0].quality is not None
    assert result.faces[0].quality.inter_eye_px == 60.0


def test_a_crowd_that_comes_and_goes_stays_within_bounds() -> None:
    # Each person is seen for 3 frames, then is gone for good.
    result = analyse(FakeReader(3 * (MAX_FACES + 40)), ALL, fake_instruments(lambda i: [tracked_face(1 + i // 3)]))
    assert len(result.faces) == MAX_FACES
    assert "face.too_many" in [w.code for w in result.warnings]


def test_cues_run_on_few_people_at_once() -> None:
    crowd = [tracked_face(i) for i in range(1, 9)]
    seen = []
    instruments = fake_instruments(lambda _: crowd)
    for cue in instruments.cues:
        start = cue.start
        cue.start = lambda start=start: seen.append(1) or start()  # type: ignore[method-assign,func-returns-value]
    analyse(FakeReader(5), ALL, instruments)
    assert len(seen) == MAX_TRUST_TRACKS


@pytest.mark.parametrize(("rate", "measured"), [(24, 60), (30, 60), (50, 30), (60, 30), (120, 20)])
def test_a_fast_clip_is_measured_at_no_more_than_forty_frames_a_second(rate: int, measured: int) -> None:
    result = analyse(FakeReader(60, rate=rate), ALL, fake_instruments(lambda _: [tracked_face(1)]))
    assert result.media.frames == 60
    assert result.faces[0].frames == measured


def test_warnings_of_the_reader_reach_the_result() -> None:
    reader = FakeReader(5, notices=[Notice("media.broken", "breaks at 0.5 s")])
    result = analyse(reader, ALL, fake_instruments(lambda _: [tracked_face(1)]))
    assert result.warnings[0].code == "media.broken"


def test_an_error_of_the_reader_is_raised_and_the_reader_closed() -> None:
    reader = FakeReader(5, fails_at=0, error=MediaTruncated("cut off"))
    with pytest.raises(MediaTruncated):
        analyse(reader, ALL, fake_instruments(lambda _: []))
    assert reader.closed


def test_progress_that_raises_ends_the_analysis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moretta.use_cases.analyse.PROGRESS_EVERY_S", 0.0)

    def stop(progress: Progress) -> NoReturn:
        raise Cancelled("asked to")

    reader = FakeReader(50)
    with pytest.raises(Cancelled):
        analyse(reader, ALL, fake_instruments(lambda _: [tracked_face(1)]), stop)
    assert reader.closed
