"""What is gathered of one track while its frames go by, and the report made of it.

Belongs here: bounded bookkeeping of one track. Does not belong here: pixels beyond the sample at hand, or any model.
"""

import math
import statistics
from collections.abc import Sequence

import numpy as np

from moretta.core.analysis import (
    AnalysisRequest,
    Attributes,
    FaceReport,
    Feature,
    GazeSummary,
    PoseSummary,
    Posture,
    QualitySummary,
    Series,
    Synchrony,
    TrustPoint,
    TrustReport,
)
from moretta.core.series import BoundedSeries
from moretta.core.values import FaceSample, Floats, Measurement, MediaKind, Quality, TrackedFace
from moretta.use_cases.instruments import Instruments

# Attributes and posture vary little within a track: the best few frames of growing quality are enough.
MAX_ATTRIBUTE_SAMPLES = 5
# Quality and attributes are looked at every so many seconds of media time.
QUALITY_EVERY_S = 0.5
# A gaze within this many half eye widths of the person's median counts as steady (coarse model: MODELS.md, Gaze).
STEADY_GAZE = 0.15
# Trust over time: first point after a second, then ever wider gaps, so that the number of points stays small.
TRUST_POINT_GROWTH = 1.08


class TrackRecord:
    """One track's meters and summaries. `with_trust` tells whether cues run on it (they cost time)."""

    def __init__(
        self,
        first: FaceSample,
        kind: MediaKind,
        request: AnalysisRequest,
        instruments: Instruments,
        envelope: tuple[Floats, Floats] | None,
        with_trust: bool,
    ) -> None:
        wants = request.features
        self._kind, self._wants, self._instruments = kind, wants, instruments
        self.track_id = first.tracked.track_id
        self.first_time_s = self.last_time_s = first.time_s
        self.frames = 0
        self.prominence = 0.0
        moving = kind is MediaKind.VIDEO
        self._pulse = instruments.pulse() if moving and Feature.PULSE in wants else None
        self._blinks = instruments.blinks() if moving and Feature.BLINKS in wants else None
        trusted = with_trust and Feature.TRUST in wants
        self._cues = {cue.name: cue.start() for cue in instruments.cues if kind in cue.kinds} if trusted else {}
        talking = Feature.VOICE in wants or bool(self._cues)
        self._synchrony = instruments.synchrony(envelope) if moving and envelope is not None and talking else None
        self._series = BoundedSeries()
        self._trust_points = BoundedSeries(120)
        self._next_trust_s = first.time_s + 1.0
        self._next_quality_s = -math.inf
        self._best: tuple[Quality, TrackedFace] | None = None
        self._attributes: list[Attributes] = []
        self._postures: list[Posture] = []

    def observe(self, sample: FaceSample) -> None:
        """Take the next sample of this track."""
        self.frames += 1
        self.last_time_s = sample.time_s
        box = sample.tracked.face.box
        self.prominence += math.sqrt(max(0.0, float((box[2] - box[0]) * (box[3] - box[1]))))
        for meter in (self._pulse, self._blinks, self._synchrony):
            if meter is not None:
                meter.observe(sample)
        for cue in self._cues.values():
            cue.observe(sample)
        gaze = sample.gaze
        self._series.add(
            (
                sample.time_s,
                sample.pose.yaw,
                sample.pose.pitch,
                gaze.x if gaze else None,
                gaze.y if gaze else None,
                sample.eye_openness,
                sample.mouth_openness,
                sample.pose.roll,
            )
        )
        if sample.time_s >= self._next_quality_s:
            self._next_quality_s = sample.time_s + QUALITY_EVERY_S
            self._look_closely(sample)
        if self._cues and self._kind is MediaKind.VIDEO and sample.time_s >= self._next_trust_s:
            self._trust_points.add((sample.time_s, self.trust().score))
            self._next_trust_s = self.first_time_s + (sample.time_s - self.first_time_s) * TRUST_POINT_GROWTH + 1.0

    def _look_closely(self, sample: FaceSample) -> None:
        quality = self._instruments.quality_of(sample)
        if self._best is not None and quality.unified <= self._best[0].unified:
            return
        self._best = (quality, sample.tracked)
        pixels = sample.frame.pixels
        if Feature.POSTURE in self._wants and self._instruments.posture is not None:
            posture = self._instruments.posture.estimate(pixels, sample.tracked.face)
            if posture is not None:
                self._postures = [*self._postures, posture][-MAX_ATTRIBUTE_SAMPLES:]
        for model in self._instruments.attributes:
            self._attributes.append(model.estimate(pixels, sample.tracked))
        self._attributes = self._attributes[-MAX_ATTRIBUTE_SAMPLES * max(1, len(self._instruments.attributes)) :]

    @property
    def has_trust(self) -> bool:
        """Whether cues run on this track."""
        return bool(self._cues)

    def trust(self) -> TrustReport:
        """The trust report given the evidence so far."""
        measurements = {name: meter.measure() for name, meter in self._cues.items()}
        if self._synchrony is not None:
            measurements["mouth_audio_synchrony"] = _as_measurement(self._synchrony.estimate())
        report = self._instruments.fusion.report(self._kind, measurements)
        points = tuple(TrustPoint(time, score) for time, score in self._trust_rows())
        return TrustReport(
            report.score, report.confidence, report.cues, report.insufficient, int(self.track_id), points
        )

    def _trust_rows(self) -> list[tuple[float, float | None]]:
        columns = self._trust_points.columns()
        if not columns:
            return []
        return [(float(time or 0.0), score) for time, score in zip(columns[0], columns[1], strict=True)]

    def report(self, scale: float = 1.0) -> FaceReport:
        """The summary of the track in pixels of the original, of which the analysed picture has `scale` as many a side."""
        wants = self._wants
        columns = self._series.columns()
        yaw, pitch, gaze_x, gaze_y, roll = (*columns[1:5], columns[7])
        quality, best = self._best if self._best is not None else (None, None)
        if quality is None or best is None:
            raise ValueError("expected at least one observed sample")
        face = best.face
        moving = self._kind is MediaKind.VIDEO
        return FaceReport(
            track_id=int(self.track_id),
            frames=self.frames,
            first_time_s=round(self.first_time_s, 3),
            last_time_s=round(self.last_time_s, 3),
            box=_four(face.box / np.float32(scale)),
            detection_score=round(face.detection_score, 4),
            landmarks=tuple(_pair(p) for p in face.landmarks / np.float32(scale))
            if Feature.LANDMARKS in wants
            else None,
            mesh=_relative_mesh(best) if Feature.MESH in wants else None,
            pose=_pose_summary(yaw, pitch, roll) if Feature.POSE in wants else None,
            gaze=_gaze_summary(gaze_x, gaze_y) if Feature.GAZE in wants else None,
            blinks=self._blinks.estimate() if self._blinks is not None else None,
            quality=_quality_summary(quality, scale) if Feature.QUALITY in wants else None,
            attributes=_merge_attributes(self._attributes) if self._attributes else None,
            pulse=self._pulse.estimate() if self._pulse is not None else None,
            synchrony=self._synchrony.estimate() if self._synchrony is not None and Feature.VOICE in wants else None,
            posture=self._postures[-1] if self._postures else None,
            series=_series(columns) if moving and Feature.SERIES in wants else None,
        )


