"""Measure anonymised features: follow faces, measure their movement, take out whose they are.

Belongs here: what is kept of a track while it is followed, and what is made of it at its end.
Does not belong here: any measurement of a face itself.

All of a track is needed before anything is told of it: its rest is what is taken away.
"""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from moretta.core.analysis import ModelUse, Notice, Progress
from moretta.core.features import AMPLITUDES_ONLY, EYES, NAMES, Detail, FeatureRequest, FeatureSet, FeatureTrack
from moretta.core.ports import MediaReader, OnProgress, Tracker
from moretta.core.prefetch import ahead
from moretta.core.values import FaceSample, Frame, MediaKind, TrackedFace, TrackId

Floats64 = npt.NDArray[np.float64]

# As `use_cases.analyse`: 60 frames/s are measured at 30.
LEAST_GAP_NS = 25_000_000
# Shorter tracks have no rest of their own: what would be taken away would be what was to be measured.
LEAST_TRACK_S, LEAST_ROWS = 2.0, 20
# Bounds memory and the answer's size: three hours of one face, or nine minutes of twenty, at 30 frames/s.
MOST_ROWS = 324_000
OPEN_QUANTILE = 0.9  # of a track's eye openness: open eyes, whatever the blinks
SHUT_QUANTILE = 0.1  # of a track's mouth openness: a closed mouth
BLINK_BELOW = 0.5  # half open
DEGREE_STEP, COEFFICIENT_STEP, SPEED_STEP, TURN_STEP = 1.0, 1 / 16, 0.01, 1.0
SPREAD_QUANTILE, LEAST_SPREAD = 0.05, 1e-9
SHARE_STEP, MOST_SHARE = 1 / 8, 2.0
MOST_GAP_S = 0.2  # speeds are not told over longer gaps
PROGRESS_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class FeatureInstruments:
    """What features are measured with.

    `shape_of` gives the lengths (8,) of a sample's face that `moved_from_rest` turns into coefficients against a rest (8,):
    the eyes' first, the mouth's gap fifth.
    """

    tracker: Callable[[], Tracker]
    observe: Callable[[Frame, TrackedFace], FaceSample]
    shape_of: Callable[[FaceSample], Floats64]
    moved_from_rest: Callable[[Floats64, Floats64], Floats64]
    models: tuple[ModelUse, ...]
    least_presence: float = 0.5  # MediaPipe face_landmark graphs, min_tracking_confidence


@dataclass(slots=True)
class Watched:
    """What is kept of one track: times in s, pose (3) deg, gaze (2), place and size (3) px, shape (8); NaN where unknown."""

    times_s: list[float] = field(default_factory=list)
    values: list[Floats64] = field(default_factory=list)

    def see(self, sample: FaceSample, instruments: FeatureInstruments) -> None:
        """Take the next sample."""
        pose, gaze, box = sample.pose, sample.gaze, sample.tracked.face.box.astype(np.float64)
        sure = sample.tracked.mesh.presence >= instruments.least_presence
        gaze_xy = (gaze.x, gaze.y) if gaze is not None else (np.nan, np.nan)
        place = (*((box[:2] + box[2:]) / 2), float(box[3] - box[1]))
        shape = instruments.shape_of(sample) if sure else np.full(8, np.nan)
        self.times_s.append(sample.time_s)
        self.values.append(np.array([pose.yaw, pose.pitch, pose.roll, *gaze_xy, *place, *shape]))


def measure_features(
    reader: MediaReader, request: FeatureRequest, instruments: FeatureInstruments, on_progress: OnProgress | None = None
) -> FeatureSet:
    """The features of the media in `reader`, which is closed at the end. A still has none, since nothing in it moves.

    Raises:
        MediaError: the media is at fault.
        Exception: whatever `on_progress` raises, to cancel.
    """
    with closing(reader):
        if reader.info.kind is MediaKind.IMAGE:
            for _ in reader.frames():
                break
            notice = Notice(
                "features.still", "A still shows no movement, and without shape nothing else is left of it."
            )
            return FeatureSet(reader.info, (), instruments.models, (*reader.warnings, notice), request.detail)
        watched, full = _watch(reader, instruments, on_progress)
        tracks = []
        for track_id, track in sorted(watched.items()):
            rows = anonymised(track, instruments.moved_from_rest, request.detail)
            if rows is not None:
                tracks.append(FeatureTrack(int(track_id), tuple(round(at, 3) for at in track.times_s), rows))
        notices = list(_notices(len(watched), len(tracks), full))
        warnings = (*reader.warnings, *notices)
        return FeatureSet(reader.info, tuple(tracks), instruments.models, warnings, request.detail)


def _watch(
    reader: MediaReader, instruments: FeatureInstruments, on_progress: OnProgress | None
) -> tuple[dict[TrackId, Watched], bool]:
    watched: dict[TrackId, Watched] = {}
    tracker, measured_ns, rows = instruments.tracker(), -LEAST_GAP_NS, 0
    start = told = time.monotonic()
    with ahead(reader.frames()) as frames:
        for done, frame in enumerate(frames, 1):
            now = time.monotonic()
            if on_progress is not None and now - told >= PROGRESS_EVERY_S:
                told, fps = now, done / max(now - start, 1e-6)
                eta = max(reader.frames_total - done, 0) / fps if reader.frames_total else None
                on_progress(Progress("frames", done, reader.frames_total, fps, eta, len(watched)))
            if frame.time_ns - measured_ns < LEAST_GAP_NS:
                continue
            measured_ns = frame.time_ns
            for tracked in tracker.update(frame):
                if rows >= MOST_ROWS:
                    return watched, True
                rows += 1
                watched.setdefault(tracked.track_id, Watched()).see(instruments.observe(frame, tracked), instruments)
    return watched, False


