"""The learned blending detector: does a face carry the traces of having been blended into its picture?

Belongs here: the crop that the network sees (its training imports it from here, so that the two cannot drift apart), its
weights, and one score for one face. Does not belong here: training (`training/blending`), gathering scores over a track
and what a score means (the cue and the fusion).

Source: self-blended images, Shiohara and Yamasaki, CVPR 2022 (arXiv 2204.08376). The card is `docs/model-cards/blending.md`.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from moretta.core.errors import ModelCorrupt, ModelMissing
from moretta.core.values import Floats, Pixels, TrackedFace

MODEL_ID = "moretta-blending-1"
WEIGHTS_SHA256 = "20848622667ef857e1645c20b49206ffab78c7263452d61e07fa69b49e7ad7c1"

SIDE = 176  # pixels of the network's input; divides by 16, the stride of its last layer
# Crop side over the longer side of the mesh's box: the ring outside the face holds the reference that an inserted face is
# compared with, and swap masks end inside it.
CONTEXT = 1.24
RAISED = 0.03  # crop sides by which the crop sits above the mesh, whose oval ends at the hair line
# Below this the crop is an enlargement by three, with a ninth of its pixels as evidence; measured at half the size of LFW's
# faces, three to four times as many genuine stills score high (docs/model-cards/blending.md).
MIN_FACE_PX = 48.0
MAX_BEYOND = 4.0  # a mesh longer than four times the picture is a failed fit, not a face

Run = Callable[[Floats], Sequence[npt.NDArray[np.floating]]]


class BlendingDetector:
    """Scores how much a face looks blended into its picture, an `AttackScorer`.

    Args:
        run: the loaded network: takes float32 (1, 3, 176, 176), RGB in -1..1, and gives a list whose first item holds the
            logit, as an onnxruntime session with one input does.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def usable(self, tracked: TrackedFace) -> bool:
        """Whether the face is large enough (mesh of at least 48 px) and its mesh sound enough for a score to mean anything."""
        square = _face_square(tracked.mesh.points)
        return square is not None and square[2] >= MIN_FACE_PX * CONTEXT

    def score(self, pixels: Pixels, tracked: TrackedFace) -> float:
        """The score of one face between 0 (no trace of blending) and 1; never raises for any mesh.

        It orders faces and is no probability: the fusion calibrates it. NaN where the face is not `usable` or lies
        outside the picture, so that a cue abstains.
        """
        if not self.usable(tracked):
            return math.nan
        crop = face_crop(pixels, tracked.mesh.points)
        if crop is None:
            return math.nan
        views = (crop, crop[:, ::-1])  # averaged with its mirror image, so that a face and its mirror image score alike
        logit = sum(float(np.ravel(self._run(network_input(view))[0])[0]) for view in views) / len(views)
        return 1 / (1 + math.exp(-min(max(logit, -60.0), 60.0)))


def network_input(crop: Pixels) -> Floats:
    """The crop (h, w, 3) as the network takes it: float32 (1, 3, h, w) in -1..1."""
    planes = crop.transpose(2, 0, 1)[None].astype(np.float32)
    return np.asarray(planes / np.float32(127.5) - np.float32(1), np.float32)


def face_crop(
    pixels: Pixels, points: npt.NDArray[np.floating], side: int = SIDE, context: float = CONTEXT
) -> Pixels | None:
    """The square about a mesh that the network sees, upright as the picture is.

    Shrinking averages areas, enlarging is bilinear, and what leaves the picture mirrors it: a black margin would be an edge.

    Args:
        pixels: RGB, uint8, shape (h, w, 3).
        points: the mesh, px, shape (n, 2) or more columns.
        side: pixels of the crop's side.
        context: crop side over the longer side of the mesh's box.

    Returns:
        RGB, uint8, shape (side, side, 3), or None where the mesh is not finite, has no extent, is far larger than the
        picture or lies outside it.
    """
    square = _face_square(points, context)
    height, width = pixels.shape[:2]
    if square is None or square[2] > MAX_BEYOND * max(height, width):
        return None
    corner = np.array(square[:2])
    if (corner >= [width, height]).any() or (corner + square[2] <= 0).any():
        return None
    return _cut(pixels, corner, square[2], side)


def crop_points(
    points: npt.NDArray[np.floating], side: int = SIDE, context: float = CONTEXT
) -> npt.NDArray[np.float32]:
    """The mesh (n, 2) in the pixels of its own `face_crop`. The mesh must be one that `face_crop` does not refuse.

    Raises:
        ValueError: the mesh is not finite, or has no extent.
    """
    square = _face_square(points, context)
    if square is None:
        raise ValueError("expected a finite mesh with an extent")
    return np.asarray((points[:, :2] - np.array(square[:2])) * (side / square[2]), np.float32)


def blending_weights() -> Path:
    """Where the installed network (ONNX) lies, its digest checked a moment ago.

    Raises:
        ModelMissing: the installation lacks the file.
        ModelCorrupt: the file is not the one that this release was measured with.
    """
    path = Path(str(resources.files("moretta.trust").joinpath("weights", "blending.onnx")))
    if not path.is_file():
        raise ModelMissing(
            "expected the blending detector's network inside the installed package; install Moretta anew"
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != WEIGHTS_SHA256:
        raise ModelCorrupt("the blending detector's network is not the one of this release; install Moretta anew")
    return path


def _face_square(points: npt.NDArray[np.floating], context: float = CONTEXT) -> tuple[float, float, float] | None:
    """Left, top and side of the crop in pixels of the picture, None for a mesh without a finite extent."""
    plane = np.asarray(points[:, :2], np.float64)
    if len(plane) == 0 or not np.isfinite(plane).all():
        return None
    low, high = plane.min(axis=0), plane.max(axis=0)
    side = float((high - low).max()) * context
    if side < 1:
        return None
    centre = (low + high) / 2 - [0.0, RAISED * side]
    return float(centre[0] - side / 2), float(centre[1] - side / 2), side


def _cut(pixels: Pixels, corner: npt.NDArray[np.float64], extent: float, side: int) -> Pixels | None:
    """Resize the part inside the picture once, then mirror it outwards: memory stays bounded by the crop and picture."""
    scale = side / extent
    start, stop = [], []
    inner = []
    for axis, length in enumerate((pixels.shape[1], pixels.shape[0])):
        first, last = max(0, round(corner[axis])), min(length, round(corner[axis] + extent))
        if last <= first:
            return None
        low, high = round((first - corner[axis]) * scale), round((last - corner[axis]) * scale)
        low, high = max(0, low), min(side, high)
        if high <= low:
            return None
        start.append(low)
        stop.append(high)
        inner.append(slice(first, last))
    part = pixels[inner[1], inner[0]]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(part, (stop[0] - start[0], stop[1] - start[1]), interpolation=method)
    framed = cv2.copyMakeBorder(
        resized, start[1], side - stop[1], start[0], side - stop[0], borderType=cv2.BORDER_REFLECT_101
    )
    return np.asarray(framed, np.uint8)
