"""Clips and photos as samples, for measuring what anonymising leaves of them.

Belongs here: reading media with the product's own instruments. Does not belong here: what is measured.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from moretta.core.analysis import AnalysisRequest, Feature
from moretta.core.features import FeatureRequest
from moretta.core.values import FaceSample, Floats, Frame, TrackedFace, TrackId
from moretta.settings import Settings
from moretta.use_cases.features import FeatureInstruments, Watched
from moretta.use_cases.instruments import Instruments
from moretta.vision.decode import DecodeOptions, open_media
from moretta.wiring.feature_instruments import feature_instruments
from moretta.wiring.instruments import Workshop

LEAST_PHOTOS, MOST_PHOTOS = 6, 12  # of a person, for two halves of three to six


@dataclass(frozen=True, slots=True)
class Laboratory:
    """The product's instruments, without its confinement."""

    workshop: Workshop
    instruments: Instruments
    features: FeatureInstruments
    settings: Settings


def laboratory() -> Laboratory:
    """With the installed models."""
    cv2.setNumThreads(1)
    settings = Settings()
    workshop = Workshop(settings.models_dir)
    wanted = AnalysisRequest(features=frozenset({Feature.AGE, Feature.GENDER}))
    return Laboratory(workshop, workshop.instruments(wanted), feature_instruments(workshop, FeatureRequest()), settings)


def clips(data: Path, more: list[Path]) -> list[Path]:
    """The clips of one person each."""
    known = [*sorted((data / "talking").glob("*.mp4")), data / "rppg_face/evm_face.mp4"]
    return [*known, data / "liveness/lestari15_real.mp4", *more]


def samples_of(lab: Laboratory, clip: Path) -> Iterator[FaceSample]:
    """The samples of the clip's first and only person, in time order."""
    fd = os.open(clip, os.O_RDONLY)
    reader = open_media(fd, lab.settings.limits, DecodeOptions())
    try:
        tracker, first = lab.instruments.tracker(), None
        for frame in reader.frames():
            for tracked in tracker.update(frame):
                first = tracked.track_id if first is None else first
                if tracked.track_id == first:
                    yield lab.instruments.observe(frame, tracked)
    finally:
        reader.close()
        os.close(fd)


def envelope_of(lab: Laboratory, clip: Path) -> tuple[Floats, Floats] | None:
    """Times and level of the clip's sound; None where it has none."""
    fd = os.open(clip, os.O_RDONLY)
    reader = open_media(fd, lab.settings.limits, DecodeOptions())
    try:
        if not reader.info.has_audio:
            return None
        meter = lab.instruments.sound()
        for block in reader.audio():
            meter.observe(block)
        return meter.envelope()
    finally:
        reader.close()
        os.close(fd)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody's photos: rows as `Watched.values`, and what the product's models guess of them (median over the photos)."""

    values: np.ndarray
    female: bool
    age_years: float


def people(lab: Laboratory, folder: Path) -> list[Person]:
    """Those of `folder` (a folder of photos for each person) with enough photos on which a mesh fits."""
    found = []
    for person in sorted(each for each in folder.iterdir() if each.is_dir()):
        photos = sorted(person.glob("*.jpg"))
        if len(photos) < LEAST_PHOTOS:
            continue
        watched, guesses = Watched(), defaultdict(list)
        for index, photo in enumerate(photos[:MOST_PHOTOS]):
            sample = _sample(lab, photo, index)
            if sample is None or sample.tracked.mesh.presence < lab.features.least_presence:
                continue
            watched.see(sample, lab.features)
            for model in lab.instruments.attributes:
                guess = model.estimate(sample.frame.pixels, sample.tracked)
                guesses["female"].extend([guess.gender == "female"] if guess.gender else [])
                guesses["age"].extend([guess.age_years] if guess.age_years is not None else [])
        values = np.stack(watched.values) if watched.values else np.empty((0, 16))
        values = values[np.isfinite(values).all(axis=1)]
        if len(values) >= LEAST_PHOTOS:
            found.append(Person(values, float(np.mean(guesses["female"])) > 0.5, float(np.median(guesses["age"]))))
    return found


def _sample(lab: Laboratory, photo: Path, index: int) -> FaceSample | None:
    """The largest face of the photo."""
    pixels = cv2.imread(str(photo))
    if pixels is None:
        return None
    frame = Frame(np.ascontiguousarray(pixels[..., ::-1]), index, index * 10**9)
    tracked = lab.instruments.still_tracker().update(frame)
    if not tracked:
        return None
    largest = max(tracked, key=lambda each: float(np.prod(each.face.box[2:] - each.face.box[:2])))
    return lab.instruments.observe(frame, TrackedFace(TrackId(1), largest.face, largest.mesh, True))
