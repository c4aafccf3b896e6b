"""The worker process: `python -m moretta.sandbox.worker CHANNEL`, started by the pool and by nothing else.

Belongs here: its life. Read the terms from the channel, confine what can be confined, load the models, confine the rest,
report, then serve one request after another. Only the standard library and `core.errors` are imported before the
first confinement, so that the process still has a single thread.
"""

import contextlib
import gc
import json
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from moretta.core.errors import MorettaError, SandboxUnavailable
from moretta.sandbox import libc
from moretta.sandbox.confinement import Attempt, Confinement, Mechanism, Mode
from moretta.sandbox.frames import HEADER, RESULT_LIMIT, Failure, Kind, pack_header, unpack_header
from moretta.sandbox.mechanisms import Confiner, Terms

# Called with the media, the request and where to tell progress; and with the output's descriptor where the request has one.
Handler = Callable[..., bytes]
_PIECE = 1024 * 1024
_NOWHERE = ("192.0.2.1", 9)  # RFC 5737: reserved for documentation; connecting a datagram socket sends nothing


@dataclass(frozen=True, slots=True)
class StartTerms:
    """What the pool tells a new worker."""

    entry_point: str
    mechanisms: str
    mode: Mode
    terms: Terms

    def to_json(self) -> bytes:
        """The terms as JSON."""
        return json.dumps(
            {
                "entry_point": self.entry_point,
                "mechanisms": self.mechanisms,
                "mode": self.mode,
                "parent_pid": self.terms.parent_pid,
                "memory_bytes": self.terms.memory_bytes,
                "readable": [str(path) for path in self.terms.readable],
            }
        ).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> "StartTerms":
        """Read the terms."""
        value = json.loads(raw)
        readable = tuple(Path(path) for path in value["readable"])
        terms = Terms(value["parent_pid"], value["memory_bytes"], readable)
        return cls(value["entry_point"], value["mechanisms"], Mode(value["mode"]), terms)


class ChannelClosed(Exception):
    """The pool's end is gone."""


class Channel:
    """The worker's end of the socket pair. It sends with write(2): after confinement nothing else is left to it."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self.descriptor = descriptor

    def receive(self) -> tuple[Kind, int, bytes, list[int]]:
        """The next frame: kind, request number, body, and the descriptors that came with it, two at most.

        Raises:
            ChannelClosed: the pool's end is gone.
        """
        head, descriptors, _, _ = socket.recv_fds(self._socket, HEADER.size, 2)
        if not head:
            raise ChannelClosed
        if len(head) < HEADER.size:
            head += self._exactly(HEADER.size - len(head))
        kind, number, length = unpack_header(head)
        return kind, number, self._exactly(length), list(descriptors)

    def send(self, kind: Kind, number: int, body: bytes) -> None:
        """Send one frame.

        Raises:
            ChannelClosed: the pool's end is gone.
        """
        waiting = memoryview(pack_header(kind, number, len(body)) + body)
        while waiting:
            try:
                waiting = waiting[os.write(self.descriptor, waiting[:_PIECE]) :]
            except (BrokenPipeError, ConnectionError):
                raise ChannelClosed from None

    def _exactly(self, length: int) -> bytes:
        received = bytearray()
        while len(received) < length:
            piece = os.read(self.descriptor, min(_PIECE, length - len(received)))
            if not piece:
                raise ChannelClosed
            received += piece
        return bytes(received)


def main(arguments: list[str]) -> int:
    """Run a worker on the channel whose descriptor number is the only argument; returns the exit status."""
    channel = Channel(int(arguments[0]))
    os.closerange(3, channel.descriptor)
    os.closerange(channel.descriptor + 1, 4096)
    try:
        _, number, raw, _ = channel.receive()
        try:
            handler, confinement = prepare(StartTerms.from_json(raw))
        except Exception as error:
            if not isinstance(error, MorettaError):
                sys.excepthook(type(error), error, error.__traceback__)
            channel.send(Kind.ERROR, number, Failure.of(error).to_json())
            return 1
        channel.send(Kind.READY, number, confinement.to_json())
        serve(channel, handler)
    except ChannelClosed:
        pass
    return 0


def prepare(start: StartTerms) -> tuple[Handler, Confinement]:
    """Confine this process around a loaded handler.

    Raises:
        SandboxUnavailable: the mode is `required` and the kernel does not give all of it; no media was read.
    """
    mechanisms: tuple[Mechanism, ...] = _named(start.mechanisms)(start.terms)
    confiner = Confiner(mechanisms)
    confiner.before_loading()
    handler: Handler = _named(start.entry_point)()
    gc.collect()
    gc.freeze()  # models and modules live as long as the process: later collections look at a request's objects only
    statuses = confiner.after_loading()
    confinement = Confinement(statuses, attempts())
    if start.mode is Mode.REQUIRED and not confinement.complete:
        raise unavailable(confinement)
    return handler, confinement


def unavailable(confinement: Confinement) -> SandboxUnavailable:
    """The error that says what is missing and how to go on."""
    missing = "; ".join(confinement.missing) or "the worker reported no mechanism"
    return SandboxUnavailable(
        f"the sandbox is required, but not all of it is in force: {missing}. Use a kernel or a container that permits it, "
        "or set `sandbox` to `best-effort` to go on without."
    )


def serve(channel: Channel, handler: Handler) -> None:
    """Answer requests until the pool closes the channel.

    Raises:
        ChannelClosed: it did.
    """
    while True:
        kind, number, request, descriptors = channel.receive()
        if kind is not Kind.REQUEST or not descriptors:
            raise ChannelClosed
        try:
            _answer(channel, handler, number, request, descriptors)
        finally:
            for descriptor in descriptors:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        gc.collect()


def attempts() -> tuple[Attempt, ...]:
    """Try what a worker must not be able to do, leaving nothing behind where it succeeds."""
    return (
        Attempt("read files", _denied(_read_root)),
        Attempt("create files", _denied(_create_unnamed)),
        Attempt("reach the network", _denied(_connect_datagram)),
        Attempt("start processes", _denied(_fork)),
    )


def _answer(channel: Channel, handler: Handler, number: int, request: bytes, descriptors: list[int]) -> None:
    media, *output = descriptors
    try:
        result = handler(media, request, lambda progress: channel.send(Kind.PROGRESS, number, progress), *output)
        if len(result) > RESULT_LIMIT:
            raise OverflowError("the result is over its limit")
    except ChannelClosed:
        raise
    except Exception as error:
        if not isinstance(error, MorettaError):
            sys.excepthook(type(error), error, error.__traceback__)  # into nothing, unless the pool was told to debug
        channel.send(Kind.ERROR, number, Failure.of(error).to_json())
        return
    channel.send(Kind.RESULT, number, result)


def _named(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def _denied(attempt: Callable[[], None]) -> bool:
    try:
        attempt()
    except OSError:
        return True
    return False


def _read_root() -> None:
    os.close(os.open("/", os.O_RDONLY))


def _create_unnamed() -> None:
    if not libc.on_linux():
        return
    for folder in ("/tmp", "/var/tmp", "/dev/shm"):  # noqa: S108 - nothing is made there: O_TMPFILE has no name
        with contextlib.suppress(OSError):
            os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o600))
            return
    raise PermissionError("no file could be created")


def _connect_datagram() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(_NOWHERE)


def _fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
