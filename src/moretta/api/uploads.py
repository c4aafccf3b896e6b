"""Uploads go from the socket into anonymous memory, and nowhere else.

Belongs here: reading a request's body into a sealed `memfd` within limits, from a form or raw.
Does not belong here: decoding what was uploaded. File names are dropped without being looked at.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import anyio
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from moretta.api.problems import RequestMalformed, UploadTimeout
from moretta.core.errors import FieldError, MediaEmpty, MediaTooLarge, MediaUnsupported, Overloaded, RequestInvalid

# Parts that hold media, by the names that users of other services already send.
MEDIA_PARTS = frozenset({"file", "image", "photo"})
# Enough for every container's signature (MPEG-TS needs two packets of 188 bytes).
HEAD_BYTES = 512
# One file and a handful of options; more parts are not a form that we know.
MAX_PARTS = 16
# Besides the media: boundaries, part headers and option fields.
FORM_OVERHEAD_BYTES = 256 * 1024

_RAW_TYPE = re.compile(r"(image|video)/[\w.+-]+|application/octet-stream")
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


class MemoryBudget:
    """Counts the bytes that all uploads hold together. Used from the event loop and from job threads."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._used: dict[int, int] = {}

    @property
    def used_bytes(self) -> int:
        """Bytes held now."""
        return sum(self._used.copy().values())

    def hold(self, fd: int, size: int) -> None:
        """Note that `fd` holds `size` bytes. Raises `Overloaded` where that is over the limit."""
        if self.used_bytes - self._used.get(fd, 0) + size > self._limit:
            raise Overloaded("The memory for uploads is in use; try again in a moment or send a smaller file.")
        self._used[fd] = size

    def free(self, fd: int) -> None:
        """Forget `fd`."""
        self._used.pop(fd, None)


class Upload:
    """A media item in a memfd. Whoever holds it closes it."""

    def __init__(self, limit_bytes: int, budget: MemoryBudget, *, digest: bool) -> None:
        # The name shows up in /proc: it says nothing about the media.
        self.fd = os.memfd_create("moretta-upload", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self.size = 0
        self.head = b""
        self._limit = limit_bytes
        self._budget = budget
        self._digest = hashlib.sha256() if digest else None
        self._open = True

    def write(self, chunk: bytes | memoryview) -> None:
        """Append `chunk`. Raises `MediaTooLarge` before a byte over the limit is kept."""
        self.size += len(chunk)
        if self.size > self._limit:
            raise too_large(self._limit)
        self._budget.hold(self.fd, self.size)
        if len(self.head) < HEAD_BYTES:
            self.head += bytes(chunk[: HEAD_BYTES - len(self.head)])
        if self._digest is not None:
            self._digest.update(chunk)
        view = memoryview(chunk)
        while view:
            view = view[os.write(self.fd, view) :]

    def seal(self) -> None:
        """From now on nobody can change the bytes, not even the worker that reads them."""
        fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, _SEALS)
        os.lseek(self.fd, 0, os.SEEK_SET)

    @property
    def sha256(self) -> str:
        """Digest of the media, kept only where the caller asked for idempotency."""
        return self._digest.hexdigest() if self._digest is not None else ""

    def close(self) -> None:
        """Give the memory back. Idempotent."""
        if self._open:
            self._open = False
            self._budget.free(self.fd)
            os.close(self.fd)


@dataclass(frozen=True, slots=True)
class UploadRules:
    """Within what an upload is read; sizes in bytes, times in seconds."""

    media_bytes: int
    field_bytes: int
    idle_s: float
    total_s: float
    fields: frozenset[str]


@dataclass(frozen=True, slots=True)
class Received:
    """What a request brought: the media (sealed) and the other fields of its form."""

    upload: Upload
    fields: Mapping[str, str] = field(default_factory=dict)


def too_large(limit_bytes: int) -> MediaTooLarge:
    """The refusal of media over `limit_bytes`."""
    return MediaTooLarge(
        f"The upload is over {limit_bytes} bytes. Send a shorter or smaller file, or raise the operator's byte limit."
    )


