"""Photographs of many people, and the face in each.

Belongs here: reading a folder with a folder for each person. Does not belong here: hiding or recognising.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from moretta.core.geometry import mesh_landmarks
from moretta.core.redaction import FaceToHide
from moretta.core.values import Face, Pixels, TrackId
from moretta.use_cases.redaction.plan import dilated, growth_of
from moretta.wiring.instruments import Workshop
from moretta.wiring.redacting import redaction_instruments

SCORES = (0.5, 0.3)
SIDE = 320
TRACK = TrackId(1)


@dataclass(frozen=True, slots=True)
class Portrait:
    """One photograph; `person` is a number, `photo` counts the person's photographs from 0."""

    person: int
    photo: int
    path: Path


@dataclass(frozen=True, slots=True)
class Shown:
    """A photograph with its face, as the pipeline would hide it."""

    portrait: Portrait
    face: FaceToHide


def portraits(folder: Path, most_people: int, most_photos: int) -> list[Portrait]:
    """At most `most_photos` of at most `most_people` people: those with several photographs first, each kind by name."""
    people = [sorted(each.glob("*.jpg")) for each in sorted(folder.iterdir()) if each.is_dir()]
    people = sorted((files for files in people if files), key=lambda files: len(files) < 2)[:most_people]
    return [
        Portrait(person, photo, path)
        for person, files in enumerate(people)
        for photo, path in enumerate(files[:most_photos])
    ]


def picture(path: Path) -> Pixels:
    """The photograph as RGB uint8 (h, w, 3)."""
    read = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if read is None:
        raise SystemExit("expected photographs that can be read; one of them cannot")
    return np.ascontiguousarray(read[:, :, ::-1])


def shown(chosen: Sequence[Portrait], workshop: Workshop) -> Iterator[Shown]:
    """Each photograph with the face nearest its middle; those in which none is found are left out.

    Every photograph is an item of its own, and its cover has a lot of its own.
    """
    describe = redaction_instruments(workshop).describe
    detectors = [workshop.face_detector(score, SIDE) for score in SCORES]
    for number, portrait in enumerate(chosen):
        pixels = picture(portrait.path)
        found = next((faces for detector in detectors if (faces := detector.detect(pixels))), [])
        if not found:
            continue
        face = min(found, key=lambda each: _from_middle(each, pixels))
        described = describe(pixels, FaceToHide(TRACK, dilated(face.box, growth_of(number, TRACK)), face.landmarks))
        if described.mesh is not None:
            described = replace(described, landmarks=mesh_landmarks(described.mesh.points))
        yield Shown(portrait, described)


def _from_middle(face: Face, pixels: Pixels) -> float:
    middle = np.array(pixels.shape[1::-1]) / 2
    return float(np.linalg.norm((face.box[:2] + face.box[2:]) / 2 - middle))
