"""What a secret rotation hides from somebody who knows a number of vectors before and after it.

Belongs here: the attack on `rotated` by known pairs, a measure of irreversibility (ISO/IEC 24745).
Does not belong here: rotating.
"""

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


def recovered_cosines(known: Matrix, known_rotated: Matrix, rotated: Matrix, originals: Matrix) -> Matrix:
    """How near an attacker comes to `originals` (m, d) from `rotated` (m, d): the cosine of each guess, shape (m,).

    The attacker knows `known` (n, d) and `known_rotated` (n, d) and takes the smallest linear map that turns one into the
    other (least squares); where fewer pairs than dimensions are known, the rest of the space stays hidden.
    """
    guess = rotated @ (np.linalg.pinv(known_rotated) @ known)
    lengths = np.linalg.norm(guess, axis=1) * np.linalg.norm(originals, axis=1)
    return np.asarray((guess * originals).sum(1) / np.maximum(lengths, 1e-12), np.float64)


def cosine_after_known_pairs(dimension: int, pairs: int, seed: int = 0, trials: int = 200) -> float:
    """The mean cosine that `pairs` known pairs give for random unit vectors; about sqrt(pairs / dimension)."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(dimension, dimension)))[0]
    drawn = rng.normal(size=(pairs + trials, dimension))
    vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    turned = vectors @ rotation.T
    return float(recovered_cosines(vectors[:pairs], turned[:pairs], turned[pairs:], vectors[pairs:]).mean())


def dimensions_used(vectors: Matrix, share: float = 0.999) -> int:
    """How many directions hold `share` (0-1) of the squared length of `vectors` (n, d).

    A rotation of d dimensions falls with as many known pairs as the vectors use, which may be far fewer than d.
    """
    lengths = np.linalg.svd(np.asarray(vectors, np.float64), compute_uv=False) ** 2
    return int(np.searchsorted(np.cumsum(lengths) / lengths.sum(), share) + 1)
