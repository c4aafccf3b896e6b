"""Decoding beside inference keeps order, errors and bounds."""

import threading
import time
from collections.abc import Iterator

import pytest

from moretta.core.prefetch import ahead


def test_items_arrive_in_order() -> None:
    with ahead(iter(range(50))) as items:
        assert list(items) == list(range(50))


def test_an_error_arrives_after_the_items_before_it() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise OSError("broken half-way")

    seen = []
    with pytest.raises(OSError, match="broken half-way"), ahead(failing()) as items:
        seen.extend(iter(items.__next__, None))
    assert seen == [1]


def test_no_more_than_the_depth_is_prepared_ahead() -> None:
    made = []

    def counted() -> Iterator[int]:
        for i in range(100):
            made.append(i)
            yield i

    with ahead(counted(), depth=2) as items:
        next(items)
        time.sleep(0.05)
        assert len(made) <= 5


def test_leaving_early_ends_the_thread() -> None:
    before = threading.active_count()
    with ahead(iter(range(10_000)), depth=1) as items:
        next(items)
    assert threading.active_count() == before
