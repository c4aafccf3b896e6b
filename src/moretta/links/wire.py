"""Messages over a connected socket, with a deadline for each.

Belongs here: reading and writing whole messages. Does not belong here: connecting, listening.
"""

import socket
import time

from moretta.links.deadlines import seconds_left
from moretta.links.frames import Message, frame, read_message

_PIECE = 1 << 20


class LinkClosed(Exception):
    """The other side is gone."""


class Wire:
    """One connected socket. Not for two threads at once."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def send(self, message: Message, limit_s: float | None) -> None:
        """Send the whole message. Raises `TimeoutError`, `LinkClosed`, `RequestInvalid` (see `frame`)."""
        deadline = _deadline(limit_s)
        try:
            for piece in frame(message):
                self.connection.settimeout(_left(deadline))
                self.connection.sendall(piece)
        except TimeoutError:
            raise
        except OSError:
            raise LinkClosed from None

    def receive(self, limit_s: float | None, first: bytes = b"") -> Message:
        """The next message, of which `first` was read already. Raises `TimeoutError`, `LinkClosed`, `FrameRejected`."""
        deadline = _deadline(limit_s)
        begun = first

        def read(length: int) -> bytes:
            nonlocal begun
            head, begun = begun, b""
            return head + self._exactly(length - len(head), deadline)

        return read_message(read)

    def close(self) -> None:
        """Close the socket. Idempotent."""
        self.connection.close()

    def _exactly(self, length: int, deadline: float | None) -> bytes:
        """`length` bytes, kept as they come: a peer that announces more than it sends costs no memory."""
        pieces, left = [], length
        try:
            while left:
                self.connection.settimeout(_left(deadline))
                piece = self.connection.recv(min(_PIECE, left))
                if not piece:
                    raise LinkClosed
                pieces.append(piece)
                left -= len(piece)
        except TimeoutError:
            raise
        except OSError:
            raise LinkClosed from None
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _deadline(limit_s: float | None) -> float | None:
    return None if limit_s is None else time.monotonic() + limit_s


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else seconds_left(deadline)
