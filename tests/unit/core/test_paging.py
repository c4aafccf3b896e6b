"""A list that is given page by page is read as a whole, and no further than it is asked for."""

from itertools import islice

from moretta.core.paging import every


def test_every_item_comes_once_and_in_order_whatever_the_page() -> None:
    for size in (1, 3, 7, 100):
        asked: list[int | None] = []

        def page_after(after: int | None, size: int = size, asked: list[int | None] = asked) -> list[int]:
            asked.append(after)
            start = 0 if after is None else after + 1
            return list(range(start, min(start + size, 7)))

        assert list(every(page_after, lambda one: one)) == [0, 1, 2, 3, 4, 5, 6]
        assert asked[0] is None
        assert asked[-1] == 6, "the end is where a page is empty"


def test_a_page_is_asked_for_only_when_it_is_needed() -> None:
    asked: list[str | None] = []

    def page_after(after: str | None) -> list[str]:
        asked.append(after)
        return ["a", "b"]

    assert list(islice(every(page_after, str.upper), 2)) == ["a", "b"]
    assert asked == [None]
