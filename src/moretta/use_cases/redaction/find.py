"""The first pass: every face of an item, forwards and backwards.

Belongs here: detections becoming tracks. Does not belong here: what is hidden of them (`plan`).

A face is begun by one clear detection. From there it is followed both ways: forwards through weaker detections and, for a while,
by its looks; backwards through the weaker detections and the small pictures of the last second, which are all that is kept of the
past. So a face that walks in, turns towards the camera and is found only then is hidden from where it walked in.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from moretta.core.geometry import iou
from moretta.core.redaction import FaceFollower
from moretta.core.values import Face, Floats, Frame, Pixels, TrackId
from moretta.use_cases.redaction.instruments import Cuts, Detectors
from moretta.use_cases.redaction.tracks import FOLLOWED, Track

# Score from which a detection begins a face: here a wall that is hidden costs little. Of 1,485 annotated faces of masked crowds
# .2 covers 1,432 and .3 1,384 (at least half of the face), at 736 and 302 regions where nothing is annotated.
BEGIN_SCORE = 0.2
# Only surer faces are followed by their looks: a wall that is taken for one stays hidden for no longer than it is taken for one.
SURE_SCORE = 0.3
# Detections that continue a face overlap it, or lie within this many of its sizes.
LEAST_OVERLAP = 0.2
MOST_DISTANCE = 0.6
# Correlation of looks from which a face is believed to be where it is followed to.
LEAST_ALIKE = 0.75
# What the past keeps, and how long a face is followed without a detection: at least some frames; at most as many as a second of
# slow motion has, whose small pictures are at most 100 kB each.
MEMORY_S = 1.0
_LEAST_MEMORY, _MOST_MEMORY = 2, 240
# s between two looks of the larger detector; between them weaker detections and looks carry on.
CAREFUL_EVERY_S = 0.8
CHECK_CAREFUL_EVERY_S = 1.6
# px: pictures of a longer side up to this show the smaller detector nearly all that the larger one would see.
CAREFUL_FROM = 800
# s from one look at a video to the next, to the nearest frame: a face moves little meanwhile, and its places between are
# interpolated. The check looks at the frames between. Frames' own times count: containers announce rates that no frame has
# (browsers' recordings 1000 a second).
LOOK_EVERY_S = 0.1
_AT_ONCE = 16
# How far back the place before the last may lie: two looks at slow motion of 240 frames a second.
_SPEED_FRAMES = 48


@dataclass(slots=True)
class Found:
    """What the first pass found: tracks, the time of every frame in s, the first frame of every scene, px per original px;
    `looked_at`: the frames in which it looked."""

    tracks: list[Track]
    times_s: list[float]
    scenes: list[int]
    scale: float
    looked_at: frozenset[int] = frozenset()


@dataclass(slots=True)
class _Past:
    """What is remembered of a frame: its small picture and the detections that nobody claimed."""

    index: int
    time_ns: int
    thumbnail: Pixels
    unclaimed: list[Face] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Looked:
    frame: Frame
    thumbnail: Pixels
    cut: bool
    faces: list[Face] | None


class Every:
    """Says of frames in order whether so many seconds have passed since the last of which it said so, to the nearest frame."""

    def __init__(self, seconds: float) -> None:
        self._ns = round(seconds * 1e9)
        self._last: int | None = None
        self._previous = 0

    def due(self, frame: Frame, anyway: bool = False) -> bool:
        """Whether it is time, or to be done `anyway`; always at the first frame."""
        half_a_frame = (frame.time_ns - self._previous) // 2
        self._previous = frame.time_ns
        if anyway or self._last is None or frame.time_ns + half_a_frame - self._last >= self._ns:
            self._last = frame.time_ns
            return True
        return False


class Looking:
    """Detects in frames on two threads, in order.

    Args:
        detectors: those who look.
        still: whether the frames are pictures of their own, each of which is looked at.
        looks_at: whether a frame of a video is looked at, asked for each in order; the first of a scene always is.
        every_s: s between two looks of the careful detector.
    """

    def __init__(
        self,
        detectors: Detectors,
        cuts: Cuts,
        follower: FaceFollower,
        *,
        still: bool,
        looks_at: Callable[[Frame], bool],
        every_s: float,
    ) -> None:
        self._detectors, self._cuts, self._follower = detectors, cuts, follower
        self._looks_at, self._still, self._careful = looks_at, still, Every(every_s)

    def over(self, frames: Iterator[Frame]) -> Iterator[_Looked]:
        """Every frame with what was found in it; None where nobody looked."""
        with ThreadPoolExecutor(2, thread_name_prefix="detect") as pool:
            waiting: deque[tuple[Frame, Pixels, bool, Future[list[Face]] | None]] = deque()
            for frame in frames:
                cut = self._cuts.cut_before(frame.pixels)
                future = None
                if self._looks_at(frame) or cut or self._still:
                    carefully = max(frame.pixels.shape) > CAREFUL_FROM and self._careful.due(frame, cut)
                    future = pool.submit(self._detected, frame.pixels, carefully)
                waiting.append((frame, self._follower.thumbnail(frame.pixels), cut, future))
                if len(waiting) >= _AT_ONCE:
                    yield _looked(*waiting.popleft())
            while waiting:
                yield _looked(*waiting.popleft())

    def _detected(self, pixels: Pixels, carefully: bool) -> list[Face]:
        if self._still:
            return self._detectors.still.detect(pixels)
        faces = self._detectors.quick.detect(pixels)
        return merged(faces, self._detectors.careful.detect(pixels)) if carefully else faces


def _looked(frame: Frame, thumbnail: Pixels, cut: bool, future: "Future[list[Face]] | None") -> _Looked:
    return _Looked(frame, thumbnail, cut, None if future is None else future.result())


def merged(faces: Sequence[Face], more: Sequence[Face]) -> list[Face]:
    """`faces`, and those of `more` that none of them overlaps; of two on one face the surer."""
    kept = list(faces)
    for face in more:
        boxes = np.stack([each.box for each in kept]) if kept else np.zeros((0, 4), np.float32)
        overlaps = iou(face.box, boxes)
        if not len(overlaps) or float(overlaps.max()) < LEAST_OVERLAP:
            kept.append(face)
        elif face.detection_score > kept[int(overlaps.argmax())].detection_score:
            kept[int(overlaps.argmax())] = face
    return kept


class Finder:
    """Makes tracks of what is found, frame by frame."""

    def __init__(self, follower: FaceFollower) -> None:
        self._follower = follower
        self._past: deque[_Past] = deque(maxlen=_MOST_MEMORY)
        self._active: list[Track] = []
        self._next_id = 1
        self.tracks: list[Track] = []
        self.times_s: list[float] = []
        self.scenes = [0]
        self.looked_at: set[int] = set()

    def take(self, looked: _Looked) -> None:
        """The next frame."""
        frame = looked.frame
        self.times_s.append(frame.time_ns / 1e9)
        if looked.cut:
            self.scenes.append(frame.index)
            self._past.clear()
            self._active = []
        now = _Past(frame.index, frame.time_ns, looked.thumbnail)
        while len(self._past) > _LEAST_MEMORY and now.time_ns - self._past[0].time_ns > MEMORY_S * 1e9:
            self._past.popleft()
        scale = looked.thumbnail.shape[1] / frame.pixels.shape[1]
        if looked.faces is not None:
            self.looked_at.add(frame.index)
            self._associate(now, looked.faces, scale)
        self._past.append(now)

    def _associate(self, now: _Past, faces: list[Face], scale: float) -> None:
        oldest = self._past[0].index if self._past else now.index
        self._active = [track for track in self._active if track.last_detected >= oldest]
        claimed = set()
        for track, column in _pairs(self._active, now.index, faces):
            if column < 0:
                self._follow_on(track, now, scale)
                continue
            face = faces[column]
            track.see(now.index, face.box, face.landmarks, face.detection_score)
            claimed.add(column)
        left = [face for column, face in enumerate(faces) if column not in claimed]
        now.unclaimed = [face for face in left if face.detection_score < BEGIN_SCORE]
        for face in left:
            if face.detection_score >= BEGIN_SCORE:
                self._begin(face, now, scale)

    def _follow_on(self, track: Track, now: _Past, scale: float) -> None:
        """The detector does not see it: by its looks, from the last picture in which it was."""
        if track.best_score < SURE_SCORE:
            return
        last = track.last
        before = next((each for each in self._past if each.index == last), None)
        if before is None:
            return
        box, alike = self._follower.follow(before.thumbnail, track.box(last), now.thumbnail, scale)
        if alike >= LEAST_ALIKE:
            track.see(now.index, box, _moved(track.rows[last], box), FOLLOWED)

    def _begin(self, face: Face, now: _Past, scale: float) -> None:
        track = Track(TrackId(self._next_id))
        self._next_id += 1
        track.see(now.index, face.box, face.landmarks, face.detection_score)
        self._active.append(track)
        self.tracks.append(track)
        later = now
        for earlier in reversed(self._past):
            if not self._step_back(track, later, earlier, scale):
                return
            later = earlier

    def _step_back(self, track: Track, later: _Past, earlier: _Past, scale: float) -> bool:
        """One frame towards the past; False where the face is not to be seen there, or is known there already."""
        place = track.box(later.index)
        weak = _best(place, earlier.unclaimed)
        if weak is not None:
            earlier.unclaimed = [each for each in earlier.unclaimed if each is not weak]
            track.see(earlier.index, weak.box, weak.landmarks, weak.detection_score)
        elif track.best_score < SURE_SCORE:
            return False
        else:
            box, alike = self._follower.follow(later.thumbnail, place, earlier.thumbnail, scale)
            if alike < LEAST_ALIKE:
                return False
            track.see(earlier.index, box, _moved(track.rows[later.index], box), FOLLOWED)
        here = track.box(earlier.index)
        others = [each.box(earlier.index) for each in self.tracks if each is not track and earlier.index in each.rows]
        return not others or float(iou(here, np.stack(others)).max()) < 0.5


def _pairs(tracks: Sequence[Track], index: int, faces: Sequence[Face]) -> list[tuple[Track, int]]:
    """Each track with the index of its face, the nearest pairs first, or -1."""
    places = [_expected(track, index) for track in tracks]
    options = []
    for row, place in enumerate(places):
        for column, face in enumerate(faces):
            cost = _cost(place, face.box)
            if cost is not None:
                options.append((cost, row, column))
    taken: dict[int, int] = {}
    used: set[int] = set()
    for _, row, column in sorted(options):
        if row not in taken and column not in used:
            taken[row] = column
            used.add(column)
    return [(track, taken.get(row, -1)) for row, track in enumerate(tracks)]


def _expected(track: Track, index: int) -> Floats:
    """Where the face should be: on from its last two places, at most half a size."""
    last = track.last
    place = track.box(last)
    known = [i for i in range(last - _SPEED_FRAMES, last) if i in track.rows]
    earlier = [i for i in known if i >= last - 6] or known[-1:]
    if not earlier:
        return place
    start = min(earlier)
    speed = (place - track.box(start)) / (last - start)
    shift = (speed[:2] + speed[2:]) / 2 * (index - last)
    size = float(np.sqrt(np.prod(np.maximum(place[2:] - place[:2], 1))))
    return np.asarray(place + np.tile(np.clip(shift, -size / 2, size / 2), 2), np.float32)


def _cost(place: Floats, box: Floats) -> float | None:
    """How far a detection is from where a face should be; None where it is somebody else's."""
    overlap = float(iou(place, box[None])[0])
    sides = np.maximum(place[2:] - place[:2], 1), np.maximum(box[2:] - box[:2], 1)
    size, other = (float(np.sqrt(np.prod(side))) for side in sides)
    distance = float(np.linalg.norm((place[:2] + place[2:] - box[:2] - box[2:]) / 2)) / size
    alike = 0.5 < other / size < 2
    return 1 - overlap + distance if overlap >= LEAST_OVERLAP or (alike and distance <= MOST_DISTANCE) else None


