"""What a face does, apart from whose it is: a few coefficients, measured against the track's own rest.

Belongs here: measuring them on a mesh, and the running rest that takes a person's shape out of them.
Does not belong here: drawing; gaze and pose, which `vision.gaze` and `vision.pose` measure.
"""

from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

from moretta.core.values import Mesh, Pose
from moretta.vision.avatar.canonical import (
    INNER_CORNERS,
    LEFT_BROW,
    LEFT_CORNERS,
    LEFT_LIDS,
    MOUTH_CORNERS,
    RIGHT_BROW,
    RIGHT_CORNERS,
    RIGHT_LIDS,
    canonical_face,
)
from moretta.vision.avatar.placing import rotation_of

STEPS = 32  # coefficients are rounded to 1/32 of their unit: finer is a mesh's jitter, and a person's
OPEN_EYE = 0.30  # eye aspect ratio of an open eye, where a track begins with shut ones; Soukupova and Cech 2016
# From here on the first eyes of a track count as open: how wide eyes are is whose they are, until the track tells what moves.
LEAST_OPEN_EYE = 0.15
SHUT_SHARE = 0.52  # what a shut eye still measures of an open one's aspect ratio: .48-.52 on the development clips
EYE_RISE, EYE_FALL = (
    0.25,
    0.01,
)  # how fast the rest follows a wider eye, and a narrower one (blinks are narrow and short)
REST_PACE = 0.004  # how fast the rest of brows, mouth and jaw follows: about eight seconds at 30 frames/s
SETTLING = 8  # meshes whose plain mean is the first rest
SHUT_GAP = 0.02  # inner-lip gap over the mouth's width up to which lips touch
EXTENT = (
    1.2,
    1.2,
    1.2,
    1.2,
    1.2,
    0.4,
    0.9,
    2.6,
)  # the largest size of each coefficient; bounds what a broken mesh can draw

Floats64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Expression:
    """Coefficients of movement; the defaults are a face at rest.

    `eye_right`, `eye_left`: 0 shut, 1 as open as this person's eyes usually are. `brow_right`, `brow_left`: cm above rest.
    `mouth_open`: inner-lip gap over the mouth's width. `mouth_width`: change of the width as a share of it. `mouth_corners`:
    cm above rest. `jaw`: cm that the chin hangs lower than at rest. The cm are those of the canonical face.
    """

    eye_right: float = 1.0
    eye_left: float = 1.0
    brow_right: float = 0.0
    brow_left: float = 0.0
    mouth_open: float = 0.0
    mouth_width: float = 0.0
    mouth_corners: float = 0.0
    jaw: float = 0.0


NAMES = tuple(Expression.__slots__)


class ExpressionMeter:
    """Measures one track's expression, mesh by mesh in time order.

    The first mesh counts as at rest but for shut eyes and the mouth.
    """

    def __init__(self) -> None:
        self._rest: Floats64 | None = None
        self._seen = 0

    def measure(self, mesh: Mesh, pose: Pose) -> Expression:
        """The expression of `mesh`; a broken mesh gives a face at rest."""
        found = shape_of(mesh, pose)
        if not np.isfinite(found).all():
            return Expression()
        values = moved_from_rest(found, self._settled(found))
        return Expression(*(float(value) for value in values))

    def _settled(self, found: Floats64) -> Floats64:
        """The rest after one more shape."""
        rest = self._rest
        if rest is None:
            rest = found.copy()
            rest[:2] = np.where(found[:2] < LEAST_OPEN_EYE, OPEN_EYE, found[:2])
        self._seen += 1
        # A running mean at first, so that a rest that began wrong is soon forgotten.
        early = 1 / (self._seen + 1)
        pace = np.full(len(found), early if self._seen < SETTLING else REST_PACE)
        pace[:2] = np.where(found[:2] > rest[:2], EYE_RISE, max(EYE_FALL, early))
        pace[:2][found[:2] < rest[:2] * (1 + SHUT_SHARE) / 2] = EYE_FALL  # a blink tells little of open eyes
        self._rest = rest + pace * (found - rest)
        return self._rest


def moved_from_rest(shapes: Floats64, rest: Floats64) -> Floats64:
    """The coefficients, in the order of `NAMES`, of shapes (..., 8) whose rest is `rest` (8,); bounded and rounded."""
    change = shapes - rest
    eyes = np.maximum(shapes[..., :2] / np.maximum(rest[:2], 1e-6) - SHUT_SHARE, 0) / (1 - SHUT_SHARE)
    gap = np.maximum(shapes[..., 4:5] - SHUT_GAP, 0)
    width = change[..., 5:6] / max(float(rest[5]), 1e-6)
    values = np.concatenate([eyes, change[..., 2:4], gap, width, change[..., 6:]], axis=-1)
    extent = np.array(EXTENT)
    return np.asarray(np.round(np.clip(values, -extent, extent) * STEPS) / STEPS, np.float64)


def blended(before: Expression, now: Expression, pace: float) -> Expression:
    """`before`, moved by the share `pace` towards `now`."""
    return Expression(*(old + pace * (new - old) for old, new in zip(astuple(before), astuple(now), strict=True)))


def shape_of(mesh: Mesh, pose: Pose) -> Floats64:
    """What the coefficients are made of, float64 (8,), with the person's shape still in it.

    Eye aspect ratios, heights of the brows over the eyes, inner-lip gap over the mouth's width, that width, height of the
    mouth's corners over the nose's base, length from the brow's middle to the chin; lengths in cm of the canonical face, in the
    head's own frame. Never leaves the worker: it would tell people apart.
    """
    points = mesh.points.astype(np.float64)
    upright = (points - points[168]) @ rotation_of(pose) * (1, -1, -1)
    eyes = upright[[RIGHT_CORNERS[0], LEFT_CORNERS[0]]]
    canonical = canonical_face().points
    width = float(canonical[LEFT_CORNERS[0], 0] - canonical[RIGHT_CORNERS[0], 0])
    upright *= width / max(float(np.linalg.norm(eyes[1] - eyes[0])), 1e-6)
    brows = [
        upright[np.array(brow), 1].mean() - upright[list(corners), 1].mean()
        for brow, corners in ((RIGHT_BROW, RIGHT_CORNERS), (LEFT_BROW, LEFT_CORNERS))
    ]
    mouth = float(np.linalg.norm(upright[MOUTH_CORNERS[1], :2] - upright[MOUTH_CORNERS[0], :2]))
    inner = float(np.linalg.norm(upright[INNER_CORNERS[1], :2] - upright[INNER_CORNERS[0], :2]))
    corners_up = upright[list(MOUTH_CORNERS), 1].mean() - upright[2, 1]
    return np.array(
        [
            _aspect(upright, RIGHT_CORNERS, RIGHT_LIDS),
            _aspect(upright, LEFT_CORNERS, LEFT_LIDS),
            *brows,
            (upright[13, 1] - upright[14, 1]) / max(inner, 1e-6),
            mouth,
            corners_up,
            upright[168, 1] - upright[152, 1],
        ]
    )


def _aspect(points: Floats64, corners: tuple[int, int], lids: tuple[tuple[int, int], ...]) -> float:
    """The eye aspect ratio, over the same two pairs of lid points as `vision.openness`."""
    heights = sum(float(np.linalg.norm(points[lids[at][0], :2] - points[lids[at][1], :2])) for at in (2, 4))
    return heights / 2 / max(float(np.linalg.norm(points[corners[0], :2] - points[corners[1], :2])), 1e-6)
