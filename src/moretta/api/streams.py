"""What is written by a thread, as an answer that streams: in memory there are never more than a few pieces of it.

Belongs here: the passage from a blocking writer to the event loop. Does not belong here: what is written.
"""

import asyncio
import contextlib
import io
import threading
from collections.abc import AsyncIterator, Callable
from typing import BinaryIO, cast

import anyio.to_thread

from moretta.core.errors import Cancelled

_PIECE_BYTES = 256 * 1024
_PIECES = 4
# A reader that takes nothing for so long is gone, or might as well be.
_STANDSTILL_S = 60.0


class _Outflow(io.RawIOBase):
    """Blocks whoever writes until the reader has room; raises `Cancelled` once there is none any more."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pieces: "asyncio.Queue[bytes | Exception | None]") -> None:
        self._loop = loop
        self._pieces = pieces
        self._waiting = bytearray()
        self.gone = threading.Event()

    def writable(self) -> bool:
        return True

    def write(self, piece: object) -> int:
        """Take all of `piece` (bytes-like), and its length; passed on once there is enough for a piece."""
        view = memoryview(cast(bytes, piece))
        self._waiting += view
        if len(self._waiting) >= _PIECE_BYTES:
            self.pass_on()
        return len(view)

    def pass_on(self) -> None:
        """Let the reader have what was written."""
        if self._waiting:
            piece, self._waiting = bytes(self._waiting), bytearray()
            self.put(piece)

    def put(self, piece: bytes | Exception | None) -> None:
        """Hand on a piece, the error that breaks the stream off, or None at its end.

        Raises:
            Cancelled: the reader has gone away, or has taken nothing for `_STANDSTILL_S`.
        """
        if self.gone.is_set():
            raise Cancelled("The reader went away.")
        put = asyncio.run_coroutine_threadsafe(self._pieces.put(piece), self._loop)
        try:
            put.result(_STANDSTILL_S)
        except TimeoutError:
            put.cancel()
            raise Cancelled("The reader stood still.") from None


async def streamed(write: Callable[[BinaryIO], object], limiter: anyio.CapacityLimiter) -> AsyncIterator[bytes]:
    """What `write` writes, piece by piece, once its first piece is there.

    Raises:
        Exception: whatever `write` raised before its first piece. What it raises later breaks the stream off, so that nobody
            takes what came until then for the whole.
    """
    pieces: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(_PIECES)
    outflow = _Outflow(asyncio.get_running_loop(), pieces)
    work = asyncio.ensure_future(anyio.to_thread.run_sync(_written, write, outflow, limiter=limiter))
    first = await _next(pieces, work, outflow)
    return _rest(first, pieces, work, outflow)


def _written(write: Callable[[BinaryIO], object], outflow: _Outflow) -> None:
    with contextlib.suppress(Cancelled):
        try:
            write(cast(BinaryIO, outflow))
            outflow.pass_on()
            outflow.put(None)
        except Cancelled:
            raise
        except Exception as error:
            outflow.put(error)


async def _next(
    pieces: "asyncio.Queue[bytes | Exception | None]", work: "asyncio.Future[None]", outflow: _Outflow
) -> bytes | None:
    try:
        piece = await pieces.get()
    except BaseException:
        outflow.gone.set()
        raise
    if isinstance(piece, Exception):
        await work
        raise piece
    return piece


async def _rest(
    piece: bytes | None,
    pieces: "asyncio.Queue[bytes | Exception | None]",
    work: "asyncio.Future[None]",
    outflow: _Outflow,
) -> AsyncIterator[bytes]:
    try:
        while piece is not None:
            yield piece
            piece = await _next(pieces, work, outflow)
    finally:
        outflow.gone.set()
        # Whoever waits for room finds it, and then that nobody reads.
        while not pieces.empty():
            pieces.get_nowait()
