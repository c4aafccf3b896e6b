"""Servers and clients of links that end with the test."""

from collections.abc import Iterator

import pytest
from tests.link_rigs import Links, made_links


@pytest.fixture
def links() -> Iterator[Links]:
    yield from made_links()
