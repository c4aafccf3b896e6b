"""The learned blending detector: its crop, its guards and its installed network."""

import hashlib
import math
from collections.abc import Sequence

import cv2
import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moretta.core.errors import ModelCorrupt
from moretta.core.values import Face, Floats, Mesh, Pixels, TrackedFace, TrackId
from moretta.trust import blending_detector
from moretta.trust.blending_detector import (
    CONTEXT,
    SIDE,
    WEIGHTS_SHA256,
    BlendingDetector,
    blending_weights,
    crop_points,
    face_crop,
    network_input,
)

LOGIT_OF_NOTHING = [np.zeros((1, 1), np.float32)]


def mesh_at(x: float, y: float, width: float, height: float) -> TrackedFace:
    """A face whose 468 points fill an ellipse about (x, y)."""
    angle = np.linspace(0, 2 * np.pi, 468, endpoint=False)
    radius = np.sqrt(np.linspace(0, 1, 468))
    radius[-36:] = 1.0
    points = np.stack(
        [x + width / 2 * np.cos(angle * 13) * radius, y + height / 2 * np.sin(angle * 13) * radius, angle], 1
    )
    points[:4, :2] = [[x - width / 2, y], [x + width / 2, y], [x, y - height / 2], [x, y + height / 2]]
    with np.errstate(over="ignore"):
        return tracked(points.astype(np.float32))


def tracked(points: Floats) -> TrackedFace:
    """A tracked face with these mesh points."""
    face = Face(np.array([0, 0, 1, 1], np.float32), np.zeros((5, 2), np.float32), 1.0)
    return TrackedFace(TrackId(1), face, Mesh(points, 1.0), True)


def quiet(_: Floats) -> Sequence[Floats]:
    """A network that finds nothing either way."""
    return LOGIT_OF_NOTHING


def noise(height: int, width: int) -> Pixels:
    """A picture without structure."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def installed() -> BlendingDetector:
    """The detector with the network of the installed package."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(blending_weights()), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return BlendingDetector(lambda batch: session.run(None, {name: batch}))


def test_the_network_sees_a_normalised_crop_of_its_own_size() -> None:
    seen: list[Floats] = []

    def run(batch: Floats) -> Sequence[Floats]:
        seen.append(batch)
        return LOGIT_OF_NOTHING

    assert BlendingDetector(run).score(noise(300, 400), mesh_at(200, 150, 80, 100)) == 0.5
    assert [batch.shape for batch in seen] == [(1, 3, SIDE, SIDE)] * 2
    assert np.array_equal(seen[1], seen[0][..., ::-1])
    assert seen[0].dtype == np.float32
    assert -1 <= seen[0].min() < -0.9
    assert 0.9 < seen[0].max() <= 1


def test_the_channels_stay_red_green_blue() -> None:
    crop = np.zeros((SIDE, SIDE, 3), np.uint8)
    crop[..., 0], crop[..., 1] = 255, 51
    batch = network_input(crop)
    assert np.allclose(batch[0, :, 5, 7], [1, -0.6, -1])


@pytest.mark.parametrize(("logit", "score"), [(0.0, 0.5), (math.log(3), 0.75), (1e6, 1.0), (-1e6, 0.0)])
def test_the_score_is_the_logistic_of_the_logit(logit: float, score: float) -> None:
    detector = BlendingDetector(lambda _: [np.array([[logit]], np.float32)])
    assert detector.score(noise(200, 200), mesh_at(100, 100, 80, 100)) == pytest.approx(score, abs=1e-6)


def test_faces_under_48_px_are_not_usable_and_have_no_score() -> None:
    detector = BlendingDetector(quiet)
    assert detector.usable(mesh_at(100, 100, 40, 49))
    assert detector.score(noise(200, 200), mesh_at(100, 100, 40, 49)) == 0.5
    assert not detector.usable(mesh_at(100, 100, 40, 47))
    assert math.isnan(detector.score(noise(200, 200), mesh_at(100, 100, 40, 47)))


