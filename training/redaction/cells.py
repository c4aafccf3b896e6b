"""How much few coarse cells still tell: the table by which blur and mosaic got theirs.

Belongs here: comparing cells directly: nothing else is in a picture made of them. Does not belong here: drawing.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from training.redaction.faces import Shown, picture

# Across, down, step of rounding and reach of noise, grey levels. `vision.redact.cells` tells less than the last.
TRIED = (
    (4, 5, 1, 0),
    (4, 5, 16, 16),
    (4, 5, 64, 64),
    (3, 4, 32, 32),
    (2, 3, 32, 32),
    (2, 2, 16, 16),
    (2, 2, 32, 32),
    (2, 2, 64, 64),
    (1, 1, 32, 32),
    (1, 1, 64, 64),
)
_LOTS = 5
Doubles = npt.NDArray[np.float64]


def rows(photos: Sequence[Shown]) -> Iterator[tuple[tuple[int, int, int, int], float]]:
    """Each of `TRIED` with the share of probes ranked first by the nearest cells, the mean over some lots."""
    people = np.array([each.portrait.person for each in photos])
    first = np.array([each.portrait.photo == 0 for each in photos])
    probes = np.flatnonzero(~first & np.isin(people, people[first]))
    mine = people[first][None] == people[probes][:, None]
    lots = np.random.default_rng(0)
    for across, down, step, reach in TRIED:
        cells = np.stack([_cells(each, across, down) for each in photos])
        shares = []
        for _ in range(_LOTS if reach else 1):
            noise = lots.uniform(-reach, reach, (len(cells), down, across, 1))
            drawn = np.clip(np.round((cells + noise) / step) * step, 0, 255).reshape(len(cells), -1)
            gap = np.square(drawn[probes][:, None] - drawn[first][None]).sum(axis=2)
            # Of several nearest the right one is drawn by lot.
            nearest = gap <= gap.min(axis=1, keepdims=True)
            shares.append(float(np.mean((nearest & mine).sum(axis=1) / nearest.sum(axis=1))))
        yield (across, down, step, reach), float(np.mean(shares))


def _cells(shown: Shown, across: int, down: int) -> Doubles:
    pixels, box = picture(shown.portrait.path), shown.face.box
    height, width = pixels.shape[:2]
    left, top = np.clip(np.floor(box[:2]), 0, [width - 1, height - 1]).astype(int)
    right, bottom = np.clip(np.ceil(box[2:]), [left + 1, top + 1], [width, height]).astype(int)
    means = cv2.resize(pixels[top:bottom, left:right], (across, down), interpolation=cv2.INTER_AREA)
    return np.asarray(means, np.float64)