async def receive(request: Request, rules: UploadRules, budget: MemoryBudget, *, digest: bool) -> Received:
    """The media of `request` in sealed anonymous memory.

    Raises:
        MediaTooLarge: over the limit, found while reading, whatever Content-Length says.
        MediaEmpty, MediaUnsupported: no bytes, or a body that is neither a form nor media.
        RequestMalformed: a form that is broken or cut off.
        RequestInvalid: no media part, several, or an unknown field.
        UploadTimeout, Overloaded: too slow, or no memory left for it.
        ClientDisconnect: the caller went away; the memory is free again.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    media_type = kind.decode("latin-1").lower()
    _refuse_early(request, rules)
    upload = Upload(rules.media_bytes, budget, digest=digest)
    try:
        with anyio.fail_after(rules.total_s):
            if media_type == "multipart/form-data":
                fields = await _read_form(request, options.get(b"boundary", b""), upload, rules)
            elif _RAW_TYPE.fullmatch(media_type):
                fields = {}
                async for chunk in _chunks(request, rules.idle_s):
                    upload.write(chunk)
            else:
                raise MediaUnsupported(
                    "Send the media as multipart/form-data with a part named file, or as the body itself with "
                    "Content-Type image/*, video/* or application/octet-stream."
                )
        if upload.size == 0:
            raise MediaEmpty("The upload holds no bytes; was the file read before it was sent?")
        upload.seal()
    except TimeoutError:
        upload.close()
        raise UploadTimeout("The upload stood still or took too long; send it again over a steadier line.") from None
    except BaseException:
        upload.close()
        raise
    return Received(upload, fields)


def _refuse_early(request: Request, rules: UploadRules) -> None:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise MediaUnsupported("A compressed body is not read; send the media as it is, without Content-Encoding.")
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) > rules.media_bytes + FORM_OVERHEAD_BYTES:
        raise too_large(rules.media_bytes)


async def _chunks(request: Request, idle_s: float) -> AsyncIterator[bytes]:
    stream = request.stream()
    async with contextlib.aclosing(stream):
        while True:
            with anyio.fail_after(idle_s):
                chunk = await anext(stream, None)
            if chunk is None:
                return
            yield chunk


async def _read_form(request: Request, boundary: bytes, upload: Upload, rules: UploadRules) -> dict[str, str]:
    if not boundary:
        raise RequestMalformed("multipart/form-data needs a boundary in its Content-Type; let the HTTP client set it.")
    form = _Form(upload, rules)
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": form.part_begin,
                "on_header_begin": form.header_begin,
                "on_header_field": form.header_field,
                "on_header_value": form.header_value,
                "on_header_end": form.header_end,
                "on_headers_finished": form.headers_finished,
                "on_part_data": form.part_data,
                "on_part_end": form.part_end,
                "on_end": form.end,
            },
        )
        # Its warnings quote characters of the upload.
        parser.logger = _silent_logger()
        async for chunk in _chunks(request, rules.idle_s):
            parser.write(chunk)
            form.raw_bytes += len(chunk)
            if form.raw_bytes > rules.media_bytes + FORM_OVERHEAD_BYTES:
                raise too_large(rules.media_bytes)
    except FormParserError:
        raise RequestMalformed("The multipart form is broken; let the HTTP client write it.") from None
    if not form.ended:
        raise RequestMalformed("The multipart form is cut off before its last boundary; send it again in full.")
    if not form.media_parts:
        wrong = FieldError("file", "expected one part with the media, named file, image or photo")
        raise RequestInvalid("The form holds no media.", field_errors=(wrong,))
    return form.fields


def _silent_logger() -> logging.Logger:
    logger = logging.Logger("moretta.multipart")
    logger.disabled = True
    return logger


class _Form:
    """Callbacks of the multipart parser: media parts go to the upload, known fields into a small dictionary."""

    def __init__(self, upload: Upload, rules: UploadRules) -> None:
        self.fields: dict[str, str] = {}
        self.media_parts = 0
        self.raw_bytes = 0
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
        if self._parts > MAX_PARTS:
            raise RequestInvalid(f"The form has more than {MAX_PARTS} parts; send one media item and its options.")
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
        if self._name in MEDIA_PARTS:
            self.media_parts += 1
            if self.media_parts > 1:
                wrong = FieldError(self._name, "expected one media item per request")
                raise RequestInvalid("The form holds several media items.", field_errors=(wrong,))
        elif self._name not in self._rules.fields:
            known = ", ".join(sorted({"file", *self._rules.fields}))
            raise RequestInvalid(
                "The form holds an unknown field.", field_errors=(FieldError("form", f"known: {known}"),)
            )

    def part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name in MEDIA_PARTS:
            self._upload.write(memoryview(data)[start:end])
            return
        self._field += data[start:end]
        if len(self._field) > self._rules.field_bytes:
            wrong = FieldError(self._name, f"expected at most {self._rules.field_bytes} bytes")
            raise RequestInvalid("A field of the form is too long.", field_errors=(wrong,))

    def part_end(self) -> None:
        if self._name not in MEDIA_PARTS:
            self.fields[self._name] = self._field.decode("utf-8", "replace")

    def end(self) -> None:
        self.ended = True
