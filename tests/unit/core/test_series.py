"""BoundedSeries keeps memory flat."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moretta.core.series import BoundedSeries


@given(st.integers(0, 3000), st.sampled_from([2, 4, 10, 600]))
def test_never_more_rows_than_its_capacity(count: int, capacity: int) -> None:
    series = BoundedSeries(capacity)
    for i in range(count):
        series.add((float(i),))
    assert len(series) <= capacity
    assert len(series) > 0 or count == 0


@given(st.integers(1, 3000))
def test_kept_rows_are_evenly_spread_and_start_at_the_first(count: int) -> None:
    series = BoundedSeries(10)
    for i in range(count):
        series.add((float(i),))
    (kept,) = series.columns()
    assert kept[0] == 0.0
    gaps = {b - a for a, b in pairwise(kept) if a is not None and b is not None}
    assert len(gaps) <= 1
    assert count - 1 - (kept[-1] or 0) < (gaps.pop() if gaps else count)


def test_an_odd_capacity_is_refused() -> None:
    with pytest.raises(ValueError, match="even capacity"):
        BoundedSeries(3)
