"""Lists that are given page by page, read as a whole.

Belongs here: going from page to page. Does not belong here: how large a page is, what is listed.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Mark = TypeVar("Mark")


def every(page_after: Callable[[Mark | None], Sequence[Item]], mark: Callable[[Item], Mark]) -> Iterator[Item]:
    """Every item of a list, read a page at a time as it is asked for.

    Args:
        page_after: the page that follows the item with that mark, or the first one; empty after the last.
        mark: an item's place in the list, such as its id.
    """
    after = None
    while page := page_after(after):
        yield from page
        after = mark(page[-1])
