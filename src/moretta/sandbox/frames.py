"""The frames between the server and a worker: kind, request number, length, body.

Belongs here: the layout and the limits. The server trusts nothing that a worker sends: lengths are bounded before memory
is taken, bodies are bytes or JSON, and descriptors are never accepted from a worker.
"""

import json
import struct
from dataclasses import dataclass
from enum import IntEnum

from moretta.core.errors import (
    CameraUnavailable,
    FieldError,
    KeyRejected,
    MediaError,
    ModelError,
    ModelMismatch,
    MorettaError,
    PolicyProhibited,
    RequestInvalid,
)
from moretta.core.errors import SandboxUnavailable as _SandboxUnavailable

HEADER = struct.Struct("!BIQ")
START_LIMIT = 1024 * 1024
REQUEST_LIMIT = 1024 * 1024
PROGRESS_LIMIT = 64 * 1024
ERROR_LIMIT = 64 * 1024
# A result holds no pixels: the longest allowed video with every series stays below 20 MiB of JSON.
RESULT_LIMIT = 64 * 1024 * 1024

OUT_OF_MEMORY = "worker.memory"
UNEXPECTED = MorettaError.code
_DETAIL_LIMIT = 2000
_MOST_FIELD_ERRORS = 50
# What a worker may answer; anything else (such as a claim about the caller's key) becomes an unexpected error.
_ANSWERABLE = (
    CameraUnavailable,
    MediaError,
    ModelError,
    ModelMismatch,
    KeyRejected,
    RequestInvalid,
    PolicyProhibited,
    _SandboxUnavailable,
)


class Kind(IntEnum):
    """What a frame is."""

    START = 1
    READY = 2
    REQUEST = 3
    PROGRESS = 4
    RESULT = 5
    ERROR = 6


LIMITS = {
    Kind.START: START_LIMIT,
    Kind.READY: START_LIMIT,
    Kind.REQUEST: REQUEST_LIMIT,
    Kind.PROGRESS: PROGRESS_LIMIT,
    Kind.RESULT: RESULT_LIMIT,
    Kind.ERROR: ERROR_LIMIT,
}


class ProtocolViolation(Exception):
    """The other side sent something that is no frame, or one over its limit."""


def pack_header(kind: Kind, number: int, length: int) -> bytes:
    """The header of a frame whose body has `length` bytes."""
    return HEADER.pack(kind, number, length)


def unpack_header(raw: bytes) -> tuple[Kind, int, int]:
    """Kind, request number and length of the frame that `raw` heads.

    Raises:
        ProtocolViolation: an unknown kind, or a length over the kind's limit.
    """
    value, number, length = HEADER.unpack(raw)
    try:
        kind = Kind(value)
    except ValueError:
        raise ProtocolViolation("an unknown kind of frame") from None
    if length > LIMITS[kind]:
        raise ProtocolViolation(f"a frame of {length} bytes where {LIMITS[kind]} are allowed")
    return kind, number, length


@dataclass(frozen=True, slots=True)
class Failure:
    """What a worker says went wrong; `exception` is the class name of an error that nobody foresaw."""

    code: str
    detail: str
    field_errors: tuple[FieldError, ...] = ()
    legal_ref: str | None = None
    exception: str = ""

    @classmethod
    def of(cls, error: Exception) -> "Failure":
        """Describe an error without the text of one that was not made for users."""
        if isinstance(error, MorettaError):
            return cls(error.code, error.detail[:_DETAIL_LIMIT], error.field_errors, error.legal_ref)
        code = OUT_OF_MEMORY if isinstance(error, MemoryError) else UNEXPECTED
        return cls(code, "", exception=type(error).__name__)

    def to_json(self) -> bytes:
        """The failure as JSON within `ERROR_LIMIT`."""
        fields = [{"field": e.field[:200], "detail": e.detail[:500]} for e in self.field_errors[:_MOST_FIELD_ERRORS]]
        return json.dumps(
            {
                "code": self.code,
                "detail": self.detail,
                "field_errors": fields,
                "legal_ref": self.legal_ref,
                "exception": self.exception,
            }
        ).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> "Failure":
        """Read what a worker sent.

        Raises:
            ProtocolViolation: it has another shape.
        """
        try:
            value = json.loads(raw)
            fields = value.get("field_errors") or []
            return cls(
                code=_text(value["code"], 100),
                detail=_text(value["detail"], _DETAIL_LIMIT),
                field_errors=tuple(
                    FieldError(_text(e["field"], 200), _text(e["detail"], 500)) for e in fields[:_MOST_FIELD_ERRORS]
                ),
                legal_ref=None if value.get("legal_ref") is None else _text(value["legal_ref"], 500),
                exception=_class_name(_text(value.get("exception", ""), 100)),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ProtocolViolation("an error frame of another shape") from None

    def to_error(self) -> MorettaError:
        """The error to raise on the caller's side."""
        for known in _answerable_classes():
            if known.code == self.code:
                return known(self.detail, field_errors=self.field_errors, legal_ref=self.legal_ref)
        return MorettaError(
            "the analysis ended with an error that nobody foresaw; the media was not at fault by any known rule. "
            "Please report it with the kind of media and the version of Moretta."
        )


def _answerable_classes() -> list[type[MorettaError]]:
    found: list[type[MorettaError]] = []
    waiting: list[type[MorettaError]] = list(_ANSWERABLE)
    while waiting:
        known = waiting.pop(0)
        found.append(known)
        waiting.extend(known.__subclasses__())
    return found


def _text(value: object, limit: int) -> str:
    if not isinstance(value, str):
        raise TypeError("expected a string")
    return "".join(character for character in value[:limit] if character.isprintable() or character == "\n")


def _class_name(value: str) -> str:
    return value if value.isidentifier() else ""