def _best(place: Floats, faces: Sequence[Face]) -> Face | None:
    costs = [(cost, column) for column, face in enumerate(faces) if (cost := _cost(place, face.box)) is not None]
    return faces[min(costs)[1]] if costs else None


def _moved(row: Floats, box: Floats) -> Floats:
    """The landmarks of `row`, moved with its box to `box`."""
    step = (box[:2] + box[2:] - row[:2] - row[2:4]) / 2
    return np.asarray(row[4:14].reshape(5, 2) + step, np.float32)


def find(
    frames: Iterator[Frame],
    scale: float,
    looking: Looking,
    follower: FaceFollower,
    tick: Callable[[int], None],
) -> Found:
    """All faces of `frames`; `tick` is told how many tracks there are after each frame."""
    finder = Finder(follower)
    for looked in looking.over(frames):
        finder.take(looked)
        tick(len(finder.tracks))
    return Found(finder.tracks, finder.times_s, finder.scenes, scale, frozenset(finder.looked_at))


def tracking_of(found: Found) -> str:
    """SHA-256, 64 hexadecimal digits, of every place of every track, to the last bit: what ids of tracks mean."""
    digest = hashlib.sha256(np.array([found.scale, *found.times_s], "<f8").tobytes())
    digest.update(np.array([len(found.times_s), *found.scenes], "<i8").tobytes())
    for track in found.tracks:
        indices = sorted(track.rows)
        digest.update(np.array([track.track_id, len(indices), *indices], "<i8").tobytes())
        for index in indices:
            digest.update(track.rows[index].astype("<f4").tobytes())
    return digest.hexdigest()
