"""What an avatar's face looks like: colours drawn by lot, and the textures painted from them.

Belongs here: palettes and painting on the canonical face. Does not belong here: anything that has seen a real face; every
colour comes from a random generator that the request's seed starts.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from moretta.core.values import Pixels
from moretta.vision.avatar.canonical import (
    INNER_CORNERS,
    LEFT_BROW,
    LEFT_CORNERS,
    LEFT_LIDS,
    LOWER_INNER_LIP,
    OUTER_LIPS,
    RIGHT_BROW,
    RIGHT_CORNERS,
    RIGHT_LIDS,
    UPPER_INNER_LIP,
    CanonicalFace,
    Points,
    eye_ring,
)

SIDE = 512  # px of a texture
SPAN_CM = 20.0  # what a texture's side covers of the canonical face, seen from the front
TOP_LEFT_CM = (-10.0, 10.0)
PX_PER_CM = SIDE / SPAN_CM

# Designed, not measured: RGB of skin with the share by which lips differ, of hair, and of irises.
SKINS = ((240, 205, 184), (228, 184, 156), (205, 156, 122), (178, 128, 96), (150, 104, 78), (116, 80, 62))
HAIRS = ((38, 30, 28), (66, 46, 36), (104, 72, 48), (150, 112, 70), (92, 90, 92))
IRISES = ((96, 62, 36), (122, 92, 50), (84, 112, 84), (86, 124, 156))

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Looks:
    """One avatar's: `textures` uint8 (2, side, side, 3) of skin and hair, and `iris` RGB float32 (3,)."""

    textures: Pixels
    iris: Floats


def in_texture(points: npt.NDArray[np.floating]) -> Points:
    """Where canonical points (n, 2+) cm lie in the texture, px (n, 2)."""
    return ((points[:, :2] - TOP_LEFT_CM) * (PX_PER_CM, -PX_PER_CM)).astype(np.float32)


def drawn_by_lot(face: CanonicalFace, lot: np.random.Generator) -> Looks:
    """The looks that `lot` gives."""
    skin = np.array(SKINS[lot.integers(len(SKINS))], np.float32) + lot.uniform(-6, 6, 3).astype(np.float32)
    dark = float(skin.mean()) < 130
    hair = np.array(HAIRS[lot.integers(2 if dark else len(HAIRS))], np.float32)
    iris = np.array(IRISES[lot.integers(2 if dark else len(IRISES))], np.float32)
    textures = np.stack([_skin(face, skin, hair, lot), _strands(hair, lot)])
    return Looks(np.clip(textures, 0, 255).astype(np.uint8), iris)


def _skin(face: CanonicalFace, skin: Floats, hair: Floats, lot: np.random.Generator) -> Floats:
    canvas = np.empty((SIDE, SIDE, 3), np.float32)
    canvas[:] = skin
    points = in_texture(face.points)
    blotches = cv2.GaussianBlur(lot.normal(0, 1, (SIDE, SIDE)).astype(np.float32), (0, 0), 9)
    canvas *= 1 + 0.022 * (blotches / max(float(blotches.std()), 1e-6))[..., None]
    for side in (-1, 1):
        _tint(canvas, side * 4.3, -1.2, 2.4, 1.9, (1.03, 0.90, 0.88))  # cheeks
        _tint(canvas, side * 3.15, 3.15, 1.7, 0.45, (1.25, 1.2, 1.2))  # the upper lid, light when it is shut
        _tint(canvas, side * 3.1, 1.7, 1.8, 0.55, (0.95, 0.92, 0.92))  # below the eye
        _tint(canvas, side * 1.25, 2.6, 0.8, 1.6, (0.93, 0.90, 0.89))  # beside the root of the nose
        _tint(canvas, side * 1.75, -1.2, 0.55, 1.0, (0.92, 0.87, 0.86))  # around the wings of the nose
        _tint(canvas, side * 0.72, -1.95, 0.42, 0.26, (0.42, 0.34, 0.33))  # nostrils
    rows = (TOP_LEFT_CM[1] - np.arange(SIDE) / PX_PER_CM)[:, None, None]
    canvas += np.clip((rows - 7.3) / 1.2, 0, 1).astype(np.float32) * 0.8 * (hair * 0.9 - canvas)
    _tint(canvas, 0, -0.8, 1.5, 1.1, (1.02, 0.94, 0.93))
    _tint(canvas, 0, -6.2, 2.0, 0.55, (0.93, 0.90, 0.89))  # below the lower lip
    _tint(canvas, 0, -2.85, 0.42, 0.5, (0.94, 0.92, 0.92))
    _lips(canvas, points, skin)
    for brow in (RIGHT_BROW, LEFT_BROW):
        _brow(canvas, points, brow, hair, lot)
    for corners, lids in ((RIGHT_CORNERS, RIGHT_LIDS), (LEFT_CORNERS, LEFT_LIDS)):
        _lashes(canvas, points, corners, lids, hair)
    canvas[-1, -1] = skin  # the neck's
    return canvas


def _tint(canvas: Floats, x: float, y: float, wide: float, high: float, factor: tuple[float, float, float]) -> None:
    """Multiply the colours about (x, y) cm by `factor`, fading as a Gaussian."""
    left, top = in_texture(np.array([[x, y]]))[0]
    spans = []
    for middle, size in ((left, wide * PX_PER_CM), (top, high * PX_PER_CM)):
        start, end = max(int(middle - 3 * size), 0), min(int(middle + 3 * size) + 1, SIDE)
        spans.append((slice(start, end), np.exp(-(((np.arange(start, end) - middle) / size) ** 2)).astype(np.float32)))
    (columns, across), (rows, down) = spans
    canvas[rows, columns] *= 1 + (down[:, None] * across)[..., None] * (np.array(factor, np.float32) - 1)


