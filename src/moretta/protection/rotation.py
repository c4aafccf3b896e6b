"""A secret orthogonal matrix from a seed of 32 bytes: it keeps every cosine and hides what the coordinates mean.

Belongs here: the matrix. Does not belong here: where seeds are kept.

The matrix is distributed uniformly (Haar): the Q of a QR decomposition of a Gaussian matrix, its signs fixed by the diagonal
of R (Mezzadri, "How to generate random matrices from the classical compact groups", Notices of the AMS 54, 2007). The
Gaussians come from SHAKE-256 of the seed by Box-Muller, so that they do not depend on the version of any generator.
"""

import hashlib
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from moretta.core.errors import KeyRejected

SEED_BYTES = 32
Matrix = npt.NDArray[np.float64]
_DOMAIN = b"moretta rotation 1"


# A worker gets the same few seeds again and again; making a matrix takes 3 ms at d = 192 and 86 ms at d = 512 (one thread).
@lru_cache(maxsize=8)
def rotation(seed: bytes, dimension: int) -> Matrix:
    """The orthogonal matrix of a seed, float64, shape (dimension, dimension), read-only.

    Raises:
        KeyRejected: the seed does not have 32 bytes.
    """
    if len(seed) != SEED_BYTES:
        raise KeyRejected(f"expected a rotation seed of {SEED_BYTES} bytes, got {len(seed)}")
    q, r = np.linalg.qr(_gaussians(seed, dimension * dimension).reshape(dimension, dimension))
    matrix: Matrix = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    matrix.flags.writeable = False
    return matrix


def rotated(vectors: npt.NDArray[np.floating], seed: bytes) -> Matrix:
    """`vectors` (shape (d,) or (n, d)) under the rotation of a seed, float64, brought to unit norm."""
    turned = np.asarray(vectors, dtype=np.float64) @ rotation(seed, vectors.shape[-1]).T
    return _unit(turned)


def turned_over(vectors: npt.NDArray[np.floating], old_seed: bytes, new_seed: bytes) -> Matrix:
    """Vectors under the rotation of `old_seed` as they would stand under that of `new_seed`, brought to unit norm."""
    d = vectors.shape[-1]
    return _unit(np.asarray(vectors, dtype=np.float64) @ rotation(old_seed, d) @ rotation(new_seed, d).T)


def unrotated(vectors: npt.NDArray[np.floating], seed: bytes) -> Matrix:
    """What `rotated` turned, turned back, float64, brought to unit norm."""
    return _unit(np.asarray(vectors, dtype=np.float64) @ rotation(seed, vectors.shape[-1]))


def _unit(vectors: Matrix) -> Matrix:
    unit: Matrix = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return unit


def _gaussians(seed: bytes, count: int) -> Matrix:
    """`count` independent standard normal numbers (Box and Muller 1958) from the seed."""
    pairs = -(-count // 2)
    stream = hashlib.shake_256(_DOMAIN + count.to_bytes(8, "little") + seed).digest(16 * pairs)
    # 53 bits each, moved into (0, 1]: the logarithm of 0 never comes up.
    uniform = ((np.frombuffer(stream, dtype="<u8") >> np.uint64(11)).astype(np.float64) + 1.0) * 2.0**-53
    radius, angle = np.sqrt(-2.0 * np.log(uniform[:pairs])), 2.0 * np.pi * uniform[pairs:]
    return np.concatenate((radius * np.cos(angle), radius * np.sin(angle)))[:count]
