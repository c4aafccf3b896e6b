"""The vendor's hub over HTTP: batches in, counts out, nothing else.

Belongs here: the hub's addresses. Does not belong here: what a batch must be (see `usage.hub`).
Served with TLS by `moretta hub serve`; it keeps no access log, so no address of a reporter stays anywhere.
"""

import asyncio
import base64
import binascii
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from hashlib import sha256
from importlib.resources import files

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool

from moretta.api.problems import UploadTimeout, install_problem_handlers, problem_response
from moretta.core.errors import NotAuthenticated, ScopeMissing, UsageRejected
from moretta.usage.envelope import ENVELOPE_BYTES_MAX
from moretta.usage.hub import Hub

# Longer than a reporter gives the whole exchange (`usage.report`).
BODY_S = 30.0

_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_NO_CONTENT = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def create_hub_app(hub: Hub) -> FastAPI:
    """The hub's web application; run it with uvicorn's `ssl_certfile` and `ssl_keyfile`, and `access_log=False`."""
    app = FastAPI(title="Moretta hub", docs_url=None, redoc_url=None, openapi_url=None)
    install_problem_handlers(app)
    page = _Page()

    @app.middleware("http")
    async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        for name, value in {**_HEADERS, "Content-Security-Policy": _NO_CONTENT}.items():
            response.headers.setdefault(name, value)
        return response

    @app.post("/v1/batches")
    async def take_batch(request: Request) -> Response:
        if request.headers.get("content-type") != "application/json":
            raise UsageRejected("expected the content type application/json")
        raw = await _body(request)
        return Response(await run_in_threadpool(hub.accept, raw), media_type="application/json")

    @app.get("/v1/counts")
    def counts(request: Request) -> JSONResponse:
        company_id = hub.authenticate(_token(request))
        return JSONResponse({"data": [asdict(count) for count in hub.counts(company_id)]})

    @app.get("/")
    def show(request: Request) -> Response:
        try:
            company_id = hub.authenticate(_token(request))
        except NotAuthenticated as error:
            response = problem_response(error, "")
            response.headers["WWW-Authenticate"] = 'Basic realm="moretta hub", charset="UTF-8"'
            return response
        if company_id is not None:
            raise ScopeMissing("expected the administrator's token; a company reads its own at /v1/counts")
        return page.response(hub)

    @app.get("/healthz")
    def healthz() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    return app


class _Page:
    """The page of counts: one stylesheet, allowed by its digest, and nothing from elsewhere."""

    def __init__(self) -> None:
        stylesheet = (files("moretta.api") / "templates" / "hub.css").read_text("utf-8")
        digest = base64.b64encode(sha256(stylesheet.encode()).digest()).decode("ascii")
        self._policy = f"{_NO_CONTENT}; style-src 'sha256-{digest}'"
        self._stylesheet = Markup(stylesheet)  # noqa: S704 - our own file
        loader = PackageLoader("moretta.api")
        environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
        self._template = environment.get_template("hub.html")

    def response(self, hub: Hub) -> Response:
        """The page of what `hub` has counted by now."""
        counts = hub.counts()
        html = self._template.render(
            stylesheet=self._stylesheet,
            counts=[asdict(count) for count in counts],
            total=sum(count.items for count in counts),
            companies=len(hub.companies()),
        )
        headers = {"Content-Security-Policy": self._policy}
        return Response(html, media_type="text/html; charset=utf-8", headers=headers)


async def _body(request: Request) -> bytes:
    """The body, read no further than the limit, and for no longer than `BODY_S`."""
    raw = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                raw += chunk
                if len(raw) > ENVELOPE_BYTES_MAX:
                    raise UsageRejected(f"expected at most {ENVELOPE_BYTES_MAX} bytes")
    except TimeoutError:
        raise UploadTimeout("The batch took too long; it is sent again with the next report.") from None
    return bytes(raw)


def _token(request: Request) -> str:
    """The token of a `Bearer` header, or the password of a `Basic` one, as a browser sends it."""
    match = re.fullmatch(r"(?i:(bearer|basic)) +(\S+)", request.headers.get("authorization", ""))
    if match is None:
        return ""
    if match[1].lower() == "bearer":
        return match[2]
    try:
        return base64.b64decode(match[2], validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
