"""Which faces are hidden in which frame, and the editor that hides them.

Belongs here: from tracks to `FaceToHide` in px of the upright original. Does not belong here: finding (`find`), drawing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from moretta.core.redaction import REACH, FaceToHide, HiddenTrack, RedactionRequest, Redactor, Scope
from moretta.core.values import Floats, Pixels, TrackId
from moretta.use_cases.redaction.find import Found
from moretta.use_cases.redaction.tracks import Span, span_of

# A face is interpolated over at most this long; longer away, it may have been anywhere.
LONGEST_GAP_S = 1.0
# Before it is first seen and after it is last seen a face is there already, and still, too small, turned or blurred to be found.
REACH_S = 0.2
_LEAST_REACH = 2
# What of a face lies beyond the detector's box, as shares of its width and height: hair and ears beside, the forehead above, the
# chin below. An ellipse inscribed in the grown box then covers the box's own inscribed circle everywhere and its corners but for
# the last tenth.
_BESIDE, _ABOVE, _BELOW = 0.22, 0.30, 0.18
# Pixels added around however small a face is: a detector's cell is 4 px of its input.
_LEAST_MARGIN_PX = 3.0
# Height over width of every cover: the median of boxes with those margins on 1,413 photographs is 1.32, the 10-90 % range 1.22 to
# 1.42. Left to the face, the ratio alone ranks its person first twice as often as chance (docs/model-cards/redaction.md).
COVER_RATIO = 1.35
FACE_RATIO = 1.29  # of the detector's boxes: their mean on the same photographs
# By how much of its width or height a cover grows on each side at most, by a lot of the item and track: where a cover ends beside
# the face told people apart (AUC of the adapted attacker on one colour .62 without, .59 with the ratio alone, .52 with this).
MOST_GROWTH = 0.2
_GROWTH_PURPOSE = 16  # of the seed; the methods of hiding draw for lower ones
# Mean grey levels by which the picture under a face must have changed for it to count as hidden; a lossy codec alone moves a
# decoded picture by about this much, and a face that differs by less from its own mean colour shows nobody.
LEAST_CHANGE = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The spans of all faces; `hidden` of them are drawn over, `visible` were left on purpose. `seed`: of the covers' sizes."""

    hidden: tuple[Span, ...]
    visible: tuple[Span, ...]
    scale: float
    frames: int
    seed: int = 0

    def hidden_at(self, index: int) -> list[FaceToHide]:
        """The faces to hide in frame `index`, px of the upright original."""
        return [_face(span, index, self) for span in self.hidden if span.first <= index <= span.last]

    def visible_at(self, index: int) -> list[Floats]:
        """The boxes of faces left visible in frame `index`, with their margins."""
        rows = [s.rows[index - s.first] for s in self.visible if s.first <= index <= s.last]
        return [_with_margins(row[:4] / self.scale) for row in rows]


def plan_of(found: Found, request: RedactionRequest) -> Plan:
    """What of `found` is hidden under `request`."""
    frames = len(found.times_s)
    rate = _rate(found.times_s)
    gap, reach = max(2, round(LONGEST_GAP_S * rate)), max(_LEAST_REACH, round(REACH_S * rate))
    spans: list[Span] = []
    for track in found.tracks:
        spans += span_of(track, found.scenes, gap, reach, frames)
    hidden = tuple(span for span in spans if not exempt(span.track_id, request))
    visible = tuple(span for span in spans if exempt(span.track_id, request))
    return Plan(hidden, visible, found.scale, frames, request.seed)


def exempt(track_id: TrackId, request: RedactionRequest) -> bool:
    """Whether the request leaves the track visible."""
    match request.scope:
        case Scope.ALL:
            return False
        case Scope.ALL_BUT:
            return track_id in request.tracks
        case Scope.ONLY:
            return track_id not in request.tracks


def hidden_tracks(plan: Plan, times_s: Sequence[float]) -> tuple[HiddenTrack, ...]:
    """Every track of the plan, by id."""
    told = []
    for spans, left in ((plan.hidden, False), (plan.visible, True)):
        for track_id in {span.track_id for span in spans}:
            mine = [span for span in spans if span.track_id == track_id]
            first, last = min(span.first for span in mine), max(span.last for span in mine)
            count = sum(len(span.rows) for span in mine)
            told.append(HiddenTrack(track_id, times_s[first], times_s[last], count, left))
    return tuple(sorted(told, key=lambda track: track.track_id))


def _rate(times_s: Sequence[float]) -> float:
    if len(times_s) < 2 or times_s[-1] <= times_s[0]:
        return 25.0
    return float(np.clip((len(times_s) - 1) / (times_s[-1] - times_s[0]), 1.0, 240.0))


