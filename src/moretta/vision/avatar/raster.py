"""Triangles into pixels, as compiled code.

Belongs here: coverage, depth, and the colour of each kind of surface at a point. Does not belong here: geometry and palettes.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
import numpy.typing as npt

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

# Kinds of surface, one for each triangle.
SKIN, HAIR, RIGHT_EYE, LEFT_EYE, MOUTH, NECK = 0, 1, 2, 3, 4, 5
WITHIN = 0.3  # light that is left on the inner side of hair
# Places in the array of an eye's looks: iris centre x, y and radius in half eye widths, its colour.
EYE_LOOKS = 6


def compiled(kernel: Kernel) -> Kernel:
    """`kernel` as machine code that runs without the interpreter's lock; kept on disk where that can be written."""
    try:
        made: Kernel = numba.njit(cache=True, nogil=True, boundscheck=False, fastmath=True)(kernel)
    except RuntimeError:  # numba: there is no folder for its cache
        made = numba.njit(nogil=True, boundscheck=False, fastmath=True)(kernel)
    return made


@compiled
def _ramp(low: float, high: float, value: float) -> float:
    share = min(max((value - low) / (high - low), 0.0), 1.0)
    return share * share * (3 - 2 * share)


@compiled
def _eye(looks: npt.NDArray[np.float32], u: float, v: float, channel: int) -> float:
    """The colour (0-255) of an eye at (u, v): half eye widths from the corners' middle, image-right and down."""
    away = np.sqrt((u - looks[0]) ** 2 + (v - looks[1]) ** 2) / looks[2]
    corner = 1 - 0.35 * _ramp(0.55, 1.05, abs(u))
    tint = (1.0, 0.965, 0.94)[channel]
    white = 228.0 * corner * tint
    edge = _ramp(0.92, 1.04, away)
    iris = looks[3 + channel] * (0.55 + 0.75 * _ramp(0.25, 0.75, away)) * (1 - 0.65 * _ramp(0.72, 1.0, away))
    iris *= 1.0 + 0.35 * _ramp(-0.2, 0.9, (v - looks[1]) / looks[2])
    iris *= _ramp(0.36, 0.46, away)
    colour = iris * (1 - edge) + white * edge
    # The upper lid and its lashes cast a shadow.
    colour *= 0.62 + 0.38 * _ramp(-0.30, 0.02, v)
    glint = np.sqrt((u - looks[0] + 0.03) ** 2 + (v - looks[1] + 0.15) ** 2) / looks[2]
    shine = 1 - _ramp(0.16, 0.30, glint)
    return float(colour * (1 - shine) + 250.0 * shine)


@compiled
def _inside_mouth(u: float, v: float, gap: float, channel: int) -> float:
    """The colour (0-255) within the mouth: `u` -1..1 across, `v` cm below the upper lip's edge, `gap` cm to the lower's."""
    deep = (52.0, 16.0, 18.0)[channel]
    tongue = (176.0, 82.0, 84.0)[channel]
    tooth = (236.0, 228.0, 214.0)[channel]
    tongue_share = _ramp(0.50, 1.0, v / max(gap, 0.05)) * (1 - _ramp(0.35, 0.85, abs(u))) * _ramp(0.45, 1.0, gap)
    colour = deep * (1 - tongue_share) + tongue * tongue_share
    height = 0.62 * (1 - 0.45 * u * u)
    upper = (1 - _ramp(height - 0.1, height + 0.06, v)) * (1 - _ramp(0.62, 0.92, abs(u))) * _ramp(0.1, 0.45, gap)
    shaded = tooth * (0.62 + 0.38 * _ramp(0.0, 0.35, v)) * (1 - 0.3 * abs(u))
    return colour * (1 - upper) + shaded * upper


@compiled
def _span(low: float, high: float, start: float, slope: float) -> tuple[float, float]:
    """The part of `low`..`high` where start + slope * x is not negative."""
    if slope > 1e-9:
        return max(low, -start / slope), high
    if slope < -1e-9:
        return low, min(high, -start / slope)
    return (low, high) if start >= 0 else (high + 1, high)


@compiled
def _row(edges: npt.NDArray[np.float32], left: int, right: int, y: int) -> tuple[int, int]:
    """The first and last pixel of row `y` whose middle lies within the triangle of `edges` (3, 3)."""
    low, high = float(left), float(right)
    for edge in range(3):
        start = float(edges[edge, 0] + edges[edge, 1] * 0.5 + edges[edge, 2] * (y + 0.5))
        low, high = _span(low, high, start, float(edges[edge, 1]))
    return int(np.ceil(low)), int(np.floor(high))


