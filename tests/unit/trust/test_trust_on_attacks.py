"""On a real talking face the score falls when the stream is frozen, looped, or shown on a held photograph."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from moretta.core.analysis import AnalysisRequest, TrustReport
from moretta.core.values import Frame, MediaKind, Profile
from moretta.evaluation.attacks import frozen_attack, loop_attack, photo_attack
from moretta.wiring.instruments import Workshop

FPS = 12
FRAMES = 6 * FPS


@pytest.fixture(scope="module")
def genuine(talking_clip: Path) -> list[np.ndarray]:
    """Six seconds of a talking face, every other frame."""
    with av.open(str(talking_clip)) as container:
        frames = islice(container.decode(video=0), 100, 100 + 2 * FRAMES, 2)
        return [frame.to_ndarray(format="rgb24") for frame in frames]


@pytest.fixture(scope="module")
def workshop(models_dir: Path) -> Workshop:
    return Workshop(models_dir)


def judged(workshop: Workshop, frames: Iterable[np.ndarray]) -> TrustReport:
    instruments = workshop.instruments(AnalysisRequest(Profile.FAST))
    tracker = instruments.tracker()
    meters = {cue.name: cue.start() for cue in instruments.cues if MediaKind.VIDEO in cue.kinds}
    for index, pixels in enumerate(frames):
        frame = Frame(np.ascontiguousarray(pixels), index, index * 1_000_000_000 // FPS)
        for tracked in tracker.update(frame)[:1]:
            sample = instruments.observe(frame, tracked)
            for meter in meters.values():
                meter.observe(sample)
    return instruments.fusion.report(MediaKind.VIDEO, {name: meter.measure() for name, meter in meters.items()})


@pytest.mark.models
def test_frozen_looped_and_printed_faces_score_under_the_genuine_one(
    workshop: Workshop, genuine: list[np.ndarray]
) -> None:
    rng = np.random.default_rng(0)
    score = judged(workshop, (f.copy() for f in genuine)).score
    frozen = judged(workshop, frozen_attack((f.copy() for f in genuine), FRAMES // 3, FRAMES, rng)).score
    looped = judged(workshop, (f.copy() for f in loop_attack(genuine, 2 * FPS, FRAMES, backwards=False))).score
    printed = judged(workshop, photo_attack(genuine[0], [index / FPS for index in range(FRAMES)], rng)).score
    assert None not in (score, frozen, looped, printed)
    assert score > 5
    assert frozen < score - 2
    assert looped < score - 2
    assert printed < score - 1
