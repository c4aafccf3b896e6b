"""Connections to cameras, made in the door for readers that have no network: to the one address that was named, and no other.

Belongs here: connecting, TLS, and one descriptor that carries plain bytes either way. Does not belong here: what is said on it.
Names are resolved once an attempt; redirects are the reader's to refuse, which could not follow one.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from moretta.core.cameras import CameraSource
from moretta.core.errors import CameraUnavailable
from moretta.links.http import trusted

_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Connection:
    """A descriptor on which a camera is spoken to; `close` ends it, whoever else still holds a duplicate."""

    fd: int
    close: Callable[[], None]


def connected(source: CameraSource, timeout_s: float, ca_file: Path | None = None) -> Connection:
    """A connection to the source's host and port; by TLS where it says so, then as the certificates of
    `ca_file` (PEM) or the system's vouch.

    Raises:
        RequestInvalid: `ca_file` cannot be read.
        CameraUnavailable: nothing listens there, not in time, or not with a certificate that this machine trusts.
    """
    try:
        raw = socket.create_connection((source.host, source.port), timeout_s)
    except OSError as error:
        raise CameraUnavailable(f"the camera cannot be reached: {_reason(error)}") from None
    try:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not source.tls:
            # The reader blocks on it, with timeouts of its own.
            raw.settimeout(None)
            return Connection(raw.fileno(), lambda: _ended(raw))
        return _relayed(trusted(ca_file).wrap_socket(raw, server_hostname=source.host))
    except ssl.SSLCertVerificationError:
        raw.close()
        raise CameraUnavailable("the camera does not show a certificate that this machine trusts") from None
    except OSError as error:
        raw.close()
        raise CameraUnavailable(f"the camera cannot be reached: {_reason(error)}") from None


def _relayed(outer: ssl.SSLSocket) -> Connection:
    """Plain bytes on one end of a socket pair, the same by TLS on `outer`; a thread each way."""
    inner, readers = socket.socketpair()
    outer.settimeout(None)

    def close() -> None:
        for one in (outer, inner, readers):
            _ended(one)

    for source, target in ((outer, inner), (inner, outer)):
        threading.Thread(target=_pumped, args=(source, target), name="camera-tls", daemon=True).start()
    return Connection(readers.fileno(), close)


def _pumped(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError, ValueError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    for one in (source, target):
        with contextlib.suppress(OSError, ValueError):
            one.shutdown(socket.SHUT_RDWR)


def _ended(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return "its name is not known" if isinstance(error, socket.gaierror) else error.strerror or "the connection failed"
