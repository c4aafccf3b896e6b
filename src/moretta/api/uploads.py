"""Uploads go from the socket into anonymous memory, and nowhere else.

Belongs here: reading a request's body into a sealed `memfd` within limits of size and time, from a form or raw.
Does not belong here: decoding what was uploaded, the form's own grammar (see `forms`).
"""

import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import anyio
from fastapi import Request
from python_multipart.multipart import parse_options_header

from moretta.api.forms import FormReader, UploadRules
from moretta.api.memfd import MemoryBudget, Upload, too_large
from moretta.api.problems import UploadTimeout
from moretta.core.errors import MediaUnsupported

_RAW_TYPE = re.compile(r"(image|video)/[\w.+-]+|application/octet-stream")


@dataclass(frozen=True, slots=True)
class Received:
    """What a request brought: the media (sealed), the other fields of its form, and the name of each media part."""

    upload: Upload
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    parts: tuple[str, ...] = ("file",)


async def receive(request: Request, rules: UploadRules, budget: MemoryBudget, *, digest: bool) -> Received:
    """The media of `request` in sealed anonymous memory.

    Raises:
        MediaTooLarge: over the limit, found while reading, whatever Content-Length says.
        MediaEmpty, MediaUnsupported: no bytes, or a body that is neither a form nor media.
        RequestMalformed: a form that is broken or cut off.
        RequestInvalid: no media part, too many, or an unknown field.
        UploadTimeout, Overloaded: too slow, or no memory left for it.
        ClientDisconnect: the caller went away; the memory is free again.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    media_type = kind.decode("latin-1").lower()
    _refuse_early(request, rules)
    upload = Upload(rules.media_bytes, rules.media_total, budget, digest=digest)
    try:
        with anyio.fail_after(rules.total_s):
            if media_type == "multipart/form-data":
                received = await _read_form(request, options.get(b"boundary", b""), upload, rules)
            elif _RAW_TYPE.fullmatch(media_type) and not rules.once:
                async for chunk in _chunks(request, rules.idle_s):
                    upload.write(chunk)
                upload.end_item()
                received = Received(upload)
            else:
                raise _neither(rules)
        upload.seal()
    except TimeoutError:
        upload.close()
        raise UploadTimeout("The upload stood still or took too long; send it again over a steadier line.") from None
    except BaseException:
        upload.close()
        raise
    return received


def _neither(rules: UploadRules) -> MediaUnsupported:
    if rules.once:
        wanted = " and ".join(sorted(rules.parts))
        return MediaUnsupported(f"Send the media as multipart/form-data with one part each named {wanted}.")
    return MediaUnsupported(
        "Send the media as multipart/form-data with a part named file, or as the body itself with "
        "Content-Type image/*, video/* or application/octet-stream."
    )


def _refuse_early(request: Request, rules: UploadRules) -> None:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise MediaUnsupported("A compressed body is not read; send the media as it is, without Content-Encoding.")
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) > rules.body_bytes:
        raise too_large(rules.media_total)


async def _chunks(request: Request, idle_s: float) -> AsyncIterator[bytes]:
    stream = request.stream()
    async with contextlib.aclosing(stream):
        while True:
            with anyio.fail_after(idle_s):
                chunk = await anext(stream, None)
            if chunk is None:
                return
            yield chunk


async def _read_form(request: Request, boundary: bytes, upload: Upload, rules: UploadRules) -> Received:
    form = FormReader(boundary, upload, rules)
    async for chunk in _chunks(request, rules.idle_s):
        form.write(chunk)
    fields, names = form.end()
    return Received(upload, fields, names)