def _face(span: Span, index: int, plan: Plan) -> FaceToHide:
    row = span.rows[index - span.first]
    box, landmarks = row[:4] / plan.scale, row[4:14].reshape(5, 2) / plan.scale
    return FaceToHide(span.track_id, dilated(box, growth_of(plan.seed, span.track_id)), landmarks.astype(np.float32))


def growth_of(seed: int, track_id: TrackId) -> Floats:
    """By how much of its size a track's cover grows to the left, above, to the right and below (4,): the same in all frames."""
    lots = np.random.default_rng([abs(seed), int(track_id), _GROWTH_PURPOSE])
    return np.asarray(lots.uniform(0, MOST_GROWTH, 4), np.float32)


def dilated(box: Floats, growth: Floats) -> Floats:
    """`box` (xyxy px) grown to all that shows who a face is, by `growth` more, and to `COVER_RATIO`."""
    grown = _with_margins(box)
    size = grown[2:] - grown[:2]
    grown = grown + growth * np.concatenate([-size, size])
    middle, (width, height) = (grown[:2] + grown[2:]) / 2, grown[2:] - grown[:2]
    half = np.array([max(width, height / COVER_RATIO), max(height, width * COVER_RATIO)]) / 2
    return np.concatenate([middle - half, middle + half]).astype(np.float32)


def _with_margins(box: Floats) -> Floats:
    width, height = np.maximum(box[2:] - box[:2], 1.0)
    beside = max(_BESIDE * width, _LEAST_MARGIN_PX)
    above, below = max(_ABOVE * height, _LEAST_MARGIN_PX), max(_BELOW * height, _LEAST_MARGIN_PX)
    return np.asarray(box + np.array([-beside, -above, beside, below]), np.float32)


def tightened(box: Floats) -> Floats:
    """About what `dilated` made `box` of: with the mean growth, and the ratio of most faces."""
    height = (box[3] - box[1]) / ((1 + _ABOVE + _BELOW) * (1 + MOST_GROWTH))
    half = np.array([height / FACE_RATIO, height]) / 2
    middle = (box[:2] + box[2:]) / 2 + np.array([0, (_ABOVE - _BELOW) / 2 * height])
    return np.concatenate([middle - half, middle + half]).astype(np.float32)


class Hiding:
    """Implements `FrameEditor`: draws over the plan's faces and notes about where those under which nothing changed are.

    `describe` adds mesh and measurements to a face, from the picture before anything is drawn; None where the method needs none.
    """

    def __init__(
        self, plan: Plan, redactor: Redactor, describe: Callable[[Pixels, FaceToHide], FaceToHide] | None
    ) -> None:
        self._plan, self._redactor, self._describe = plan, redactor, describe
        self.unchanged: dict[int, list[Floats]] = {}
        self.frames_with_faces = 0

    def regions(self, index: int) -> Sequence[Floats]:
        """See `FrameEditor`."""
        regions = []
        for face in self._plan.hidden_at(index):
            grown = (face.box[2:] - face.box[:2]) * REACH
            regions.append(np.asarray(face.box + np.concatenate([-grown, grown]), np.float32))
        return regions

    def edit(self, pixels: Pixels, index: int) -> None:
        """See `FrameEditor`."""
        faces = self._plan.hidden_at(index)
        if self._describe is not None:
            faces = [self._describe(pixels, face) for face in faces]
        before = [_inner(pixels, face.box).copy() for face in faces]
        self._redactor.hide(pixels, faces)
        self.frames_with_faces += 1
        for face, was in zip(faces, before, strict=True):
            if was.size and _change(was, _inner(pixels, face.box)) < LEAST_CHANGE:
                self.unchanged.setdefault(index, []).append(tightened(face.box))


def _inner(pixels: Pixels, box: Floats) -> Pixels:
    """The middle of the box, every third pixel: the ellipse covers all of it."""
    height, width = pixels.shape[:2]
    finite = np.nan_to_num(box, nan=0.0, posinf=1e6, neginf=-1e6)
    quarter = (finite[2:] - finite[:2]) / 4
    left, top = np.clip(finite[:2] + quarter, 0, [width, height]).astype(int)
    right, bottom = np.clip(finite[2:] - quarter, 0, [width, height]).astype(int)
    return pixels[top:bottom:3, left:right:3]


def _change(before: Pixels, after: Pixels) -> float:
    return float(np.abs(before.astype(np.int16) - after.astype(np.int16)).mean())
