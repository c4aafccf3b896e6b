"""The page of anonymous statistics, under /statistics: for a browser, whose password is an API key.

Belongs here: the addresses, and whom they let in. Does not belong here: charts and words (the page maker's).
"""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Protocol

import anyio.to_thread
from fastapi import FastAPI, Query, Request, Response

from moretta.api.auth import MAX_TOKEN_CHARACTERS, RateLimiter
from moretta.api.services import StatisticsOf
from moretta.api.work import Desk
from moretta.core.errors import NotAuthenticated, NotFound
from moretta.core.keys import ApiKeyInfo, Scope
from moretta.use_cases.statistics import Statistics

PAGE = "/statistics"
# The page fetches itself again, and nothing else.
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)
_SIGN_IN = {
    "WWW-Authenticate": 'Basic realm="Moretta statistics: any name, and an API key as the password", charset="UTF-8"'
}


class StatisticsMaker(Protocol):
    """Renders the page; a layer beside this one, which the command line hands in."""

    def page(self, statistics: Statistics, site: str | None, place: str | None, span: str, until: datetime) -> str:
        """The HTML of the page. Raises `NotFound` for a site of which nothing was released."""

    def asset(self, name: str) -> tuple[bytes, str] | None:
        """A file that the page loads, and its media type; None where there is none of that name."""


def add_statistics_page(
    app: FastAPI, desk: Desk, statistics: StatisticsOf, limiter: RateLimiter, maker: StatisticsMaker
) -> None:
    """Add the page to `app`."""

    @app.get(PAGE, include_in_schema=False)
    async def show(
        request: Request,
        site: Annotated[str | None, Query(max_length=48)] = None,
        place: Annotated[str | None, Query(max_length=97)] = None,
        span: Annotated[str, Query(pattern="^(day|week|month)$")] = "day",
    ) -> Response:
        key = await _reader(request, desk, limiter)
        if key is None:
            return Response("An API key with the scope stats:read is needed.", 401, _SIGN_IN, "text/plain")
        found, now = statistics(key.company_id), desk.services.clock()
        html = await anyio.to_thread.run_sync(maker.page, found, site, place, span, now, limiter=desk.inline)
        return Response(html, 200, {"Content-Security-Policy": _POLICY}, "text/html; charset=utf-8")

    @app.get(f"{PAGE}/assets/{{name}}", include_in_schema=False)
    async def asset(name: str) -> Response:
        found = maker.asset(name)
        if found is None:
            raise NotFound("there is no such file")
        return Response(found[0], media_type=found[1])


async def _reader(request: Request, desk: Desk, limiter: RateLimiter) -> ApiKeyInfo | None:
    """Whose key the browser sent; None where it is none that may read statistics."""
    token = _password(request)
    if not token or len(token) > MAX_TOKEN_CHARACTERS or not token.isascii():
        return None
    try:
        key = await anyio.to_thread.run_sync(desk.services.keys.authenticate, token)
    except NotAuthenticated:
        return None
    request.state.key_id = key.key_id
    limiter.take(key.key_id)
    return key if key.allows(Scope.STATS_READ) else None


def _password(request: Request) -> str:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(credentials, validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
