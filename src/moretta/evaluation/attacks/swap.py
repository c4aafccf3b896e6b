"""Face swap by landmarks: a donor's face warped onto each frame's mesh, matched in colour and blended in.

Basis: Bitouk et al., "Face swapping: automatically replacing faces in photographs", SIGGRAPH 2008; FaceSwap of Roessler et al.,
"FaceForensics++", ICCV 2019; Perez, Gangnet and Blake, "Poisson image editing", SIGGRAPH 2003. Neural swaps look otherwise.

Belongs here: warping and blending. Does not belong here: finding faces; meshes are given.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.interpolate import LinearNDInterpolator

from moretta.core.values import Floats, Pixels

INNER_LIPS = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
MAP_STEP = 4  # px between the points at which the warp is computed; between them it is nearly linear

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Donor:
    """Whose face is put in: `pixels` RGB and the mesh (468, 2+) in them."""

    pixels: Pixels
    mesh: Floats


@dataclass(frozen=True, slots=True)
class _Style:
    poisson: bool
    inset: float  # how far the mask ends inside the outline, shares of the face's width
    feather: float
    colour: float  # 1: colours fully matched
    smoothing: float  # share of the former frame's mesh
    sharpness_px: float  # blur of the warped donor


def swap_attack(
    frames: Iterable[tuple[Pixels, Floats | None]], donor: Donor, rng: np.random.Generator
) -> Iterator[Pixels]:
    """Each of `frames` (picture, mesh (468, 2+) or None where no face was found) with the donor's face in it."""
    style = _drawn(rng)
    smooth: Points | None = None
    for picture, mesh in frames:
        if mesh is None:
            smooth = None
            yield picture
            continue
        points = mesh[:, :2].astype(np.float64)
        smooth = points if smooth is None else style.smoothing * smooth + (1 - style.smoothing) * points
        yield _swapped(picture, smooth, donor, style)


def swap_still(picture: Pixels, mesh: Floats, donor: Donor, rng: np.random.Generator) -> Pixels:
    """`picture` with the donor's face at `mesh`."""
    return next(swap_attack([(picture, mesh)], donor, rng))


def _drawn(rng: np.random.Generator) -> _Style:
    return _Style(
        poisson=bool(rng.random() < 0.65),
        inset=float(rng.uniform(0.01, 0.08)),
        feather=float(rng.uniform(0.01, 0.06)),
        colour=float(rng.uniform(0.6, 1.0)),
        smoothing=float(rng.uniform(0.0, 0.5)),
        sharpness_px=float(rng.choice([0.0, rng.uniform(0.3, 0.8)])),
    )


def _swapped(picture: Pixels, points: Points, donor: Donor, style: _Style) -> Pixels:
    height, width = picture.shape[:2]
    left, top = np.maximum(np.floor(points.min(0)).astype(int) - 8, 0)
    right, bottom = np.minimum(np.ceil(points.max(0)).astype(int) + 8, [width, height])
    if right - left < 32 or bottom - top < 32:
        return picture
    piece = picture[top:bottom, left:right]
    local = points - (left, top)
    warped = _warped(donor, local, right - left, bottom - top)
    if style.sharpness_px:
        warped = cv2.GaussianBlur(warped, (0, 0), style.sharpness_px)
    mask = _mask(local, piece.shape[:2], style)
    if np.count_nonzero(mask) < 400:
        return picture
    matched = _matched(warped, piece, mask, style.colour)
    result = picture.copy()
    result[top:bottom, left:right] = _blended(matched, piece, mask, style)
    return result


def _warped(donor: Donor, target: Points, width: int, height: int) -> Pixels:
    """The donor's face on the target's mesh; beyond the mesh the affine map that fits it best goes on."""
    source = donor.mesh[:, :2].astype(np.float64)
    grid_w, grid_h = width // MAP_STEP + 2, height // MAP_STEP + 2
    cols, rows = np.meshgrid(np.arange(grid_w) * MAP_STEP, np.arange(grid_h) * MAP_STEP)
    place = LinearNDInterpolator(target, source)(cols, rows)
    outside = np.isnan(place[..., 0])
    affine, *_ = np.linalg.lstsq(np.hstack([target, np.ones((len(target), 1))]), source, rcond=None)
    place[outside] = np.stack([cols[outside], rows[outside], np.ones(outside.sum())], axis=1) @ affine
    enlarge = np.array([[MAP_STEP, 0, 0], [0, MAP_STEP, 0]], np.float64)
    full = cv2.warpAffine(place.astype(np.float32), enlarge, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(
        cv2.remap(donor.pixels, full[..., 0], full[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101),
        np.uint8,
    )


def _mask(points: Points, shape: tuple[int, ...], style: _Style) -> npt.NDArray[np.uint8]:
    """255 where the donor goes: the face's outline shrunk, without the open mouth's inside."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(points.astype(np.int32)), 255)
    inset = max(2, round(style.inset * float(np.ptp(points[:, 0]))))
    mask = cv2.erode(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * inset + 1,) * 2))
    mask[:2] = mask[-2:] = 0
    mask[:, :2] = mask[:, -2:] = 0
    if not style.poisson:
        cv2.fillPoly(mask, [points[list(INNER_LIPS)].astype(np.int32)], 0)
    return np.asarray(mask, np.uint8)


def _matched(warped: Pixels, piece: Pixels, mask: npt.NDArray[np.uint8], strength: float) -> Pixels:
    """Mean and spread of each Lab channel brought to the target's. Source: Reinhard et al. 2001, eq. 10-11."""
    inside = mask > 0
    ours = cv2.cvtColor(warped, cv2.COLOR_RGB2LAB).astype(np.float32)
    theirs = cv2.cvtColor(piece, cv2.COLOR_RGB2LAB).astype(np.float32)
    mean, spread = ours[inside].mean(0), ours[inside].std(0) + 1
    aim, aim_spread = theirs[inside].mean(0), theirs[inside].std(0) + 1
    moved = (ours - mean) * (aim_spread / spread) + aim
    mixed = ours + strength * (moved - ours)
    return np.asarray(cv2.cvtColor(np.clip(mixed, 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB), np.uint8)


def _blended(donor: Pixels, piece: Pixels, mask: npt.NDArray[np.uint8], style: _Style) -> Pixels:
    if style.poisson:
        rows, cols = np.nonzero(mask)
        # seamlessClone puts the middle of the mask's bounding box at the given point.
        centre = (int(cols.min() + cols.max() + 1) // 2, int(rows.min() + rows.max() + 1) // 2)
        return np.asarray(cv2.seamlessClone(donor, piece.copy(), mask, centre, cv2.NORMAL_CLONE), np.uint8)
    feather = max(0.7, style.feather * piece.shape[1])
    alpha = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), feather)[..., None]
    return np.asarray(np.clip(donor * alpha + piece * (1 - alpha) + 0.5, 0, 255), np.uint8)
