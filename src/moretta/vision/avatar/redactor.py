"""The avatar as a method of hiding faces.

Belongs here: what is remembered of each track, and the order of covering and drawing. Does not belong here: any step's how.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from moretta.core.redaction import FaceToHide
from moretta.core.values import Gaze, Mesh, Pixels, Pose, TrackId
from moretta.vision.avatar.canonical import MOUTH_CORNERS, CanonicalFace, Points, canonical_face
from moretta.vision.avatar.cover import covered, drawable
from moretta.vision.avatar.deforming import Rig
from moretta.vision.avatar.expression import Expression, ExpressionMeter, blended
from moretta.vision.avatar.head import Head
from moretta.vision.avatar.looks import PX_PER_CM, Looks, drawn_by_lot
from moretta.vision.avatar.placing import ANCHORS, Away, Placement, away_by_lot, placed
from moretta.vision.avatar.raster import EYE_LOOKS, draw, overlay
from moretta.vision.gaze import VERTICAL_BIAS
from moretta.vision.pose import landmark_pose

LEAST_PRESENCE = 0.5  # MediaPipe face_landmark graphs, min_tracking_confidence
MOST_LOOKS = 16  # 1.5 MB each
IRIS_RADIUS = 0.45  # half eye widths: an iris of 11.7 mm in the model's eyes of 26 mm
GAZE_REACH, DOWN_REACH = 0.6, 0.3  # half eye widths that an iris may leave the middle; farther would hide it
# The iris model reads .46 of how far an avatar's iris was moved down, and .11 higher where an eye is all but shut; it cannot read
# a face much better. Eyes are drawn so that they read as those of the face do.
DOWN_PER_READ, DOWN_PER_SHUT = 1 / 0.46, 0.11 / 0.46
# Openness as measured, and as drawn: steeper where a blink is told from a narrow eye (`signals.blinks` counts from .65 of the
# resting aspect ratio on, which is .27 here), since a mesh sees an avatar's lids less sharply than a face's.
OPENNESS_READ, OPENNESS_DRAWN = (0.125, 0.375, 1.0, 1.2), (0.0, 0.4, 1.0, 1.2)
PACE = 0.7  # share of the way to what is measured that expression and pose go in a frame: jitter's variance halves, blinks stay
REST_PACE = 0.15  # the same towards rest, while nothing is measured
FINEST = 2.0  # small heads are drawn at twice their size and averaged down ...
FINE_SIDE = 400  # px ... those whose drawing would be larger than this at less than that
_AWAY_PURPOSE = 1  # of the seed; looks have none
LARGEST_SIDE = 1200  # px; larger heads are drawn this large and scaled up


def avatar_ready() -> None:
    """Read the canonical face and compile the drawing, so that nothing is left to do once a worker is confined."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    landmarks = np.array([[24, 26], [40, 26], [32, 34], [26, 42], [38, 42]], np.float32)
    Avatar(seed=0).hide(pixels, [FaceToHide(TrackId(1), np.array([12, 10, 52, 56], np.float32), landmarks)])


@dataclass(slots=True)
class _Actor:
    looks: Looks
    away: Away
    meter: ExpressionMeter = field(default_factory=ExpressionMeter)
    expression: Expression = field(default_factory=Expression)
    gaze: Gaze = field(default_factory=lambda: Gaze(0.0, 0.0))
    pose: Pose | None = None