def _mask(polygon: Points, blur: float) -> Floats:
    drawn = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(drawn, [np.round(polygon * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return np.asarray(cv2.GaussianBlur(drawn, (0, 0), blur)[..., None] / 255, np.float32)


def _lips(canvas: Floats, points: Points, skin: Floats) -> None:
    red = skin * np.array((0.86, 0.60, 0.60), np.float32) + np.array((12, 0, 6), np.float32)
    whole = _mask(points[list(OUTER_LIPS)], 2.0)
    canvas += whole * 0.85 * (red - canvas)
    upper = (*OUTER_LIPS[:11], INNER_CORNERS[1], *reversed(UPPER_INNER_LIP), INNER_CORNERS[0])
    canvas *= 1 - 0.16 * _mask(points[list(upper)], 2.0)
    for lip in (UPPER_INNER_LIP, LOWER_INNER_LIP):
        edge = np.zeros((SIDE, SIDE), np.uint8)
        line = points[[INNER_CORNERS[0], *lip, INNER_CORNERS[1]]]
        cv2.polylines(edge, [np.round(line * 16).astype(np.int32)], False, 255, 4, cv2.LINE_AA, 4)
        canvas *= 1 - 0.42 * np.asarray(cv2.GaussianBlur(edge, (0, 0), 1.5), np.float32)[..., None] / 255
    _tint(canvas, 0, -4.95, 1.0, 0.22, (1.13, 1.12, 1.12))


def _brow(
    canvas: Floats, points: Points, brow: tuple[tuple[int, int], ...], hair: Floats, lot: np.random.Generator
) -> None:
    """Short strokes along the brow, the lower edge outwards; thinner than the mesh's brow and tapering."""
    upper, lower = (points[list(edge)] for edge in zip(*brow, strict=True))
    middle = (upper + lower) / 2
    half = (lower - upper) / 2 * np.array([0.45, 0.75, 0.9, 0.95, 0.85])[:, None]
    body = np.concatenate([middle - half, (middle + half)[::-1]])
    colour = hair * 0.8
    canvas += _mask(body.astype(np.float32), 3.0) * 0.62 * (colour - canvas)
    strokes = np.zeros((SIDE, SIDE), np.uint8)
    outwards = np.sign(middle[0, 0] - middle[-1, 0])
    for _ in range(120):
        at, up = lot.uniform(0.05, 3.95), lot.uniform(-0.9, 0.9)
        low = int(at)
        start = middle[low] + (middle[low + 1] - middle[low]) * (at - low)
        start = start + half[low] * up
        lean = np.array([outwards * lot.uniform(5, 11), lot.uniform(-6, -1) + (4 - at) * 1.2])
        ends = np.round(np.array([start, start + lean]) * 16).astype(np.int32)
        cv2.line(strokes, ends[0].tolist(), ends[1].tolist(), int(lot.integers(110, 230)), 1, cv2.LINE_AA, 4)
    canvas += np.asarray(strokes, np.float32)[..., None] / 255 * 0.7 * (hair * 0.6 - canvas)


def _lashes(
    canvas: Floats, points: Points, corners: tuple[int, int], lids: tuple[tuple[int, int], ...], hair: Floats
) -> None:
    ring = points[list(eye_ring(corners, lids))]
    for line, thick, strength in ((ring[:9], 10, 0.9), (np.roll(ring, -8, axis=0)[:9], 5, 0.55)):
        drawn = np.zeros((SIDE, SIDE), np.uint8)
        cv2.polylines(drawn, [np.round(line * 16).astype(np.int32)], False, 255, thick, cv2.LINE_AA, 4)
        soft = np.asarray(cv2.GaussianBlur(drawn, (0, 0), 1.0), np.float32)[..., None] / 255
        canvas += soft * strength * (hair * 0.15 - canvas)
    crease = ring[1:8] + (ring[1:8] - ring[:8:-1].mean(axis=0)) * (0.0, 0.42) - (0, 4)
    drawn = np.zeros((SIDE, SIDE), np.uint8)
    cv2.polylines(drawn, [np.round(crease * 16).astype(np.int32)], False, 255, 2, cv2.LINE_AA, 4)
    canvas *= 1 - 0.30 * np.asarray(cv2.GaussianBlur(drawn, (0, 0), 1.6), np.float32)[..., None] / 255


def _strands(hair: Floats, lot: np.random.Generator) -> Floats:
    """Hair: columns are strands, rows run from the parting to the tips."""
    noise, coarse = (
        cv2.resize(
            cv2.GaussianBlur(lot.normal(0, 1, (rows, SIDE)).astype(np.float32), (0, 0), sigmaX=wide, sigmaY=1),
            (SIDE, SIDE),
            interpolation=cv2.INTER_CUBIC,
        )
        for rows, wide in ((8, 1.6), (5, 9.0))
    )
    shade = 1 + 0.16 * noise / max(float(noise.std()), 1e-6) + 0.10 * coarse / max(float(coarse.std()), 1e-6)
    return np.asarray(hair * shade[..., None], np.float32)
