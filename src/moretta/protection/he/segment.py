"""A packed piece of a gallery as a node holds it: a mapped file, and which of its slots are compared.

Belongs here: one segment's slots. Does not belong here: the index over all of them, making segments.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from moretta.core.errors import ProbeRejected
from moretta.core.gallery import SegmentInfo
from moretta.core.protection import Mask, Rows
from moretta.protection.he.parameters import Limbs, N, segment_length


class Segment:
    """A mapped segment; slot i holds row `info.rows[i]`, slots after the last row are padding.

    Raises:
        ProbeRejected: the file does not have the length of a segment of `dimension`, or more rows are named than it has slots.
    """

    def __init__(self, info: SegmentInfo, path: Path, dimension: int) -> None:
        length = segment_length(dimension)
        if info.length != length or path.stat().st_size != length or not 0 < len(info.rows) <= N:
            raise ProbeRejected(f"expected a segment of {length} bytes with 1 to {N} rows; pack the references again")
        self.limbs: Limbs = np.memmap(path, dtype="<u4", mode="r", shape=(dimension, 2 * N)).view(np.ndarray)
        self.rows: Rows = np.zeros(N, np.uint32)
        self.rows[: len(info.rows)] = info.rows
        self._present: Mask = np.zeros(N, np.bool_)
        self._present[: len(info.rows)] = True
        self._order = np.argsort(info.rows, kind="stable")
        self._sorted = np.asarray(info.rows, np.uint32)[self._order]

    def slots(self, rows: Rows) -> Sequence[int]:
        """The slots that hold any of `rows` (uint32, ascending), removed ones left out."""
        first, last = self._sorted[0], self._sorted[-1]
        if rows.size == 0 or rows[0] > last or rows[-1] < first:  # most segments, mostly
            return ()
        near = rows[np.searchsorted(rows, first) : np.searchsorted(rows, last, side="right")]
        at = np.minimum(np.searchsorted(self._sorted, near), self._sorted.size - 1)
        slots = self._order[at[self._sorted[at] == near]]
        return [int(slot) for slot in slots if self._present[slot]]

    def remove(self, rows: Rows) -> None:
        """Compare rows (uint32, ascending) never again."""
        slots = self.slots(rows)
        if slots:
            present = self._present.copy()  # whoever compares may hold the old one
            present[slots] = False
            self._present = present

    @property
    def present(self) -> Mask:
        """Which slots hold a row that was not removed, shape (N,); not to be changed."""
        return self._present
