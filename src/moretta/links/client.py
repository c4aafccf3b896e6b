"""The calling end of a link.

Belongs here: connections that are kept and reused, deadlines, and one error for all that can go wrong on the way.
"""

import contextlib
import socket
import threading
import time

from moretta.core.errors import NodeUnavailable
from moretta.links.addresses import Address
from moretta.links.deadlines import seconds_left
from moretta.links.frames import FrameRejected, Message, raised_by
from moretta.links.tls import TlsFiles, client_context
from moretta.links.wire import LinkClosed, Wire

_KEPT = 8
_CROWDED_S = 0.01


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

    @property
    def address(self) -> Address:
        """Where the peer listens."""
        return self._address

    def call(self, message: Message, timeout_s: float | None = None, *, repeatable: bool = True) -> Message:
        """The answer to `message`.

        A kept connection may have gone stale, which shows only after the message was sent: then a new one is made and the message
        sent again. One that must not be sent twice (`repeatable=False`) always gets a connection of its own.

        Raises:
            NodeUnavailable: no connection, no answer in time, or something that is no answer.
            RequestInvalid: the message is larger than a link carries.
            MorettaError: what the other side raised.
        """
        limit_s = timeout_s or self._timeout_s
        until = time.monotonic() + limit_s
        try:
            kept = self._kept() if repeatable else None
            if kept is not None:
                with contextlib.suppress(LinkClosed):
                    return self._exchange(kept, message, until)
            return self._exchange(self._connected(until), message, until)
        except LinkClosed:
            raise NodeUnavailable(f"{self._role} closed the connection before it answered; try again") from None
        except TimeoutError:
            raise NodeUnavailable(f"{self._role} did not answer within {limit_s:g} s; try again later") from None
        except FrameRejected:
            raise NodeUnavailable(f"{self._role} answered with something that is no answer; it was dropped") from None

    def close(self) -> None:
        """Close the kept connections. Idempotent."""
        with self._lock:
            while self._free:
                self._free.pop().close()

    def _kept(self) -> Wire | None:
        with self._lock:
            return self._free.pop() if self._free else None

    def _exchange(self, wire: Wire, message: Message, until: float) -> Message:
        try:
            wire.send(message, seconds_left(until))
            answer = wire.receive(seconds_left(until))
        except BaseException:
            wire.close()
            raise
        with self._lock:
            keep = len(self._free) < _KEPT
            if keep:
                self._free.append(wire)
        if not keep:
            wire.close()
        error = raised_by(answer)
        if error is not None:
            raise error
        return answer

    def _connected(self, until: float) -> Wire:
        if self._address.path is None and self._context is None:
            raise NodeUnavailable(f"{self._role} is reached by TLS, but no certificate is set for this process")
        try:
            return Wire(self._unix(until) if self._address.path is not None else self._tls(until))
        except TimeoutError:
            raise
        except OSError as error:
            reason = error.strerror or "the address cannot be used"
            raise NodeUnavailable(
                f"{self._role} cannot be reached: {reason}; check that it runs, its address, and its certificate"
            ) from None

    def _unix(self, until: float) -> socket.socket:
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.settimeout(seconds_left(until))
                connection.connect(str(self._address.path))
                return connection
            except BlockingIOError:  # more callers at this moment than the peer has accepted; TCP would wait by itself
                connection.close()
                time.sleep(_CROWDED_S)
            except BaseException:
                connection.close()
                raise

    def _tls(self, until: float) -> socket.socket:
        connection = socket.create_connection((self._address.host, self._address.port), seconds_left(until))
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(seconds_left(until))
            assert self._context is not None  # noqa: S101 - `_connected` looked
            return self._context.wrap_socket(connection, server_hostname=self._role)
        except BaseException:
            connection.close()
            raise
