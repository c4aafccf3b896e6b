"""Bytes to and from a camera over a descriptor that is connected already.

Belongs here: lines, lengths and limits. Does not belong here: what they mean.
"""

import os
import select
import time

from moretta.core.errors import CameraUnavailable

_PIECE = 64 * 1024
# Cameras' headers have some hundred bytes.
MAX_LINE = 8 * 1024
MAX_HEADERS = 100


class Conversation:
    """Reads and writes a connected descriptor, which stays the caller's.

    Raises:
        CameraUnavailable: in every method: nothing came in time, the other side closed, or said too much at once.
    """

    def __init__(self, fd: int, silence_s: float = 15.0) -> None:
        self._fd, self._silence_s = fd, silence_s
        self._buffer = bytearray()
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)

    def send(self, content: bytes) -> None:
        """Write all of it."""
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:
            raise _closed() from None

    def line(self) -> bytes:
        """The next line without its end."""
        while (at := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > MAX_LINE:
                raise CameraUnavailable("expected lines of text from the camera, got something else")
            self._more()
        found = bytes(self._buffer[:at])
        del self._buffer[: at + 1]
        return found.removesuffix(b"\r")

    def headers(self) -> dict[str, str]:
        """Header lines up to the empty one, by name in lower case; of several of one name the last."""
        found: dict[str, str] = {}
        for _ in range(MAX_HEADERS):
            line = self.line()
            if not line:
                return found
            name, _, value = line.decode("latin-1").partition(":")
            name, value = name.strip().lower(), value.strip()
            # Of several challenges that of the better scheme.
            if name != "www-authenticate" or "digest" not in found.get(name, "").lower():
                found[name] = value
        raise CameraUnavailable("expected fewer headers from the camera")

    def exactly(self, count: int) -> bytes:
        """The next `count` bytes."""
        while len(self._buffer) < count:
            self._more()
        found = bytes(self._buffer[:count])
        del self._buffer[:count]
        return found

    def until(self, mark: bytes, most: int) -> bytes:
        """What comes before `mark`, which stays."""
        start = 0
        while (at := self._buffer.find(mark, start)) < 0:
            start = max(0, len(self._buffer) - len(mark))
            if len(self._buffer) > most:
                raise CameraUnavailable(f"expected parts of at most {most} bytes from the camera, got more")
            self._more()
        found = bytes(self._buffer[:at])
        del self._buffer[:at]
        return found

    def peek(self) -> int:
        """The next byte, which stays."""
        while not self._buffer:
            self._more()
        return self._buffer[0]

    def _more(self) -> None:
        until = time.monotonic() + self._silence_s
        while not self._poll.poll(max(0.0, until - time.monotonic()) * 1000):
            if time.monotonic() >= until:
                raise CameraUnavailable(f"the camera said nothing for {self._silence_s:g} s")
        try:
            piece = os.read(self._fd, _PIECE)
        except OSError:
            raise _closed() from None
        if not piece:
            raise _closed()
        self._buffer += piece


def _closed() -> CameraUnavailable:
    return CameraUnavailable("the camera closed the connection")
