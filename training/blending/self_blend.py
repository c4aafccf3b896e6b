"""Blended faces made of genuine ones: the training signal of the blending detector.

Belongs here: everything random that happens to a picture, drawn from a generator that the caller seeds.
Does not belong here: reading data, networks.

Source: self-blended images (Shiohara and Yamasaki, CVPR 2022): two views of one face, made to differ in colour, sharpness
and place, are blended through a mask drawn from its landmarks. A share of the pairs takes its second view from another
genuine face of about the same pose (Face X-ray, Li et al., CVPR 2020). No manipulated picture is ever seen in training.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np
import numpy.typing as npt

from moretta.core.geometry import apply, similarity_transform

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]
Change = Callable[[Pixels], Pixels]
Rng = np.random.Generator

# Opacities of the mask, as in the authors' code: half of the blends are opaque, the others let the target through.
OPACITIES = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)
POISSON_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Pair:
    """A blended view, its genuine counterpart, both RGB uint8 (s, s, 3), and the blending boundary, float32 (s, s) 0-1."""

    blended: Pixels
    genuine: Pixels
    boundary: Plane


def blended_pair(
    crop: Pixels, points: Plane, rng: Rng, donor: tuple[Pixels, Plane] | None = None, difficulty: float = 1.0
) -> Pair:
    """Blend a face with a changed view of itself, or of `donor`.

    Args:
        crop: a genuine face, RGB uint8 (s, s, 3).
        points: its mesh in crop pixels, float32 (468, 2).
        rng: the only source of chance.
        donor: another genuine face and its mesh.
        difficulty: 0 for opaque blends only, 1 for all opacities.
    """
    side = crop.shape[0]
    target = crop
    source = crop if donor is None else aligned(donor[0], donor[1], points, rng)
    if donor is None:
        change = _view_change(rng)
        if rng.random() < 0.5:
            source = change(source)
        else:
            target = change(target)
        source = cv2.warpAffine(source, _small_move(side, rng), (side, side), borderMode=cv2.BORDER_REFLECT_101)
        if rng.random() < 0.3:
            source = _bent(source, rng, strength=rng.uniform(1, 5), smooth=side / 8)
    if rng.random() < (0.25 if donor is None else 0.8):
        source = colour_transferred(source, target, points)
    if rng.random() < 0.35:
        source = _sharpness_change(rng)(source)
    mask = face_mask(points, side, rng)
    if rng.random() < POISSON_SHARE:
        mask, blended = _poisson(source, target, mask, rng)
    else:
        mask = _softened(mask, rng, difficulty)
        blended = _alpha(source, target, mask)
    genuine = target if rng.random() < 0.5 else crop
    peak = max(float(mask.max()), 1e-6)
    return Pair(blended, genuine, 4 * (mask / peak) * (1 - mask / peak))


def aligned(face: Pixels, points: Plane, onto: Plane, rng: Rng) -> Pixels:
    """Another face moved onto the mesh `onto` by a similarity or a full affine map of all points."""
    if rng.random() < 0.5:
        matrix = similarity_transform(points, onto)
    else:
        rows = np.hstack([points, np.ones((len(points), 1), np.float32)])
        matrix = np.linalg.lstsq(rows, onto, rcond=None)[0].T.astype(np.float64)
    side = face.shape[0]
    return np.asarray(cv2.warpAffine(face, matrix, (side, side), borderMode=cv2.BORDER_REFLECT_101), np.uint8)


def alignment_error(points: Plane, onto: Plane) -> float:
    """Root mean square distance in pixels that is left after the best similarity: how far two faces differ in pose."""
    moved = apply(similarity_transform(points, onto), points)
    return float(np.sqrt(((moved - onto) ** 2).sum(1).mean()))


def face_mask(points: Plane, side: int, rng: Rng) -> Plane:
    """A region of the face as swap tools cut it: whole, below the brows, shrunk, or a band; its outline bent."""
    shape = rng.integers(0, 5)
    height = points[:, 1]
    kept = points
    if shape == 1:
        kept = points[height > np.quantile(height, rng.uniform(0.15, 0.3))]
    elif shape == 2:
        centre = points.mean(0)
        kept = centre + (points - centre) * rng.uniform(0.7, 1.0)
    elif shape == 3:
        low, high = rng.uniform(0.08, 0.2), rng.uniform(0.9, 0.98)
        kept = points[(height > np.quantile(height, low)) & (height < np.quantile(height, high))]
    elif shape == 4:
        centre = points.mean(0)
        kept = centre + (points - centre) * [rng.uniform(0.9, 1.06), rng.uniform(0.9, 1.06)]
    outline = cv2.convexHull((kept + rng.normal(0, 2, kept.shape)).astype(np.int32))
    mask = np.zeros((side, side), np.float32)
    cv2.fillConvexPoly(mask, outline, 1.0)
    return _bent(mask, rng, strength=rng.uniform(3, 8), smooth=side / 10)


def colour_transferred(source: Pixels, target: Pixels, points: Plane) -> Pixels:
    """`source` with the mean and spread of `target` per Lab channel inside the face (Reinhard et al. 2001)."""
    inside = np.zeros(target.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, cv2.convexHull(points.astype(np.int32)), 1)
    lab_source = cv2.cvtColor(source, cv2.COLOR_RGB2LAB).astype(np.float32)
    lab_target = cv2.cvtColor(target, cv2.COLOR_RGB2LAB)
    mean_s, spread_s = (value.ravel() for value in cv2.meanStdDev(lab_source, mask=inside))
    mean_t, spread_t = (value.ravel() for value in cv2.meanStdDev(lab_target, mask=inside))
    moved = (lab_source - mean_s) * (spread_t / np.maximum(spread_s, 1)) + mean_t
    return np.asarray(cv2.cvtColor(moved.clip(0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB), np.uint8)


def post_processing(rng: Rng, from_video: bool, difficulty: float = 1.0) -> Change:
    """What happens to any picture on its way to us; one plan, so that a pair gets the same treatment.

    Genuine pictures get it as blended ones do, so that an edited or re-encoded genuine face is no alarm. `difficulty` is
    the share of pictures to which more happens than being saved once.
    """
    if rng.random() >= difficulty:
        return _jpeg(int(rng.integers(85, 100)))
    steps: list[Change] = []
    if rng.random() < 0.5:
        steps.append(_colour_change(rng))
    if rng.random() < 0.5:
        steps.append(_resized(rng.uniform(0.35, 1.0), rng))
    if rng.random() < 0.2:
        steps.append(_unsharp(rng.uniform(0.3, 1.0)) if rng.random() < 0.5 else _blur(rng.uniform(0.4, 1.2)))
    if rng.random() < 0.15:
        steps.append(_noise(rng.uniform(1, 6), int(rng.integers(2**31))))
    for _ in range(2):
        if rng.random() < 0.45:
            steps.append(_jpeg(int(rng.integers(40, 98))))
    if rng.random() < (0.4 if from_video else 0.12):
        steps.append(_h264(int(rng.integers(18, 36)), int(rng.integers(-3, 4)), int(rng.integers(-3, 4))))

    def change(pixels: Pixels) -> Pixels:
        for step in steps:
            pixels = step(pixels)
        return pixels

    return change


def _view_change(rng: Rng) -> Change:
    """The difference between the two views: colour, sharpness, or both."""
    colour, sharpness = _colour_change(rng), _sharpness_change(rng)
    kind = rng.random()
    if kind < 0.4:
        return colour
    if kind < 0.6:
        return sharpness
    return lambda pixels: sharpness(colour(pixels))


def _colour_change(rng: Rng) -> Change:
    gain, shift = rng.uniform(0.88, 1.12), rng.uniform(-12, 12)
    tint = rng.uniform(-10, 10, 3)
    saturation = rng.uniform(0.75, 1.25)

    def change(pixels: Pixels) -> Pixels:
        out = pixels.astype(np.float32) * gain + (shift + tint)
        grey = out.mean(2, keepdims=True)
        return np.asarray((grey + (out - grey) * saturation).clip(0, 255), np.uint8)

    return change


def _sharpness_change(rng: Rng) -> Change:
    kind = rng.random()
    if kind < 0.5:
        return _resized(1 / rng.uniform(1.2, 4), rng)
    if kind < 0.65:
        return _blur(rng.uniform(0.5, 2.0))
    if kind < 0.8:
        return _unsharp(rng.uniform(0.3, 1.0))
    if kind < 0.9:
        return _jpeg(int(rng.integers(25, 85)))
    return _noise(rng.uniform(2, 8), int(rng.integers(2**31)))


def _resized(factor: float, rng: Rng) -> Change:
    """A copy in low resolution brought back to size, as when a small generated face is enlarged."""
    down = int(rng.choice([cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
    up = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4]))

    def change(pixels: Pixels) -> Pixels:
        side = pixels.shape[0]
        small = cv2.resize(pixels, (max(8, round(side * factor)),) * 2, interpolation=down)
        return np.asarray(cv2.resize(small, (side, side), interpolation=up), np.uint8)

    return change


def _blur(sigma: float) -> Change:
    return lambda pixels: np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.uint8)


def _unsharp(amount: float) -> Change:
    def change(pixels: Pixels) -> Pixels:
        return np.asarray(
            cv2.addWeighted(pixels, 1 + amount, cv2.GaussianBlur(pixels, (0, 0), 1.2), -amount, 0), np.uint8
        )

    return change


def _noise(sigma: float, seed: int) -> Change:
    def change(pixels: Pixels) -> Pixels:
        noise = np.random.default_rng(seed).standard_normal(pixels.shape, np.float32) * np.float32(sigma)
        return np.asarray((pixels + noise).clip(0, 255), np.uint8)

    return change


def _jpeg(quality: int) -> Change:
    def change(pixels: Pixels) -> Pixels:
        code = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)

    return change


def _h264(crf: int, dx: int, dy: int) -> Change:
    """The second of two encoded frames, the first being the same picture moved by (dx, dy) px: predicted, as in a clip."""

    def change(pixels: Pixels) -> Pixels:
        first = np.roll(pixels, (dy, dx), (0, 1))
        encoder = av.CodecContext.create("libx264", "w")
        encoder.width, encoder.height = pixels.shape[1], pixels.shape[0]
        encoder.pix_fmt, encoder.time_base, encoder.thread_count = "yuv420p", Fraction(1, 25), 1
        encoder.options = {"crf": str(crf), "preset": "ultrafast", "tune": "zerolatency"}
        decoder = av.CodecContext.create("h264", "r")
        decoder.thread_count = 1
        packets = [
            packet
            for frame in (first, pixels)
            for packet in encoder.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24"))
        ]
        packets += encoder.encode(None)
        frames = [frame for packet in packets for frame in decoder.decode(packet)] + decoder.decode(None)
        return np.asarray(frames[-1].to_ndarray(format="rgb24"), np.uint8)

    return change


def _small_move(side: int, rng: Rng) -> npt.NDArray[np.float64]:
    """Scale within 5 %, shift within 2 % and turn within 2 degrees about the middle."""
    scale, angle = rng.uniform(0.95, 1 / 0.95), rng.uniform(-2, 2)
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), angle, scale)
    matrix[:, 2] += rng.uniform(-0.02, 0.02, 2) * side
    return np.asarray(matrix, np.float64)


def _bent(plane: npt.NDArray, rng: Rng, strength: float, smooth: float) -> npt.NDArray:
    """`plane` under a smooth random displacement of at most `strength` px."""
    side = plane.shape[0]
    coarse = rng.standard_normal((*(max(2, round(side / smooth)),) * 2, 2)).astype(np.float32)
    field = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    field *= strength / max(float(np.abs(field).max()), 1e-6)
    rows, cols = np.mgrid[0:side, 0:side].astype(np.float32)
    return np.asarray(
        cv2.remap(
            plane, cols + field[..., 0], rows + field[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
    )


def _softened(mask: Plane, rng: Rng, difficulty: float) -> Plane:
    """The mask with a smooth edge of random width and a random opacity."""
    soft = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.8, 7))
    if rng.random() < 0.5:  # pull the edge inwards, so that the blend ends inside the outline
        soft = np.clip((soft - 0.5) * 2, 0, 1) * mask
        soft = cv2.GaussianBlur(soft, (0, 0), rng.uniform(0.8, 4))
    opacity = rng.choice(OPACITIES) if rng.random() < difficulty else 1.0
    return np.asarray(soft * opacity, np.float32)


def _alpha(source: Pixels, target: Pixels, mask: Plane) -> Pixels:
    weight = mask[..., None]
    return np.asarray((source * weight + target * (1 - weight) + 0.5).clip(0, 255), np.uint8)


def _poisson(source: Pixels, target: Pixels, mask: Plane, rng: Rng) -> tuple[Plane, Pixels]:
    """Seamless cloning (Perez et al. 2003); the returned mask is softened so that its boundary can be drawn."""
    side = mask.shape[0]
    hard = (mask > 0.5).astype(np.uint8)
    hard[:2], hard[-2:], hard[:, :2], hard[:, -2:] = 0, 0, 0, 0
    x, y, width, height = cv2.boundingRect(hard)
    soft = np.asarray(cv2.GaussianBlur(hard.astype(np.float32), (0, 0), 2.0), np.float32)
    if min(width, height) < side // 8:
        return soft, _alpha(source, target, soft)
    kind = cv2.NORMAL_CLONE if rng.random() < 0.8 else cv2.MIXED_CLONE
    middle = (x + width // 2, y + height // 2)
    return soft, np.asarray(cv2.seamlessClone(source, target, hard * 255, middle, kind), np.uint8)
