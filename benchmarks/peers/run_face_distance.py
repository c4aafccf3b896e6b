"""face_recognition: `face_distance` of a probe to a gallery of plain vectors. Arguments: count, dimension."""

import sys
import warnings
from importlib.metadata import version

warnings.filterwarnings("ignore", message="pkg_resources is deprecated")

import face_recognition  # noqa: E402
from taking_turns import take_turns, unit_vectors  # noqa: E402

count, dimension = int(sys.argv[1]), int(sys.argv[2])
gallery = unit_vectors(count, dimension).astype("float64")  # what face_encodings gives
probe = gallery[5].copy()
take_turns(
    lambda: face_recognition.face_distance(gallery, probe).argmin() and None,
    {"versions": {"face_recognition": version("face_recognition")}},
)
