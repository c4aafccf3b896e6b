"""One analysis of made-up media before the worker is confined.

Belongs here: running every instrument once, so that nothing is left to be imported or opened when the files are gone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from moretta.core.analysis import AnalysisRequest, Feature, MediaInfo, Notice
from moretta.core.values import AudioBlock, Face, Frame, MediaKind, Mesh, Profile, TrackedFace, TrackId
from moretta.use_cases.analyse import analyse
from moretta.wiring.instruments import Workshop
from moretta.wiring.wire import analysis_json

_SIDE, _RATE_HZ, _SECONDS = 160, 10, 12
_SOUND_RATE_HZ = 16_000


def rehearse(workshop: Workshop) -> None:
    """Analyse a made-up clip with a made-up face under every profile, and a still.

    The face is put there by hand, since no detector finds one in noise: so every meter, cue and model runs.
    """
    everything = frozenset(Feature)
    for kind, profile in ((MediaKind.VIDEO, Profile.FAST), (MediaKind.IMAGE, Profile.ACCURATE)):
        request = AnalysisRequest(profile, everything)
        instruments = workshop.instruments(request)
        instruments.tracker().update(_frame(0))
        instruments.still_tracker().update(_frame(0))
        staged = replace(instruments, tracker=_StagedTracker, still_tracker=_StagedTracker)
        analysis_json(analyse(_StagedReader(kind), request, staged))


def _frame(index: int) -> Frame:
    pixels = np.random.default_rng(index).integers(0, 256, (_SIDE, _SIDE, 3), np.uint8)
    return Frame(pixels, index, int(index / _RATE_HZ * 1e9))


class _StagedTracker:
    """Says that a face is in the middle of every frame."""

    def update(self, frame: Frame) -> list[TrackedFace]:
        random = np.random.default_rng(frame.index)
        angles = np.linspace(0, 40 * np.pi, 468)
        radii = np.linspace(5, 55, 468) + random.normal(0, 0.2, 468)
        spiral = np.stack([80 + radii * np.cos(angles), 80 + radii * np.sin(angles), random.normal(0, 5, 468)], 1)
        irises = np.tile(np.array([[[65, 70]], [[95, 70]]], np.float32), (1, 5, 1)) + np.float32(0.5)
        landmarks = np.array([[65, 70], [95, 70], [80, 85], [70, 105], [90, 105]], np.float32)
        face = Face(np.array([25, 25, 135, 135], np.float32), landmarks, 0.9)
        return [TrackedFace(TrackId(1), face, Mesh(spiral.astype(np.float32), 0.99, irises), True)]


@dataclass
class _StagedReader:
    """Noise to look at and to listen to."""

    kind: MediaKind
    scale: float = 1.0
    frames_total: int | None = None
    warnings: Sequence[Notice] = ()

    @property
    def info(self) -> MediaInfo:
        moving = self.kind is MediaKind.VIDEO
        frames = _RATE_HZ * _SECONDS if moving else 1
        duration = float(_SECONDS) if moving else None
        return MediaInfo(self.kind, "rehearsal", _SIDE, _SIDE, frames, duration, _RATE_HZ, False, 0, moving, 0)

    def frames(self) -> Iterator[Frame]:
        return (_frame(index) for index in range(self.info.frames))

    def audio(self) -> Iterator[AudioBlock]:
        random = np.random.default_rng(0)
        for second in range(_SECONDS):
            noise = random.normal(0, 0.1, _SOUND_RATE_HZ).astype(np.float32)
            yield AudioBlock(noise, _SOUND_RATE_HZ, second * 10**9)

    def close(self) -> None:
        """Nothing to give back."""
