"""JSON bodies: read within a limit, checked strictly, refused without repeating what they hold.

Belongs here: from a request's bytes to a checked model. Does not belong here: what the models mean.
"""

from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from moretta.core.errors import FieldError, MediaTooLarge, MediaUnsupported, RequestInvalid

# A request for a key or a collection is a few hundred bytes.
MAX_JSON_BYTES = 16 * 1024

Model = TypeVar("Model", bound=BaseModel)


async def read_json(request: Request, model: type[Model], what: str, max_bytes: int = MAX_JSON_BYTES) -> Model:
    """The body of `request` as a `model`; `what` names it in the refusal.

    Raises:
        MediaUnsupported: another content type than JSON.
        MediaTooLarge: over `max_bytes`.
        RequestInvalid: not JSON, or a field that is missing, wrong or unknown.
    """
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise MediaUnsupported("Expected a JSON object with Content-Type application/json.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise MediaTooLarge(f"Expected a JSON object of at most {max_bytes} bytes.")
    return checked(bytes(body), model, what)


def checked(raw: bytes | str, model: type[Model], what: str) -> Model:
    """The JSON `raw` as a `model`; raises `RequestInvalid` as `read_json` does."""
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        known = tuple(model.model_fields)
        wrong = tuple(
            FieldError(_place(issue["type"], issue["loc"], known), _expected(issue["type"], issue["msg"], known))
            for issue in error.errors(include_input=False, include_url=False, include_context=False)[:20]
        )
        raise RequestInvalid(f"The body does not describe {what}; see field_errors.", field_errors=wrong) from None


def _place(kind: str, location: tuple[int | str, ...], known: tuple[str, ...]) -> str:
    """The name of a field of ours; any other name is of the caller's making, and is not repeated."""
    return str(location[0]) if location and kind != "extra_forbidden" and location[0] in known else "body"


def _expected(kind: str, message: str, known: tuple[str, ...]) -> str:
    return f"expected no field but {', '.join(known)}" if kind == "extra_forbidden" else message[:300]
