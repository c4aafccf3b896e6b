"""A stage of simulated people, and a detector, a mesh and an embedder that look at it.

The picture carries the frame number in its first pixels, so that the networks' stand-ins know what there is to see.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from vision_faces import mesh_at

from moretta.core.geometry import bounding_box, iou, mesh_landmarks
from moretta.core.values import Embedding, Face, Floats, Frame, Mesh, Pixels

WIDTH, HEIGHT = 640, 480
Place = tuple[float, float, float]


@dataclass(frozen=True)
class Person:
    """`at(time_s)` gives middle x, y and size in px, or None while out of sight; a higher `depth` is farther away."""

    name: int
    at: Callable[[float], Place | None]
    depth: int = 0
    mesh_fits: bool = True
    score: float = 0.9


@dataclass
class Stage:
    """Who is seen when: a person more than half covered by a nearer one is hidden."""

    people: list[Person]
    rate_hz: float = 25.0
    detections: int = 0
    fits: int = 0
    iris_calls: int = 0
    phantom: Face | None = None
    twice: bool = False
    blind: set[int] = field(default_factory=set)
    known: dict[int, list[tuple[Person, Place]]] = field(default_factory=dict)

    def frame(self, index: int, backdrop: Pixels | None = None) -> Frame:
        """The picture of a frame number."""
        pixels = np.full((HEIGHT, WIDTH, 3), 90, np.uint8) if backdrop is None else backdrop.copy()
        pixels[0, 0] = (index // 65536, index // 256 % 256, index % 256)
        return Frame(pixels, index, round(index / self.rate_hz * 1e9))

    def visible(self, pixels: Pixels) -> list[tuple[Person, Place]]:
        """The people in view, nearest first."""
        high, middle, low = (int(v) for v in pixels[0, 0])
        index = high * 65536 + middle * 256 + low
        if index not in self.known:
            self.known = {index: self._visible_at(index / self.rate_hz)}
        return self.known[index]

    def _visible_at(self, time_s: float) -> list[tuple[Person, Place]]:
        seen: list[tuple[Person, Place]] = []
        for person in sorted(self.people, key=lambda p: p.depth):
            place = person.at(time_s)
            if place is not None and all(_covered(place, front) < 0.5 for _, front in seen):
                seen.append((person, place))
        return seen

    def who(self, pixels: Pixels, x: float, y: float) -> tuple[Person, Place, float] | None:
        """The visible person nearest to a point, with the distance in face sizes."""
        distances = [(np.hypot(p[0] - x, p[1] - y) / p[2], i) for i, (_, p) in enumerate(self.visible(pixels))]
        if not distances:
            return None
        distance, nearest = min(distances)
        person, place = self.visible(pixels)[nearest]
        return person, place, float(distance)

    # FaceDetector
    def detect(self, pixels: Pixels) -> list[Face]:
        """Everybody in view, but for those the detector is `blind` to; the phantom too."""
        self.detections += 1
        faces = [_face(place, person.score) for person, place in self.visible(pixels) if person.name not in self.blind]
        if self.twice:
            faces += [_face((p[0] + 3, p[1] + 2, p[2] * 1.05), 0.6) for _, p in self.visible(pixels)]
        return [*faces, self.phantom] if self.phantom is not None else faces

    # MeshFollower
    def fit(self, pixels: Pixels, face: Face, irises: bool = True) -> Mesh:
        """The mesh of whoever is where the face is."""
        self.fits += 1
        middle = (face.box[:2] + face.box[2:]) / 2
        return self._mesh(pixels, middle, float(face.box[3] - face.box[1]), irises)

    def follow(self, pixels: Pixels, previous: Mesh, irises: bool = True) -> Mesh:
        """The mesh of whoever is nearest to the previous one: it jumps to another face as real meshes do."""
        box = bounding_box(previous.points)
        return self._mesh(pixels, (box[:2] + box[2:]) / 2, float(box[3] - box[1]), irises)

    def _mesh(self, pixels: Pixels, middle: Floats, size: float, irises: bool) -> Mesh:
        self.iris_calls += irises
        found = self.who(pixels, float(middle[0]), float(middle[1]))
        if found is None or found[2] > 0.6 or not found[0].mesh_fits:
            return mesh_at(float(middle[0]), float(middle[1]), max(size, 2), presence=0.02, irises=irises)
        return mesh_at(*found[1], irises=irises)


class StageEmbedder:
    """Tells the people of a stage apart as well as a real embedder does: .7 alike with themselves, near 0 with others."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.calls = stage, 0
        self._rng = np.random.default_rng(0)

    @property
    def model_id(self) -> str:
        """A name."""
        return "stage"

    def embed(self, pixels: Pixels, landmarks: Floats) -> Embedding:
        """A noisy vector of whoever is there."""
        self.calls += 1
        middle = landmarks.mean(0)
        found = self.stage.who(pixels, float(middle[0]), float(middle[1]))
        clean = np.zeros(64)
        clean[found[0].name if found else 63] = 1
        vector = clean + self._rng.normal(0, 0.08, 64)
        return Embedding((vector / np.linalg.norm(vector)).astype(np.float32), self.model_id)


def standing(x: float, y: float, size: float = 100) -> Callable[[float], Place | None]:
    """Somebody who stays."""
    return lambda _: (x, y, size)


def walking(x: float, y: float, speed: float, size: float = 100) -> Callable[[float], Place | None]:
    """Somebody who walks across at `speed` px/s and is seen while within the picture."""

    def at(time_s: float) -> Place | None:
        here = x + speed * time_s
        return (here, y, size) if 0 < here < WIDTH else None

    return at


def hidden(at: Callable[[float], Place | None], start_s: float, end_s: float) -> Callable[[float], Place | None]:
    """The same, but out of sight for a while."""
    return lambda time_s: None if start_s <= time_s < end_s else at(time_s)


def _box(place: Place) -> Floats:
    x, y, size = place
    return np.array([x - 0.45 * size, y - 0.5 * size, x + 0.45 * size, y + 0.5 * size], np.float32)


def _covered(place: Place, front: Place) -> float:
    return float(iou(_box(place), _box(front)[None])[0])


def _face(place: Place, score: float) -> Face:
    box = np.clip(_box(place), 0, [WIDTH, HEIGHT, WIDTH, HEIGHT]).astype(np.float32)
    return Face(box, mesh_landmarks(mesh_at(*place).points), score)
