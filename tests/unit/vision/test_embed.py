from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from moretta.core.geometry import mesh_landmarks
from moretta.core.values import Face, Floats, Pixels
from moretta.vision.align import aligned, squared
from moretta.vision.detect import CenterFaceDetector
from moretta.vision.embed import ARCFACE_112, CAREFUL_VIEWS, MobileFaceNetEmbedder
from moretta.vision.landmarks import FaceMesh
from moretta.vision.models import load
from moretta.vision.sessions import open_session


class Recorder:
    """Answers with given vectors and remembers what it was asked."""

    def __init__(self, *vectors: list[float]) -> None:
        self.batches: list[Floats] = []
        self.vectors = np.array(vectors, np.float32)

    def __call__(self, batch: Floats, /) -> list[Floats]:
        self.batches.append(batch)
        return [self.vectors]


def test_the_embedding_is_the_unit_mean_of_the_face_and_its_mirror_image() -> None:
    session = Recorder([2, 0], [0, 2])
    pixels = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    embedding = MobileFaceNetEmbedder(session, "ab" * 32).embed(pixels, ARCFACE_112.astype(np.float32))
    np.testing.assert_allclose(embedding.vector, [0.5**0.5] * 2, rtol=1e-6)
    face, mirrored = session.batches[0]
    np.testing.assert_array_equal(face, mirrored[:, ::-1])
    np.testing.assert_allclose(face, (pixels.astype(np.float32) - 127.5) / 128, atol=0.02)
    assert embedding.model_id == "mobilefacenet:" + "ab" * 6


def test_further_views_lie_lower_or_higher_in_the_crop_and_their_vectors_are_averaged_too() -> None:
    session = Recorder([1, 0], [0, 1])
    pixels = np.zeros((200, 200, 3), np.uint8)
    pixels[100:] = 255  # an edge at row 56 of the crop
    landmarks = (ARCFACE_112 + 44).astype(np.float32)
    embedding = MobileFaceNetEmbedder(session, "ab" * 32, CAREFUL_VIEWS).embed(pixels, landmarks)
    np.testing.assert_allclose(embedding.vector, [0.5**0.5] * 2, rtol=1e-6)
    (upright, _), (lower, higher) = session.batches
    bright = [float((view[:, 10, 0] > 0).sum()) for view in (upright, lower, higher)]
    assert bright[1] < bright[0] < bright[2]


def test_a_network_that_gives_nothing_to_compare_is_refused() -> None:
    pixels = np.zeros((112, 112, 3), np.uint8)
    for vector in ([0.0, 0.0], [float("nan"), 1.0]):
        with pytest.raises(ValueError, match="finite vector"):
            MobileFaceNetEmbedder(Recorder(vector, vector), "ab" * 32).embed(pixels, ARCFACE_112.astype(np.float32))


def test_alignment_puts_the_landmarks_where_the_template_wants_them() -> None:
    pixels = np.zeros((400, 400, 3), np.uint8)
    angle = np.deg2rad(25)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    landmarks = ((ARCFACE_112 - 56) @ turn.T * 2.5 + 200).astype(np.float32)
    for point in landmarks:
        cv2.circle(pixels, tuple(int(v) for v in np.rint(point)), 6, (255, 255, 255), -1)
    crop = aligned(pixels, landmarks, ARCFACE_112, 112)
    for x, y in np.rint(ARCFACE_112).astype(int):
        assert crop[y, x].min() > 200


def test_shrinking_a_fine_pattern_averages_it_instead_of_aliasing() -> None:
    rows = np.indices((1120, 1120)).sum(0) % 2 * 255
    pixels = np.repeat(rows[..., None], 3, axis=2).astype(np.uint8)
    crop = aligned(pixels, (ARCFACE_112 * 10).astype(np.float32), ARCFACE_112, 112)
    assert abs(crop[20:90, 20:90].astype(int) - 127).max() < 45


def test_a_square_crop_keeps_the_middle_of_the_box_and_turns_it_upright() -> None:
    pixels = np.zeros((200, 300, 3), np.uint8)
    pixels[90:110, 140:160] = 255
    crop = squared(pixels, np.array([100, 60, 200, 140], np.float32), 64)
    assert crop[32, 32].min() == 255
    assert crop[8, 8].max() == 0
    slanted = np.zeros((200, 200, 3), np.uint8)
    cv2.line(slanted, (60, 60), (140, 140), (255, 255, 255), 8)
    upright = squared(slanted, np.array([50, 50, 150, 150], np.float32), 64, roll_rad=np.pi / 4)
    assert upright[32, 8].min() > 200
    assert upright[32, 56].min() > 200
    assert upright[12, 12].max() == 0


def _first_face(pixels: Pixels, models_dir: Path) -> tuple[Face, Floats]:
    detector = CenterFaceDetector(open_session(load("centerface", models_dir).path))
    mesh = FaceMesh(*(open_session(load(name, models_dir).path) for name in ("face-landmark", "iris-landmark")))
    face = detector.detect(pixels)[0]
    return face, mesh_landmarks(mesh.fit(pixels, face).points)


@pytest.mark.models
def test_one_person_is_similar_over_time_and_size_and_not_to_a_scrambled_face(
    models_dir: Path, talking_clip: Path
) -> None:
    with av.open(str(talking_clip)) as container:
        frames = [f.to_ndarray(format="rgb24") for f, _ in zip(container.decode(video=0), range(121), strict=False)]
    file = load("mobilefacenet", models_dir)
    embedder = MobileFaceNetEmbedder(open_session(file.path), file.sha256)
    early, later = (embedder.embed(p, _first_face(p, models_dir)[1]).vector for p in (frames[0], frames[120]))
    assert early.shape == (192,)
    assert float(early @ later) > 0.6
    enlarged = cv2.resize(frames[0], None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    assert float(early @ embedder.embed(enlarged, _first_face(enlarged, models_dir)[1]).vector) > 0.9
    landmarks = _first_face(frames[0], models_dir)[1]
    upside_down = np.ascontiguousarray(frames[0][::-1])
    assert float(early @ embedder.embed(upside_down, landmarks).vector) < 0.45
