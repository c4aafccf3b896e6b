"""What an operator, a monitor or a newcomer asks first: health, readiness, metrics, schemas, explanations.

Belongs here: addresses that are open without a key, since they say nothing about any caller.
Does not belong here: anything about media.
"""

import html
import inspect
import json
from typing import Annotated, Any

import anyio.to_thread
from fastapi import Depends, FastAPI, Path, Request, Response

from moretta.api.auth import Guard
from moretta.api.observe import Metrics
from moretta.api.openapi import GUARDED, problems
from moretta.api.problems import error_classes
from moretta.api.schemas import analysis_schema, to_json
from moretta.api.services import Services
from moretta.core.errors import NotFound

METRICS_TYPE = "text/plain; version=1.0.0; charset=utf-8"
_OBJECT: dict[str, Any] = {"schema": {"type": "object"}}


def add_operation_routes(app: FastAPI, services: Services, metrics: Metrics, *, may_read: Guard) -> None:
    """Add the addresses to `app`."""
    _add_health(app, services)
    _add_metrics(app, services, metrics, may_read)
    _add_documents(app, services)


def _add_health(app: FastAPI, services: Services) -> None:
    @app.get(
        "/",
        operation_id="getIndex",
        tags=["operations"],
        summary="Where to go from here",
        responses={200: {"content": {"application/json": _OBJECT}, "description": "Addresses"}, **problems(400, 500)},
    )
    async def get_index() -> Response:
        return _json(
            {
                "service": "moretta",
                "version": services.version,
                "openapi": "/openapi.json",
                "analysis_schema": "/v1/schemas/analysis",
                "whitepaper": "/v1/whitepaper",
                "health": "/healthz",
                "readiness": "/readyz",
            }
        )

    @app.get(
        "/healthz",
        operation_id="getHealth",
        tags=["operations"],
        summary="Whether the process answers",
        responses={200: {"content": {"application/json": _OBJECT}, "description": "Alive"}, **problems(400, 500)},
    )
    async def get_health() -> Response:
        return _json({"status": "ok", "version": services.version})

    @app.get(
        "/readyz",
        operation_id="getReadiness",
        tags=["operations"],
        summary="Whether work can be taken now, what is in force of the sandbox, and how to mend what is not",
        responses={
            200: {"content": {"application/json": _OBJECT}, "description": "Ready"},
            503: {"content": {"application/json": _OBJECT}, "description": "Not ready; `checks` say why"},
            **problems(400, 500),
        },
    )
    async def get_readiness() -> Response:
        found = await anyio.to_thread.run_sync(services.readiness)
        sandbox = await anyio.to_thread.run_sync(services.sandbox_status)
        checks = [
            {"name": check.name, "ok": check.ok, "detail": check.detail, "mend": check.mend} for check in found.checks
        ]
        return _json({"ready": found.ready, "checks": checks, "sandbox": dict(sandbox)}, 200 if found.ready else 503)


def _add_metrics(app: FastAPI, services: Services, metrics: Metrics, may_read: Guard) -> None:
    closed = not services.settings.metrics_open

    @app.get(
        "/metrics",
        operation_id="getMetrics",
        tags=["operations"],
        summary="Counters for Prometheus, without a caller's data",
        response_class=Response,
        dependencies=[Depends(may_read)] if closed else [],
        responses={
            200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "The exposition"},
            **problems(*(GUARDED if closed else (400, 500))),
        },
    )
    async def get_metrics() -> Response:
        return Response(await anyio.to_thread.run_sync(metrics.text), headers={"Content-Type": METRICS_TYPE})


def _add_documents(app: FastAPI, services: Services) -> None:
    @app.get(
        "/v1/whitepaper",
        operation_id="getWhitepaper",
        tags=["operations"],
        summary="What is and is not stored and sent by this deployment",
        response_class=Response,
        responses={
            200: {"content": {"text/markdown": {"schema": {"type": "string"}}}, "description": "Markdown"},
            **problems(400, 500),
        },
    )
    async def get_whitepaper() -> Response:
        return Response(await anyio.to_thread.run_sync(services.whitepaper), media_type="text/markdown")

    @app.get(
        "/v1/schemas/analysis",
        operation_id="getAnalysisSchema",
        tags=["operations"],
        summary="The JSON Schema of an analysis",
        response_class=Response,
        responses={
            200: {"content": {"application/schema+json": _OBJECT}, "description": "JSON Schema 2020-12"},
            **problems(400, 500),
        },
    )
    async def get_analysis_schema() -> Response:
        return Response(json.dumps(analysis_schema(), indent=1), media_type="application/schema+json")

    @app.get(
        "/problems/{code}",
        operation_id="getProblem",
        tags=["operations"],
        summary="What a problem's code means",
        response_class=Response,
        responses={
            200: {"content": {"text/html": {"schema": {"type": "string"}}}, "description": "An explanation"},
            **problems(400, 404, 422, 500),
        },
    )
    async def get_problem(request: Request, code: Annotated[str, Path(max_length=64)]) -> Response:
        return Response(_problem_page(code), media_type="text/html")


def _problem_page(code: str) -> str:
    found = [kind for kind in error_classes() if kind.code == code]
    if not found:
        raise NotFound("No problem has this code.")
    kind = found[0]
    meaning = html.escape(inspect.getdoc(kind) or kind.title).replace("\n\n", "</p><p>")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(kind.title)}</title></head><body><main><h1>{html.escape(kind.title)}</h1>"
        f"<p>{meaning}</p><dl><dt>Code</dt><dd>{kind.code}</dd><dt>HTTP status</dt><dd>{kind.status}</dd></dl>"
        "<p>The <code>detail</code> of the answer says what to do in the case at hand.</p></main></body></html>"
    )


def _json(value: dict[str, Any], status: int = 200) -> Response:
    return Response(to_json(dict[str, Any], value), status, media_type="application/json")
