"""What the blending detector is trained on, and what it is judged by."""

import cv2
import numpy as np
import pytest
from training.blending.self_blend import alignment_error, blended_pair, face_mask, post_processing
from training.blending.swaps import ATTACKS, reencoded

from moretta.core.values import Floats, Mesh, Pixels

SIDE = 192


def mesh_points(x: float = 96, y: float = 100, wide: float = 110, high: float = 140) -> Floats:
    """468 points that fill an ellipse, in a fixed order, its outline last."""
    count = np.arange(468)
    radius = np.where(count < 400, np.sqrt((count + 0.5) / 400), 1.0)
    angle = np.where(count < 400, count * 2.399963, count * 2 * np.pi / 68)
    return np.stack([x + wide / 2 * radius * np.cos(angle), y + high / 2 * radius * np.sin(angle)], 1).astype(
        np.float32
    )


def picture(seed: int, side: int = SIDE) -> Pixels:
    """A smooth coloured texture."""
    coarse = np.random.default_rng(seed).integers(30, 226, (12, 12, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)


def far_outside(points: Floats, reach: int) -> np.ndarray:
    """Where the picture is more than `reach` px from the face."""
    face = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillConvexPoly(face, cv2.convexHull(points.astype(np.int32)), 1)
    return cv2.dilate(face, np.ones((2 * reach + 1,) * 2, np.uint8)) == 0


@pytest.mark.parametrize("seed", range(12))
def test_a_seed_decides_the_pair(seed: int) -> None:
    first, second = (blended_pair(picture(1), mesh_points(), np.random.default_rng(seed)) for _ in range(2))
    assert np.array_equal(first.blended, second.blended)
    assert np.array_equal(first.genuine, second.genuine)
    assert first.blended.shape == first.genuine.shape == (SIDE, SIDE, 3)
    assert first.boundary.min() >= 0
    assert 0.5 < first.boundary.max() <= 1 + 1e-6


@pytest.mark.parametrize("seed", range(12))
def test_another_face_is_blended_into_the_face_and_nowhere_else(seed: int) -> None:
    target, donor = picture(1), (picture(2), mesh_points(90, 95, 100, 130))
    pair = blended_pair(target, mesh_points(), np.random.default_rng(seed), donor)
    away = far_outside(mesh_points(), 30)
    assert away.sum() > 500
    assert np.array_equal(pair.blended[away], target[away])
    assert np.array_equal(pair.genuine, target)
    assert np.abs(pair.blended.astype(int) - target).max() > 8


@pytest.mark.parametrize("seed", range(20))
def test_a_mask_lies_on_the_face(seed: int) -> None:
    mask = face_mask(mesh_points(), SIDE, np.random.default_rng(seed))
    assert mask.max() == 1
    assert mask[far_outside(mesh_points(), 20)].max() == 0


@pytest.mark.parametrize("seed", range(20))
def test_both_of_a_pair_are_processed_alike(seed: int) -> None:
    change = post_processing(np.random.default_rng(seed), from_video=seed % 2 == 0)
    first, second = change(picture(3)), change(picture(3))
    assert first.shape == (SIDE, SIDE, 3)
    assert np.array_equal(first, second)


def test_faces_that_differ_by_size_and_turn_alone_are_aligned_without_error() -> None:
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    assert alignment_error(mesh_points(), (mesh_points() @ turn.T * 1.7 + 5).astype(np.float32)) < 1e-3
    assert alignment_error(mesh_points(), mesh_points(wide=60)) > 5


@pytest.mark.parametrize("name", ATTACKS)
def test_a_swap_changes_the_face_and_nothing_far_from_it(name: str) -> None:
    meshes = [
        np.hstack([points, np.zeros((468, 1), np.float32)]) for points in (mesh_points(), mesh_points(90, 95, 100, 130))
    ]
    frame, donor = ((picture(seed), Mesh(mesh, 1.0)) for seed, mesh in zip((1, 2), meshes, strict=True))
    (made,) = ATTACKS[name]([frame], donor, np.random.default_rng(0))
    away = far_outside(mesh_points(), 20)
    assert np.array_equal(made[away], frame[0][away])
    assert np.abs(made.astype(int) - frame[0])[60:140, 60:130].mean() > 3


def test_encoding_keeps_the_number_and_the_content_of_the_frames() -> None:
    frames = [picture(4, 101), picture(5, 101)]
    decoded = reencoded(frames, 20)
    assert len(decoded) == 2
    assert decoded[0].shape == (100, 100, 3)
    assert np.abs(decoded[1].astype(int) - frames[1][:100, :100]).mean() < 8
