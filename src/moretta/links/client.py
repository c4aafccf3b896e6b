"""The calling end of a link.

Belongs here: connections that are kept and reused, deadlines, and one error for all that can go wrong on the way.
"""

import contextlib
import socket
import threading

from moretta.core.errors import NodeUnavailable
from moretta.links.addresses import Address
from moretta.links.frames import FrameRejected, Message, raised_by
from moretta.links.tls import TlsFiles, client_context
from moretta.links.wire import LinkClosed, Wire

_KEPT = 8


class LinkClient:
    """Calls one peer. Safe for several threads: each call has a connection of its own while it lasts.

    Args:
        address: where the peer listens.
        role: the name that the peer's certificate must carry; it also names the peer in errors.
        tls: this process's certificate; needed for `tls:` addresses.
        timeout_s: longest time of one call, connecting included.
    """

    def __init__(self, address: Address, role: str, tls: TlsFiles | None = None, timeout_s: float = 10.0) -> None:
        self._address, self._role, self._timeout_s = address, role, timeout_s
        self._context = client_context(tls) if tls is not None and address.path is None else None
        self._lock = threading.Lock()
        self._free: list[Wire] = []

    def call(self, message: Message, timeout_s: float | None = None) -> Message:
        """The answer to `message`, which must be one that may be sent twice: a connection that went stale is made anew.

        Raises:
            NodeUnavailable: no connection, no answer in time, or something that is no answer.
            MorettaError: what the other side raised.
        """
        limit_s = timeout_s or self._timeout_s
        with self._lock:
            kept = self._free.pop() if self._free else None
        if kept is not None:
            with contextlib.suppress(LinkClosed):
                return self._exchange(kept, message, limit_s)
        try:
            return self._exchange(self._connected(limit_s), message, limit_s)
        except LinkClosed:
            raise NodeUnavailable(f"{self._role} closed the connection before it answered; try again") from None

    def close(self) -> None:
        """Close the kept connections. Idempotent."""
        with self._lock:
            while self._free:
                self._free.pop().close()

    def _exchange(self, wire: Wire, message: Message, limit_s: float) -> Message:
        try:
            wire.send(message, limit_s)
            answer = wire.receive(limit_s)
        except TimeoutError:
            wire.close()
            raise NodeUnavailable(f"{self._role} did not answer within {limit_s:g} s; try again later") from None
        except FrameRejected:
            wire.close()
            raise NodeUnavailable(f"{self._role} answered with something that is no answer; it was dropped") from None
        except BaseException:
            wire.close()
            raise
        with self._lock:
            if len(self._free) < _KEPT:
                self._free.append(wire)
                wire = None  # type: ignore[assignment]  # kept
        if wire is not None:
            wire.close()
        error = raised_by(answer)
        if error is not None:
            raise error
        return answer

    def _connected(self, limit_s: float) -> Wire:
        try:
            if self._address.path is not None:
                connection = socket.socket(socket.AF_UNIX)
                connection.settimeout(limit_s)
                connection.connect(str(self._address.path))
                return Wire(connection)
            if self._context is None:
                raise NodeUnavailable(f"{self._role} is reached by TLS, but no certificate is set for this process")
            connection = socket.create_connection((self._address.host, self._address.port), limit_s)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return Wire(self._context.wrap_socket(connection, server_hostname=self._role))
        except OSError as error:
            reason = error.strerror or "the certificates do not fit"
            raise NodeUnavailable(
                f"{self._role} cannot be reached: {reason}; check that it runs, and its address"
            ) from None
