"""Following faces through a video under stable ids.

Belongs here: when to detect, when a track is lost, found again, merged or renamed.
Does not belong here: the networks (ports), the geometry of assignment (`association`), scene cuts (`cuts`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from moretta.core.geometry import bounding_box, iou, mesh_landmarks
from moretta.core.ports import FaceDetector, FaceEmbedder
from moretta.core.values import Face, Floats, Frame, Mesh, Pixels, TrackedFace, TrackId
from moretta.vision.appearance import Appearance, Identity
from moretta.vision.association import FORBIDDEN, Placement, assigned, pair_costs, return_costs, unambiguous
from moretta.vision.cuts import CutDetector

LEAST_PRESENCE = 0.5  # MediaPipe face_landmark graphs, min_tracking_confidence
MATCH_GATE = 0.75  # pair cost: no overlap and half a face away
REFIT_COST = 0.5  # a mesh this far from its detection has drifted
DUPLICATE_OVERLAP = 0.5  # boxes of two people side by side overlap less
DUPLICATE_DISTANCE = 0.25  # mean landmark distance in face sizes below which two meshes sit on one face
CONTACT_OVERLAP = 0.1  # from here on two meshes may jump to each other's face
HIDING_OVERLAP = 0.4  # from here on so much is covered that appearance misleads
MOST_JUMP = 0.5  # face sizes from one frame to the next, beside the predicted motion
MOST_GROWTH = 1.5  # face size ratio from one frame to the next
CLEAR_RATIO = 0.6  # without appearance, a return must be this much likelier than any other
MOST_CONTRADICTIONS = 3  # looks in a row that are not like the track's person: one may be blurred or turned away
MISSES_ALLOWED = 4  # detections in a row that miss a followed face (profiles are missed) ...
SURE_PRESENCE = 0.95  # ... unless the mesh is this sure
DETECT_WHILE_UNSURE = 3  # frames between detections while a face is lost or its mesh unsure
LONGEST_WITHOUT_DETECTION_S = 0.5  # slow streams: never follow blindly for longer
VELOCITY_MEMORY = 0.6  # share of the old velocity kept in each update


class MeshFollower(Protocol):
    """A `LandmarkModel` that can also follow a mesh from one picture to the next."""

    def fit(self, pixels: Pixels, face: Face, irises: bool = True) -> Mesh:
        """The mesh of a detected face."""

    def follow(self, pixels: Pixels, previous: Mesh, irises: bool = True) -> Mesh:
        """The mesh looked for where `previous` was."""


@dataclass(slots=True)
class _Track:
    identity: Identity
    mesh: Mesh
    face: Face
    seen_ns: int
    trusted: bool  # the mesh is sure; otherwise the detector's face is coasted from detection to detection
    velocity: Floats = field(default_factory=lambda: np.zeros(2, np.float32))
    detected: bool = True
    lost: bool = False
    misses: int = 0
    frames: int = 1
    surprise: float = 0.0

    @property
    def place(self) -> Placement:
        return Placement(self.face.box, self.face.landmarks)


class FaceTracker:
    """Detects now and then, follows meshes in between.

    Args:
        detector: finds faces.
        landmarks: fits and follows the mesh.
        detect_every: frames between detections while every face is followed well; 10 fast, 5 accurate.
        max_faces: most faces followed at once.
        embedder: appearance, asked about once a second a face, and where geometry cannot tell people apart; optional.
        same_person: cosine similarity from which two embeddings of `embedder` count as one person.
        keep_alive_s: media time for which a lost face keeps its id.
        iris_every: frames between measurements of the irises.
        least_untrusted_score: detection score from which a face is reported although its mesh does not fit.
    """

    def __init__(
        self,
        detector: FaceDetector,
        landmarks: MeshFollower,
        *,
        detect_every: int = 5,
        max_faces: int = 20,
        embedder: FaceEmbedder | None = None,
        same_person: float = 0.35,
        keep_alive_s: float = 1.5,
        iris_every: int = 1,
        least_untrusted_score: float = 0.5,
    ) -> None:
        self._detector = detector
        self._landmarks = landmarks
        self._detect_every = max(1, detect_every)
        self._max_faces = max_faces
        self._appearance = Appearance(embedder, same_person)
        self._keep_alive_ns = int(keep_alive_s * 1e9)
        self._iris_every = max(1, iris_every)
        self._least_untrusted_score = least_untrusted_score
        self._cuts = CutDetector()
        self._tracks: list[_Track] = []
        self._next_id = 1
        self._frames = 0
        self._since_detection = 0
        self._detected_ns: int | None = None

    def update(self, frame: Frame) -> list[TrackedFace]:
        """The faces of the next frame in the order of their ids; a mesh of low `presence` is not to be measured on."""
        if self._cuts.cut_before(frame.pixels):
            self._tracks.clear()
            self._detected_ns = None
        oldest = frame.time_ns - self._keep_alive_ns
        self._tracks = [track for track in self._tracks if not track.lost or track.seen_ns >= oldest]
        irises = self._frames % self._iris_every == 0
        failed = [not self._follow(track, frame, irises) for track in self._active()]
        self._since_detection += 1
        if any(failed) or self._detection_due(frame.time_ns):
            self._detect(frame, irises)
        self._merge_duplicates()
        self._tell_apart(frame)
        self._frames += 1
        reported = sorted(self._active(), key=lambda track: track.identity.track_id)
        return [TrackedFace(track.identity.track_id, track.face, track.mesh, track.detected) for track in reported]

    def _active(self) -> list[_Track]:
        return [track for track in self._tracks if not track.lost]

    def _detection_due(self, now_ns: int) -> bool:
        if self._detected_ns is None or now_ns - self._detected_ns >= LONGEST_WITHOUT_DETECTION_S * 1e9:
            return True
        every = self._detect_every
        if not self._tracks:
            every = max(1, every // 2)
        elif any(track.lost or not track.trusted for track in self._tracks):
            every = min(every, DETECT_WHILE_UNSURE)
        return self._since_detection >= every

    def _follow(self, track: _Track, frame: Frame, irises: bool) -> bool:
        """Move the track to the frame; False where its mesh was sure before and is no longer."""
        elapsed_s = max(0.0, (frame.time_ns - track.seen_ns) / 1e9)
        step = track.velocity * min(elapsed_s, 0.1)
        expected = _shifted(track.mesh, step) if float(np.hypot(*step)) > 0.03 * track.place.size else track.mesh
        mesh = self._landmarks.follow(frame.pixels, expected, irises)
        face = _face_of(mesh, track.face.detection_score, frame.pixels)
        was_trusted = track.trusted
        track.detected = False
        track.frames += 1
        if face is not None and self._plausible(track, mesh, face, step):
            self._place(track, mesh, face, frame.time_ns)
            track.trusted = True
            return True
        if was_trusted:
            track.trusted = False
            track.mesh = Mesh(track.mesh.points.copy(), min(mesh.presence, 1 - LEAST_PRESENCE - 1e-3))
        return not was_trusted

    def _plausible(self, track: _Track, mesh: Mesh, face: Face, step: Floats) -> bool:
        place = Placement(face.box, face.landmarks)
        jump = float(np.hypot(*(place.centre - track.place.centre - step))) / track.place.size
        growth = place.size / track.place.size
        track.surprise = 0.5 * track.surprise + jump
        return mesh.presence >= LEAST_PRESENCE and jump <= MOST_JUMP and 1 / MOST_GROWTH <= growth <= MOST_GROWTH

    def _place(self, track: _Track, mesh: Mesh, face: Face, now_ns: int) -> None:
        elapsed_s = (now_ns - track.seen_ns) / 1e9
        if elapsed_s > 0:
            moved = (Placement(face.box, face.landmarks).centre - track.place.centre) / elapsed_s
            track.velocity = np.asarray(VELOCITY_MEMORY * track.velocity + (1 - VELOCITY_MEMORY) * moved, np.float32)
        track.mesh, track.face, track.seen_ns = mesh, face, now_ns

    def _detect(self, frame: Frame, irises: bool) -> None:
        found = self._detector.detect(frame.pixels)
        self._since_detection = 0
        self._detected_ns = frame.time_ns
        active = self._active()
        costs = pair_costs([track.place for track in active], [_place_of(face) for face in found], MATCH_GATE)
        pairs = assigned(costs)
        for row, column in pairs:
            self._confirm(active[row], found[column], frame, irises, drifted=costs[row, column] > REFIT_COST)
        matched = {row for row, _ in pairs}
        for row, track in enumerate(active):
            if row not in matched:
                self._miss(track)
        taken = {column for _, column in pairs}
        self._admit([face for column, face in enumerate(found) if column not in taken], frame, irises)

    def _confirm(self, track: _Track, found: Face, frame: Frame, irises: bool, drifted: bool) -> None:
        track.misses = 0
        track.detected = True
        if track.trusted and not drifted:
            track.face = Face(track.face.box, track.face.landmarks, found.detection_score)
            return
        fitted = self._fitted(found, frame, irises)
        if fitted is None:
            self._miss(track)
            return
        mesh, face, trusted = fitted
        self._place(track, mesh, face, frame.time_ns)
        track.trusted = trusted

    def _miss(self, track: _Track) -> None:
        track.misses += 1
        if not track.trusted or (track.misses >= MISSES_ALLOWED and track.mesh.presence < SURE_PRESENCE):
            track.lost = True

    def _fitted(self, found: Face, frame: Frame, irises: bool) -> tuple[Mesh, Face, bool] | None:
        """Mesh, face and whether the mesh is sure; None where neither detector nor mesh is sure of a face."""
        mesh = self._landmarks.fit(frame.pixels, found, irises)
        face = _face_of(mesh, found.detection_score, frame.pixels)
        if face is not None and mesh.presence >= LEAST_PRESENCE:
            return mesh, face, True
        return (mesh, found, False) if found.detection_score >= self._least_untrusted_score else None

    def _admit(self, found: Sequence[Face], frame: Frame, irises: bool) -> None:
        """Give faces that no followed track explains to a lost track, or to a new one."""
        fresh: list[tuple[Mesh, Face, bool]] = []
        for candidate in found:
            places = [track.place for track in self._active()] + [_place_of(face) for _, face, _ in fresh]
            if len(places) >= self._max_faces:
                break
            fitted = self._fitted(candidate, frame, irises)
            if fitted is not None and not any(_duplicate(_place_of(fitted[1]), place) for place in places):
                fresh.append(fitted)
        returned = self._returned([face for _, face, _ in fresh], frame)
        for column, (mesh, face, trusted) in enumerate(fresh):
            track = returned.get(column)
            if track is None:
                self._tracks.append(_Track(self._new_identity(), mesh, face, frame.time_ns, trusted))
                continue
            track.velocity = np.zeros(2, np.float32)
            track.mesh, track.face, track.seen_ns, track.trusted = mesh, face, frame.time_ns, trusted
            track.lost, track.detected, track.misses, track.surprise = False, True, 0, 0.0

    def _returned(self, faces: Sequence[Face], frame: Frame) -> dict[int, _Track]:
        """Which face is which lost track's: position and size must fit, and appearance where it is known."""
        lost = [track for track in self._tracks if track.lost]
        if not lost or not faces:
            return {}
        places = [_place_of(face) for face in faces]
        vectors = [self._appearance.vector(frame.pixels, face.landmarks) for face in faces]
        costs = np.full((len(lost), len(faces)), FORBIDDEN)
        known = True
        for row, track in enumerate(lost):
            away_s = (frame.time_ns - track.seen_ns) / 1e9
            consistent = return_costs(track.place, track.velocity, away_s, places)
            for column, cost in enumerate(consistent):
                likeness = self._appearance.likeness(track.identity, vectors[column])
                known = known and likeness is not None
                if cost <= 1 and (likeness is None or self._appearance.same(likeness)):
                    costs[row, column] = cost if likeness is None else 1 - likeness
        pairs = assigned(costs)
        if not known:
            pairs = unambiguous(costs, pairs, CLEAR_RATIO)
        return {column: lost[row] for row, column in pairs}

    def _merge_duplicates(self) -> None:
        """Of two tracks on one face the one that jumped there is lost; a newcomer goes altogether."""
        active = self._active()
        for i, one in enumerate(active):
            for other in active[i + 1 :]:
                if one.lost or other.lost or not _duplicate(one.place, other.place):
                    continue
                loser = one if one.surprise > other.surprise + 0.05 else other
                loser.lost = True
                loser.trusted = False
                one.identity.contest(other.identity)
        self._tracks = [track for track in self._tracks if not track.lost or track.frames > DETECT_WHILE_UNSURE]

    def _tell_apart(self, frame: Frame) -> None:
        """Note who touches whom; once apart, let appearance decide who is who."""
        active = self._active()
        overlaps = _overlaps(active)
        for row, column in np.argwhere(np.triu(overlaps, 1) >= CONTACT_OVERLAP):
            active[row].identity.contest(active[column].identity)
        for track, overlap in zip(active, overlaps.max(axis=1, initial=0.0), strict=True):
            if not track.trusted or overlap >= HIDING_OVERLAP:
                continue
            self._look(track, frame, apart=overlap < CONTACT_OVERLAP)

    def _look(self, track: _Track, frame: Frame, apart: bool) -> None:
        """Compare the track with those it met, and, while it stands alone, with its own past."""
        identity = track.identity
        alive = {other.identity.track_id for other in self._tracks}
        met_active = {other.identity.track_id for other in self._active()} & identity.contested
        identity.contested &= alive
        # A lost partner may come back under this very mesh, so it stays contested until it is found or forgotten.
        if identity.contested and ((apart and met_active) or self._appearance.due(identity, frame)):
            if apart:
                identity.contested -= met_active
            partners = [other for other in self._tracks if other.identity.track_id in identity.contested | met_active]
            self._settle(track, partners, frame, apart)
        if apart and not self._appearance.remember(track.identity, frame, track.face.landmarks):
            others = [other for other in self._tracks if other is not track]
            self._settle(track, others, frame, track.identity.contradictions >= MOST_CONTRADICTIONS)

    def _settle(self, track: _Track, partners: Sequence[_Track], frame: Frame, apart: bool) -> None:
        """Swap ids where faces did. Only once apart is a face too clear to be nobody's that was known."""
        vector = self._appearance.vector(frame.pixels, track.face.landmarks)
        owner = self._appearance.owner(track.identity, [other.identity for other in partners], vector)
        if owner is None:
            return
        if owner >= 0:
            track.identity, partners[owner].identity = partners[owner].identity, track.identity
            return
        if not apart:
            return
        # Neither this track's person nor anybody it met: the id waits as lost, the face gets a new one.
        self._tracks.append(_Track(track.identity, track.mesh, track.face, track.seen_ns, False, lost=True, frames=99))
        track.identity = self._new_identity()

    def _new_identity(self) -> Identity:
        identity = Identity(TrackId(self._next_id))
        self._next_id += 1
        return identity


