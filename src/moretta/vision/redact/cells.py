"""Blur and mosaic: a face is taken down to a few cells of colour, and only these are drawn.

Belongs here: both methods, which differ in how the cells are drawn. Does not belong here: which faces.

Why not a Gaussian blur or small tiles: McPherson et al. 2016 recognise faces under mosaics and under YouTube's blur with networks
that were trained on faces so hidden, and Hill et al. 2016 read text back from both. Here every
colour of the output is made from `ACROSS` x `DOWN` mean colours of the whole face, coarsely rounded and moved by noise that is
drawn for each item and track; nothing that is finer than a cell exists in the output, whatever is done to it. The grid moves with
the face, so that many frames of one face show the same cells and not different ones.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from moretta.core.redaction import FaceToHide
from moretta.core.values import Floats, Pixels, TrackId
from moretta.vision.redact.ellipse import Patch, laid_over, patch_of

# Cells over a dilated box. A face of 4 x 5 cells holds 60 coarse numbers.
ACROSS, DOWN = 4, 5
# Means are rounded to steps of this many grey levels, and moved by up to one step either way (Fan 2018 adds noise to mosaics for
# the same reason: exact means of cells are still a fingerprint).
STEP = 16
# px of a whole face that are drawn at once, 16 times a picture of Full HD.
_MOST_SPREAD = 2**25


class _Cells:
    """The colours of a face's cells, with noise of its own."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._noise: dict[TrackId, Floats] = {}

    def of(self, pixels: Pixels, box: Floats, track_id: TrackId) -> Floats | None:
        """The cells' colours (DOWN, ACROSS, 3); None where nothing of the box is in the picture."""
        height, width = pixels.shape[:2]
        left, top = np.clip(np.floor(box[:2]), 0, [width, height]).astype(int)
        right, bottom = np.clip(np.ceil(box[2:]), 0, [width, height]).astype(int)
        if left >= right or top >= bottom:
            return None
        part = pixels[top:bottom, left:right]
        means = cv2.resize(part, (ACROSS, DOWN), interpolation=cv2.INTER_AREA).astype(np.float32)
        noise = self._noise.get(track_id)
        if noise is None:
            random = np.random.default_rng([self._seed, int(track_id)])
            noise = random.uniform(-STEP, STEP, (DOWN, ACROSS, 1)).astype(np.float32)
            self._noise[track_id] = noise
        return np.asarray(np.clip(np.round((means + noise) / STEP) * STEP, 0, 255), np.float32)


class BlurRedactor:
    """Draws the cells with smooth transitions. Implements `Redactor`."""

    def __init__(self, seed: int = 0) -> None:
        self._cells = _Cells(seed)

    def hide(self, pixels: Pixels, faces: Sequence[FaceToHide]) -> None:
        """See `Redactor`."""
        for patch, cells in _patches(self._cells, pixels, faces):
            laid_over(patch, _drawn(cells, patch, cv2.INTER_CUBIC))


class MosaicRedactor:
    """Draws the cells as tiles. Implements `Redactor`."""

    def __init__(self, seed: int = 0) -> None:
        self._cells = _Cells(seed)

    def hide(self, pixels: Pixels, faces: Sequence[FaceToHide]) -> None:
        """See `Redactor`."""
        for patch, cells in _patches(self._cells, pixels, faces):
            laid_over(patch, _drawn(cells, patch, cv2.INTER_NEAREST))


def _patches(cells: _Cells, pixels: Pixels, faces: Sequence[FaceToHide]) -> list[tuple[Patch, Floats]]:
    """What to draw where. All colours are taken before anything is drawn: a neighbour's cover must not leak into them."""
    found = []
    for face in faces:
        patch = patch_of(pixels, face.box)
        colours = cells.of(pixels, face.box, face.track_id) if patch is not None else None
        if patch is not None and colours is not None:
            found.append((patch, colours))
    return found


def _drawn(cells: Floats, patch: Patch, how: int) -> Pixels:
    """The cells spread over the face's box as far as it is in the patch, and beyond its edges by their outermost colours."""
    height, width = patch.pixels.shape[:2]
    left, top = round(patch.whole[0]), round(patch.whole[1])
    across, down = max(ACROSS, round(patch.whole[2]) - left), max(DOWN, round(patch.whole[3]) - top)
    if across * down > _MOST_SPREAD:
        how = cv2.INTER_NEAREST
        across, down = ACROSS, DOWN  # a face far larger than its picture: one colour of it fills the picture
    spread = cv2.resize(cells.astype(np.uint8), (across, down), interpolation=how)
    spread = spread[max(0, -top) : max(0, -top) + height, max(0, -left) : max(0, -left) + width]
    above, beside = max(0, top), max(0, left)
    below, right = max(0, height - above - spread.shape[0]), max(0, width - beside - spread.shape[1])
    made = cv2.copyMakeBorder(spread, above, below, beside, right, cv2.BORDER_REPLICATE)
    return np.asarray(made[:height, :width], np.uint8)
