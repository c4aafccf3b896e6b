"""The worker's pipeline over fakes: which faces are protected, and why others are not."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from tests.fakes import FakeReader

from moretta.core.errors import MediaUnsupported, ModelMismatch
from moretta.core.protection import ProtectionTerms, Scheme
from moretta.core.recognising import EmbedRequest, Wanted
from moretta.core.values import Embedding, Face, Floats, MediaKind, Mesh, Pixels, Quality
from moretta.protection.schemes import protector
from moretta.use_cases.embed import FaceInstruments, compare, embed

MODEL = "fake:1"
TERMS = ProtectionTerms(Scheme.PLAIN, MODEL, 4, "key")


def _face(left: float, side: float) -> Face:
    box = np.array([left, 10, left + side, 10 + side], np.float32)
    marks = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32) * side + [left, 10]
    return Face(box, marks.astype(np.float32), 0.9)


@dataclass
class Detector:
    """Finds what it is told."""

    faces: list[Face]
    asked: int = 0

    def detect(self, _: Pixels) -> list[Face]:
        self.asked += 1
        return self.faces


@dataclass
class Embedder:
    """A direction for each place in the picture."""

    model_id: str = MODEL
    seen: list[Floats] = field(default_factory=list)

    def embed(self, _: Pixels, landmarks: Floats) -> Embedding:
        self.seen.append(landmarks)
        raw = np.array([1.0, landmarks[0, 0] / 50, 0, 0], np.float32)
        return Embedding(raw / np.linalg.norm(raw), self.model_id)


def _instruments(
    *detectors: Detector, presence: float = 0.99, quality: float = 80.0, shift: float = 0.0
) -> FaceInstruments:
    def mesh_of(_: Pixels, face: Face) -> Mesh:
        side = float(face.box[2] - face.box[0])
        points = np.random.default_rng(1).random((468, 3)).astype(np.float32) * side
        points[:, 0] += face.box[0] + shift
        points[:, 1] += face.box[1]
        return Mesh(points, presence)

    def quality_of(_: Pixels, __: Mesh) -> Quality:
        return Quality(10.0, 90.0, 95.0, 40.0, 90.0, quality, 50.0)

    return FaceInstruments(detectors, mesh_of, quality_of, lambda pixels: b"jpeg of %d" % pixels.shape[1])


def _still() -> FakeReader:
    return FakeReader(1, kind=MediaKind.IMAGE, scale=0.5)


def test_the_one_face_becomes_a_reference_and_a_probe_and_the_photo_is_written_anew() -> None:
    reader = _still()
    request = EmbedRequest(TERMS, Wanted.REFERENCE, 40.0, photo=True)
    found = embed(reader, request, _instruments(Detector([_face(20, 60)])), Embedder(), protector(TERMS))
    (face,) = found.faces
    assert face.reference is not None
    assert face.probe is not None
    assert np.frombuffer(face.reference[-16:], np.float32).shape == (4,)
    assert face.box == (40.0, 20.0, 160.0, 140.0), "in pixels of the original"
    assert found.photo == b"jpeg of 200"
    assert reader.closed


def test_every_face_becomes_a_probe_the_largest_first() -> None:
    faces = [_face(10, 20), _face(60, 60), _face(140, 40)]
    found = embed(
        _still(),
        EmbedRequest(TERMS, Wanted.PROBE, max_faces=2),
        _instruments(Detector(faces)),
        Embedder(),
        protector(TERMS),
    )
    assert [face.box[0] for face in found.faces] == [120.0, 280.0]
    assert all(face.probe is not None and face.reference is None for face in found.faces)


@pytest.mark.parametrize("wanted", [Wanted.REFERENCE, Wanted.PROBE_OF_ONE])
def test_of_several_faces_none_is_embedded_where_one_was_wanted(wanted: Wanted) -> None:
    embedder = Embedder()
    found = embed(
        _still(),
        EmbedRequest(TERMS, wanted, photo=True),
        _instruments(Detector([_face(10, 40), _face(100, 40)])),
        embedder,
        protector(TERMS),
    )
    assert len(found.faces) == 2
    assert embedder.seen == []
    assert found.photo is None


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda faces: _instruments(faces, quality=20.0), "20: it is blurred and the face is too small"),
        (lambda faces: _instruments(faces, presence=0.2), "covered, cut off, or turned"),
        (lambda faces: _instruments(faces, shift=-60.0), "its edge cuts the face"),
    ],
    ids=["quality", "no mesh", "cut"],
)
def test_a_face_that_is_not_good_enough_says_why(make: Callable[[Detector], FaceInstruments], words: str) -> None:
    embedder = Embedder()
    request = EmbedRequest(TERMS, Wanted.REFERENCE, 40.0, photo=True)
    found = embed(_still(), request, make(Detector([_face(20, 60)])), embedder, protector(TERMS))
    (face,) = found.faces
    assert words in face.reason
    assert (face.reference, face.probe, found.photo) == (None, None, None)
    assert embedder.seen == []


def test_a_cut_face_may_still_be_searched_for() -> None:
    request = EmbedRequest(TERMS, Wanted.PROBE)
    instruments = _instruments(Detector([_face(20, 60)]), shift=-60.0)
    found = embed(_still(), request, instruments, Embedder(), protector(TERMS))
    assert found.faces[0].probe is not None


def test_a_detector_for_tight_crops_is_asked_where_the_first_finds_nobody() -> None:
    first, second = Detector([]), Detector([_face(20, 60)])
    request = EmbedRequest(TERMS, Wanted.PROBE)
    assert len(embed(_still(), request, _instruments(first, second), Embedder(), protector(TERMS)).faces) == 1
    assert (first.asked, second.asked) == (1, 1)
    nobody = embed(_still(), request, _instruments(first), Embedder(), protector(TERMS))
    assert nobody.faces == ()


def test_a_video_is_refused() -> None:
    reader = FakeReader(5)
    with pytest.raises(MediaUnsupported, match="still picture"):
        embed(reader, EmbedRequest(TERMS, Wanted.PROBE), _instruments(Detector([])), Embedder(), protector(TERMS))
    assert reader.closed


def test_an_embedding_of_another_model_is_not_protected() -> None:
    instruments = _instruments(Detector([_face(20, 60)]))
    with pytest.raises(ModelMismatch):
        embed(_still(), EmbedRequest(TERMS, Wanted.PROBE), instruments, Embedder("other:1"), protector(TERMS))


def test_two_pictures_are_compared_at_the_threshold_asked_for() -> None:
    instruments = _instruments(Detector([_face(20, 60)]))
    same = compare(_still(), _still(), 0.99, instruments, Embedder())
    assert same.match is True
    assert len(same.first) == len(same.second) == 1
    embedder = Embedder()
    embedder.embed(np.zeros((1, 1, 3), np.uint8), np.zeros((5, 2), np.float32))
    assert compare(_still(), _still(), 1.01, instruments, embedder).match is False


def test_a_comparison_without_a_face_decides_nothing() -> None:
    nothing = compare(_still(), _still(), 0.5, _instruments(Detector([])), Embedder())
    assert (nothing.match, nothing.first, nothing.second) == (None, (), ())
    covered = compare(_still(), _still(), 0.5, _instruments(Detector([_face(20, 60)]), presence=0.1), Embedder())
    assert covered.match is None
    assert covered.first[0].reason
