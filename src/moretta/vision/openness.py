"""How far eyes and mouth are open, from the face mesh.

Belongs here: ratios of mesh distances. Does not belong here: blinks and speech, which are changes over time.
"""

import numpy as np

from moretta.core.values import Floats, Mesh

# Outer corner, two upper lid points, inner corner, two lower lid points (below the upper ones, inner first), right then left eye.
EYES = ((33, 160, 158, 133, 153, 144), (263, 387, 385, 362, 380, 373))
INNER_LIPS = (13, 14)
MOUTH_CORNERS = (61, 291)


def eye_openness(mesh: Mesh) -> float:
    """The eye aspect ratio averaged over both eyes: about .3 open, below .15 closed; 0 for a mesh without extent.

    Source: Soukupova and Cech 2016, eq. 1.
    """
    lids = mesh.points[np.array(EYES), :2]
    heights = _distance(lids[:, 1], lids[:, 5]) + _distance(lids[:, 2], lids[:, 4])
    widths = _distance(lids[:, 0], lids[:, 3])
    return float((heights / np.maximum(2 * widths, 1e-6)).mean())


def mouth_openness(mesh: Mesh) -> float:
    """The inner-lip gap over the mouth width: 0 closed, about 1 wide open."""
    points = mesh.points[:, :2]
    gap = _distance(points[INNER_LIPS[0]], points[INNER_LIPS[1]])
    width = _distance(points[MOUTH_CORNERS[0]], points[MOUTH_CORNERS[1]])
    return float(gap / np.maximum(width, 1e-6))


def _distance(one: Floats, other: Floats) -> Floats:
    return np.asarray(np.linalg.norm(one - other, axis=-1), np.float32)