def _as_measurement(synchrony: Synchrony) -> Measurement:
    if synchrony.correlation is None:
        return Measurement(None, 0.0, synchrony.reason or "mouth and sound could not be compared")
    return Measurement(synchrony.correlation, 1.0, detail={"lag_s": synchrony.lag_s or 0.0})


def _pair(point: Floats) -> tuple[float, float]:
    return (round(float(point[0]), 2), round(float(point[1]), 2))


def _four(box: Floats) -> tuple[float, float, float, float]:
    left, top, right, bottom = (round(float(v), 2) for v in box)
    return (left, top, right, bottom)


def _relative_mesh(tracked: TrackedFace) -> tuple[tuple[float, float], ...]:
    left, top, right, bottom = (float(v) for v in tracked.face.box)
    width, height = max(right - left, 1e-6), max(bottom - top, 1e-6)
    points = tracked.mesh.points
    return tuple((round((float(p[0]) - left) / width, 4), round((float(p[1]) - top) / height, 4)) for p in points)


def _present(column: Sequence[float | None]) -> list[float]:
    return [value for value in column if value is not None]


def _pose_summary(
    yaw: Sequence[float | None], pitch: Sequence[float | None], roll: Sequence[float | None]
) -> PoseSummary:
    columns = [_present(yaw), _present(pitch), _present(roll)]
    medians = [round(statistics.median(c), 1) for c in columns]
    ranges = [round(max(c) - min(c), 1) for c in columns]
    return PoseSummary(*medians, *ranges)


def _gaze_summary(x: Sequence[float | None], y: Sequence[float | None]) -> GazeSummary | None:
    pairs = [(a, b) for a, b in zip(x, y, strict=True) if a is not None and b is not None]
    if not pairs:
        return None
    mid_x = statistics.median(a for a, _ in pairs)
    mid_y = statistics.median(b for _, b in pairs)
    steady = sum(math.hypot(a - mid_x, b - mid_y) <= STEADY_GAZE for a, b in pairs) / len(pairs)
    return GazeSummary(round(mid_x, 3), round(mid_y, 3), round(steady, 3))


def _quality_summary(quality: Quality, scale: float) -> QualitySummary:
    return QualitySummary(
        *(
            round(value, 1)
            for value in (
                quality.sharpness,
                quality.under_exposure_prevention,
                quality.over_exposure_prevention,
                quality.inter_eye_distance,
                quality.head_pose,
                quality.unified,
                quality.inter_eye_px / scale,
            )
        )
    )


def _merge_attributes(found: list[Attributes]) -> Attributes:
    ages = [(a.age_years, a.age_spread_years or 0.0) for a in found if a.age_years is not None]
    genders = [(a.gender, a.gender_probability or 0.0) for a in found if a.gender is not None]
    expressions = [(a.expression, a.expression_probability or 0.0) for a in found if a.expression is not None]
    gender = max(genders, key=lambda g: g[1]) if genders else (None, None)
    expression = max(expressions, key=lambda e: e[1]) if expressions else (None, None)
    return Attributes(
        age_years=round(statistics.fmean(a for a, _ in ages), 1) if ages else None,
        age_spread_years=round(statistics.fmean(s for _, s in ages), 1) if ages else None,
        gender=gender[0],
        gender_probability=gender[1],
        expression=expression[0],
        expression_probability=expression[1],
    )


def _series(columns: tuple[tuple[float | None, ...], ...]) -> Series:
    rounded = [tuple(None if v is None else round(v, 4) for v in column) for column in columns]
    times = tuple(v for v in rounded[0] if v is not None)
    return Series(times, rounded[1], rounded[2], rounded[3], rounded[4], rounded[5], rounded[6])
