"""Anonymised features: what moves is told, whose face it is is not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest

from moretta.core.analysis import MediaInfo, ModelUse, Notice
from moretta.core.features import AMPLITUDES_ONLY, COLUMNS, NAMES, Detail, FeatureRequest
from moretta.core.values import AudioBlock, Face, FaceSample, Frame, Gaze, MediaKind, Mesh, Pose, TrackedFace, TrackId
from moretta.use_cases.features import FeatureInstruments, Watched, anonymised, measure_features
from moretta.vision.avatar.expression import moved_from_rest

RATE_HZ = 25.0
REST = np.array([0.3, 0.28, 2.1, 2.0, 0.02, 4.7, -2.3, 12.0])
Floats64 = npt.NDArray[np.float64]


def watched(count: int = 100, *, rest: Floats64 = REST, resting: tuple[float, float, float] = (0, 0, 0)) -> Watched:
    """Somebody who nods, blinks twice and speaks, with that rest and that resting pose."""
    track = Watched()
    for index in range(count):
        at = index / RATE_HZ
        shape = rest.copy()
        if index in (30, 31, 32, 70, 71, 72):
            shape[:2] *= 0.4
        shape[4] = 0.02 + 0.3 * max(np.sin(at * 6), 0)
        shape[5] *= 1 + 0.1 * np.sin(at * 2)
        shape[7] *= 1 + 0.05 * max(np.sin(at * 6), 0)
        pose = np.array([0.0, 8 * np.sin(at * 3), 0.0]) + resting
        track.times_s.append(at)
        track.values.append(np.array([*pose, 0.05, -0.1, 100 + at, 90, 120, *shape]))
    return track


def rows_of(track: Watched) -> Floats64:
    rows = anonymised(track, moved_from_rest, Detail.AMPLITUDES)
    assert rows is not None
    return np.array([[np.nan if value is None else value for value in row] for row in rows])


def test_a_row_has_a_value_for_every_column() -> None:
    rows = anonymised(watched(), moved_from_rest, Detail.RELATIVE)
    assert rows is not None
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert len(set(NAMES)) == len(NAMES)


def test_eyes_of_another_opening_and_another_resting_pose_give_the_same_rows() -> None:
    """What differs between these people is their rest alone, and rest is what is taken away."""
    other = REST * np.array([0.8, 0.85, 1, 1, 1, 1, 1, 1]) + np.array([0, 0, 0.4, 0.3, 0, 0, -0.5, 0])
    one, two = rows_of(watched()), rows_of(watched(rest=other, resting=(12.0, -6.0, 3.0)))
    assert np.nanmax(np.abs(one - two)) < 1e-9


def test_what_moves_is_told() -> None:
    rows = rows_of(watched())
    at = {name: rows[:, place] for place, name in enumerate(NAMES)}
    assert np.flatnonzero(at["blink"]).tolist() == [30, 31, 32, 70, 71, 72]
    assert at["pitch"].max() - at["pitch"].min() == pytest.approx(16, abs=2)
    assert at["mouth_open"].max() == pytest.approx(0.3, abs=0.05)
    assert np.nanmax(at["turn_speed"]) == pytest.approx(24, abs=3)
    assert np.nanmedian(at["move_x"]) == pytest.approx(1 / 120, abs=0.01)


def test_a_moment_without_a_mesh_is_empty_and_not_made_up() -> None:
    track = watched()
    track.values[50][8:] = np.nan
    row = dict(zip(NAMES, (anonymised(track, moved_from_rest, Detail.AMPLITUDES) or ())[50], strict=True))
    assert row["eye_right"] is None
    assert row["blink"] is None
    assert row["yaw"] == 0


@pytest.mark.parametrize("detail", list(Detail))
def test_a_slow_camera_has_no_speeds_and_all_the_rest(detail: Detail) -> None:
    track = watched()
    track.times_s = [at * 10 for at in track.times_s]
    rows = anonymised(track, moved_from_rest, detail)
    assert rows is not None
    assert {row[NAMES.index("turn_speed")] for row in rows} == {None}
    assert None not in {row[NAMES.index("pitch")] for row in rows}


@pytest.mark.parametrize("count", [0, 1, 19, 49])
def test_a_track_without_a_rest_of_its_own_is_left_out(count: int) -> None:
    assert anonymised(watched(count), moved_from_rest, Detail.RELATIVE) is None


def test_values_are_rounded_so_that_no_fine_measure_is_left() -> None:
    rows = rows_of(watched())
    expression = rows[:, 5:13]
    assert np.allclose(expression * 16, np.round(expression * 16))
    assert np.allclose(rows[:, :3], np.round(rows[:, :3]))


def test_without_amplitudes_somebody_who_moves_twice_as_far_gives_the_same_rows() -> None:
    def told(times: float) -> tuple[tuple[float | None, ...], ...]:
        track = watched()
        for values in track.values:
            values[:3] *= times
        rows = anonymised(track, moved_from_rest, Detail.RELATIVE)
        assert rows is not None
        return rows

    one, two = ([[value or 0.0 for value in row[:3]] for row in told(times)] for times in (1.0, 2.0))
    assert np.abs(np.subtract(one, two)).max() <= 1 / 8
    for name in AMPLITUDES_ONLY:
        assert {row[NAMES.index(name)] for row in told(1.0)} == {None}
    assert [row[NAMES.index("blink")] for row in told(1.0)].count(1.0) == 6


@dataclass
class Reader:
    """Some frames of nothing."""

    kind: MediaKind = MediaKind.VIDEO
    count: int = 80
    scale: float = 1.0
    frames_total: int | None = None
    warnings: Sequence[Notice] = ()
    closed: bool = False

    @property
    def info(self) -> MediaInfo:
        return MediaInfo(self.kind, "test", 64, 64, self.count, None, RATE_HZ, False, 0, False, 1)

    def frames(self) -> Iterator[Frame]:
        for index in range(self.count):
            yield Frame(np.zeros((64, 64, 3), np.uint8), index, int(index / RATE_HZ * 1e9))

    def audio(self) -> Iterator[AudioBlock]:
        return iter(())

    def close(self) -> None:
        self.closed = True


@dataclass
class Tracker:
    """One face that stays, and one that is seen in a few frames."""

    seen: int = field(default=0)

    def update(self, frame: Frame) -> list[TrackedFace]:
        faces = [
            TrackedFace(
                TrackId(1), Face(np.array([10, 10, 50, 50], np.float32), np.ones((5, 2), np.float32), 0.9), mesh(), True
            )
        ]
        return faces if frame.index > 10 else [*faces, TrackedFace(TrackId(2), faces[0].face, mesh(), True)]


def mesh() -> Mesh:
    return Mesh(np.zeros((468, 3), np.float32), 0.9)


INSTRUMENTS = FeatureInstruments(
    tracker=Tracker,
    observe=lambda frame, tracked: FaceSample(frame, tracked, Pose(1, 2, 3), Gaze(0, 0), 0.3, 0.0),
    shape_of=lambda sample: REST,
    moved_from_rest=moved_from_rest,
    models=(ModelUse("face-landmark", "00"),),
)


def test_tracks_are_told_and_short_ones_only_counted() -> None:
    reader = Reader()
    found = measure_features(reader, FeatureRequest(), INSTRUMENTS)
    assert [track.track_id for track in found.tracks] == [1]
    assert len(found.tracks[0].rows) == len(found.tracks[0].times_s) == 80
    assert [notice.code for notice in found.warnings] == ["features.short"]
    assert reader.closed


def test_a_still_has_no_features() -> None:
    found = measure_features(Reader(MediaKind.IMAGE, 1), FeatureRequest(), INSTRUMENTS)
    assert found.tracks == ()
    assert [notice.code for notice in found.warnings] == ["features.still"]