@compiled
def _textured(
    canvas: npt.NDArray[np.uint8],
    depths: npt.NDArray[np.float32],
    texture: npt.NDArray[np.uint8],
    planes: npt.NDArray[np.float32],
    edges: npt.NDArray[np.float32],
    bounds: tuple[int, int, int, int],
    smooth: bool,
) -> None:
    """One triangle of skin or hair. All but the loops is written out here: arrays handed on cost more than a pixel."""
    last = texture.shape[0] - 2
    left, right, top, bottom = bounds
    for y in range(top, bottom + 1):
        py = y + np.float32(0.5)
        first, final = _row(edges, left, right, y)
        for x in range(first, final + 1):
            px = x + np.float32(0.5)
            depth = planes[0, 0] + planes[0, 1] * px + planes[0, 2] * py
            if depth >= depths[y, x]:
                continue
            depths[y, x] = depth
            u = planes[1, 0] + planes[1, 1] * px + planes[1, 2] * py
            v = planes[2, 0] + planes[2, 1] * px + planes[2, 2] * py
            gloss = planes[6, 0] + planes[6, 1] * px + planes[6, 2] * py
            column, row = min(max(int(u), 0), last), min(max(int(v), 0), last)
            across, down = u - np.float32(column), v - np.float32(row)
            for channel in range(3):
                lit = planes[3 + channel, 0] + planes[3 + channel, 1] * px + planes[3 + channel, 2] * py
                colour = np.float32(texture[row, column, channel])
                if smooth:
                    upper = colour + across * (np.float32(texture[row, column + 1, channel]) - colour)
                    under = np.float32(texture[row + 1, column, channel])
                    lower = under + across * (np.float32(texture[row + 1, column + 1, channel]) - under)
                    colour = upper + down * (lower - upper)
                canvas[y, x, channel] = np.uint8(min(max(colour * lit + gloss, np.float32(0)), np.float32(255)))
            canvas[y, x, 3] = 255


@compiled
def _made(
    canvas: npt.NDArray[np.uint8],
    depths: npt.NDArray[np.float32],
    kind: int,
    plain: npt.NDArray[np.uint8],
    planes: npt.NDArray[np.float32],
    edges: npt.NDArray[np.float32],
    bounds: tuple[int, int, int, int],
    eye: npt.NDArray[np.float32],
    gap: float,
) -> None:
    """One triangle of an eye, the mouth or the neck, whose colours are worked out; `plain` is the skin's (3,)."""
    left, right, top, bottom = bounds
    for y in range(top, bottom + 1):
        py = y + np.float32(0.5)
        first, final = _row(edges, left, right, y)
        for x in range(first, final + 1):
            px = x + np.float32(0.5)
            depth = planes[0, 0] + planes[0, 1] * px + planes[0, 2] * py
            if depth >= depths[y, x]:
                continue
            depths[y, x] = depth
            u = planes[1, 0] + planes[1, 1] * px + planes[1, 2] * py
            v = planes[2, 0] + planes[2, 1] * px + planes[2, 2] * py
            alpha = min(max(u, np.float32(0)), np.float32(1)) if kind == NECK else np.float32(1)
            for channel in range(3):
                lit = planes[3 + channel, 0] + planes[3 + channel, 1] * px + planes[3 + channel, 2] * py
                if kind <= LEFT_EYE:
                    colour = _eye(eye, u, v, channel)
                elif kind == MOUTH:
                    colour = _inside_mouth(u, v, gap, channel)
                else:
                    colour = plain[channel] * alpha
                canvas[y, x, channel] = np.uint8(min(max(colour * lit, 0.0), 255.0))
            canvas[y, x, 3] = np.uint8(255 * alpha)


@compiled
def _fill(
    planes: npt.NDArray[np.float32],
    edges: npt.NDArray[np.float32],
    places: npt.NDArray[np.float32],
    where: npt.NDArray[np.float32],
    light: npt.NDArray[np.float32],
    corners: npt.NDArray[np.int32],
) -> None:
    """Depth, where and light over a triangle as linear functions of the place, `planes` (7, 3), from its `corners` (3,)."""
    a, b, c = corners
    for at in range(3):
        planes[0, at] = places[a, 2] * edges[0, at] + places[b, 2] * edges[1, at] + places[c, 2] * edges[2, at]
        for of in range(2):
            planes[1 + of, at] = where[a, of] * edges[0, at] + where[b, of] * edges[1, at] + where[c, of] * edges[2, at]
        for of in range(4):
            planes[3 + of, at] = light[a, of] * edges[0, at] + light[b, of] * edges[1, at] + light[c, of] * edges[2, at]


