"""The answering end of a link: a thread for each connection, one handler for all.

Belongs here: listening, who may call, and answering errors. Does not belong here: what a message means.
"""

import contextlib
import errno
import logging
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from moretta.core.errors import MorettaError, RequestInvalid
from moretta.links.addresses import Address
from moretta.links.frames import FrameRejected, Message, error_message
from moretta.links.tls import TlsFiles, roles, server_context
from moretta.links.wire import LinkClosed, Wire

# Gets the caller's role (a Unix socket's caller is `local`) and the message; what it raises is answered as an error.
Handler = Callable[[str, Message], Message]

LOCAL_ROLE = "local"
_HANDSHAKE_S = 10.0
# A peer that stops in the middle of a message holds one thread for at most so long.
_MESSAGE_S = 120.0
_CONNECTIONS = 256
_ACCEPT_PAUSE_S = 0.05

_log = logging.getLogger(__name__)


class LinkServer:
    """Listens from the moment it is made; `serve_forever` or `start` answers.

    Args:
        address: where to listen; port 0 takes a free one (see `address`).
        handler: answers messages.
        tls: this process's certificate; needed for `tls:` addresses.
        callers: the roles that may call over TLS. Over a Unix socket only processes of this user (or root) may.

    Raises:
        RequestInvalid: the address cannot be used, or TLS files are missing.
    """

    def __init__(
        self, address: Address, handler: Handler, callers: frozenset[str], tls: TlsFiles | None = None
    ) -> None:
        if address.path is None and tls is None:
            raise RequestInvalid(
                "expected certificate files to listen on a tls: address; `moretta certificates` makes a set"
            )
        self._handler, self._callers = handler, callers
        self._context = server_context(tls) if tls is not None and address.path is None else None
        try:
            self._socket = _listening(address)
        except OSError as error:
            reason = error.strerror or "its path is too long"  # the one reason that has no number
            raise RequestInvalid(f"the link's address cannot be used: {reason}; choose another") from None
        self._path = address.path
        self._closed = threading.Event()
        self._slots = threading.BoundedSemaphore(_CONNECTIONS)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        host, port = ("", 0) if address.path is not None else self._socket.getsockname()[:2]
        self.address = address if address.path is not None else Address(host=host, port=port)

    def start(self) -> None:
        """Answer on threads of its own until `close`."""
        threading.Thread(target=self.serve_forever, name="link-server", daemon=True).start()

    def serve_forever(self) -> None:
        """Answer until `close` is called from another thread or a signal."""
        while not self._closed.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                # The caller went away again, or no descriptor is free: neither may end the service. `close` sets the event.
                self._closed.wait(_ACCEPT_PAUSE_S)
                continue
            if not self._slots.acquire(blocking=False):
                connection.close()
                continue
            with self._lock:
                self._open.add(connection)
            try:
                threading.Thread(target=self._serve, args=(connection,), name="link", daemon=True).start()
            except RuntimeError:  # no thread can be made at the moment
                self._drop(connection)

    def close(self) -> None:
        """Stop listening and drop every connection. Idempotent."""
        if self._closed.is_set():
            return
        self._closed.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "LinkServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self, raw: socket.socket) -> None:
        connection = raw
        try:
            raw.settimeout(_HANDSHAKE_S)
            if self._context is not None:
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection = self._context.wrap_socket(raw, server_side=True)
            role = self._role(connection)
            if role is not None:
                self._answer(Wire(connection), role)
        except (OSError, LinkClosed, FrameRejected):
            pass  # a caller that went away or never was one of ours
        except Exception as error:
            _log.error("link.connection_error: %s", type(error).__name__)
        finally:
            connection.close()
            self._drop(raw)

    def _drop(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)
        connection.close()
        self._slots.release()

    def _role(self, connection: socket.socket) -> str | None:
        """Who calls; None where they may not."""
        if isinstance(connection, ssl.SSLSocket):
            allowed = sorted(roles(connection) & self._callers)
            return allowed[0] if allowed else None
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, user, _ = struct.unpack("3i", credentials)
        return LOCAL_ROLE if user in (0, os.geteuid()) else None

    def _answer(self, wire: Wire, role: str) -> None:
        while not self._closed.is_set():
            message = self._next(wire)
            try:
                answer = self._handler(role, message)
            except MorettaError as error:
                answer = error_message(error)
            except Exception as error:
                _log.error("link.handler_error: %s", type(error).__name__)  # its message could quote anything
                answer = error_message(MorettaError("an unexpected error; the log of that process tells its kind"))
            try:
                wire.send(answer, _MESSAGE_S)
            except RequestInvalid as error:  # more than a link carries; nothing was sent yet
                wire.send(error_message(error), _MESSAGE_S)

    def _next(self, wire: Wire) -> Message:
        """The next message; between two a caller may wait as long as it likes, within one it may not."""
        wire.connection.settimeout(None)
        first = wire.connection.recv(1)
        if not first:
            raise LinkClosed
        return wire.receive(_MESSAGE_S, first)


def _listening(address: Address) -> socket.socket:
    if address.path is None:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        listener = socket.socket(family)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address.host, address.port))
            listener.listen(_CONNECTIONS)
        except BaseException:
            listener.close()
            raise
        return listener
    return _listening_at(address.path)


def _listening_at(path: Path) -> socket.socket:
    """A Unix socket of mode 0600; one that a dead process left behind is replaced, one that answers is not."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    try:
        if path.is_socket():
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(path)) == 0:
                    raise OSError(errno.EADDRINUSE, "another process listens there")
            path.unlink()
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(_CONNECTIONS)
    except BaseException:
        listener.close()
        raise
    return listener
