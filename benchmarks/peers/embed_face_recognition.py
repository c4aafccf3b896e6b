"""face_recognition (dlib): the 128 numbers of one face of each photo, as its documentation compares people.

    embed_face_recognition.py PHOTOS VECTORS

PHOTOS names one file a line; VECTORS (.npy, float32) gets one row each, not a number where no face was found.
"""

import json
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

warnings.filterwarnings("ignore", message="pkg_resources is deprecated")

import face_recognition  # noqa: E402
import numpy as np  # noqa: E402

DIMENSION = 128


def main(photos: Path, target: Path) -> None:
    names = photos.read_text().splitlines()
    vectors = np.full((len(names), DIMENSION), np.nan, np.float32)
    started = time.process_time()
    for place, name in enumerate(names):
        pixels = face_recognition.load_image_file(name)
        boxes = face_recognition.face_locations(pixels)
        if boxes:
            vectors[place] = face_recognition.face_encodings(pixels, [meant(boxes, pixels.shape)])[0]
    np.save(target, vectors)
    told = {name: version(name) for name in ("face_recognition", "dlib-bin", "numpy")}
    print(json.dumps({"cpu_s": time.process_time() - started, "versions": told}))


def meant(boxes: list[tuple[int, int, int, int]], shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The face that a photo of a person is about: large and in the middle, by the rule that Moretta uses."""

    def prominence(box: tuple[int, int, int, int]) -> float:
        top, right, bottom, left = box
        x, y = (left + right - shape[1]) / 2, (top + bottom - shape[0]) / 2
        return (right - left) * (bottom - top) - 2 * (x * x + y * y)

    return max(boxes, key=prominence)


main(Path(sys.argv[1]), Path(sys.argv[2]))
