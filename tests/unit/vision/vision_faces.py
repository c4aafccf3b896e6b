"""Synthetic faces for the tests of this folder: a mesh whose points that matter lie where a calm face has them."""

import numpy as np

from moretta.core.values import Floats, Mesh
from moretta.vision.openness import EYES
from moretta.vision.skin import REGIONS

# Shares of the face size, measured from the face's middle: x image-right, y down.
_POINTS = {
    1: (0.0, 0.06),
    152: (0.0, 0.5),
    10: (0.0, -0.5),
    234: (-0.45, 0.0),
    454: (0.45, 0.0),
    168: (0.0, -0.15),
    33: (-0.28, -0.12),
    133: (-0.12, -0.12),
    362: (0.12, -0.12),
    263: (0.28, -0.12),
    61: (-0.16, 0.26),
    291: (0.16, 0.26),
    13: (0.0, 0.26),
    14: (0.0, 0.26),
}
_PATCHES = ((0.0, -0.35, 0.2, 0.08), (-0.25, 0.1, 0.08, 0.1), (0.25, 0.1, 0.08, 0.1))


def mesh_at(
    x: float,
    y: float,
    size: float = 100,
    *,
    eye: float = 0.3,
    mouth: float = 0.0,
    presence: float = 1.0,
    irises: bool = True,
) -> Mesh:
    """A frontal mesh with its middle at (x, y) px, `size` px high; `eye` is its eye aspect ratio, `mouth` its openness."""
    points = np.zeros((468, 3), np.float32)
    for index, place in _POINTS.items():
        points[index, :2] = place
    points[14, 1] += mouth * 0.32
    for outer, up1, up2, inner, low2, low1 in EYES:
        span = points[inner, :2] - points[outer, :2]
        for share, up, low in ((1 / 3, up1, low1), (2 / 3, up2, low2)):
            points[up, :2] = points[outer, :2] + share * span - (0, eye * 0.16 / 2)
            points[low, :2] = points[outer, :2] + share * span + (0, eye * 0.16 / 2)
    for region, (cx, cy, half_w, half_h) in zip(REGIONS, _PATCHES, strict=True):
        angles = np.linspace(0, 2 * np.pi, len(region), endpoint=False)
        for index, angle in zip(region, angles, strict=True):
            if index not in _POINTS:
                points[index, :2] = (cx + half_w * np.cos(angle), cy + half_h * np.sin(angle))
    points = points * size + np.array([x, y, 0], np.float32)
    return Mesh(points.astype(np.float32), presence, iris_rings(points, size) if irises else None)


def iris_rings(points: Floats, size: float) -> Floats:
    """Irises (2, 5, 2) in the middle of the eyes."""
    centres = [(points[33, :2] + points[133, :2]) / 2, (points[362, :2] + points[263, :2]) / 2]
    ring = np.array([[0, 0], [1, 0], [0, -1], [-1, 0], [0, 1]]) * 0.035 * size
    return np.stack([centre + ring for centre in centres]).astype(np.float32)
