"""Unit vectors as bytes: the payload of `plain` and `rotated`, float32 in little-endian order.

Belongs here: writing and reading them, and refusing what no honest worker makes. Does not belong here: comparing.
"""

import numpy as np
import numpy.typing as npt

from moretta.core.errors import ProbeRejected
from moretta.core.values import Floats

# As `core.values.Embedding` asks: float32 keeps a unit vector's norm within 1e-6, a longer probe would move the threshold.
NORM_TOLERANCE = 1e-3


def vector_bytes(unit: npt.NDArray[np.floating]) -> bytes:
    """A vector as its payload."""
    return unit.astype("<f4").tobytes()


def read_vector(payload: bytes, dimension: int) -> Floats:
    """The unit vector in `payload`, float32, shape (dimension,).

    Raises:
        ProbeRejected: another length, or not of unit norm.
    """
    if len(payload) != 4 * dimension:
        raise ProbeRejected(f"expected a template of {4 * dimension} bytes, got {len(payload)}")
    vector = np.frombuffer(payload, dtype="<f4").astype(np.float32)
    norm = float(np.linalg.norm(vector.astype(np.float64)))
    if not abs(norm - 1) <= NORM_TOLERANCE:  # also where it is not a number
        raise ProbeRejected("expected a template of unit norm; normalise the embedding before it is protected")
    return vector
