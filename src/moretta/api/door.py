"""The outermost layer: every request gets an id, a log line and a counter, every answer its security headers.

Belongs here: what holds for all addresses alike, as plain ASGI so that streams stay streams.
Does not belong here: anything about one address.
"""

import time
import uuid
from urllib.parse import parse_qsl

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moretta.api.auth import KEY_QUERY_NAMES
from moretta.api.observe import AccessLog, Metrics
from moretta.api.problems import KeyInQuery, allowed_methods, problem_response, unexpected
from moretta.core.errors import Cancelled, MorettaError

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; style-src 'self'; base-uri 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# Methods that become a label; any other word would be the caller's own.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
DOCUMENT_PATH = "/openapi.json"
# What proxies log for a caller who went away before the answer.
CLIENT_CLOSED = 499


class Door:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, owner: FastAPI, metrics: Metrics, log: AccessLog) -> None:
        self._app = app
        self._owner = owner
        self._metrics = metrics
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["request_id"] = uuid.uuid4().hex
        visit = _Visit(scope, send)
        started = time.monotonic()
        try:
            await self._answer(scope, receive, visit)
        finally:
            seconds = time.monotonic() - started
            route = _template(scope)
            method = visit.method if visit.method in _METHODS else "other"
            self._metrics.answered(route, method, visit.status, seconds)
            self._log.answered(
                route=route,
                method=method,
                status=visit.status,
                ms=seconds * 1000,
                request_id=state["request_id"],
                key_id=state.get("key_id"),
                code=state.get("problem_code"),
            )

    async def _answer(self, scope: Scope, receive: Receive, visit: "_Visit") -> None:
        try:
            if _key_in_query(scope):
                raise KeyInQuery("Send the key in a header (Authorization, x-api-key or token), and revoke this one.")
            if visit.method == "OPTIONS" and (methods := allowed_methods(self._owner, scope)):
                await visit.send({"type": "http.response.start", "status": 204, "headers": _allow(methods)})
                await visit.send({"type": "http.response.body", "body": b""})
                return
            # A stream of events has no head without a body that never ends.
            if visit.method == "HEAD" and not scope["path"].endswith("/events"):
                scope["method"] = "GET"
            await self._app(scope, receive, visit.send)
        except (ClientDisconnect, Cancelled):
            if not visit.begun:
                visit.status = CLIENT_CLOSED
        except MorettaError as error:
            await self._tell(scope, receive, visit, error)
        except Exception as error:
            self._log.failed(scope["state"]["request_id"], error)
            await self._tell(scope, receive, visit, unexpected())

    async def _tell(self, scope: Scope, receive: Receive, visit: "_Visit", error: MorettaError) -> None:
        scope["state"]["problem_code"] = error.code
        if not visit.begun:
            await problem_response(error, scope["state"]["request_id"])(scope, receive, visit.send)


class _Visit:
    """One answer on its way out."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.method = str(scope["method"])
        self.status = CLIENT_CLOSED
        self.begun = False
        self._request_id = scope["state"]["request_id"]
        self._send = send

    async def send(self, message: Message) -> None:
        """Pass `message` on, with the headers that every answer has; an answer to HEAD gets no body."""
        if message["type"] == "http.response.start":
            self.begun = True
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._request_id
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        elif self.method == "HEAD" and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)


def _template(scope: Scope) -> str:
    if scope["path"] == DOCUMENT_PATH:  # The framework's own route leaves no trace in the scope.
        return DOCUMENT_PATH
    return str(getattr(scope.get("route"), "path", "other"))


def _key_in_query(scope: Scope) -> bool:
    query = scope.get("query_string", b"").decode("latin-1")
    return any(
        name.lower() in KEY_QUERY_NAMES for name, _ in parse_qsl(query, keep_blank_values=True, max_num_fields=None)
    )


def _allow(methods: list[str]) -> list[tuple[bytes, bytes]]:
    return [(b"allow", ", ".join(methods).encode())]
