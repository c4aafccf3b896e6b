"""One call over HTTP/1.1 to a service of this kind, at an address that the operator named: what a witness needs, and no more.

Belongs here: the request, the answer, deadlines and limits. Does not belong here: what is asked. No redirect is followed, no
proxy and no environment variable is looked at, nothing is kept between calls; an answer that is not plain is refused.
"""

import re
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass

from moretta.core.errors import NodeUnavailable, RequestInvalid

# Checkpoints and proofs are some KB.
MAX_ANSWER_BYTES = 2**20
_MAX_HEAD_BYTES = 16 * 1024
_PIECE = 16 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?")
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[A-Za-z0-9._~-]+)*)/?"
)
_PLAIN = re.compile(r"[\x21-\x7e]*")
_HEADER = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class HttpAddress:
    """Where a service listens: `host` and `port`, by TLS or, on this machine only, without; `path` is put before every target."""

    host: str
    port: int
    tls: bool
    path: str = ""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The status (100-599) and the body."""

    status: int
    body: bytes


def parse_http_address(text: str) -> HttpAddress:
    """The address in `https://host[:port][/path]`, or `http://` of this machine.

    Raises:
        RequestInvalid: another form, or a connection without TLS to another machine.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found["port"] or 1) < 65536:
        raise RequestInvalid("expected an address such as https://host:8000, without a password or a query")
    tls, host = found["scheme"] == "https", found["host"].strip("[]")
    if not tls and host not in ("localhost", "127.0.0.1", "::1"):
        raise RequestInvalid("expected https:// for another machine: without TLS the API key could be read on the way")
    return HttpAddress(host, int(found["port"] or (443 if tls else 80)), tls, found["path"])


def call(
    address: HttpAddress,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    timeout_s: float = 30.0,
) -> HttpAnswer:
    """The answer to one request; the connection is made for it and closed after it.

    Raises:
        NodeUnavailable: no connection, no answer in time, too large a one, or something that is no answer.
        RequestInvalid: a header or the target is not plain text.
    """
    request = _request(address, method, target, headers, body)
    until = time.monotonic() + timeout_s
    try:
        with _connected(address, timeout_s) as connection:
            connection.sendall(request)
            return _parsed(_received(connection, until))
    except ssl.SSLCertVerificationError:
        raise NodeUnavailable("the log's server does not show a certificate that this machine trusts") from None
    except (OSError, ValueError):
        raise NodeUnavailable("the log's server cannot be reached, or did not answer as it should; try again") from None


def _connected(address: HttpAddress, timeout_s: float) -> socket.socket:
    raw = socket.create_connection((address.host, address.port), timeout_s)
    if not address.tls:
        return raw
    try:
        return ssl.create_default_context().wrap_socket(raw, server_hostname=address.host)
    except BaseException:
        raw.close()
        raise


def _request(address: HttpAddress, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
    host = f"[{address.host}]" if ":" in address.host else address.host
    fields = {
        "Host": f"{host}:{address.port}",
        "Connection": "close",
        "Accept-Encoding": "identity",
        "Content-Length": str(len(body)),
        **headers,
    }
    sound = all(_HEADER.fullmatch(name) and _HEADER.fullmatch(value) for name, value in fields.items())
    if not sound or not _PLAIN.fullmatch(target):
        raise RequestInvalid("expected plain text in the headers and the target of a request")
    lines = [f"{method} {address.path}{target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def _received(connection: socket.socket, until: float) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        piece = connection.recv(_PIECE)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        size += len(piece)
        if size > MAX_ANSWER_BYTES + _MAX_HEAD_BYTES:
            raise ValueError("too large")


def _parsed(received: bytes) -> HttpAnswer:
    """A whole answer with its length; chunks, which our services do not send, are none."""
    head, found, body = received.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    status = _STATUS.fullmatch(first)
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    if not found or status is None or b"transfer-encoding" in fields or len(head) > _MAX_HEAD_BYTES:
        raise ValueError("no answer")
    length = fields.get(b"content-length", b"0" if not body else b"")
    if not length.isdigit() or int(length) != len(body):
        raise ValueError("cut off")
    return HttpAnswer(int(status[1]), body)
