"""face_recognition (dlib): boxes by HOG, 68 landmarks and, with `encodings`, the 128 numbers of each face."""

import sys
import warnings
from importlib.metadata import version

warnings.filterwarnings("ignore", message="pkg_resources is deprecated")

from frames import Finder, measure  # noqa: E402

# It follows nothing from frame to frame, so that every tenth frame tells its speed as well as all would.
EVERY = 10


def make() -> Finder:
    import face_recognition

    def find(pixels):
        boxes = face_recognition.face_locations(pixels)
        face_recognition.face_landmarks(pixels, boxes)
        if "encodings" in sys.argv[2:]:
            face_recognition.face_encodings(pixels, boxes)
        return len(boxes)

    return find


measure(make, {name: version(name) for name in ("face_recognition", "dlib-bin", "numpy")}, EVERY)
