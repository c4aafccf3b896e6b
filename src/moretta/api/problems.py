"""Errors as RFC 9457 problems: one shape for everything that goes wrong.

Belongs here: errors that only a web door can meet, the problem's shape, and the handlers that make it.
Does not belong here: what the errors of the work mean (see `core.errors`).
"""

import json
from collections.abc import Iterator
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import Scope

from moretta.core.errors import FieldError, MorettaError, NotFound, PersonErased, RateLimited, RequestInvalid

PROBLEM_JSON = "application/problem+json"


class RequestMalformed(MorettaError):
    """The request cannot be read as HTTP or as a form."""

    code = "request.malformed"
    title = "The request could not be read"
    status = 400
    exit_code = 64


class KeyInQuery(MorettaError):
    """An API key stands in the query string, where proxies and histories keep it."""

    code = "key.in_query"
    title = "An API key must not be part of the address"
    status = 400
    exit_code = 64


class MethodNotAllowed(MorettaError):
    """The address exists, but not with this method."""

    code = "method.not_allowed"
    title = "This address does not take that method"
    status = 405
    exit_code = 64


class UploadTimeout(MorettaError):
    """The upload stood still for too long, or took too long altogether."""

    code = "upload.timeout"
    title = "The upload took too long"
    status = 408
    exit_code = 75


class LinkExpired(MorettaError):
    """The address of a photo was good for a minute, which is over; ask for a fresh one."""

    code = "link.expired"
    title = "The address of the photo has expired"
    status = 410
    exit_code = 66


class IdempotencyInProgress(MorettaError):
    """The first request with this idempotency key is still being worked on."""

    code = "idempotency.in_progress"
    title = "The first request with this idempotency key is not finished"
    status = 409
    exit_code = 75


class FieldProblem(BaseModel):
    """One parameter that is wrong."""

    field: str
    detail: str


class Problem(BaseModel):
    """What went wrong (RFC 9457). `type` leads to a page that explains the `code`."""

    type: str = Field(examples=["/problems/media.too_large"])
    title: str
    status: int
    detail: str
    code: str = Field(examples=["media.too_large"])
    request_id: str
    field_errors: list[FieldProblem]
    legal_ref: str | None = Field(default=None, description="The rule of law that is the reason, where one is.")
    certificate_id: str | None = Field(
        default=None, description="Of an erased person: what says how, at /v1/receipts/{certificate_id}."
    )


def problem_fields(error: MorettaError, request_id: str) -> dict[str, object]:
    """The members of the problem that `error` is."""
    problem: dict[str, object] = {
        "type": f"/problems/{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "request_id": request_id,
        "field_errors": [{"field": wrong.field, "detail": wrong.detail} for wrong in error.field_errors],
    }
    if error.legal_ref is not None:
        problem["legal_ref"] = error.legal_ref
    if isinstance(error, PersonErased) and error.certificate_id is not None:
        problem["certificate_id"] = error.certificate_id
    return problem


def problem_body(error: MorettaError, request_id: str) -> bytes:
    """The JSON of `error`."""
    return json.dumps(problem_fields(error, request_id)).encode()


def problem_headers(error: MorettaError) -> dict[str, str]:
    """Headers that a client can act upon."""
    if error.status == 401:
        return {"WWW-Authenticate": 'Bearer realm="moretta"'}
    if error.status in {408, 413}:
        # The rest of the upload is not read.
        return {"Connection": "close"}
    if isinstance(error, RateLimited):
        return {"Retry-After": str(max(1, round(error.retry_after_s + 0.5)))}
    if error.status == 503 or isinstance(error, IdempotencyInProgress):
        return {"Retry-After": "1"}
    return {}


def problem_response(error: MorettaError, request_id: str) -> Response:
    """The answer to a request that met `error`."""
    return Response(
        problem_body(error, request_id), error.status, media_type=PROBLEM_JSON, headers=problem_headers(error)
    )


def unexpected() -> MorettaError:
    """What the caller is told of an error that nobody foresaw: nothing but that it happened."""
    return MorettaError(
        "An unexpected error; the service goes on. Give the request_id to the operator, who has the log."
    )


def error_classes() -> Iterator[type[MorettaError]]:
    """Every class of problem, the root first."""
    pending: list[type[MorettaError]] = [MorettaError]
    while pending:
        kind = pending.pop(0)
        yield kind
        pending.extend(kind.__subclasses__())


def allowed_methods(app: FastAPI, scope: Scope) -> list[str]:
    """The methods that the address in `scope` takes; empty where nothing is there."""
    methods: set[str] = set()
    for route in app.routes:
        if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods | {"OPTIONS"}) if methods else []


def install_problem_handlers(app: FastAPI) -> None:
    """Make every error of `app` a problem."""

    def answer(request: Request, error: MorettaError) -> Response:
        request.state.problem_code = error.code
        return problem_response(error, request_id_of(request))

    async def on_moretta(request: Request, error: Exception) -> Response:
        return answer(request, cast(MorettaError, error))

    async def on_validation(request: Request, error: Exception) -> Response:
        return answer(request, _validation_problem(cast(RequestValidationError, error)))

    async def on_http(request: Request, error: Exception) -> Response:
        problem = _http_problem(cast(HTTPException, error))
        response = answer(request, problem)
        if problem.status == 405:
            response.headers["Allow"] = ", ".join(allowed_methods(app, request.scope))
        return response

    app.add_exception_handler(MorettaError, on_moretta)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)


def request_id_of(request: Request) -> str:
    """The id that this request got at the door."""
    return str(request.scope.get("state", {}).get("request_id", ""))


def _validation_problem(error: RequestValidationError) -> MorettaError:
    # Only where and what was expected: the input itself could hold anything.
    wrong = tuple(
        FieldError(".".join(str(part) for part in issue["loc"][1:])[:100] or "request", str(issue["msg"])[:300])
        for issue in cast(list[dict[str, Any]], error.errors())[:20]
    )
    return RequestInvalid("A parameter is missing or wrong; see field_errors.", field_errors=wrong)


def _http_problem(error: HTTPException) -> MorettaError:
    if error.status_code == 404:
        return NotFound("There is nothing at this address; GET /openapi.json lists what there is.")
    if error.status_code == 405:
        return MethodNotAllowed("Use one of the methods in the Allow header.")
    if error.status_code < 500:
        return RequestMalformed("The request could not be read; compare it with GET /openapi.json.")
    return unexpected()
