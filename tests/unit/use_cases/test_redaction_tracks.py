"""From detections to what is hidden where."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from moretta.core.ports import FaceDetector
from moretta.core.redaction import FaceFollower, FaceToHide, Method, RedactionRequest, Scope
from moretta.core.values import Face, Floats, Frame, Pixels, TrackId
from moretta.use_cases.redaction.check import check, covered_share, leaks_at
from moretta.use_cases.redaction.find import Every, Found, Looking, find, merged
from moretta.use_cases.redaction.instruments import Cuts, Detectors
from moretta.use_cases.redaction.plan import (
    COVER_RATIO,
    MOST_GROWTH,
    Hiding,
    Plan,
    dilated,
    exempt,
    growth_of,
    hidden_tracks,
    plan_of,
    tightened,
)
from moretta.use_cases.redaction.tracks import Span, Track, span_of

SIZE = 160
RATE = 10.0


def box_at(x: float, y: float = 40.0, side: float = 30.0) -> Floats:
    return np.array([x, y, x + side, y + side], np.float32)


def face_at(x: float, score: float = 0.9, side: float = 30.0) -> Face:
    box = box_at(x, side=side)
    return Face(box, np.repeat(((box[:2] + box[2:]) / 2)[None], 5, 0).astype(np.float32), score)


def frame(index: int, shade: int = 0) -> Frame:
    return Frame(np.full((SIZE, SIZE, 3), shade, np.uint8), index, int(index / RATE * 1e9))


class Script:
    """A detector that finds what is written for each frame; the frame's first pixel says which one it is."""

    def __init__(self, faces: dict[int, list[Face]]) -> None:
        self._faces = faces

    def detect(self, pixels: Pixels) -> list[Face]:
        return self._faces.get(int(pixels[0, 0, 0]), [])


class NoCuts:
    def cut_before(self, pixels: Pixels) -> bool:
        return False


class CutAt:
    def __init__(self, index: int) -> None:
        self._index = index

    def cut_before(self, pixels: Pixels) -> bool:
        return int(pixels[0, 0, 0]) == self._index


class Still:
    """A follower to whom a face stays where it is, for as long as `alike` says."""

    def __init__(self, alike: float = 1.0) -> None:
        self._alike = alike

    def thumbnail(self, pixels: Pixels) -> Pixels:
        return pixels[:, :, 0]

    def follow(self, before: Pixels, box: Floats, now: Pixels, scale: float) -> tuple[Floats, float]:
        return box, self._alike


def numbered(count: int) -> list[Frame]:
    frames = []
    for index in range(count):
        pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
        pixels[0, 0, 0] = index
        frames.append(Frame(pixels, index, int(index / RATE * 1e9)))
    return frames


def looking_with(
    detector: FaceDetector, cuts: Cuts, follower: FaceFollower, looks_at: Callable[[Frame], bool] = lambda _: True
) -> Looking:
    detectors = Detectors(detector, detector, detector)
    return Looking(detectors, cuts, follower, still=False, looks_at=looks_at, every_s=100.0)


def found_in(faces: dict[int, list[Face]], count: int, *, alike: float = -1.0, cut: int | None = None) -> Found:
    cuts = NoCuts() if cut is None else CutAt(cut)
    looking = looking_with(Script(faces), cuts, Still(alike))
    return find(iter(numbered(count)), 1.0, looking, Still(alike), lambda _: None)


def track(rows: dict[int, float]) -> Track:
    made = Track(TrackId(1))
    for index, x in rows.items():
        face = face_at(x)
        made.see(index, face.box, face.landmarks, 0.9)
    return made


def test_places_between_two_detections_are_interpolated() -> None:
    (span,) = span_of(track({2: 10.0, 6: 50.0}), [0], longest_gap=5, reach=0, frames=20)
    assert (span.first, span.last) == (2, 6)
    assert span.rows[:, 0].tolist() == [10.0, 20.0, 30.0, 40.0, 50.0]
    assert span.rows[:, 4].tolist() == [25.0, 35.0, 45.0, 55.0, 65.0], "landmarks move with their face"
    assert span.detected == 2


