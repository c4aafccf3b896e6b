"""Mapping between picture and crop, on networks that answer in crop pixels."""

from collections.abc import Sequence

import numpy as np
import pytest

from moretta.core.values import Face, Floats
from moretta.vision.landmarks import FaceMesh


class CornersNetwork:
    """Answers with a fixed point set and remembers the crops it was shown."""

    def __init__(self, *outputs: Floats) -> None:
        self.outputs = outputs
        self.crops: list[Floats] = []

    def __call__(self, batch: Floats, /) -> Sequence[Floats]:
        self.crops.append(batch.copy())
        return self.outputs


def mesh_answer(logit: float = 5.0) -> list[Floats]:
    points = np.full((468, 3), 96, np.float32)
    points[0] = [0, 0, 19.2]
    points[33, :2], points[133, :2] = [60, 80], [84, 80]
    points[362, :2], points[263, :2] = [108, 80], [132, 80]
    return [points.reshape(1, 1, 1, -1), np.full((1, 1, 1, 1), logit, np.float32)]


def iris_answer() -> list[Floats]:
    points = np.zeros((5, 3), np.float32)
    points[:, :2] = [[40, 32], [44, 32], [40, 28], [36, 32], [40, 36]]
    return [np.zeros((1, 213), np.float32), points.reshape(1, 15)]


def upright_face() -> Face:
    marks = np.array([[80, 90], [120, 90], [100, 100], [85, 120], [115, 120]], np.float32)
    return Face(np.array([60, 60, 140, 140], np.float32), marks, 0.9)


def test_crop_pixels_are_mapped_back_to_the_picture() -> None:
    mesh = FaceMesh(CornersNetwork(*mesh_answer()), CornersNetwork(*iris_answer()))
    fitted = mesh.fit(np.zeros((200, 200, 3), np.uint8), upright_face())
    scale = 80 * 1.5 / 192
    np.testing.assert_allclose(fitted.points[1, :2], [100, 100], atol=1e-3)
    np.testing.assert_allclose(fitted.points[0], [40, 40, 19.2 * scale], atol=1e-3)
    assert fitted.presence == pytest.approx(1 / (1 + np.exp(-5)), abs=1e-6)


def test_the_left_eye_is_mirrored_for_the_network_and_back_in_the_answer() -> None:
    iris = CornersNetwork(*iris_answer())
    pixels = np.tile(np.arange(200, dtype=np.uint8)[None, :, None], (200, 1, 3))
    fitted = FaceMesh(CornersNetwork(*mesh_answer()), iris).fit(pixels, upright_face())
    right_crop, left_crop = iris.crops
    assert right_crop[0, 32, 40, 0] > right_crop[0, 32, 20, 0]
    assert left_crop[0, 32, 40, 0] < left_crop[0, 32, 20, 0]
    assert fitted.irises is not None
    eyes = fitted.points[[33, 133, 362, 263], :2].reshape(2, 2, 2).mean(1)
    offsets = fitted.irises[:, 0] - eyes
    assert offsets[0, 0] > 0 > offsets[1, 0]
    np.testing.assert_allclose(offsets[0, 0], -offsets[1, 0], atol=1e-3)


def test_irises_are_left_out_where_nobody_wants_them() -> None:
    iris = CornersNetwork(*iris_answer())
    mesh = FaceMesh(CornersNetwork(*mesh_answer()), iris)
    assert mesh.fit(np.zeros((200, 200, 3), np.uint8), upright_face(), irises=False).irises is None
    assert iris.crops == []


def test_the_crop_turns_with_the_eyes() -> None:
    network = CornersNetwork(*mesh_answer())
    pixels = np.zeros((200, 200, 3), np.uint8)
    pixels[:100] = 255
    turned = upright_face()
    marks = np.array([[100, 80], [100, 120], [90, 100], [80, 85], [80, 115]], np.float32)
    FaceMesh(network, CornersNetwork(*iris_answer())).fit(pixels, Face(turned.box.copy(), marks, 0.9), irises=False)
    crop = network.crops[0][0]
    assert crop[96, 20, 0] == pytest.approx(1, abs=0.02)
    assert crop[96, 170, 0] == pytest.approx(0, abs=0.02)


def test_following_looks_where_the_mesh_was() -> None:
    network = CornersNetwork(*mesh_answer())
    mesh = FaceMesh(network, CornersNetwork(*iris_answer()))
    pixels = np.zeros((400, 400, 3), np.uint8)
    first = mesh.fit(pixels, upright_face(), irises=False)
    second = mesh.follow(pixels, first, irises=False)
    spread = first.points[:, :2].max(0) - first.points[:, :2].min(0)
    middle = (first.points[:, :2].max(0) + first.points[:, :2].min(0)) / 2
    np.testing.assert_allclose(second.points[1, :2], middle, atol=1e-3)
    assert second.points[0, 0] == pytest.approx(middle[0] - spread.max() * 0.75, abs=1e-2)


def test_a_face_without_extent_still_gives_finite_points() -> None:
    point = np.full((5, 2), 3, np.float32)
    face = Face(np.array([3, 3, 3, 3], np.float32), point, 0.5)
    mesh = FaceMesh(CornersNetwork(*mesh_answer()), CornersNetwork(*iris_answer()))
    fitted = mesh.fit(np.zeros((5, 5, 3), np.uint8), face)
    assert np.isfinite(fitted.points).all()
