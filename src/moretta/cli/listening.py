"""Listening on an address, and ending in order.

Belongs here: the socket and the signals of a service. Does not belong here: what is served.
"""

import signal
import socket
import sys
from types import FrameType
from typing import Any, NoReturn

from moretta.core.errors import RequestInvalid

# A container runtime waits 10 s after SIGTERM before it kills; streams of events would never end by themselves.
_GRACE_S = 5


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `host` and `port`; port 0 takes a free one.

    Raises:
        RequestInvalid: the address is not one of this machine, or the port is taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server(address, family=family, backlog=2048)
    except OSError as error:
        reason = error.strerror or "it cannot be used"
        raise RequestInvalid(
            f"expected an address of this machine and a free port, got port {port}: {reason}; choose others with --host "
            "and --port"
        ) from None
    # Connections inherit it. Without it the second packet of an answer waits 40 ms for the first one's acknowledgement:
    # asyncio sets it only on connections of listeners that it opened itself.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def url(listener: socket.socket, scheme: str = "http") -> str:
    """The address that `listener` has, as a browser takes it."""
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def end_in_order() -> None:
    """Make SIGTERM leave through every `finally`, as SIGINT does."""
    signal.signal(signal.SIGTERM, _leave)


def serve_app(app: Any, listener: socket.socket, **options: Any) -> None:
    """Answer requests with the ASGI `app` until a signal; neither addresses nor paths are logged."""
    import uvicorn

    from moretta.api.patience import PatientOnce

    config = uvicorn.Config(
        app,
        http=PatientOnce,
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_graceful_shutdown=_GRACE_S,
        **options,
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        sys.exit(0)


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)