def test_a_gap_that_is_too_long_is_not_filled() -> None:
    spans = span_of(track({0: 0.0, 9: 9.0}), [0], longest_gap=8, reach=1, frames=10)
    assert [(span.first, span.last) for span in spans] == [(0, 1), (8, 9)]


def test_nothing_is_interpolated_or_extended_across_a_cut() -> None:
    spans = span_of(track({3: 0.0, 6: 9.0}), [0, 5], longest_gap=10, reach=4, frames=8)
    assert [(span.first, span.last) for span in spans] == [(0, 4), (5, 7)]


def test_a_face_is_hidden_before_it_is_first_seen_and_after_it_is_last_seen_at_the_speed_it_has_there() -> None:
    (span,) = span_of(track({4: 40.0, 5: 50.0, 6: 60.0}), [0], longest_gap=5, reach=2, frames=20)
    assert (span.first, span.last) == (2, 8)
    assert span.rows[:, 0].tolist() == [20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0]
    assert (span.rows[:, 2] - span.rows[:, 0]).tolist() == [30.0] * 7, "the size stays"


def test_weak_detections_begin_no_face_but_carry_one_forwards_and_backwards() -> None:
    assert found_in({index: [face_at(10, 0.18)] for index in range(8)}, 8).tracks == []
    faces = {index: [face_at(10 + index, 0.18)] for index in range(8)} | {4: [face_at(14, 0.8)]}
    (only,) = found_in(faces, 8).tracks
    assert sorted(only.rows) == list(range(8)), "the detections before the clear one are found backwards"
    assert [float(only.box(index)[0]) for index in (0, 7)] == [10.0, 17.0]


def test_a_face_found_late_is_followed_back_by_its_looks_for_a_second_and_not_farther() -> None:
    found = found_in({15: [face_at(50)]}, 16, alike=0.9)
    (only,) = found.tracks
    assert sorted(only.rows) == list(range(5, 16)), "ten frames are a second here"
    assert sorted(found_in({15: [face_at(50)]}, 16, alike=0.5).tracks[0].rows) == [15]


def test_a_face_of_which_the_detector_is_unsure_is_not_followed_by_its_looks() -> None:
    found = found_in({10: [face_at(50, 0.25)]}, 20, alike=0.99)
    assert [sorted(track.rows) for track in found.tracks] == [[10]]


def test_a_face_is_never_followed_back_across_a_cut() -> None:
    found = found_in({9: [face_at(50)]}, 10, alike=0.9, cut=6)
    assert found.scenes == [0, 6]
    assert sorted(found.tracks[0].rows) == [6, 7, 8, 9]


def test_a_face_that_the_detector_loses_is_followed_by_its_looks_for_a_second() -> None:
    (only,) = found_in({0: [face_at(50)]}, 30, alike=0.9).tracks
    assert sorted(only.rows) == list(range(11))


@pytest.mark.parametrize(
    ("rate", "every"),
    [(10.0, 1), (12.5, 1), (24.0, 2), (25.0, 2), (29.97, 3), (30.0, 3), (50.0, 5), (60.0, 6), (120.0, 12)],
)
def test_a_look_is_due_every_so_many_seconds_to_the_nearest_frame(rate: float, every: int) -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    for unit_ns in (1, 1_000_000):  # a fine clock, and one of whole milliseconds
        often = Every(0.1)
        frames = [Frame(pixels, i, round(i / rate * 1e9 / unit_ns) * unit_ns) for i in range(60)]
        assert [frame.index for frame in frames if often.due(frame)] == list(range(0, 60, every))


def test_a_look_is_due_at_every_frame_that_comes_late_and_again_only_later_where_one_was_made_anyway() -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    often = Every(0.1)
    frames = [Frame(pixels, i, ms * 1_000_000) for i, ms in enumerate([0, 300, 330, 360, 900, 930, 960, 990, 1030])]
    assert [frame.index for frame in frames if often.due(frame, anyway=frame.index == 6)] == [0, 1, 4, 6]


