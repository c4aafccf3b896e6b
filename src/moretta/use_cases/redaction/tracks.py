"""Tracks of faces over the frames of one item, in little memory, and what is made of them once all frames were seen.

Belongs here: pure arithmetic on boxes. Does not belong here: pictures.

A frame of a track takes about 300 bytes while it is gathered and 60 after: 40,000 frames (the default limit of a video) with four
faces in each take 48 MB.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from moretta.core.values import Floats, TrackId

# Values of one frame: box (4), landmarks (10), score; a score of 0 marks a face that was followed and not detected.
_WIDTH = 15
FOLLOWED = 0.0

Doubles = npt.NDArray[np.float64]


@dataclass(slots=True)
class Track:
    """One face over frames: `rows` by frame index, each float32 (15,)."""

    track_id: TrackId
    rows: dict[int, Floats] = field(default_factory=dict)
    last: int = -1
    last_detected: int = -1
    best_score: float = 0.0

    def see(self, index: int, box: Floats, landmarks: Floats, score: float) -> None:
        """The face is at `box` in frame `index`."""
        row = np.empty(_WIDTH, np.float32)
        row[:4], row[4:14], row[14] = box, landmarks.reshape(-1), score
        self.rows[index] = row
        self.last = max(self.last, index)
        if score > FOLLOWED:
            self.last_detected = max(self.last_detected, index)
            self.best_score = max(self.best_score, score)

    def box(self, index: int) -> Floats:
        """The box in frame `index`, which is one of its own."""
        return self.rows[index][:4]


@dataclass(frozen=True, slots=True)
class Span:
    """A finished track: `rows` float32 (n, 15) of consecutive frames from `first` on; `detected` frames had a detection."""

    track_id: TrackId
    first: int
    rows: Floats
    detected: int

    @property
    def last(self) -> int:
        """Index of the last frame."""
        return self.first + len(self.rows) - 1


def span_of(track: Track, scenes: list[int], longest_gap: int, reach: int, frames: int) -> list[Span]:
    """The track without gaps, as spans that stay each within one scene.

    Between two frames of the track up to `longest_gap` apart places are interpolated; the track is split at longer gaps and at
    scene cuts. Each span is extended by up to `reach` frames before its first and after its last, at the speed that it has
    there, but never across a cut.

    Args:
        track: with at least one frame.
        scenes: the first frame of each scene in order, beginning with 0.
        longest_gap: frames.
        reach: frames.
        frames: how many the item has.
    """
    indices = sorted(track.rows)
    starts = np.asarray(scenes)
    scene_of = np.searchsorted(starts, indices, side="right")
    pieces: list[list[int]] = [[indices[0]]]
    for before, now, one, other in zip(indices, indices[1:], scene_of, scene_of[1:], strict=False):
        if now - before > longest_gap or one != other:
            pieces.append([])
        pieces[-1].append(now)
    ends = np.append(starts[1:], frames)
    spans = []
    for piece in pieces:
        scene = int(np.searchsorted(starts, piece[0], side="right")) - 1
        spans.append(_filled(track, piece, reach, int(starts[scene]), int(ends[scene])))
    return spans


def _filled(track: Track, indices: list[int], reach: int, scene_start: int, scene_end: int) -> Span:
    known = np.stack([track.rows[i] for i in indices])
    whole = np.arange(indices[0], indices[-1] + 1)
    rows = np.stack([np.interp(whole, indices, known[:, c]) for c in range(_WIDTH - 1)], axis=1)
    scores = np.zeros(len(whole), np.float32)
    scores[np.asarray(indices) - indices[0]] = known[:, -1]
    before = _beyond(rows, min(reach, indices[0] - scene_start), backwards=True)
    after = _beyond(rows, min(reach, scene_end - 1 - indices[-1]), backwards=False)
    places = np.concatenate([before, rows, after])
    padded = np.concatenate([np.zeros(len(before)), scores, np.zeros(len(after))])
    made = np.concatenate([places, padded[:, None]], axis=1).astype(np.float32)
    return Span(track.track_id, indices[0] - len(before), made, int((known[:, -1] > FOLLOWED).sum()))


def _beyond(rows: Doubles, count: int, backwards: bool) -> Doubles:
    """`count` rows beyond one end: the end's own place, moving on as it did over its last frames."""
    if count <= 0:
        return np.zeros((0, rows.shape[1]))
    edge = rows[0] if backwards else rows[-1]
    span = min(len(rows) - 1, 5)
    step = np.zeros(rows.shape[1])
    if span > 0:
        other = rows[span] if backwards else rows[-1 - span]
        drift = (edge - other) / span
        # The middle moves on, the size stays: growing into the distance would hide nothing.
        shift = (drift[:2] + drift[2:4]) / 2
        step = np.tile(shift, rows.shape[1] // 2)
    steps = np.arange(count, 0, -1) if backwards else np.arange(1, count + 1)
    return np.asarray(edge + steps[:, None] * step)
