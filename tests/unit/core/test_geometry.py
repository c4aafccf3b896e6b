"""Geometry of boxes and point sets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moretta.core.geometry import apply, iou, similarity_transform


@given(st.floats(-3, 3), st.floats(0.1, 10), st.floats(-100, 100), st.floats(-100, 100), st.integers(0, 2**32 - 1))
def test_a_similarity_is_recovered_from_its_points(angle: float, scale: float, dx: float, dy: float, seed: int) -> None:
    source = np.random.default_rng(seed).normal(size=(5, 2)) * 20
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    target = scale * source @ rotation.T + [dx, dy]
    assert apply(similarity_transform(source, target), source) == pytest.approx(target, abs=1e-6 * max(1, scale * 100))


def test_a_mirrored_target_gives_a_rotation_and_not_a_reflection() -> None:
    source = np.array([[0.0, 0], [1, 0], [0, 2]])
    linear = similarity_transform(source, source * [-1, 1])[:, :2]
    assert np.linalg.det(linear) > 0


def test_points_that_coincide_are_refused() -> None:
    with pytest.raises(ValueError, match="distinct"):
        similarity_transform(np.ones((5, 2)), np.zeros((5, 2)))


def test_iou_of_equal_disjoint_and_half_overlapping_boxes() -> None:
    box = np.array([0, 0, 2, 2], np.float32)
    others = np.array([[0, 0, 2, 2], [5, 5, 6, 6], [1, 0, 3, 2]], np.float32)
    assert iou(box, others) == pytest.approx([1, 0, 1 / 3])
