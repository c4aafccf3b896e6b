"""Links whose handler tests choose, and sockets that speak to them by hand."""

import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from moretta.core.errors import KeyDestroyed
from moretta.links.addresses import Address
from moretta.links.certificates import files_of, issue
from moretta.links.client import LinkClient
from moretta.links.frames import Message, frame
from moretta.links.server import Handler, LinkServer
from moretta.links.wire import Wire


def echo(role: str, message: Message) -> Message:
    """Answers with what it got, and who asked."""
    if message.kind == "fail":
        raise KeyDestroyed("gone for good")
    if message.kind == "break":
        raise RuntimeError("a secret that must not cross")
    return Message("echo", {"role": role, **message.fields}, message.blobs)


class Links:
    """Makes servers and clients that are closed when the test ends."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.socket = Address(folder / "link.sock")

    def certificates(self, name: str = "certificates", *roles: str, days: int = 30) -> Path:
        folder = self.folder / name
        issue(folder, roles or ("keyd", "serve", "node-eu"), days)
        return folder

    def server(self, address: Address, handler: Handler = echo, folder: Path | None = None) -> LinkServer:
        tls = files_of(folder, "keyd") if folder is not None else None
        server = LinkServer(address, handler, frozenset({"serve"}), tls)
        self._stack.callback(server.close)
        server.start()
        return server

    def client(
        self,
        address: Address,
        folder: Path | None = None,
        role: str = "serve",
        peer: str = "keyd",
        timeout_s: float = 10,
    ) -> LinkClient:
        client = LinkClient(address, peer, files_of(folder, role) if folder is not None else None, timeout_s)
        self._stack.callback(client.close)
        return client

    def raw(self, address: Address) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX) if address.path is not None else socket.socket(socket.AF_INET)
        self._stack.callback(connection.close)
        connection.settimeout(10)
        connection.connect(str(address.path) if address.path is not None else (address.host, address.port))
        return connection

    def listener(self, answer: Callable[[socket.socket], None]) -> Address:
        """A peer at a Unix socket that treats its first caller as `answer` says, on a thread."""
        address = Address(self.folder / "peer.sock")
        listener = socket.socket(socket.AF_UNIX)
        self._stack.callback(listener.close)
        listener.bind(str(address.path))
        listener.listen(4)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                Wire(connection).receive(10)
                answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        self._stack.callback(thread.join, 10)
        return address


TLS_ANYWHERE = Address(host="127.0.0.1", port=0)


def bytes_of(message: Message) -> bytes:
    """A message as it goes over the wire."""
    return b"".join(frame(message))


def until_closed(connection: socket.socket) -> bytes:
    """What comes before the other side closes, in order or not (it does the latter where it has not read everything)."""
    got = b""
    try:
        while piece := connection.recv(1 << 16):
            got += piece
    except ConnectionError:
        pass
    return got


def made_links() -> Iterator[Links]:
    """What the fixture `links` is; a Unix socket's path has at most 107 characters, and a test's own folder may have more."""
    with ExitStack() as stack:
        yield Links(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="link-"))), stack)
