"""Bounded recordings of unbounded signals.

Belongs here: structures that keep memory flat in the length of a video.
"""

from collections.abc import Sequence


class BoundedSeries:
    """Rows over time of which at most `capacity` are kept, evenly spread: when full, every other row goes.

    Not thread-safe; one writer.
    """

    def __init__(self, capacity: int = 600) -> None:
        if capacity < 2 or capacity % 2:
            raise ValueError(f"expected an even capacity of at least 2, got {capacity}")
        self._capacity = capacity
        self._stride = 1
        self._seen = 0
        self._rows: list[Sequence[float | None]] = []

    def add(self, row: Sequence[float | None]) -> None:
        """Offer the next row."""
        if self._seen % self._stride == 0:
            if len(self._rows) == self._capacity:
                self._rows = self._rows[::2]
                self._stride *= 2
            if self._seen % self._stride == 0:
                self._rows.append(row)
        self._seen += 1

    def columns(self) -> tuple[tuple[float | None, ...], ...]:
        """The kept rows, column by column."""
        return tuple(tuple(column) for column in zip(*self._rows, strict=True))

    def __len__(self) -> int:
        return len(self._rows)