def _notices(seen: int, kept: int, full: bool) -> tuple[Notice, ...]:
    notices = []
    if not seen:
        notices.append(Notice("face.none", "No face was found."))
    if seen > kept:
        detail = (
            f"{seen - kept} of {seen} tracks are too short: less than {LEAST_TRACK_S:g} s has no rest to compare with."
        )
        notices.append(Notice("features.short", detail))
    if full:
        notices.append(
            Notice("features.cut", f"Only the first {MOST_ROWS} rows were measured; cut the media and ask again.")
        )
    return tuple(notices)


def anonymised(
    track: Watched, moved_from_rest: Callable[[Floats64, Floats64], Floats64], detail: Detail
) -> tuple[tuple[float | None, ...], ...] | None:
    """A track's rows in the order of `core.features.COLUMNS`; None where the track is too short to have a rest."""
    times = np.array(track.times_s)
    if len(times) < LEAST_ROWS or times[-1] - times[0] < LEAST_TRACK_S:
        return None
    values = np.stack(track.values)
    sure = np.asarray(np.isfinite(values).all(axis=1), np.bool_)
    if sure.sum() < LEAST_ROWS:
        return None
    columns = np.hstack(
        [
            centred(values, sure, moved_from_rest),
            _speeds(times, values[:, :3], values[:, 5:8]),
        ]
    )
    both = columns[:, 5:7] < BLINK_BELOW
    blink = np.where(sure, both.all(axis=1), np.nan)
    whole = np.hstack([columns, blink[:, None]])
    told = whole if detail is Detail.AMPLITUDES else ranged(whole)
    return tuple(tuple(_told(value) for value in row) for row in told)


def ranged(columns: Floats64) -> Floats64:
    """`columns` (n, 18) without how far anything moves: each about its median, as a share of its range; eyes as they are."""
    told = np.full_like(columns, np.nan)
    for at, column in enumerate(columns.T):
        known = column[np.isfinite(column)]
        if len(known):
            low, middle, high = np.quantile(known, [SPREAD_QUANTILE, 0.5, 1 - SPREAD_QUANTILE])
            shares = (column - middle) / max(high - low, LEAST_SPREAD)
            told[:, at] = _stepped(np.clip(shares, -MOST_SHARE, MOST_SHARE), SHARE_STEP)
    for name in EYES:
        told[:, NAMES.index(name)] = _stepped(columns[:, NAMES.index(name)], SHARE_STEP)
    for name in AMPLITUDES_ONLY:
        told[:, NAMES.index(name)] = np.nan
    return told


def centred(
    values: Floats64, sure: npt.NDArray[np.bool_], moved_from_rest: Callable[[Floats64, Floats64], Floats64]
) -> Floats64:
    """The columns of pose, gaze and expression (n, 13) of `Watched.values` (n, 16), without the rest of the `sure` rows."""
    pose, gaze, shape = values[:, :3], values[:, 3:5], values[:, 8:]
    rest = np.median(shape[sure], axis=0)
    rest[:2] = np.quantile(shape[sure, :2], OPEN_QUANTILE, axis=0)
    moved = moved_from_rest(shape[sure], rest)
    moved[:, 4] = np.maximum(moved[:, 4] - np.quantile(moved[:, 4], SHUT_QUANTILE), 0)
    coefficients = np.full_like(shape, np.nan)
    coefficients[sure] = moved
    return np.hstack(
        [
            _stepped(_turn(pose - np.median(pose, axis=0)), DEGREE_STEP),
            _stepped(gaze - np.median(gaze[sure], axis=0), COEFFICIENT_STEP),
            _stepped(coefficients, COEFFICIENT_STEP),
        ]
    )


def _speeds(times: Floats64, pose: Floats64, place: Floats64) -> Floats64:
    """Turning (deg/s), movement (face heights/s) and approach (1/s), each from the frame before; NaN in the first."""
    speeds = np.full((len(times), 4), np.nan)
    gaps = np.diff(times)
    lasting = np.where((gaps > 0) & (gaps <= MOST_GAP_S), gaps, np.nan)[:, None]
    size = np.maximum((place[1:, 2:] + place[:-1, 2:]) / 2, 1.0)
    turns = np.linalg.norm(_turn(np.diff(pose, axis=0)), axis=1, keepdims=True)
    speeds[1:, :1] = _stepped(turns / lasting, TURN_STEP)
    speeds[1:, 1:3] = _stepped(np.diff(place[:, :2], axis=0) / size / lasting, SPEED_STEP)
    speeds[1:, 3:] = _stepped(np.diff(place[:, 2:], axis=0) / size / lasting, SPEED_STEP)
    return speeds


def _turn(degrees: Floats64) -> Floats64:
    """Differences of angles, the short way round."""
    return (degrees + 180) % 360 - 180


def _stepped(values: Floats64, step: float) -> Floats64:
    return np.asarray(np.round(values / step) * step, np.float64)


def _told(value: float) -> float | None:
    return round(float(value), 4) + 0.0 if np.isfinite(value) else None
