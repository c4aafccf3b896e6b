"""The pipeline of an analysis up to the cues, for footage on disk.

Belongs here: decode, track, observe, cues; caching of what costs time. Does not belong here: fusion.
"""

import json
import pickle
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np

from moretta.core.errors import ModelMissing
from moretta.core.ports import CueMeter, TrustCue
from moretta.core.values import FaceSample, Floats, Frame, Measurement, MediaKind, Pixels, TrackedFace
from moretta.trust.blending_detector import BlendingDetector, blending_weights
from moretta.trust.cues import standard_cues
from moretta.vision.antispoof import FaceAntiSpoofing
from moretta.vision.detect import CenterFaceDetector
from moretta.vision.embed import MobileFaceNetEmbedder
from moretta.vision.landmarks import FaceMesh
from moretta.vision.models import load
from moretta.vision.observe import observe
from moretta.vision.sessions import OnnxSession, open_session
from moretta.vision.track import FaceTracker


class Laboratory:
    """All models loaded once, chosen as the wiring chooses them for video in the fast profile and for stills."""

    def __init__(self, models: Path) -> None:
        detector = open_session(load("centerface", models).path)
        self._fast = CenterFaceDetector(detector, long_side=320)
        self._fine = CenterFaceDetector(detector, long_side=640)
        self._mesh = FaceMesh(
            open_session(load("face-landmark", models).path), open_session(load("iris-landmark", models).path)
        )
        embedding = load("mobilefacenet", models)
        self._embedder = MobileFaceNetEmbedder(open_session(embedding.path), embedding.sha256)
        spoof = FaceAntiSpoofing(open_session(load("face-antispoofing", models).path))
        self.cues: tuple[TrustCue, ...] = standard_cues(self._embedder, spoof, _blending())

    def meshes(self, frames: list[tuple[float, Pixels]]) -> list[Floats | None]:
        """The mesh of the largest face in each frame."""
        tracker = self._tracker(still=len(frames) == 1)
        found = []
        for index, (time, pixels) in enumerate(frames):
            faces = tracker.update(Frame(pixels.copy(), index, round(time * 1e9)))
            found.append(_largest(faces).mesh.points if faces else None)
        return found

    def track(self, frames: Iterable[tuple[float, Pixels]], still: bool) -> list[FaceSample | None]:
        """A sample of the most prominent track in each frame. Keeps all frames: for short clips."""
        tracker = self._tracker(still)
        rows: list[list[FaceSample]] = []
        for index, (time, pixels) in enumerate(frames):
            frame = Frame(pixels, index, round(time * 1e9))
            rows.append([observe(frame, tracked) for tracked in tracker.update(frame)])
        size: dict[int, float] = {}
        for sample in (sample for row in rows for sample in row):
            box = sample.tracked.face.box
            track = int(sample.tracked.track_id)
            size[track] = size.get(track, 0.0) + float(np.sqrt(max(0.0, float((box[2] - box[0]) * (box[3] - box[1])))))
        if not size:
            return [None] * len(rows)
        chosen = max(size, key=lambda track: size[track])
        return [next((s for s in row if int(s.tracked.track_id) == chosen), None) for row in rows]

    def _tracker(self, still: bool) -> FaceTracker:
        if still:
            return FaceTracker(self._fine, self._mesh, detect_every=1, max_faces=100)
        return FaceTracker(self._fast, self._mesh, detect_every=10, max_faces=20, embedder=self._embedder)

    def measured(
        self, samples: Iterable[FaceSample | None], kind: MediaKind, names: frozenset[str] | None = None
    ) -> dict[str, Measurement]:
        """What the cues (all, or those of `names`) find."""
        meters: dict[str, CueMeter] = {
            cue.name: cue.start() for cue in self.cues if kind in cue.kinds and (names is None or cue.name in names)
        }
        for sample in samples:
            if sample is not None:
                for meter in meters.values():
                    meter.observe(sample)
        return {name: meter.measure() for name, meter in meters.items()}


def _blending() -> BlendingDetector | None:
    """The learned detector, or None while none has been trained yet."""
    try:
        return BlendingDetector(OnnxSession(blending_weights()))
    except ModelMissing:
        print("measuring without the learned blending detector, which is not there")
        return None


def _largest(faces: list[TrackedFace]) -> TrackedFace:
    return max(faces, key=lambda face: float(face.face.box[2] - face.face.box[0]))


@dataclass(frozen=True, slots=True)
class Cache:
    """Media, tracks and measurements of items, outside of the repository."""

    folder: Path

    def media(self, key: str, suffix: str) -> Path:
        """Where the item's clip or picture lies."""
        return self._place("media", key, suffix)

    def _place(self, sort: str, key: str, suffix: str) -> Path:
        folder = self.folder / sort
        folder.mkdir(parents=True, exist_ok=True)
        return folder / (key + suffix)

    def has(self, key: str) -> bool:
        """Whether the item was measured."""
        return self._place("measurements", key, ".json").is_file()

    def read(self, key: str) -> dict[str, Measurement]:
        """The measurements kept of the item."""
        path = self._place("measurements", key, ".json")
        if not path.is_file():
            return {}
        return {name: Measurement(**raw) for name, raw in json.loads(path.read_text()).items()}

    def write(self, key: str, found: dict[str, Measurement]) -> None:
        """Keep the measurements of the item."""
        path = self._place("measurements", key, ".json")
        path.write_text(json.dumps({name: asdict(measurement) for name, measurement in found.items()}))

    def read_track(self, key: str) -> list[tuple[object, ...] | None] | None:
        """The track kept of the item: all of each sample but its frame."""
        path = self._place("tracks", key, ".pickle")
        return pickle.loads(path.read_bytes()) if path.is_file() else None

    def write_track(self, key: str, samples: list[FaceSample | None]) -> None:
        """Keep the track."""
        rows = [
            None if s is None else (s.tracked, s.pose, s.gaze, s.eye_openness, s.mouth_openness, s.skin)
            for s in samples
        ]
        self._place("tracks", key, ".pickle").write_bytes(pickle.dumps(rows))


def decoded(path: Path) -> Iterable[tuple[float, Pixels]]:
    """Times and pictures of a clip."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield float(frame.time or 0.0), frame.to_ndarray(format="rgb24")


def with_frames(
    frames: Iterable[tuple[float, Pixels]], rows: list[tuple[object, ...] | None]
) -> Iterable[FaceSample | None]:
    """The samples of a kept track."""
    for index, ((time, pixels), row) in enumerate(zip(frames, rows, strict=True)):
        yield None if row is None else FaceSample(Frame(pixels, index, round(time * 1e9)), *row)  # type: ignore[arg-type]
