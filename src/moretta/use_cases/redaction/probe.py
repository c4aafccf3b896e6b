"""Whose is each track? Some faces of each are embedded and leave the worker as one protected probe.

Belongs here: which tracks are clear enough to be compared, and with which of their faces. Does not belong here: comparing (a node
does), who stays visible, and the pass that follows faces (`redact`).

Runs in the worker: an embedding lives from `embed` to `protect` and is in no result.

Whoever matches stays visible over the whole of a track. So a track must be one person's from its first frame to its last: one
that comes so near to another that a detection of the one could have continued the other is not clear, nor is one whose faces,
looked at every second, do not stay alike, or are not to be seen well for a while. Nothing is protected of what is not clear.
"""

from collections.abc import Sequence
from contextlib import closing
from itertools import combinations

import numpy as np

from moretta.core.errors import ModelMismatch
from moretta.core.ports import FaceEmbedder, OnProgress
from moretta.core.prefetch import ahead
from moretta.core.protection import TemplateProtector
from moretta.core.recognising import MAX_TRACKS, ProbedTrack, ProbedTracks, ProbeTracksRequest
from moretta.core.redaction import RedactableMedia, RedactionRequest
from moretta.core.values import Embedding, Face, Floats, Pixels, TrackId
from moretta.use_cases.embed import FaceInstruments, fit_face, why_not
from moretta.use_cases.redaction.find import LEAST_OVERLAP, MOST_DISTANCE, Found, tracking_of
from moretta.use_cases.redaction.instruments import RedactionInstruments
from moretta.use_cases.redaction.plan import plan_of
from moretta.use_cases.redaction.redact import Told, followed
from moretta.use_cases.redaction.tracks import Span, Track

# Detections from here on are faces on photographs (docs/model-cards/centerface.md).
LEAST_SCORE = 0.5
# One face of each second of a track is embedded: whoever takes another's place unnoticed, without a cut and without coming near
# them, for longer than that is noticed.
EVERY_S = 1.0
# Longer without a face that is good enough, at its beginning, within or at its end, and nobody knows whose a track is. A choice:
# faces may be blurred or turned away for about three looks in a row.
LONGEST_UNSEEN_S = 3.0


class _Whose:
    """What is known of a track's person: the sum of the unit vectors of its faces, which stay alike or make it unclear."""

    def __init__(self, threshold: float, from_s: float, to_s: float) -> None:
        self._threshold, self._last_s, self._to_s = threshold, from_s, to_s
        self._sum: Floats | None = None
        self._clear = True
        self.faces = 0

    def see(self, vector: Floats, time_s: float) -> None:
        """Another face, `vector` float32 (d,) of length 1; in the order of time."""
        alike = self._sum is None or float(_unit(self._sum) @ vector) >= self._threshold
        self._clear = self._clear and alike and time_s - self._last_s <= LONGEST_UNSEEN_S
        self._sum = vector if self._sum is None else self._sum + vector
        self._last_s = time_s
        self.faces += 1

    @property
    def vector(self) -> Floats | None:
        """The mean direction; None where it is not clear whose it is."""
        if self._sum is None or not self._clear or self._to_s - self._last_s > LONGEST_UNSEEN_S:
            return None
        return _unit(self._sum)


