"""Cuts the faces that the detector is trained on, and finds the meshes of those that it is reported on.

Belongs here: reading the development data, one face per picture. Does not belong here: anything random.

Run: `python -m training.blending.crops --data DATA --out FOLDER` (see `training/README.md`). Writes `fit.npz`: `crops`
uint8 (n, 192, 192, 3) RGB, `points` float32 (n, 468, 2) in crop pixels, `keys` (person or clip) and `sources` (set).
"""

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from moretta.core.values import Mesh
from moretta.evaluation.split import FIT_CLIPS, part_of, person_key
from moretta.trust.blending_detector import CONTEXT, SIDE, crop_points, face_crop
from moretta.vision.detect import CenterFaceDetector
from moretta.vision.landmarks import FaceMesh
from moretta.vision.models import default_models_dir, load
from moretta.vision.sessions import open_session

Pixels = npt.NDArray[np.uint8]

MARGIN = 16  # pixels by which a training crop is larger, so that training can shift it
TRAIN_SIDE = SIDE + MARGIN
TRAIN_CONTEXT = CONTEXT * TRAIN_SIDE / SIDE
MIN_PRESENCE = 0.5
MAX_PER_PERSON = 12  # a few politicians fill the set otherwise
FRAME_STEP = 6  # a quarter of a second: nearer frames are almost the same picture


@dataclass(frozen=True, slots=True)
class Picture:
    """One genuine picture and the person or clip that it belongs to."""

    pixels: Pixels
    key: str
    source: str


class FaceFinder:
    """Finds the largest face of a picture and fits its mesh, with the installed models."""

    def __init__(self, models_dir: Path, long_side: int = 480) -> None:
        def session(name: str):
            return open_session(load(name, models_dir).path)

        self._detector = CenterFaceDetector(session("centerface"), score_threshold=0.5, long_side=long_side)
        self._mesh = FaceMesh(session("face-landmark"), session("iris-landmark"))

    def mesh(self, pixels: Pixels) -> Mesh | None:
        """The mesh of the largest face; None where there is none that the mesh network trusts."""
        faces = self._detector.detect(pixels)
        if not faces:
            return None
        largest = max(faces, key=lambda face: float(np.prod(face.box[2:] - face.box[:2])))
        mesh = self._mesh.fit(pixels, largest, irises=False)
        return mesh if mesh.presence >= MIN_PRESENCE else None


def read_rgb(path: Path) -> Pixels:
    """A still as RGB uint8 (h, w, 3)."""
    return np.ascontiguousarray(cv2.imread(str(path), cv2.IMREAD_COLOR)[:, :, ::-1])


def clip_frames(path: Path, step: int, most: int) -> Iterator[Pixels]:
    """Every `step`-th frame of a clip, at most `most`."""
    with av.open(str(path)) as container:
        container.streams.video[0].thread_count = 1
        for index, frame in enumerate(container.decode(video=0)):
            if index % step == 0:
                yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            if index >= step * (most - 1):
                return


def people(data: Path, name: str, part: str, most: int) -> Iterator[Picture]:
    """Pictures of the people of a set (set/person/picture) on one side of the split."""
    for person in sorted(path for path in (data / name).iterdir() if path.is_dir()):
        if part_of(f"{name}/{person.name}") != part:
            continue
        for path in sorted(person.iterdir())[:most]:
            key = person_key(f"{name}/{person.name}/{path.name}")
            yield Picture(read_rgb(path), key, name)


def single_pictures(data: Path, folder: str, part: str) -> Iterator[Picture]:
    """Pictures of a set without known people on one side of the split."""
    for path in sorted((data / folder).iterdir()):
        key = f"{folder}/{path.name}"
        if part_of(key) == part:
            yield Picture(read_rgb(path), key, folder)


def fit_pictures(data: Path) -> Iterator[Picture]:
    """Everything genuine that the detector may be fitted on.

    UTKFace stays out: its terms allow no commercial use. Grey and masked sets stay out: they have no colour or no face.
    """
    yield from people(data, "lfw", "fit", MAX_PER_PERSON)
    yield from people(data, "johns", "fit", MAX_PER_PERSON)
    yield from single_pictures(data, "realfake/real", "fit")
    for clip in sorted(FIT_CLIPS):
        for pixels in clip_frames(data / clip, FRAME_STEP, most=150):
            yield Picture(pixels, clip, "talking")


def main() -> None:
    """Cut the fitting crops."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds lfw, talking, realfake...")
    parser.add_argument("--models", type=Path, default=default_models_dir(os.environ))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    finder = FaceFinder(options.models)
    crops, points, keys, sources = [], [], [], []
    for picture in fit_pictures(options.data):
        mesh = finder.mesh(picture.pixels)
        crop = None if mesh is None else face_crop(picture.pixels, mesh.points, TRAIN_SIDE, TRAIN_CONTEXT)
        if mesh is None or crop is None:
            continue
        crops.append(crop)
        points.append(crop_points(mesh.points, TRAIN_SIDE, TRAIN_CONTEXT))
        keys.append(picture.key)
        sources.append(picture.source)
    options.out.mkdir(parents=True, exist_ok=True)
    np.savez(options.out / "fit.npz", crops=np.stack(crops), points=np.stack(points), keys=keys, sources=sources)
    for source in sorted(set(sources)):
        held = [key for key, name in zip(keys, sources, strict=True) if name == source]
        print(f"{source}: {len(held)} crops of {len(set(held))} people, clips or pictures")


if __name__ == "__main__":
    main()