def test_a_mesh_without_extent_or_with_infinite_points_gives_nan() -> None:
    detector = BlendingDetector(quiet)
    broken = np.zeros((468, 3), np.float32)
    assert not detector.usable(tracked(broken.copy()))
    assert math.isnan(detector.score(noise(100, 100), tracked(broken.copy())))
    broken[3, 1] = np.inf
    assert not detector.usable(tracked(broken.copy()))
    assert math.isnan(detector.score(noise(100, 100), tracked(broken.copy())))


def test_a_face_outside_the_picture_gives_nan() -> None:
    assert math.isnan(BlendingDetector(quiet).score(noise(100, 100), mesh_at(400, 50, 60, 80)))
    assert math.isnan(BlendingDetector(quiet).score(noise(100, 100), mesh_at(50, -400, 60, 80)))


@given(
    st.integers(0, 70),
    st.integers(0, 70),
    *[st.floats(allow_nan=True, allow_infinity=True, width=32) for _ in range(4)],
)
@settings(max_examples=300, deadline=None)
def test_no_mesh_and_no_picture_makes_it_raise(
    height: int, width: int, x: float, y: float, wide: float, high: float
) -> None:
    with np.errstate(all="ignore"):
        face = mesh_at(x, y, wide, high)
    detector = BlendingDetector(quiet)
    score = detector.score(np.zeros((height, width, 3), np.uint8), face)
    assert math.isnan(score) or score == 0.5
    assert detector.usable(face) in {True, False}


@given(st.floats(-40, 140), st.floats(-40, 140), st.floats(2, 390), st.floats(2, 390))
@settings(max_examples=300, deadline=None)
def test_a_face_that_touches_the_picture_is_cropped_or_refused_but_never_raises(
    x: float, y: float, wide: float, high: float
) -> None:
    crop = face_crop(noise(100, 100), mesh_at(x, y, wide, high).mesh.points)
    assert crop is None or crop.shape == (SIDE, SIDE, 3)


def test_points_follow_their_crop() -> None:
    picture = np.zeros((400, 500, 3), np.uint8)
    face = mesh_at(250, 200, 150, 190)
    spot = face.mesh.points[40, :2]
    cv2.circle(picture, (round(float(spot[0])), round(float(spot[1]))), 4, (255, 255, 255), -1)
    crop = face_crop(picture, face.mesh.points)
    assert crop is not None
    rows, columns = np.nonzero(crop[..., 0] > 128)
    moved = crop_points(face.mesh.points)[40]
    assert np.allclose([columns.mean(), rows.mean()], moved, atol=1.0)


def test_the_crop_keeps_the_ring_around_the_face() -> None:
    points = crop_points(mesh_at(250, 200, 150, 190).mesh.points)
    extent = np.ptp(points, axis=0).max()
    assert extent == pytest.approx(SIDE / CONTEXT, abs=0.5)
    assert points.min() > 0
    assert points.max() < SIDE


def test_beyond_the_edge_of_the_picture_the_crop_mirrors_it() -> None:
    crop = face_crop(np.full((120, 120, 3), 200, np.uint8), mesh_at(10, 60, 80, 100).mesh.points)
    assert crop is not None
    assert crop.min() == 200


def test_the_installed_network_is_the_one_of_this_release() -> None:
    content = blending_weights().read_bytes()
    assert hashlib.sha256(content).hexdigest() == WEIGHTS_SHA256
    assert len(content) < 1_000_000


def test_a_network_of_another_release_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blending_detector, "WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(ModelCorrupt, match="install Moretta anew"):
        blending_weights()


def test_the_installed_network_scores_a_face_the_same_every_time() -> None:
    picture, face = cv2.GaussianBlur(noise(300, 300), (0, 0), 3), mesh_at(150, 150, 100, 130)
    first, second = (installed().score(np.asarray(picture, np.uint8), face) for _ in range(2))
    assert first == second
    assert 0 < first < 1
