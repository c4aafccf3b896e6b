"""Motion JPEG over HTTP, on a connection that is there already.

Belongs here: one request, and the parts of its answer. There is no standard: cameras send `multipart/x-mixed-replace`
(RFC 2046, 5.1) with a JPEG a part. No redirect is followed.
"""

import re
import time
from collections.abc import Iterator

from moretta.core.cameras import CHALLENGE
from moretta.core.errors import CameraUnavailable, FieldError
from moretta.vision.cameras.conversation import Conversation
from moretta.vision.cameras.credentials import Credentials
from moretta.vision.cameras.rtp import MOST_PICTURE_BYTES, Encoded
from moretta.vision.cameras.rtsp import refused

_STATUS = re.compile(rb"HTTP/1\.\d (\d{3})\b.*")
_BOUNDARY = re.compile(r'multipart/[a-z-]+\s*;.*?boundary="?([^";\s]+)"?', re.IGNORECASE)
_MOST_BEFORE = 64 * 1024


def motion_jpeg(talk: Conversation, host: str, target: str, credentials: Credentials) -> Iterator[Encoded]:
    """The pictures as they come, in the time of their coming.

    Raises:
        CameraUnavailable: the camera refuses, is silent, or sends something else. Where it asks who we are, the error's field
            `challenge` holds its question.
    """
    boundary = _asked(talk, host, target, credentials)
    while True:
        yield Encoded(time.monotonic(), _part(talk, boundary))


def _asked(talk: Conversation, host: str, target: str, credentials: Credentials) -> bytes:
    # HTTP/1.0, so that nobody answers in chunks.
    lines = [f"GET {target} HTTP/1.0", f"Host: {host}", "User-Agent: Moretta", "Accept: multipart/x-mixed-replace"]
    authorization = credentials.header("GET", target)
    if authorization is not None:
        lines.append(f"Authorization: {authorization}")
    talk.send("\r\n".join([*lines, "", ""]).encode("utf-8"))
    status = _STATUS.fullmatch(talk.line())
    if status is None:
        raise CameraUnavailable("expected HTTP from the camera, got something else")
    headers = talk.headers()
    asked = headers.get("www-authenticate")
    if int(status[1]) == 401 and asked and credentials.user and authorization is None:
        error = refused(401)
        raise CameraUnavailable(error.detail, field_errors=(FieldError(CHALLENGE, asked[:500]),))
    if int(status[1]) != 200:
        raise refused(int(status[1]))
    boundary = _BOUNDARY.match(headers.get("content-type", ""))
    if boundary is None:
        raise CameraUnavailable("expected motion JPEG (multipart/x-mixed-replace) from the camera, got something else")
    # Some announce the boundary with the dashes that go before it.
    return b"--" + boundary[1].encode("latin-1").removeprefix(b"--")


def _part(talk: Conversation, boundary: bytes) -> bytes:
    talk.until(boundary, _MOST_BEFORE)
    talk.line()
    length = talk.headers().get("content-length", "")
    if length.isascii() and length.isdigit():
        if int(length) > MOST_PICTURE_BYTES:
            raise CameraUnavailable("expected pictures of a sensible size from the camera, got larger ones")
        return talk.exactly(int(length))
    return talk.until(boundary, MOST_PICTURE_BYTES).rstrip(b"\r\n")
