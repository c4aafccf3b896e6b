"""MediaPipe FaceMesh, following from frame to frame: 468 points and the irises of at most one face, or of several."""

import os
import sys
from importlib.metadata import version

os.environ.update(GLOG_minloglevel="2", TF_CPP_MIN_LOG_LEVEL="3", MEDIAPIPE_DISABLE_GPU="1")

from frames import Finder, measure


def make() -> Finder:
    import mediapipe

    most = 20 if "several" in sys.argv[2:] else 1
    mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=False, max_num_faces=most, refine_landmarks=True)

    def find(pixels):
        return len(mesh.process(pixels).multi_face_landmarks or ())

    return find


measure(make, {name: version(name) for name in ("mediapipe", "numpy")})
