"""The avatar's head: the canonical face with the rest of a head around it, lit and ready to be drawn.

Belongs here: surfaces, normals and light. Does not belong here: pixels (see `raster`), where the head is (see `placing`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moretta.vision.avatar.canonical import (
    INNER_CORNERS,
    LEFT_CORNERS,
    LEFT_LIDS,
    RIGHT_CORNERS,
    RIGHT_LIDS,
    CanonicalFace,
    Points,
    Triangles,
    eye_ring,
    mouth_ring,
)
from moretta.vision.avatar.looks import SIDE, in_texture
from moretta.vision.avatar.raster import HAIR, LEFT_EYE, MOUTH, NECK, RIGHT_EYE, SKIN

Angles = npt.NDArray[np.float64]

# Light from above, image-left and the front; camera axes, unit length. Designed.
LIGHT = np.array([-0.36, -0.56, -0.75], np.float32)
_BETWEEN = LIGHT + np.array([0, 0, -1], np.float32)
HALFWAY = _BETWEEN / np.linalg.norm(_BETWEEN)  # between the light and the camera, for gloss
PLAIN_SKIN = in_texture(np.array([[5.4, 1.0]]))[0]  # a place of the texture where nothing is painted

SCALP = 255  # hair in its own shadow
NECK_ENDS = (-15.5, -11.0)  # y, cm, where the neck has faded out, and where it begins to


class Head:
    """The head's surfaces, built once: `triangles` (t, 3) and their `kinds` (t,).

    Its points are the face's, then copies of those around the openings, which have coordinates of the opening's own, then
    those of the rest of the head, which never change.
    """

    def __init__(self, face: CanonicalFace) -> None:
        self._face = face
        rings = [eye_ring(RIGHT_CORNERS, RIGHT_LIDS), eye_ring(LEFT_CORNERS, LEFT_LIDS), mouth_ring()]
        self._copied = np.array([point for ring in rings for point in ring])
        triangles, kinds, at = [face.skin], [np.full(len(face.skin), SKIN)], len(face.points)
        self._slices = []
        for ring, filling, kind in zip(
            rings, (face.right_eye, face.left_eye, face.mouth), (RIGHT_EYE, LEFT_EYE, MOUTH), strict=True
        ):
            place = np.zeros(len(face.points), np.int32)
            place[list(ring)] = np.arange(at, at + len(ring))
            triangles.append(place[filling])
            kinds.append(np.full(len(filling), kind))
            self._slices.append(slice(at, at + len(ring)))
            at += len(ring)
        rest, normals, where = [], [], [in_texture(face.points), np.zeros((at - len(face.points), 2), np.float32)]
        for solid in _solids():
            triangles.append(solid.triangles + at)
            kinds.append(np.full(len(solid.triangles), solid.kind))
            rest.append(solid.points)
            normals.append(solid.normals)
            where.append(solid.where)
            at += len(solid.points)
        self.triangles = np.ascontiguousarray(np.concatenate(triangles), np.int32)
        self.kinds = np.concatenate(kinds).astype(np.uint8)
        self._neck = np.zeros(at, np.bool_)
        self._neck[self.triangles[self.kinds == NECK]] = True
        self._where = np.concatenate(where).astype(np.float32)
        self._rest, self._rest_normals = np.concatenate(rest), np.concatenate(normals)

    def points(self, deformed: Points) -> Points:
        """All points of the head, cm, whose face is `deformed`."""
        return np.concatenate([deformed, deformed[self._copied], self._rest])

    def where(self, deformed: Points) -> Points:
        """Where each point lies in its texture, or in the eye's or mouth's own coordinates."""
        where = self._where.copy()
        for place, corners in zip(self._slices[:2], (RIGHT_CORNERS, LEFT_CORNERS), strict=True):
            ends = deformed[list(corners), :2]
            own = deformed[self._copied[place.start - len(deformed) : place.stop - len(deformed)], :2]
            where[place] = (own - ends.mean(axis=0)) * (1, -1) / (abs(ends[1, 0] - ends[0, 0]) / 2)
        mouth = self._slices[2]
        own = deformed[self._copied[mouth.start - len(deformed) : mouth.stop - len(deformed)], :2]
        half = abs(float(deformed[INNER_CORNERS[1], 0]))
        where[mouth, 0] = own[:, 0] / half
        where[mouth, 1] = deformed[13, 1] - own[:, 1]
        return where

    def light(self, deformed: Points, turned: npt.NDArray[np.float64]) -> Points:
        """Light on each point, float32 (n, 4), under the head's rotation: the same lamp in every picture."""
        face = _normals(deformed, self._face.skin)
        normals = np.concatenate([face, face[self._copied], self._rest_normals])
        normals = (normals * (1, -1, -1)) @ turned.T
        toward = normals @ LIGHT
        level = 0.50 + 0.56 * np.clip((toward + 0.30) / 1.30, 0, 1) + 0.10 * np.clip(-normals[:, 1], 0, 1)
        edge = (
            np.clip(1 + normals[:, 2], 0, 1) ** 2
        )  # turned away from the camera: darker, as if hair and neck took light
        level *= 1 - 0.28 * edge
        # Light that skin scatters is red: shadows lose blue before red.
        lit = np.stack([level**power for power in (0.85, 1.0, 1.08)], 1)
        gloss = 26 * np.clip(normals @ HALFWAY, 0, 1) ** 18
        neck = self._neck
        lit[neck] *= 0.74  # in the chin's shadow
        opening = slice(len(deformed), self._slices[2].stop)
        lit[opening] = np.clip(0.25 + 0.75 * level[opening, None], 0, 1.02)
        gloss[opening] = 0
        return np.concatenate([lit, gloss[:, None]], 1).astype(np.float32)

    @staticmethod
    def gap(deformed: Points) -> float:
        """Between the lips, cm."""
        return float(deformed[13, 1] - deformed[14, 1])


