"""The canonical face: nobody's shape, on which every expression is drawn and measured.

Belongs here: its points, triangles and the rings of points that mean something. Does not belong here: how it moves or looks.

Coordinates are cm: x image-right on a face that looks ahead, y up, z towards the camera.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float32]
Triangles = npt.NDArray[np.int32]

# Point numbers of MediaPipe's face mesh (face_mesh_connections.py); "right" and "left" are the subject's own.
# Lids from the outer to the inner corner, without the corners: the upper point, and the lower one below it.
RIGHT_LIDS = ((246, 7), (161, 163), (160, 144), (159, 145), (158, 153), (157, 154), (173, 155))
LEFT_LIDS = ((466, 249), (388, 390), (387, 373), (386, 374), (385, 380), (384, 381), (398, 382))
RIGHT_CORNERS, LEFT_CORNERS = (33, 133), (263, 362)  # outer, inner
# The ring around the lids, above and below, each beside the lid point of the same place.
RIGHT_AROUND = ((247, 25), (30, 110), (29, 24), (27, 23), (28, 22), (56, 26), (190, 112))
LEFT_AROUND = ((467, 255), (260, 339), (259, 254), (257, 253), (258, 252), (286, 256), (414, 341))
RIGHT_BROW = ((70, 46), (63, 53), (105, 52), (66, 65), (107, 55))  # upper and lower edge, outer end first
LEFT_BROW = ((300, 276), (293, 283), (334, 282), (296, 295), (336, 285))
UPPER_INNER_LIP = (191, 80, 81, 82, 13, 312, 311, 310, 415)
LOWER_INNER_LIP = (95, 88, 178, 87, 14, 317, 402, 318, 324)
INNER_CORNERS = (78, 308)
OUTER_LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
MOUTH_CORNERS = (61, 291)
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)


@dataclass(frozen=True, slots=True)
class CanonicalFace:
    """`points` cm float32 (468, 3); `skin`, `right_eye`, `left_eye` and `mouth` are its triangles (n, 3), counter-clockwise
    seen from the front; those of eyes and mouth fill the openings."""

    points: Points
    skin: Triangles
    right_eye: Triangles
    left_eye: Triangles
    mouth: Triangles


@lru_cache(maxsize=1)
def canonical_face() -> CanonicalFace:
    """The canonical face model. The first call reads its file, so a confined worker calls it before it is confined.

    Source: MediaPipe's canonical face model (Apache-2.0), written by `python -m training.canonical_face`.
    """
    read = json.loads((files(__package__) / "canonical_face.json").read_text("utf-8"))
    points = np.array(read["points_cm"], np.float32)
    triangles = np.array(read["triangles"], np.int32)
    points.flags.writeable = False
    openings = [
        np.isin(triangles, ring).all(axis=1)
        for ring in (eye_ring(RIGHT_CORNERS, RIGHT_LIDS), eye_ring(LEFT_CORNERS, LEFT_LIDS), mouth_ring())
    ]
    skin = ~np.logical_or.reduce(openings)
    return CanonicalFace(points, triangles[skin], *(triangles[opening] for opening in openings))


def eye_ring(corners: tuple[int, int], lids: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    """The points around an eye's opening, in order."""
    return (corners[0], *(upper for upper, _ in lids), corners[1], *(lower for _, lower in reversed(lids)))


def mouth_ring() -> tuple[int, ...]:
    """The points around the mouth's opening, in order."""
    return (INNER_CORNERS[0], *UPPER_INNER_LIP, INNER_CORNERS[1], *reversed(LOWER_INNER_LIP))
