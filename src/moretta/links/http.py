"""One call over HTTP/1.1 to an address that the operator named: what a witness and a sender of callbacks need, and no more.

Belongs here: the request, the answer, deadlines and limits. Does not belong here: what is asked. No redirect is followed, no
proxy is looked for, no session key is written to where an environment variable says, nothing is kept between calls; an answer
that is not plain is refused.
"""

import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from moretta.core.errors import NodeUnavailable, RequestInvalid
from moretta.links.deadlines import seconds_left

# Checkpoints and proofs are some KB.
MAX_ANSWER_BYTES = 2**20
_MAX_HEAD_BYTES = 16 * 1024
_PIECE = 16 * 1024
_HEAD_END = b"\r\n\r\n"
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
        raise RequestInvalid("expected https:// for another machine: without TLS whoever is in between could read it")
    return HttpAddress(host, int(found["port"] or (443 if tls else 80)), tls, found["path"])


def trusted(ca_file: Path | None = None) -> ssl.SSLContext:
    """TLS 1.2 or newer, to servers whose certificate and name the system's certificates vouch for, or those of `ca_file` (PEM).

    Raises:
        RequestInvalid: the file cannot be read, or holds no certificate.
    """
    # Not ssl.create_default_context, which would write session keys to where an environment variable says.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cafile=ca_file)
    except (OSError, ssl.SSLError):
        raise RequestInvalid("expected a file of certificates in PEM, got one that cannot be read") from None
    return context


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
    with _told(), _asked(address, request, trusted() if address.tls else None, timeout_s) as (connection, until):
        return _parsed(_received(connection, until))


def post(
    address: HttpAddress,
    target: str,
    headers: Mapping[str, str],
    body: bytes,
    timeout_s: float,
    trust: ssl.SSLContext | None = None,
) -> int:
    """The status (200-599) that a server of any kind answers a POST with; whatever else it says is not read.

    Args:
        trust: as `trusted` gives it; left out, the system's certificates.

    Raises:
        NodeUnavailable: no connection, no answer in time, or something that is no answer.
        RequestInvalid: a header or the target is not plain text.
    """
    request = _request(address, "POST", target, headers, body)
    tls = (trust or trusted()) if address.tls else None
    with _told(), _asked(address, request, tls, timeout_s) as (connection, until):
        return _status(_received(connection, until, head_only=True))


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ssl.SSLCertVerificationError:
        raise NodeUnavailable("the server does not show a certificate that this machine trusts") from None
    except (OSError, ValueError):
        raise NodeUnavailable("the server cannot be reached, or did not answer as it should; try again") from None


@contextmanager
def _asked(
    address: HttpAddress, request: bytes, tls: ssl.SSLContext | None, timeout_s: float
) -> Iterator[tuple[socket.socket, float]]:
    """A connection on which the request was sent, and the moment (monotonic, s) until which it may be answered."""
    until = time.monotonic() + timeout_s
    with _connected(address, tls, until) as connection:
        connection.settimeout(seconds_left(until))
        connection.sendall(request)
        yield connection, until


def _connected(address: HttpAddress, tls: ssl.SSLContext | None, until: float) -> socket.socket:
    raw = socket.create_connection((address.host, address.port), seconds_left(until))
    if tls is None:
        return raw
    try:
        raw.settimeout(seconds_left(until))
        return tls.wrap_socket(raw, server_hostname=address.host)
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


def _received(connection: socket.socket, until: float, *, head_only: bool = False) -> bytes:
    """What the server says until it closes the connection, or until the end of the answer's head."""
    received = bytearray()
    most = _MAX_HEAD_BYTES if head_only else MAX_ANSWER_BYTES + _MAX_HEAD_BYTES
    while True:
        connection.settimeout(seconds_left(until))
        piece = connection.recv(_PIECE)
        received += piece
        if not piece or (head_only and _HEAD_END in received):
            return bytes(received)
        if len(received) > most:
            raise ValueError("too large")


def _status(received: bytes) -> int:
    """The status in a whole head; one that only announces another (1xx) is none."""
    head, found, _ = received.partition(_HEAD_END)
    status = _STATUS.fullmatch(head.split(b"\r\n", 1)[0])
    if not found or status is None or status[1].startswith(b"1"):
        raise ValueError("no answer")
    return int(status[1])


def _parsed(received: bytes) -> HttpAnswer:
    """A whole answer with its length; chunks, which our services do not send, are none."""
    head, found, body = received.partition(_HEAD_END)
    first, *lines = head.split(b"\r\n")
    status = _STATUS.fullmatch(first)
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    if not found or status is None or b"transfer-encoding" in fields or len(head) > _MAX_HEAD_BYTES:
        raise ValueError("no answer")
    length = fields.get(b"content-length", b"0" if not body else b"")
    if not length.isdigit() or int(length) != len(body):
        raise ValueError("cut off")
    return HttpAnswer(int(status[1]), body)
