"""A multipart form on its way in: media parts to anonymous memory, known fields into a small dictionary.

Belongs here: reading the form's bytes within limits. Does not belong here: sockets, what a field means. File names are
dropped without being looked at.
"""

import logging
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from moretta.api.memfd import Upload, too_large
from moretta.api.problems import RequestMalformed
from moretta.core.errors import FieldError, RequestInvalid

# Parts that hold media, by the names that users of other services already send.
MEDIA_PARTS = frozenset({"file", "image", "photo"})
# A handful of options; more parts than these and the media are not a form that we know.
MAX_FIELD_PARTS = 15
# Besides media and fields: boundaries and part headers.
FORM_OVERHEAD_BYTES = 256 * 1024
PART_OVERHEAD_BYTES = 1024


@dataclass(frozen=True, slots=True)
class UploadRules:
    """Within what an upload is read; sizes in bytes, times in seconds.

    `parts` are the names of parts that hold media, of which there may be `items` in all, each of at most `media_bytes` and
    together of at most `total_bytes`. `once`: each of the names exactly once.
    """

    media_bytes: int
    field_bytes: int
    idle_s: float
    total_s: float
    fields: frozenset[str]
    parts: frozenset[str] = MEDIA_PARTS
    items: int = 1
    total_bytes: int | None = None
    once: bool = False

    @property
    def media_total(self) -> int:
        """The bytes that all media of the request may have."""
        return self.total_bytes if self.total_bytes is not None else self.media_bytes

    @property
    def body_bytes(self) -> int:
        """The bytes that the request's body may have."""
        return self.media_total + FORM_OVERHEAD_BYTES + PART_OVERHEAD_BYTES * self.items + self.field_bytes


class FormReader:
    """Takes a form's bytes as they come."""

    def __init__(self, boundary: bytes, upload: Upload, rules: UploadRules) -> None:
        """Raises `RequestMalformed` where there is no boundary that could be one."""
        if not boundary:
            raise RequestMalformed(
                "multipart/form-data needs a boundary in its Content-Type; let the HTTP client set it."
            )
        self._form = _Form(upload, rules)
        self._rules = rules
        self._raw_bytes = 0
        callbacks = {
            "on_part_begin": self._form.part_begin,
            "on_header_begin": self._form.header_begin,
            "on_header_field": self._form.header_field,
            "on_header_value": self._form.header_value,
            "on_header_end": self._form.header_end,
            "on_headers_finished": self._form.headers_finished,
            "on_part_data": self._form.part_data,
            "on_part_end": self._form.part_end,
            "on_end": self._form.end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]  # as its documents have it
        except FormParserError:
            raise _broken() from None
        # Its warnings quote characters of the upload.
        self._parser.logger = _silent_logger()

    def write(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            RequestMalformed: this is no form.
            RequestInvalid: a part that is unknown, too long, or one too many.
            MediaTooLarge: over a limit of bytes.
        """
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise _broken() from None
        self._raw_bytes += len(chunk)
        if self._raw_bytes > self._rules.body_bytes:
            raise too_large(self._rules.media_total)

    def end(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """The fields, and the name of each media part in the order in which they came.

        Raises:
            RequestMalformed: the form is cut off.
            RequestInvalid: no media in it, or not the parts that the call takes.
        """
        if not self._form.ended:
            raise RequestMalformed("The multipart form is cut off before its last boundary; send it again in full.")
        names = tuple(self._form.names)
        if self._rules.once and sorted(names) != sorted(self._rules.parts):
            wanted = " and ".join(sorted(self._rules.parts))
            raise RequestInvalid(
                "The form does not hold the media that this call takes.",
                field_errors=(FieldError("form", f"expected one part each named {wanted}"),),
            )
        if not names:
            wrong = FieldError("file", f"expected one part with the media, named {_listed(self._rules.parts)}")
            raise RequestInvalid("The form holds no media.", field_errors=(wrong,))
        return self._form.fields, names


def _listed(names: frozenset[str]) -> str:
    *first, last = sorted(names)
    return f"{', '.join(first)} or {last}" if first else last


def _broken() -> RequestMalformed:
    return RequestMalformed("The multipart form is broken; let the HTTP client write it.")


def _silent_logger() -> logging.Logger:
    logger = logging.Logger("moretta.multipart")
    logger.disabled = True
    return logger


class _Form:
    """Callbacks of the multipart parser."""

    def __init__(self, upload: Upload, rules: UploadRules) -> None:
        self.fields: dict[str, str] = {}
        self.names: list[str] = []
        self.ended = False
        self._upload = upload
        self._rules = rules
        self._parts = 0
        self._header = b""
        self._value = b""
        self._name = ""
        self._field = bytearray()

    def part_begin(self) -> None:
        self._parts += 1
        most = MAX_FIELD_PARTS + self._rules.items
        if self._parts > most:
            raise RequestInvalid(f"The form has more than {most} parts; send the media and its options.")
        self._name = ""
        self._field.clear()

    def header_begin(self) -> None:
        self._header = self._value = b""

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            # The parsed header holds the file name too: it goes out of scope here, unread.
            self._name = parse_options_header(self._value)[1].get(b"name", b"").decode("latin-1")
        self._header = self._value = b""

    def headers_finished(self) -> None:
        if self._name in self._rules.parts:
            self.names.append(self._name)
            if len(self.names) > self._rules.items:
                items = "one media item" if self._rules.items == 1 else f"at most {self._rules.items} media items"
                wrong = FieldError(self._name, f"expected {items} per request")
                raise RequestInvalid("The form holds several media items.", field_errors=(wrong,))
        elif self._name not in self._rules.fields:
            known = ", ".join(sorted({"file"} & self._rules.parts or self._rules.parts) + sorted(self._rules.fields))
            raise RequestInvalid(
                "The form holds an unknown field.", field_errors=(FieldError("form", f"known: {known}"),)
            )

    def part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name in self._rules.parts:
            self._upload.write(memoryview(data)[start:end])
            return
        self._field += data[start:end]
        if len(self._field) > self._rules.field_bytes:
            wrong = FieldError(self._name, f"expected at most {self._rules.field_bytes} bytes")
            raise RequestInvalid("A field of the form is too long.", field_errors=(wrong,))

    def part_end(self) -> None:
        if self._name in self._rules.parts:
            self._upload.end_item()
        else:
            self.fields[self._name] = self._field.decode("utf-8", "replace")

    def end(self) -> None:
        self.ended = True
