"""Blur and mosaic: a face is taken down to a few cells of colour, and only these are drawn.

Belongs here: both methods, which differ in how the cells are drawn. Does not belong here: which faces.

Why not a Gaussian blur or small tiles: McPherson et al. 2016 recognise faces under mosaics and under YouTube's blur with networks
that were trained on faces so hidden, and Hill et al. 2016 read text back from both. Here the output is made from whether the
whole face is light or dark, which is told wrong for every third item and track (randomised response, Warner 1965: whatever is
done to the output, it makes neither answer more than twice as likely), and from nothing else of it. What looks like lighter and
darker parts of a face is drawn by lot. How much finer cells would tell was measured: the table of
`python -m training.measure_redaction cells` in docs/model-cards/redaction.md. What is drawn moves with the face, and keeps its
colours until the face has clearly left them, so that many frames of one face show the same.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from moretta.core.redaction import FaceToHide
from moretta.core.values import Floats, Pixels, TrackId
from moretta.vision.redact.ellipse import Patch, laid_over, patch_of

# Cells over a dilated box, for the eye only: they differ from the face's lightness by a lot of up to `APART` grey levels.
ACROSS, DOWN = 2, 2
APART = 36
# A face is light from this mean on: the median under the covers of 283 photographs.
MIDDLE = 109
DARK, LIGHT = 104, 168
TOLD_WRONG = 1 / 3
# Cr and Cb of every cover: those photographs' median. A tint of the face's own, however coarse, told of its light, and a crowd
# wore violet and green.
TINT = (142.0, 116.0)
# By how far a face must leave what it was taken for before it is taken for something else, grey levels beyond the border: a face
# that moves a little would flicker.
HOLD = 8
# The tiles of the mosaic: for the eye only, they are drawn from the cells and noise of `TILE_NOISE` grey levels.
TILES_ACROSS, TILES_DOWN = 6, 8
TILE_NOISE = 14
# px of a whole face that are drawn at once, 16 times a picture of Full HD.
_MOST_SPREAD = 2**25


class _Cells:
    """The colours of a face's cells: light or dark, and what the lot adds to each cell."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._held: dict[TrackId, bool] = {}

    def of(self, pixels: Pixels, box: Floats, track_id: TrackId) -> Floats | None:
        """The cells' colours (DOWN, ACROSS, 3); None where nothing of the box is in the picture."""
        height, width = pixels.shape[:2]
        left, top = np.clip(np.floor(box[:2]), 0, [width, height]).astype(int)
        right, bottom = np.clip(np.ceil(box[2:]), 0, [width, height]).astype(int)
        if left >= right or top >= bottom:
            return None
        mean = cv2.resize(pixels[top:bottom, left:right], (1, 1), interpolation=cv2.INTER_AREA)
        before = self._held.get(track_id)
        border = MIDDLE + (0 if before is None else -HOLD if before else HOLD)
        is_light = self._held[track_id] = float(cv2.cvtColor(mean, cv2.COLOR_RGB2GRAY)[0, 0]) >= border
        wrong = float(self.lots(track_id, 1, (1, 1, 1), 1.0)[0, 0, 0]) > 1 - 2 * TOLD_WRONG
        lights = (LIGHT if is_light != wrong else DARK) + self.lots(track_id, 2, (DOWN, ACROSS, 1), APART)
        joined = np.concatenate([lights, np.full((DOWN, ACROSS, 2), TINT, np.float32)], axis=2).clip(0, 255)
        return np.asarray(cv2.cvtColor(joined.astype(np.uint8), cv2.COLOR_YCrCb2RGB), np.float32)

    def lots(self, track_id: TrackId, purpose: int, shape: tuple[int, int, int], reach: float) -> Floats:
        """What is drawn for the track and that purpose, within `reach` either way: the same whenever it is asked for."""
        random = np.random.default_rng([self._seed, int(track_id), purpose])
        return random.uniform(-reach, reach, shape).astype(np.float32)


class BlurRedactor:
    """Draws the cells with smooth transitions. Implements `Redactor`."""

    def __init__(self, seed: int = 0) -> None:
        self._cells = _Cells(seed)

    def hide(self, pixels: Pixels, faces: Sequence[FaceToHide]) -> None:
        """See `Redactor`."""
        for _, patch, cells in _patches(self._cells, pixels, faces):
            laid_over(patch, _drawn(cells, patch, cv2.INTER_CUBIC))


class MosaicRedactor:
    """Draws the cells as tiles. Implements `Redactor`."""

    def __init__(self, seed: int = 0) -> None:
        self._cells = _Cells(seed)

    def hide(self, pixels: Pixels, faces: Sequence[FaceToHide]) -> None:
        """See `Redactor`."""
        for track_id, patch, cells in _patches(self._cells, pixels, faces):
            laid_over(patch, _drawn(self._tiles(cells, track_id), patch, cv2.INTER_NEAREST))

    def _tiles(self, cells: Floats, track_id: TrackId) -> Floats:
        smooth = cv2.resize(cells, (TILES_ACROSS, TILES_DOWN), interpolation=cv2.INTER_LINEAR)
        noise = self._cells.lots(track_id, 3, (TILES_DOWN, TILES_ACROSS, 1), TILE_NOISE)
        return np.asarray(np.clip(smooth + noise, 0, 255), np.float32)


def _patches(cells: _Cells, pixels: Pixels, faces: Sequence[FaceToHide]) -> list[tuple[TrackId, Patch, Floats]]:
    """What to draw where. All colours are taken before anything is drawn: a neighbour's cover must not leak into them."""
    found = []
    for face in faces:
        patch = patch_of(pixels, face.box)
        colours = cells.of(pixels, face.box, face.track_id) if patch is not None else None
        if patch is not None and colours is not None:
            found.append((face.track_id, patch, colours))
    return found


def _drawn(cells: Floats, patch: Patch, how: int) -> Pixels:
    """The cells spread over the face's box as far as it is in the patch, and beyond its edges by their outermost colours."""
    height, width = patch.pixels.shape[:2]
    rows, columns = cells.shape[:2]
    left, top = round(patch.whole[0]), round(patch.whole[1])
    across, down = max(columns, round(patch.whole[2]) - left), max(rows, round(patch.whole[3]) - top)
    if across * down > _MOST_SPREAD:
        how = cv2.INTER_NEAREST
        across, down = columns, rows  # a face far larger than its picture: one colour of it fills the picture
    spread = cv2.resize(cells.astype(np.uint8), (across, down), interpolation=how)
    spread = spread[max(0, -top) : max(0, -top) + height, max(0, -left) : max(0, -left) + width]
    above, beside = max(0, top), max(0, left)
    below, right = max(0, height - above - spread.shape[0]), max(0, width - beside - spread.shape[1])
    made = cv2.copyMakeBorder(spread, above, below, beside, right, cv2.BORDER_REPLICATE)
    return np.asarray(made[:height, :width], np.uint8)