def test_two_people_side_by_side_are_two_tracks_throughout() -> None:
    faces = {index: [face_at(10 + index), face_at(90 - index)] for index in range(10)}
    found = found_in(faces, 10)
    assert [sorted(track.rows) for track in found.tracks] == [list(range(10))] * 2
    assert [float(track.box(9)[0]) for track in found.tracks] == [19.0, 81.0]


def test_a_fast_face_is_one_track_however_many_frames_lie_between_two_looks() -> None:
    faces = {index: [face_at(x)] for index, x in ((0, 0), (10, 15), (20, 36), (30, 57), (40, 78))}
    looking = looking_with(Script(faces), NoCuts(), Still(), lambda frame: frame.index % 10 == 0)
    slow_motion = (replace(frame, time_ns=frame.index * 10_000_000) for frame in numbered(41))
    (only,) = find(slow_motion, 1.0, looking, Still(-1.0), lambda _: None).tracks
    assert sorted(only.rows) == [0, 10, 20, 30, 40]


def test_the_surer_of_two_detections_of_one_face_is_kept() -> None:
    kept = merged([face_at(10, 0.4), face_at(100, 0.9)], [face_at(12, 0.8), face_at(60, 0.3)])
    assert [round(face.detection_score, 1) for face in kept] == [0.8, 0.9, 0.3]


def request(scope: Scope = Scope.ALL, *tracks: int) -> RedactionRequest:
    return RedactionRequest(Method.SOLID, scope, frozenset(TrackId(each) for each in tracks))


def test_scopes_choose_whose_faces_are_hidden() -> None:
    assert not exempt(TrackId(1), request())
    assert exempt(TrackId(1), request(Scope.ALL_BUT, 1))
    assert not exempt(TrackId(2), request(Scope.ALL_BUT, 1))
    assert exempt(TrackId(2), request(Scope.ONLY, 1))
    assert not exempt(TrackId(1), request(Scope.ONLY, 1))


NONE, MOST = np.zeros(4, np.float32), np.full(4, MOST_GROWTH, np.float32)


def two_people() -> Found:
    return found_in({index: [face_at(10), face_at(100)] for index in range(6)}, 6)


def test_the_plan_hides_in_px_of_the_original_and_leaves_whom_it_should() -> None:
    found = two_people()
    found.scale = 0.5
    plan = plan_of(found, request(Scope.ALL_BUT, 2))
    (hidden,) = plan.hidden_at(3)
    assert hidden.track_id == 1
    assert covered_share(box_at(10) * 2, [hidden.box]) == 1.0
    (left,) = plan.visible_at(3)
    assert covered_share(box_at(100) * 2, [left]) == 1.0
    told = hidden_tracks(plan, found.times_s)
    assert [(track.track_id, track.frames, track.exempt) for track in told] == [(1, 6, False), (2, 6, True)]
    assert told[0].last_time_s == pytest.approx(0.5)


def test_the_cover_of_a_face_covers_the_whole_ellipse_of_its_box() -> None:
    for side in (4.0, 30.0, 400.0):
        for growth in (NONE, MOST):
            assert covered_share(box_at(50, 60, side), [dilated(box_at(50, 60, side), growth)]) == 1.0


def test_every_cover_is_of_one_shape_whatever_the_face() -> None:
    for right, bottom in ((40, 60), (60, 40), (50, 50), (30, 90)):
        size = np.diff(dilated(np.array([10, 10, right, bottom], np.float32), NONE).reshape(2, 2), axis=0)[0]
        assert size[1] / size[0] == pytest.approx(COVER_RATIO, rel=1e-4)


def test_a_cover_is_larger_by_a_lot_of_the_item_and_track_in_all_its_frames() -> None:
    found = two_people()
    plans = [plan_of(found, replace(request(), seed=seed)) for seed in (1, 2)]
    one, other = plans[0].hidden_at(3)
    size = [face.box[2:] - face.box[:2] for face in (one, other)]
    assert not np.allclose(size[0], size[1], rtol=1e-3), "two tracks of faces of one size"
    assert not np.allclose(one.box, plans[1].hidden_at(3)[0].box, atol=0.1), "two items"
    assert np.allclose(one.box, plans[0].hidden_at(4)[0].box), "two frames"
    lots = np.stack([growth_of(seed, TrackId(1)) for seed in range(200)])
    assert lots.min() >= 0
    assert MOST_GROWTH * 0.9 < lots.max() <= MOST_GROWTH