@compiled
def draw(
    canvas: npt.NDArray[np.uint8],
    depths: npt.NDArray[np.float32],
    triangles: npt.NDArray[np.int32],
    kinds: npt.NDArray[np.uint8],
    places: npt.NDArray[np.float32],
    textures: npt.NDArray[np.uint8],
    where: npt.NDArray[np.float32],
    light: npt.NDArray[np.float32],
    eyes: npt.NDArray[np.float32],
    gap: float,
    smooth: bool,
) -> None:
    """Draw `triangles` (t, 3) that face the camera, and hair from both sides; the nearest wins.

    Args:
        canvas: RGBA with the colour multiplied by the alpha, uint8, (h, w, 4).
        depths: float32 (h, w), beforehand as far as anything may be.
        kinds: the surface of each triangle, uint8 (t,).
        places: px and depth of each point, float32 (n, 3).
        textures: of skin and hair, uint8 (2, side, side, 3).
        where: of each point, float32 (n, 2): texture coordinates in px for skin and hair, the eye's or mouth's own; the
            alpha, twice, for the neck.
        light: of each point, float32 (n, 4): what red, green and blue are multiplied by, and the gloss added (0-255).
        eyes: float32 (2, EYE_LOOKS), the subject's right one first.
        gap: cm between the lips.
        smooth: whether textures are interpolated, as they must be where they are magnified.
    """
    height, width = depths.shape
    plain = textures[0, -1, -1]
    # The weights of the corners as linear functions of the place: at 0, by x, by y.
    edges = np.empty((3, 3), np.float32)
    planes = np.empty((7, 3), np.float32)  # depth, where and light likewise
    for number in range(len(triangles)):
        a, b, c = triangles[number]
        ax, ay, bx, by, cx, cy = places[a, 0], places[a, 1], places[b, 0], places[b, 1], places[c, 0], places[c, 1]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        kind = kinds[number]
        if abs(area) < 1e-6 or (area > 0 and kind != HAIR):
            continue
        left, right = int(max(np.floor(min(ax, bx, cx)), 0)), int(min(np.ceil(max(ax, bx, cx)), width - 1))
        top, bottom = int(max(np.floor(min(ay, by, cy)), 0)), int(min(np.ceil(max(ay, by, cy)), height - 1))
        if left > right or top > bottom:
            continue
        edges[0] = (bx * cy - cx * by) / area, (by - cy) / area, (cx - bx) / area
        edges[1] = (cx * ay - ax * cy) / area, (cy - ay) / area, (ax - cx) / area
        edges[2] = (ax * by - bx * ay) / area, (ay - by) / area, (bx - ax) / area
        _fill(planes, edges, places, where, light, triangles[number])
        if area > 0:  # hair from within
            planes[3:] *= np.float32(WITHIN)
        bounds = (left, right, top, bottom)
        if kind <= HAIR:
            _textured(canvas, depths, textures[kind], planes, edges, bounds, smooth)
        else:
            _made(canvas, depths, kind, plain, planes, edges, bounds, eyes[0 if kind == RIGHT_EYE else 1], gap)


@compiled
def overlay(view: npt.NDArray[np.uint8], canvas: npt.NDArray[np.uint8]) -> None:
    """Lay `canvas` (h, w, 4), colour multiplied by alpha, over `view` (h, w, 3), in place."""
    for y in range(view.shape[0]):
        for x in range(view.shape[1]):
            alpha = np.int32(canvas[y, x, 3])
            if alpha > 0:
                for channel in range(3):
                    under = (np.int32(view[y, x, channel]) * (255 - alpha) + 127) // 255
                    view[y, x, channel] = np.uint8(min(int(canvas[y, x, channel]) + int(under), 255))


@compiled
def mix(view: npt.NDArray[np.uint8], fill: npt.NDArray[np.uint8], shares: npt.NDArray[np.uint8]) -> None:
    """Move `view` (h, w, 3) in place towards `fill` by `shares` (h, w) of 255."""
    for y in range(view.shape[0]):
        for x in range(view.shape[1]):
            share = np.int32(shares[y, x])
            if share > 0:
                for channel in range(3):
                    kept = np.int32(view[y, x, channel]) * (255 - share)
                    view[y, x, channel] = np.uint8((np.int32(fill[y, x, channel]) * share + kept + 127) // 255)
