"""What people's own pages need from the rest of the program.

Belongs here: the bundle and its protocols. Does not belong here: any implementation, routes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from moretta.core.clock import Clock
from moretta.use_cases.subject import OwnPages


class PageMaker(Protocol):
    """Renders the pages; a layer beside this one, which the command line hands in."""

    def page(self, name: str, form_token: Callable[[str], str], values: Mapping[str, object]) -> str:
        """The HTML of a page. `form_token` gives the token of a form by the address that it is sent to."""

    def asset(self, name: str) -> tuple[bytes, str] | None:
        """A file that the pages load, and its media type; None where there is none of that name."""


@dataclass(frozen=True, slots=True)
class SubjectDesk:
    """What the pages' addresses share.

    `origin` is where the pages are reached from outside (`https://host`); without one, links have no host, and
    whether a cookie is for https alone is read off the request. `forget` drops remembered answers of a company that name people.
    """

    pages: OwnPages
    maker: PageMaker
    clock: Clock
    origin: str | None = None
    forget: Callable[[str], object] = lambda _: None