def test_tightening_gives_about_the_face_again() -> None:
    face = np.array([100, 80, 200, 80 + 129], np.float32)
    for seed in range(20):
        again = tightened(dilated(face, growth_of(seed, TrackId(1))))
        assert np.abs(again - face).max() < 0.2 * 129


def solid_plan(*boxes: Floats, visible: Sequence[Floats] = ()) -> Plan:
    def spans(given: Sequence[Floats]) -> tuple[Span, ...]:
        rows = [np.concatenate([box, np.zeros(11, np.float32)])[None] for box in given]
        return tuple(Span(TrackId(i), 0, np.asarray(row, np.float32), 1) for i, row in enumerate(rows))

    return Plan(spans(boxes), spans(visible), 1.0, 1)


def test_a_detection_is_a_leak_where_little_of_it_is_covered() -> None:
    plan = solid_plan(box_at(50))
    assert not leaks_at(box_at(50), 0, plan, ())
    assert not leaks_at(box_at(54), 0, plan, ()), "a detector's box wanders"
    assert leaks_at(box_at(75), 0, plan, ()), "half of a face beside the cover"
    assert leaks_at(box_at(50), 1, plan, ()), "covered in another frame only"


def test_a_face_left_visible_is_no_leak_and_one_under_which_nothing_changed_is() -> None:
    plan = solid_plan(visible=[box_at(50)])
    assert not leaks_at(box_at(50), 0, plan, ())
    assert leaks_at(box_at(110), 0, plan, ())
    assert leaks_at(box_at(50), 0, solid_plan(box_at(50)), [dilated(box_at(50), NONE)])


class Nothing:
    def hide(self, pixels: Pixels, faces: Sequence[FaceToHide]) -> None:
        """A method that does not do its work."""


class Black:
    def hide(self, pixels: Pixels, faces: Sequence[FaceToHide]) -> None:
        pixels[:] = 0


def test_a_method_that_draws_nothing_is_found_out() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    plan = solid_plan(box_at(50))
    for redactor, expected in ((Nothing(), 1), (Black(), 0)):
        hiding = Hiding(plan, redactor, None)
        hiding.edit(noise.copy(), 0)
        assert len(hiding.unchanged.get(0, [])) == expected


def test_the_report_counts_leaking_frames_and_their_longest_run() -> None:
    leaking = {index: [face_at(100, 0.75)] for index in (2, 3, 4, 8)}
    looking = looking_with(Script(leaking), NoCuts(), Still())
    checked = check(iter(numbered(10)), 1.0, looking, solid_plan(), {}, 7, lambda: None)
    report = checked.report
    assert (report.frames, report.frames_with_faces, report.frames_leaking) == (10, 7, 4)
    assert report.longest_leak_ms == pytest.approx(300)
    assert [(leak.frame, leak.time_s, leak.score) for leak in report.leaks][:2] == [(2, 0.2, 0.75), (3, 0.3, 0.75)]
    assert not report.clean
    assert sorted(checked.faces) == [2, 3, 4, 8]


def test_a_frame_between_two_looks_of_the_check_counts_as_the_look_before_it() -> None:
    leaking = {index: [face_at(100, 0.75)] for index in (1, 2, 7)}
    looking = looking_with(Script(leaking), NoCuts(), Still(), lambda frame: frame.index % 3 != 0)
    report = check(iter(numbered(10)), 1.0, looking, solid_plan(), {}, 7, lambda: None).report
    assert (report.frames, report.frames_looked_at) == (10, 6)
    assert report.frames_leaking == 4, "frames 1, 2, 3 and 7"
    assert report.longest_leak_ms == pytest.approx(300)