@dataclass(frozen=True, slots=True)
class _Solid:
    points: Points
    normals: Points
    triangles: Triangles
    where: Points
    kind: int


def _solids() -> tuple[_Solid, ...]:
    """Skull, ears, neck, scalp and hair: ellipsoids by centre and half axes, cm; designed to close the face to a head."""
    skull = _ellipsoid((0, -0.4, -2.9), (7.0, 8.1, 6.9), SKIN)
    ears = [_ellipsoid((side * 7.7, 0.2, -3.4), (0.85, 2.4, 1.6), SKIN) for side in (-1, 1)]
    neck = _ellipsoid((0, -11.5, -3.0), (5.3, 9.0, 4.9), NECK)
    hair = _ellipsoid((0, 3.1, -2.9), (8.9, 10.6, 9.6), HAIR)
    scalp = _ellipsoid((0, 2.3, -2.9), (7.6, 8.6, 6.9), SCALP)
    return (skull, *ears, neck, scalp, hair)


def _ellipsoid(centre: tuple[float, float, float], axes: tuple[float, float, float], kind: int) -> _Solid:
    rows, columns = (20, 60) if kind == HAIR else (12, 24)
    share, around = np.meshgrid(np.linspace(0, 1, rows + 1), np.linspace(0, 2 * np.pi, columns + 1), indexing="ij")
    polar = share * (_hair_ends(around) if kind == HAIR else np.pi)
    unit = np.stack([np.sin(polar) * np.sin(around), np.cos(polar), np.sin(polar) * np.cos(around)], -1).reshape(-1, 3)
    normals = unit / np.array(axes)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    row, column = (grid.ravel() for grid in np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"))
    corner = row * (columns + 1) + column
    below = corner + columns + 1
    triangles = np.concatenate([np.stack([corner, below, below + 1], 1), np.stack([corner, below + 1, corner + 1], 1)])
    if kind in (HAIR, SCALP):
        where = np.stack([around.ravel() / (2 * np.pi), share.ravel()], 1) * (SIDE - 2)
        clumps = 0.010 * np.sin(11 * around + 4 * share) + 0.007 * np.sin(23 * around - 5 * share)
        unit = unit * (1 + clumps * np.sin(np.pi * share)).reshape(-1, 1)
        unit = (
            unit * (1 - 0.085 * np.clip((share.ravel() - 0.55) / 0.45, 0, 1) ** 2)[:, None]
        )  # tips lie close to the head
    elif kind == NECK:
        above = unit[:, 1] * axes[1] + centre[1] - NECK_ENDS[0]
        where = np.tile(np.clip(above / (NECK_ENDS[1] - NECK_ENDS[0]), 0, 1)[:, None], 2)
    else:
        where = np.tile(PLAIN_SKIN, (len(unit), 1))
    points = unit * axes + centre
    kind = HAIR if kind == SCALP else kind
    return _Solid(points.astype(np.float32), normals.astype(np.float32), triangles.astype(np.int32), where, kind)


def _hair_ends(around: Angles) -> Angles:
    """How far down from the crown hair reaches, radians, by the angle about the head (0 in front, the subject's left next).

    A short cut with a parting: above the forehead in front, beside the ear at the sides, the nape behind.
    """
    bearing = np.abs((around + np.pi) % (2 * np.pi) - np.pi)
    level = np.interp(
        bearing, np.radians([0, 25, 50, 66, 80, 100, 130, 180]), [0.93, 0.95, 1.1, 1.38, 1.76, 1.84, 2.1, 2.2]
    )
    swept = (
        0.07 * np.sin(1.6 * ((around + np.pi) % (2 * np.pi) - np.pi) + 0.5) * np.clip(1 - (bearing / 1.2) ** 2, 0, 1)
    )
    tips = 0.012 * np.sin(29 * around) + 0.016 * np.sin(13 * around + 1)
    return np.asarray(level + swept + tips, np.float64)


def _normals(points: Points, triangles: Triangles) -> Points:
    corners = points[triangles]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    summed = np.stack(
        [np.bincount(triangles.ravel(), np.repeat(flat[:, axis], 3), len(points)) for axis in range(3)], 1
    )
    return np.asarray(summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-9), np.float32)
