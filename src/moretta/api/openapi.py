"""What the OpenAPI document says besides what the functions' types say.

Belongs here: request bodies that the framework never reads, problem responses, headers.
Does not belong here: behaviour.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from moretta.api.examples import problem_examples
from moretta.api.problems import PROBLEM_JSON
from moretta.core.analysis import Feature
from moretta.core.values import Profile

DESCRIPTION = """Self-hosted face analytics that keeps its mouth shut. Media is analysed in memory and never kept, but for the
photo of a person who is enrolled with `Store: photo`; one count leaves the machine for each item, and only where the operator
switched that on. Errors are RFC 9457 problems; `type` leads to an explanation of each."""

_TITLES = {
    400: "The request or the media cannot be read",
    401: "No valid API key",
    403: "The key's scopes or a policy forbid it",
    404: "Nothing there for this caller",
    408: "The upload took too long",
    409: "In conflict with an earlier request",
    410: "It was there, and was erased or has expired",
    413: "Over a limit",
    415: "Not a format that is read",
    422: "A parameter is wrong, or the media does not hold what is needed",
    423: "Kept, and must not be used",
    429: "Too many requests; see Retry-After",
    500: "An unexpected error",
    503: "Busy, or not ready; see Retry-After",
}
# Any call with a key may meet these.
GUARDED = (400, 401, 403, 422, 429, 500)
# And any call with media these as well.
MEDIA = (*GUARDED, 408, 409, 413, 415, 503)
# And any call about people these: another company's are not there, and a part of the deployment may be down.
PEOPLE = (*GUARDED, 404, 410, 503)

LOCATION = {"Location": {"schema": {"type": "string"}, "description": "Where it can be looked at"}}

Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """The OpenAPI responses of the problems with `statuses`."""
    reference = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": _TITLES[status],
            "content": {PROBLEM_JSON: {"schema": reference, "examples": problem_examples(status)}},
        }
        for status in statuses
    }


def media_body(*, options: bool) -> dict[str, Any]:
    """The request body of a call with media: a form, or the media itself. `options` adds those of an analysis."""
    binary = {"type": "string", "format": "binary"}
    properties: dict[str, Any] = {
        "file": {**binary, "description": "The media; `image` and `photo` are other names for this part."},
        "store": {"type": "string", "enum": ["none", "0"], "description": "Only none: nothing is kept here."},
    }
    if options:
        properties |= {
            "features": {"type": "string", "examples": ["pose,trust"], "description": ", ".join(Feature)},
            "profile": {"type": "string", "enum": [str(profile) for profile in Profile]},
            "async": {"type": "string", "enum": ["0", "1"], "description": "1: answer with a job at once."},
        }
    form = {"type": "object", "required": ["file"], "properties": properties}
    raw = ["application/octet-stream", "image/jpeg", "image/png", "image/webp"]
    if options:
        raw += ["video/mp4", "video/webm", "video/quicktime"]
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    content |= {kind: {"schema": binary} for kind in raw}
    return {"requestBody": {"required": True, "content": content}}


def json_body(model: str, *, required: bool = True) -> dict[str, Any]:
    """The request body of a call with JSON: the schema named `model`."""
    schema = {"$ref": f"#/components/schemas/{model}"}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def photo_body(*, fields: Mapping[str, str], many: bool = False, parts: Sequence[str] = ("file",)) -> dict[str, Any]:
    """The request body of a call with photos in the form's `parts`; `fields` are described texts beside them.

    A photo alone may also be the body itself, but where it needs more than one part.
    """
    binary = {"type": "string", "format": "binary"}
    properties: dict[str, Any] = {
        part: {"type": "array", "items": binary, "minItems": 1} if many else binary for part in parts
    }
    properties |= {name: {"type": "string", "description": text} for name, text in fields.items()}
    form = {"type": "object", "required": list(parts), "properties": properties}
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    if len(parts) == 1:
        raw = ("application/octet-stream", "image/jpeg", "image/png", "image/webp")
        content |= {kind: {"schema": binary} for kind in raw}
    return {"requestBody": {"required": True, "content": content}}


def install_openapi(app: FastAPI, extra: Sequence[type[BaseModel]], examples: Mapping[str, object]) -> None:
    """Let `app` describe itself truthfully: the models in `extra` too, and none of the framework's own errors.

    `examples` are those of POST's answers, by path; the framework itself would drop what is null in them.
    """
    # What an operation answers with where it succeeds.
    done = ("200", "201")

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes, servers=[{"url": "/"}]
            )
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for model in extra:
                described = model.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas |= described.pop("$defs", {})
                schemas[model.__name__] = described
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            for path, example in examples.items():
                answers = document["paths"][path]["post"]["responses"]
                answer = next(answers[status] for status in done if status in answers)
                answer["content"]["application/json"]["example"] = example
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]  # the framework's documented way to extend the document
