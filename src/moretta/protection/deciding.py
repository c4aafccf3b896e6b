"""Plaintext scores become decisions: the last step of every opening side that sees scores.

Belongs here: threshold, rank, band. Does not belong here: how scores were opened.
"""

import numpy as np
import numpy.typing as npt

from moretta.core.protection import Mask, Opened, OpenTerms, Rows


def matches(scores: npt.NDArray[np.floating], rows: Rows, counted: Mask, terms: OpenTerms) -> list[Opened]:
    """The matches among `scores` (similarities, shape (n,)), the most similar first; equal ones in the order of their rows.

    Only what reaches the threshold is looked at further, so a gallery's size costs one pass over an array.
    """
    found = np.flatnonzero((scores >= terms.threshold) & counted)
    if found.size > terms.limit > 0:
        # Equal scores at the limit: keep them all until the order of rows decides.
        least = np.partition(scores[found], found.size - terms.limit)[found.size - terms.limit]
        found = found[scores[found] >= least]
    order = found[np.lexsort((rows[found], -scores[found]))][: max(0, terms.limit)]
    return [
        Opened(int(rows[at]), rank, _band(float(scores[at]), terms.bands)) for rank, at in enumerate(order, start=1)
    ]


def _band(score: float, bands: tuple[float, ...]) -> int | None:
    return sum(score >= band for band in bands) if bands else None
