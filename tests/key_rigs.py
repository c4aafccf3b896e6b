"""Key holders behind real links, in a thread of the test's own process."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

from moretta.core.key_service import KeyService
from moretta.keys.server import KeyHandler, RewrappingHolder
from moretta.links.addresses import Address
from moretta.links.certificates import files_of, issue
from moretta.links.client import LinkClient
from moretta.links.server import LinkServer
from moretta.protection.holder import LocalKeyHolder
from moretta.protection.schemes import load_gallery_key, new_gallery_key


def local_holder(folder: Path, service: KeyService) -> LocalKeyHolder:
    """A key holder with the real schemes."""
    return LocalKeyHolder(folder, service, new_gallery_key, load_gallery_key)


def linked(service: KeyService, holder: RewrappingHolder, stack: ExitStack, *, tls: bool) -> LinkClient:
    """A client of both behind a Unix socket, or mutual TLS on a free port of this machine."""
    # A Unix socket's path has at most 107 characters, and a test's own folder may have more.
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="link-")))
    handler = KeyHandler(service, holder)
    if tls:
        issue(folder, ["keyd", "serve"])
        address = Address(host="127.0.0.1", port=0)
        server = LinkServer(address, handler, frozenset({"serve"}), files_of(folder, "keyd"))
    else:
        server = LinkServer(Address(folder / "keyd.sock"), handler, frozenset())
    stack.callback(server.close)
    server.start()
    client = LinkClient(server.address, "keyd", files_of(folder, "serve") if tls else None)
    stack.callback(client.close)
    return client