def _place_of(face: Face) -> Placement:
    return Placement(face.box, face.landmarks)


def _duplicate(one: Placement, other: Placement) -> bool:
    overlap = float(iou(one.box, other.box[None])[0])
    distance = float(np.linalg.norm(one.landmarks - other.landmarks, axis=1).mean())
    return overlap > DUPLICATE_OVERLAP or (overlap > 0 and distance < DUPLICATE_DISTANCE * min(one.size, other.size))


def _overlaps(tracks: Sequence[_Track]) -> Floats:
    """Intersection over union of all boxes with one another, (n, n), 0 on the diagonal."""
    if not tracks:
        return np.zeros((0, 0), np.float32)
    boxes = np.stack([track.face.box for track in tracks])
    overlaps = np.stack([iou(box, boxes) for box in boxes])
    np.fill_diagonal(overlaps, 0)
    return overlaps


def _shifted(mesh: Mesh, step: Floats) -> Mesh:
    points = mesh.points.copy()
    points[:, :2] += step
    return Mesh(points, mesh.presence)


def _face_of(mesh: Mesh, score: float, pixels: Pixels) -> Face | None:
    """The face that a mesh outlines, its box clipped to the picture; None where its middle lies outside."""
    height, width = pixels.shape[:2]
    box = bounding_box(mesh.points)
    middle = (box[:2] + box[2:]) / 2
    if not np.isfinite(box).all() or (middle < 0).any() or middle[0] > width or middle[1] > height:
        return None
    clipped = np.clip(box, 0, [width, height, width, height]).astype(np.float32)
    return Face(clipped, mesh_landmarks(mesh.points), score)