class Avatar:
    """A `Redactor` that draws a synthetic head over each face.

    Looks, and how far a head is off its face's place, are drawn by lot from `seed`.

    Tracks get them in the order in which they appear; the seventeenth looks like the first, since looks take memory.

    Where a face has no sure mesh, its eyes and mouth rest and its head turns as the five landmarks do; where these fit no
    head, the cover alone remains.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._face: CanonicalFace = canonical_face()
        self._rig, self._head = Rig(self._face), Head(self._face)
        self._looks: list[Looks] = []
        self._actors: dict[TrackId, _Actor] = {}

    def hide(self, pixels: Pixels, faces: Sequence[FaceToHide]) -> None:
        """See the port."""
        covered(pixels, [face.box for face in faces])
        scenes: list[tuple[float, int, _Actor, Placement]] = []
        for face in faces:
            actor = self._actor(face.track_id)
            placement = self._moved(actor, face, pixels)
            if placement is not None and drawable(face.box):
                placement = placement.moved(actor.away)
                scenes.append((float(placement.shift[2]), len(scenes), actor, placement))
        for _, _, actor, placement in sorted(scenes, reverse=True, key=lambda scene: scene[:2]):
            self._draw(pixels, actor, placement)

    def _actor(self, track: TrackId) -> _Actor:
        known = self._actors.get(track)
        if known is None:
            place = len(self._actors) % MOST_LOOKS
            if place == len(self._looks):
                lot = np.random.default_rng([abs(self._seed), place])
                self._looks.append(drawn_by_lot(self._face, lot))
            away = away_by_lot(np.random.default_rng([abs(self._seed), len(self._actors), _AWAY_PURPOSE]))
            known = self._actors[track] = _Actor(self._looks[place], away)
        return known

    def _moved(self, actor: _Actor, face: FaceToHide, pixels: Pixels) -> Placement | None:
        """Bring `actor` to this frame; where it stands, None where it cannot be said."""
        height, width = pixels.shape[:2]
        mesh = face.mesh if _sure(face.mesh) else None
        if not np.isfinite(face.landmarks).all():
            return None
        pose = face.pose if face.pose is not None else landmark_pose(face.landmarks, width, height)
        actor.pose = pose if actor.pose is None else _turned(actor.pose, pose)
        if mesh is not None:
            found = actor.meter.measure(mesh, pose)
            smooth = blended(actor.expression, found, PACE)
            # A blink is over in a few frames: eyes are not smoothed.
            actor.expression = replace(smooth, eye_right=found.eye_right, eye_left=found.eye_left)
        else:
            actor.expression = blended(actor.expression, Expression(), REST_PACE)
        gaze = _bounded(face.gaze)
        pace = PACE if face.gaze is not None else REST_PACE
        actor.gaze = Gaze(actor.gaze.x + pace * (gaze.x - actor.gaze.x), actor.gaze.y + pace * (gaze.y - actor.gaze.y))
        if mesh is not None:
            anchors = list(ANCHORS)
            return placed(self._face.points[anchors], mesh.points[anchors, :2], actor.pose, width, height)
        return placed(_five(self._face.points), face.landmarks, actor.pose, width, height)

    def _draw(self, pixels: Pixels, actor: _Actor, placement: Placement) -> None:
        deformed = self._rig.deformed(_as_drawn(actor.expression))
        places = placement.projected(self._head.points(deformed))
        height, width = pixels.shape[:2]
        low, high = places[:, :2].min(axis=0), places[:, :2].max(axis=0)
        low, high = np.floor(np.maximum(low, 0)).astype(int), np.ceil(np.minimum(high, (width, height))).astype(int)
        if (high - low < 2).any():
            return
        extent = high - low
        scale = float(np.clip(FINE_SIDE / extent.max(), LARGEST_SIDE / max(extent.max(), LARGEST_SIDE), FINEST))
        size = np.maximum(np.round(extent * scale), 1).astype(int)
        places[:, :2] = (places[:, :2] - low) * (size / extent)
        canvas = np.zeros((size[1], size[0], 4), np.uint8)
        depths = np.full((size[1], size[0]), np.inf, np.float32)
        light = self._head.light(deformed, placement.rotation)
        where = self._head.where(deformed)
        smooth = placement.focal / placement.shift[2] * scale > PX_PER_CM
        eyes = _eyes(actor)
        gap = self._head.gap(deformed)
        surfaces = (self._head.triangles, self._head.kinds)
        draw(canvas, depths, *surfaces, places, actor.looks.textures, where, light, eyes, gap, smooth)
        if scale != 1:
            shrink = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
            canvas = cv2.resize(canvas, (int(extent[0]), int(extent[1])), interpolation=shrink)
        overlay(pixels[low[1] : high[1], low[0] : high[0]], canvas)


def _sure(mesh: Mesh | None) -> bool:
    return mesh is not None and mesh.presence >= LEAST_PRESENCE and bool(np.isfinite(mesh.points).all())


def _turned(before: Pose, now: Pose) -> Pose:
    """A step of `PACE` from one pose to the next, the short way round."""
    steps = [
        old + PACE * ((new - old + 180) % 360 - 180)
        for old, new in ((before.yaw, now.yaw), (before.pitch, now.pitch), (before.roll, now.roll))
    ]
    return Pose(*steps)


def _bounded(gaze: Gaze | None) -> Gaze:
    if gaze is None or not np.isfinite([gaze.x, gaze.y]).all():
        return Gaze(0.0, 0.0)
    return Gaze(float(np.clip(gaze.x, -GAZE_REACH, GAZE_REACH)), float(np.clip(gaze.y, -GAZE_REACH, GAZE_REACH)))


def _as_drawn(expression: Expression) -> Expression:
    right, left = np.interp([expression.eye_right, expression.eye_left], OPENNESS_READ, OPENNESS_DRAWN)
    return replace(expression, eye_right=float(right), eye_left=float(left))


def _eyes(actor: _Actor) -> Points:
    eyes = np.zeros((2, EYE_LOOKS), np.float32)
    openness = np.clip([actor.expression.eye_right, actor.expression.eye_left], 0, 1)
    down = actor.gaze.y * DOWN_PER_READ + (1 - openness) * DOWN_PER_SHUT
    eyes[:, 0], eyes[:, 2], eyes[:, 3:6] = actor.gaze.x, IRIS_RADIUS, actor.looks.iris
    eyes[:, 1] = np.clip(down, -DOWN_REACH, DOWN_REACH) + VERTICAL_BIAS
    return eyes


def _five(points: Points) -> Points:
    """The five landmarks of the canonical face."""
    eyes = [(points[outer] + points[inner]) / 2 for outer, inner in ((33, 133), (263, 362))]
    return np.stack([*eyes, points[1], points[MOUTH_CORNERS[0]], points[MOUTH_CORNERS[1]]])
