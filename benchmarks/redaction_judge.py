"""Who was missed: a face of the original under which the output is still what it was.

Belongs here: judging outputs against originals. Does not belong here: making them, timing.

A face counts as hidden where at least `LEAST_CHANGED` of the blocks within the ellipse of its box differ from the original by
more than `LEAST_CHANGE`. The original's faces come from labels by hand, or, in clips, from a detector at full size. That it
finds a face in the output says nothing: it finds a blurred oval on shoulders too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageOps

# Blocks across a face's box, and grey levels by which a block's mean must differ; coding alone moves fewer than one block in a
# hundred so far, which every run measures and tells (`Judged.noise`).
BLOCKS = 8
LEAST_CHANGE = 4.0
LEAST_CHANGED = 0.5
# px
LEAST_SIDE = 20
_JUDGE_SIDE, _JUDGE_SCORE = 1280, 0.5
_BESIDE = 1.0


@dataclass(frozen=True, slots=True)
class Judged:
    """`noise`: the share of blocks beside all faces that count as changed although nobody touched them."""

    faces: int
    missed: int
    frames_with_faces: int
    frames_missing: int
    noise: float
    frames: int

    @property
    def miss_rate(self) -> float:
        return self.missed / self.faces if self.faces else float("nan")


class Judge:
    """Adds up frames."""

    def __init__(self) -> None:
        self._faces = self._missed = self._with = self._missing = self._frames = 0
        self._noise: list[float] = []

    def frame(self, original: np.ndarray, output: np.ndarray | None, boxes: Sequence[np.ndarray]) -> None:
        """One frame; an output that is not there, or is of another size, hid nothing and showed nothing: all are missed."""
        self._frames += 1
        self._faces += len(boxes)
        if output is None or output.shape != original.shape:
            missed = len(boxes)
        else:
            change = np.abs(original.astype(np.int16) - output.astype(np.int16)).mean(axis=2)
            missed = sum(not hidden(change, box) for box in boxes)
            self._noise += [share for box in boxes if (share := _beside(change, box, boxes)) is not None]
        self._missed += missed
        self._with += bool(boxes)
        self._missing += bool(missed)

    def judged(self) -> Judged:
        noise = float(np.mean(self._noise)) if self._noise else float("nan")
        return Judged(self._faces, self._missed, self._with, self._missing, noise, self._frames)


def hidden(change: np.ndarray, box: np.ndarray) -> bool:
    """Whether the face at `box` (xyxy px) is hidden, by the change of every pixel (h, w)."""
    found = _changed(change, box)
    return found is None or found >= LEAST_CHANGED


def _changed(change: np.ndarray, box: np.ndarray) -> float | None:
    """The share of changed blocks within the ellipse of `box`; None where nothing of it is in the picture."""
    height, width = change.shape
    edges = [np.linspace(box[side], box[side + 2], BLOCKS + 1).round().astype(int) for side in (0, 1)]
    places = (np.arange(BLOCKS) + 0.5) / BLOCKS * 2 - 1
    flags = []
    for column in range(BLOCKS):
        for row in range(BLOCKS):
            if places[column] ** 2 + places[row] ** 2 > 1:
                continue
            left, right = np.clip(edges[0][[column, column + 1]], 0, width)
            top, bottom = np.clip(edges[1][[row, row + 1]], 0, height)
            if left < right and top < bottom:
                flags.append(change[top:bottom, left:right].mean() > LEAST_CHANGE)
    return float(np.mean(flags)) if flags else None


def _beside(change: np.ndarray, box: np.ndarray, boxes: Sequence[np.ndarray]) -> float | None:
    """The same for a box of that size beside the face that touches no face."""
    side = box[2] - box[0]
    for step in (-2 - _BESIDE, 2 + _BESIDE):
        other = box + np.array([side * step, 0, side * step, 0])
        if other[0] < 0 or other[2] > change.shape[1]:
            continue
        if all(abs(other[0] - each[0]) > 2 * max(side, each[2] - each[0]) for each in boxes):
            return _changed(change, other)
    return None


def judge_clip(original: Path, outputs: Sequence[Path], every: int = 1) -> list[Judged]:
    """Each output against the original, on every `every`-th frame."""
    from moretta.settings import Settings
    from moretta.wiring.instruments import Workshop

    detector = Workshop(Settings().models_dir, allow_expression=False).face_detector(_JUDGE_SCORE, _JUDGE_SIDE)
    judges = [Judge() for _ in outputs]
    for frames in zip(decoded(original, every), *(_endless(decoded(each, every)) for each in outputs), strict=False):
        first, *others = frames
        boxes = [face.box for face in detector.detect(first) if min(face.box[2:] - face.box[:2]) >= LEAST_SIDE]
        for judge, other in zip(judges, others, strict=True):
            judge.frame(first, other, boxes)
    return [judge.judged() for judge in judges]


def judge_stills(pairs: Sequence[tuple[Path, Path, Sequence[np.ndarray]]]) -> Judged:
    """Photographs with the boxes that hands drew, against their outputs."""
    judge = Judge()
    for original, output, boxes in pairs:
        judge.frame(still(original), still(output) if output.is_file() else None, list(boxes))
    return judge.judged()


def decoded(path: Path, every: int) -> Iterator[np.ndarray]:
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % every == 0:
                yield frame.to_ndarray(format="rgb24")


def _endless(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray | None]:
    yield from frames
    while True:
        yield None


def still(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
