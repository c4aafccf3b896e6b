"""The secret rotation: orthogonal, uniform, and the same from the same seed for ever."""

import hashlib

import numpy as np
import pytest
from tests.protection_harness import unit_vectors

from moretta.core.errors import KeyRejected
from moretta.protection.rotation import rotated, rotation, turned_over

SEED = bytes(range(32))
GOLDEN_CORNER = [0.19226149, -0.166068811, -0.064596882]
GOLDEN_DIGEST = "031f3de633d45ad6dcc8ee243d0a1a99291d60007dabe2e9c7bb6de0e0757701"
OTHER = bytes(reversed(range(32)))


@pytest.mark.parametrize("dimension", [2, 64, 129, 192, 512])
def test_a_rotation_is_orthogonal(dimension: int) -> None:
    matrix = rotation(SEED, dimension)
    assert np.abs(matrix @ matrix.T - np.eye(dimension)).max() < 1e-12


def test_a_rotation_keeps_every_cosine() -> None:
    vectors = unit_vectors(np.random.default_rng(1), 50, 192)
    turned = rotated(vectors, SEED)
    cosines = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    assert np.abs(turned @ turned.T - cosines).max() < 1e-6


def test_another_seed_leaves_nothing_alike() -> None:
    """The cosine of a vector under two rotations is normal with deviation 1/sqrt(192): six of them, once in 10^7 runs of it."""
    vectors = unit_vectors(np.random.default_rng(2), 50, 192)
    alike = (rotated(vectors, SEED) * rotated(vectors, OTHER)).sum(axis=1)
    assert np.abs(alike).max() < 6 / np.sqrt(192)


def test_a_seed_gives_the_matrix_that_it_always_gave() -> None:
    """What is stored under a key must stay comparable: these figures never change."""
    matrix = rotation(SEED, 64)
    assert matrix[0, :3].round(9).tolist() == GOLDEN_CORNER
    assert hashlib.sha256((matrix * 2**20).round().astype("<i4").tobytes()).hexdigest() == GOLDEN_DIGEST


def test_the_matrix_is_uniform_over_rotations_and_reflections() -> None:
    """Over 400 seeds each entry has mean 0 and variance 1/d, and half of the determinants are positive (six deviations)."""
    matrices = [rotation(hashlib.sha256(bytes([n % 256, n // 256])).digest(), 8) for n in range(400)]
    corner = np.array([matrix[0, 0] for matrix in matrices])
    assert abs(corner.mean()) < 6 * np.sqrt(1 / 8 / 400)
    assert abs((corner**2).mean() - 1 / 8) < 6 * np.sqrt(2 / 64 / 400)
    positive = sum(np.linalg.det(matrix) > 0 for matrix in matrices)
    assert abs(positive - 200) < 60


def test_turning_over_is_rotating_anew() -> None:
    vectors = unit_vectors(np.random.default_rng(3), 5, 128)
    assert np.abs(turned_over(rotated(vectors, SEED), SEED, OTHER) - rotated(vectors, OTHER)).max() < 1e-12


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33)])
def test_a_seed_of_another_length_is_refused(seed: bytes) -> None:
    with pytest.raises(KeyRejected):
        rotation(seed, 4)
