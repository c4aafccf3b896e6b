"""An operator's own photos of known people, read for an evaluation.

Belongs here: finding the photos, and one template of each. Does not belong here: comparing them.

Photos are read by the confined workers that read every photo, under the scheme `plain`, so that templates come back; they are
kept in this process's memory until the evaluation ends, and nowhere else. The names of people and files are never told.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from moretta.core.errors import FaceNotFound, MediaError, MediaUnreadable, QualityTooLow, RequestInvalid
from moretta.core.protection import ProtectionTerms, Scheme
from moretta.core.recognising import Embedded, EmbeddedFace, EmbedderCard, EmbedRequest, FaceReader, Wanted
from moretta.evaluation.recognition.comparisons import Indices, Vectors, drawn_photos, subject_numbers
from moretta.protection.plain.vectors import read_vector

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"})

# Area less so many squared distances from the middle (facenet, `align_dataset_mtcnn.py`). Of 3,709 photos of LFW, 747 of them
# with several faces, the largest face is another person's in 9, which adds half a percent of misses; by this rule none is.
_ASIDE = 2.0
_FACES = 8  # the largest ones, among which the person is

Tell = Callable[[str, int, int], None]
"""What is done, how many are done, of how many."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Photos by person: `paths[i]` shows person `subjects[i]` (numbers from 0)."""

    paths: tuple[Path, ...] = field(repr=False)
    subjects: Indices

    @property
    def people(self) -> int:
        """How many people it shows."""
        return len(np.unique(self.subjects))


@dataclass(frozen=True, slots=True)
class Templates:
    """Templates of the photos that were drawn: `vectors` (n, d) of `subjects` (n,); `failures` by reason; `failed_subjects`."""

    vectors: Vectors = field(repr=False)
    subjects: Indices
    failures: dict[str, int]
    failed_subjects: tuple[int, ...]


def read_dataset(folder: Path) -> Dataset:
    """The photos below `folder`, which holds a folder for each person.

    Raises:
        RequestInvalid: it shows fewer than two people, or nobody twice.
    """
    try:
        owners = sorted(entry for entry in folder.iterdir() if entry.is_dir())
        photos = [
            (owner.name, path)
            for owner in owners
            for path in sorted(owner.rglob("*"))
            if path.suffix.lower() in PHOTO_SUFFIXES and path.is_file()
        ]
    except OSError as error:
        raise RequestInvalid(
            f"expected a folder with a folder for each person; it cannot be read: {error.strerror}"
        ) from None
    subjects = subject_numbers([name for name, _ in photos])
    counts = np.bincount(subjects) if photos else np.zeros(0, np.intp)
    if len(counts) < 2 or counts.max() < 2:
        raise RequestInvalid(
            f"expected a folder with a folder of photos for each person, two people or more, somebody with two photos or more; "
            f"got {len(photos)} photos of {len(counts)} people"
        )
    return Dataset(tuple(path for _, path in photos), subjects)


def templates_of(
    dataset: Dataset, reader: FaceReader, card: EmbedderCard, tell: Tell, *, at_once: int = 1, seed: int = 0
) -> Templates:
    """One template of each photo that the protocol draws (see `evaluation.recognition.comparisons`), `at_once` at a time.

    Raises:
        ModelMismatch: the workers do not have the model.
        TimeLimitExceeded, WorkerLost, Overloaded: as `FaceReader.embed`.
    """
    drawn = drawn_photos(dataset.subjects, seed=seed)
    request = EmbedRequest(ProtectionTerms(Scheme.PLAIN, card.model_id, card.dimension, "evaluation"), Wanted.PROBE)
    vectors, subjects, failed = [], [], []
    failures: Counter[str] = Counter()
    with ThreadPoolExecutor(at_once) as threads:
        waiting = threads.map(lambda place: _template(dataset.paths[place], reader, request), drawn.tolist())
        for done, (place, found) in enumerate(zip(drawn.tolist(), waiting, strict=True)):
            tell("reading photos", done, len(drawn))
            if isinstance(found, str):
                failures[found] += 1
                failed.append(int(dataset.subjects[place]))
                continue
            vectors.append(read_vector(found, card.dimension))
            subjects.append(int(dataset.subjects[place]))
    tell("reading photos", len(drawn), len(drawn))
    matrix = np.stack(vectors) if vectors else np.empty((0, card.dimension), np.float32)
    return Templates(matrix, np.array(subjects, np.intp), dict(failures), tuple(failed))


def _template(path: Path, reader: FaceReader, request: EmbedRequest) -> bytes | str:
    """The payload of the face that a photo is about, or the code of why there is none."""
    # In memory, under no name: a worker is never told what a file is called.
    descriptor = os.memfd_create("media", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with path.open("rb") as photo, open(descriptor, "wb", closefd=False) as copy:
            shutil.copyfileobj(photo, copy)
        found = reader.embed(descriptor, request)
    except OSError:
        return MediaUnreadable.code
    except MediaError as error:
        return error.code
    finally:
        os.close(descriptor)
    if not found.faces:
        return FaceNotFound.code
    probe = meant_face(found).probe
    return QualityTooLow.code if probe is None else probe


def meant_face(found: Embedded) -> EmbeddedFace:
    """The face that a photo of one person is about: large and in the middle, where others are small or aside."""
    middle_x, middle_y = (side / 2 for side in found.size)

    def prominence(face: EmbeddedFace) -> float:
        left, top, right, bottom = face.box
        aside = ((left + right) / 2 - middle_x) ** 2 + ((top + bottom) / 2 - middle_y) ** 2
        return (right - left) * (bottom - top) - _ASIDE * aside

    return max(found.faces, key=prominence)
