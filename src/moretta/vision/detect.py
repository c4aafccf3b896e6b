"""Face detectors behind the `FaceDetector` port.

Belongs here: preparing a picture for a detector network and decoding what the network says.
Does not belong here: loading weights (a loaded session is passed in) and anything that happens to a face afterwards.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from moretta.core.geometry import iou
from moretta.core.values import Face, Floats, Pixels

CENTERFACE_STRIDE = 4
CENTERFACE_MULTIPLE = 32
CENTERFACE_OVERLAP = 0.3  # authors' non-maximum suppression threshold
MAX_LOG_SIZE = 7.0  # exp(7) * 4 px > 4000 px: no picture of our size holds a larger face; keeps exp() finite
SHRINK_AVERAGED = 2.0  # above this reduction a bilinear resize skips pixels, so areas are averaged
MIN_SIDE_PX = 2.0  # smaller boxes are what is left of a face cut by the picture's edge


class Session(Protocol):
    """A loaded network of one input: takes float32, gives its outputs in the order in which the file declares them."""

    def __call__(self, batch: Floats, /) -> Sequence[Floats]:
        """Run the network once."""


class CenterFaceDetector:
    """CenterFace (Xu et al. 2019) with inputs of any size; the most accurate of our detectors.

    Args:
        session: CenterFace with dynamic height and width; outputs heat map, scale, offset, landmarks.
        score_threshold: least heat for a face (0-1). Found on photographs: .5 gives no false face, .3 suits tight crops.
        long_side: pixels to which the longer side is brought; 640 for accuracy, 320 for speed.
    """

    def __init__(self, session: Session, score_threshold: float = 0.5, long_side: int = 640) -> None:
        self._session = session
        self._threshold = score_threshold
        self._long_side = long_side

    def detect(self, pixels: Pixels) -> list[Face]:
        """Faces of RGB (h, w, 3), highest score first; boxes lie within the picture."""
        height, width = pixels.shape[:2]
        if height == 0 or width == 0:
            return []
        scale = self._long_side / max(height, width)
        net_w, net_h = _rounded_up(width * scale), _rounded_up(height * scale)
        resized = _resized(pixels, net_w, net_h)
        batch = np.ascontiguousarray(resized.transpose(2, 0, 1)[None], np.float32)
        heat, size, offset, marks = (np.asarray(output)[0] for output in self._session(batch))
        rows, cols = np.nonzero(heat[0] > self._threshold)
        if not len(rows):
            return []
        boxes, points = _centerface_geometry(
            size[:, rows, cols], offset[:, rows, cols], marks[:, rows, cols], rows, cols
        )
        scores = heat[0, rows, cols]
        kept = _suppressed(boxes, scores, CENTERFACE_OVERLAP)
        factor = np.array([width / net_w, height / net_h])
        return _faces(boxes[kept].reshape(-1, 2, 2) * factor, points[kept] * factor, scores[kept], width, height)


def _rounded_up(side: float) -> int:
    return max(1, math.ceil(side / CENTERFACE_MULTIPLE - 1e-6)) * CENTERFACE_MULTIPLE


def _resized(pixels: Pixels, width: int, height: int) -> Pixels:
    shrink = max(pixels.shape[0] / height, pixels.shape[1] / width)
    method = cv2.INTER_AREA if shrink > SHRINK_AVERAGED else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=method), np.uint8)


def _centerface_geometry(
    size: Floats, offset: Floats, marks: Floats, rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Boxes (n, 4) xyxy and points (n, 5, 2) in network pixels; every channel is stored y before x."""
    extent = np.exp(np.minimum(size.astype(np.float64), MAX_LOG_SIZE)) * CENTERFACE_STRIDE
    cell = np.stack([cols, rows], axis=1)
    centre = (cell + offset[::-1].T + 0.5) * CENTERFACE_STRIDE
    wide_high = extent[::-1].T
    corner = np.maximum(centre - wide_high / 2, 0)
    boxes = np.concatenate([corner, corner + wide_high], axis=1)
    offsets = marks.T.reshape(-1, 5, 2)[:, :, ::-1]
    return boxes, offsets * wide_high[:, None] + corner[:, None]


def _suppressed(boxes: npt.NDArray[np.float64], scores: Floats, overlap: float) -> list[int]:
    """Indices of the boxes that no higher-scoring box covers, highest score first."""
    order = np.argsort(-scores, kind="stable")
    candidates = boxes.astype(np.float32)
    kept: list[int] = []
    while len(order):
        best = order[0]
        kept.append(int(best))
        order = order[1:]
        order = order[iou(candidates[best], candidates[order]) < overlap]
    return kept


def _faces(
    boxes: npt.NDArray[np.float64],
    points: npt.NDArray[np.float64],
    scores: npt.NDArray[np.floating],
    width: int,
    height: int,
) -> list[Face]:
    """Faces with finite geometry and boxes (n, 2, 2) clipped to the picture, highest score first."""
    clipped = np.clip(boxes.reshape(-1, 2, 2), 0, [width, height])
    least = np.minimum(MIN_SIDE_PX, [width, height])
    usable = ((clipped[:, 1] - clipped[:, 0]) >= least).all(1) & np.isfinite(points).all((1, 2)) & np.isfinite(scores)
    order = [i for i in np.argsort(-scores, kind="stable") if usable[i]]
    return [
        Face(clipped[i].reshape(4).astype(np.float32), points[i].astype(np.float32), min(1.0, float(scores[i])))
        for i in order
    ]