def probe_tracks(
    media: RedactableMedia,
    request: ProbeTracksRequest,
    instruments: RedactionInstruments,
    measures: FaceInstruments,
    embedder: FaceEmbedder,
    protector: TemplateProtector,
    on_progress: OnProgress | None = None,
) -> ProbedTracks:
    """Every track of the media, followed as `redact` follows them, with a probe of those that are clear.

    Raises:
        MediaError: the media is at fault.
        ModelMismatch: the embedder is not the terms'.
        Exception: whatever `on_progress` raises, to cancel.
    """
    if embedder.model_id != request.terms.model_id:
        raise ModelMismatch("expected the embedder that the terms are for; got another")
    told = Told(on_progress)
    found, info, _ = followed(media, instruments, told)
    spans = plan_of(found, RedactionRequest()).hidden
    near = near_others(spans)
    apart = [track for track in found.tracks if track.track_id not in near]
    longest = sorted(apart, key=lambda track: (-len(track.rows), track.track_id))[:MAX_TRACKS]
    chosen = faces_of(longest, found)
    times_s = found.times_s
    seen = {t.track_id: _Whose(request.threshold, times_s[min(t.rows)], times_s[max(t.rows)]) for t in longest}
    told.begin("probe", min(max(chosen, default=-1) + 1, info.frames))
    with closing(media.reader()) as reader, ahead(reader.frames()) as frames:
        for frame in frames:
            if not chosen or frame.index > max(chosen):
                break
            for track_id, face in chosen.get(frame.index, ()):
                vector = _embedded(frame.pixels, face, request.min_quality, measures, embedder)
                if vector is not None:
                    seen[track_id].see(vector, times_s[frame.index])
            told.frame()
    tracks = (_probed(track.track_id, seen.get(track.track_id), embedder, protector) for track in found.tracks)
    return ProbedTracks(tracking_of(found), tuple(tracks))


def faces_of(tracks: Sequence[Track], found: Found) -> dict[int, list[tuple[TrackId, Face]]]:
    """The faces to embed by frame: of each second of a track the largest that was surely detected."""
    chosen: dict[int, list[tuple[TrackId, Face]]] = {}
    for track in tracks:
        largest: dict[int, tuple[float, int]] = {}
        for index, row in sorted(track.rows.items()):
            if row[14] >= LEAST_SCORE:
                side = float(min(row[2] - row[0], row[3] - row[1]))
                second = int(found.times_s[index] / EVERY_S)
                largest[second] = max(largest.get(second, (0.0, -1)), (side, index))
        for _, index in largest.values():
            row = track.rows[index]
            face = Face(row[:4], row[4:14].reshape(5, 2), float(row[14]))
            chosen.setdefault(index, []).append((track.track_id, face))
    return chosen


def near_others(spans: Sequence[Span]) -> set[TrackId]:
    """The tracks that come near another: in some frame a detection of the one could have continued the other."""
    near: set[TrackId] = set()
    for one, other in combinations(spans, 2):
        if one.track_id != other.track_id and _near(one, other):
            near |= {one.track_id, other.track_id}
    return near


def _near(one: Span, other: Span) -> bool:
    """As `find` pairs tracks with detections, over all frames that both spans have."""
    first, last = max(one.first, other.first), min(one.last, other.last)
    if first > last:
        return False
    a, b = (span.rows[first - span.first : last - span.first + 1, :4].astype(np.float64) for span in (one, other))
    sides_a, sides_b = np.maximum(a[:, 2:] - a[:, :2], 1), np.maximum(b[:, 2:] - b[:, :2], 1)
    inner = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0).prod(axis=1)
    areas_a, areas_b = sides_a.prod(axis=1), sides_b.prod(axis=1)
    overlaps = inner / (areas_a + areas_b - inner) >= LEAST_OVERLAP
    sizes_a, sizes_b = np.sqrt(areas_a), np.sqrt(areas_b)
    apart = np.linalg.norm((a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) / 2, axis=1)
    alike = (sizes_a < 2 * sizes_b) & (sizes_b < 2 * sizes_a)
    return bool((overlaps | (alike & (apart <= MOST_DISTANCE * np.maximum(sizes_a, sizes_b)))).any())


def _embedded(
    pixels: Pixels, face: Face, min_quality: float, measures: FaceInstruments, embedder: FaceEmbedder
) -> Floats | None:
    """The embedding of a face in px of the decoded frame; None where it is not good enough."""
    fitted = fit_face(pixels, face, measures)
    if fitted.landmarks is None or why_not(fitted, min_quality):
        return None
    return embedder.embed(pixels, fitted.landmarks).vector


def _probed(
    track_id: TrackId, whose: _Whose | None, embedder: FaceEmbedder, protector: TemplateProtector
) -> ProbedTrack:
    vector = None if whose is None else whose.vector
    if whose is None or vector is None:
        return ProbedTrack(track_id)
    return ProbedTrack(track_id, whose.faces, protector.protect_probe(Embedding(vector, embedder.model_id)).payload)


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9), np.float32)
