"""Implementations of ports that need no weights and no media: what an analysis is told, it measures."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from moretta.core.analysis import Blinks, Cue, MediaInfo, ModelUse, Notice, Pulse, Synchrony, TrustReport, Voice
from moretta.core.errors import MorettaError
from moretta.core.values import (
    AudioBlock,
    Face,
    FaceSample,
    Floats,
    Frame,
    Gaze,
    Measurement,
    MediaKind,
    Mesh,
    Pose,
    Quality,
    TrackedFace,
    TrackId,
)
from moretta.use_cases.instruments import Instruments


def tracked_face(track_id: int, at: float = 10.0, side: float = 80.0) -> TrackedFace:
    """A face whose box starts at (`at`, `at`), with a mesh spread over it."""
    box = np.array([at, at, at + side, at + side], np.float32)
    points = np.random.default_rng(track_id).random((468, 3)).astype(np.float32) * side + at
    landmarks = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32) * side + at
    return TrackedFace(TrackId(track_id), Face(box, landmarks, 0.9), Mesh(points, 0.99), True)


@dataclass
class FakeReader:
    """Black frames of a clip of `count` frames at `rate`, with `blocks` seconds of silence."""

    count: int
    rate: float = 10.0
    blocks: int = 0
    kind: MediaKind = MediaKind.VIDEO
    scale: float = 1.0
    fails_at: int | None = None
    error: MorettaError | None = None
    notices: list[Notice] = field(default_factory=list)
    closed: bool = False

    @property
    def info(self) -> MediaInfo:
        duration = self.count / self.rate if self.kind is MediaKind.VIDEO else None
        return MediaInfo(self.kind, "mp4", 200, 100, self.count, duration, self.rate, False, 0, self.blocks > 0, 1000)

    @property
    def frames_total(self) -> int | None:
        return self.count

    @property
    def warnings(self) -> Sequence[Notice]:
        return self.notices

    def frames(self) -> Iterator[Frame]:
        for i in range(self.count):
            if i == self.fails_at and self.error is not None:
                raise self.error
            yield Frame(np.zeros((100, 200, 3), np.uint8), i, int(i / self.rate * 1e9))

    def audio(self) -> Iterator[AudioBlock]:
        for i in range(self.blocks):
            yield AudioBlock(np.zeros(16000, np.float32), 16000, i * 10**9)

    def close(self) -> None:
        self.closed = True


@dataclass
class ScriptedTracker:
    """Tells the faces that `script` gives for a frame's index."""

    script: Callable[[int], list[TrackedFace]]

    def update(self, frame: Frame) -> list[TrackedFace]:
        return self.script(frame.index)


class _Counter:
    def __init__(self) -> None:
        self.seen = 0

    def observe(self, _: object) -> None:
        self.seen += 1


class _Pulse(_Counter):
    def estimate(self) -> Pulse:
        return Pulse(None, "POS", None, None, float(self.seen), "not enough signal")


class _Blinks(_Counter):
    def estimate(self) -> Blinks:
        return Blinks(self.seen, None, None, (), 0.0)


class _Sound(_Counter):
    def estimate(self) -> Voice:
        return Voice(0.0, None, None, None, 0, None, (), float(self.seen))

    def envelope(self) -> tuple[Floats, Floats]:
        return np.zeros(1, np.float32), np.zeros(1, np.float32)


class _Synchrony(_Counter):
    def estimate(self) -> Synchrony:
        return Synchrony(0.5, 0.1, None)


class _CountingCue:
    name = "seen"
    kinds = frozenset(MediaKind)

    def start(self) -> "_CountingMeter":
        return _CountingMeter()


class _CountingMeter(_Counter):
    def measure(self) -> Measurement:
        return Measurement(float(self.seen), 1.0)


class _EchoFusion:
    """A score that is the number of samples seen, at most 10."""

    def report(self, kind: MediaKind, measurements: dict[str, Measurement]) -> TrustReport:
        seen = measurements["seen"].value or 0.0
        cues = tuple(Cue(name, m.value, 1.0, m.coverage, m.value, kind.value) for name, m in measurements.items())
        return TrustReport(min(seen, 10.0), 1.0, cues, ())


def _observe(frame: Frame, tracked: TrackedFace) -> FaceSample:
    return FaceSample(frame, tracked, Pose(1.0, 2.0, 3.0), Gaze(0.1, 0.2), 0.3, 0.4)


def fake_instruments(script: Callable[[int], list[TrackedFace]]) -> Instruments:
    """Instruments that see the faces of `script` and count what they are shown."""
    return Instruments(
        tracker=lambda: ScriptedTracker(script),
        still_tracker=lambda: ScriptedTracker(script),
        observe=_observe,
        quality_of=lambda sample: Quality(50, 50, 50, 50, 50, 50 + sample.frame.index % 7, 30.0),
        pulse=_Pulse,
        blinks=_Blinks,
        sound=_Sound,
        synchrony=lambda _: _Synchrony(),
        attributes=(),
        posture=None,
        cues=(_CountingCue(),),
        fusion=_EchoFusion(),
        models=(ModelUse("fake", "00"),),
    )
