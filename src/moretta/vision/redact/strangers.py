"""Embeddings of people who do not exist, for the gallery of the check.

Belongs here: drawing them. Does not belong here: what is done with them (`use_cases.redaction.attacks`).

`strangers.npz` holds the mean of the embeddings of many people and the directions in which they differ, written by
`python -m training.redaction.strangers`: sums over all of them. Vectors drawn from it are as alike to real people as these are to
each other (docs/model-cards/redaction.md has both), and are nobody's.
"""

from importlib.resources import files

import numpy as np
import numpy.typing as npt

from moretta.core.errors import ModelMismatch
from moretta.core.values import Floats

# With the person looked for a gallery of a hundred, and chance 1 %.
COUNT = 99
SEED = 0


def strangers(model_id: str) -> Floats:
    """The strangers' embeddings under the embedder `model_id`, float32 (COUNT, d), the same ones every time.

    Raises:
        ModelMismatch: the file is of another embedder.
    """
    with files("moretta.vision.redact").joinpath("strangers.npz").open("rb") as raw, np.load(raw) as found:
        if str(found["model_id"]) != model_id:
            raise ModelMismatch(
                f"expected strangers of {model_id}, got those of another embedder; measure them again with "
                "`python -m training.redaction.strangers`"
            )
        return drawn(found["mean"].astype(np.float64), found["directions"].astype(np.float64), COUNT, SEED)


def drawn(mean: npt.NDArray[np.float64], directions: npt.NDArray[np.float64], count: int, seed: int) -> Floats:
    """Unit vectors (count, d) from the normal distribution of `mean` (d,) and `directions` (k, d), brought to length 1."""
    lots = np.random.default_rng(seed).normal(size=(count, len(directions)))
    vectors = mean + lots @ directions
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
