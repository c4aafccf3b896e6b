"""Whoever opens a connection has to send a request, and soon; a key is not needed to be held to it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from api_fakes import PNG, House, held_until, wait_until

from moretta.api.patience import PatientOnce


class Hasty(PatientOnce):
    head_s = 0.4


@contextmanager
def served(house: House) -> Iterator[tuple[str, int]]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(house.app, http=Hasty, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]), daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield listener.getsockname()
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def closed_within(connection: socket.socket, seconds: float, drip: bytes) -> bool:
    """Whether the server hangs up although a byte of `drip` comes every now and then."""
    connection.settimeout(0.05)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            connection.sendall(drip[:1])
            drip = drip[1:]
            if connection.recv(65536) == b"":
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


@pytest.mark.parametrize(
    "drip", [b"", b"GET /healthz HTTP/1.1\r\nX-Long: " + b"a" * 500], ids=["silent", "a byte at a time"]
)
def test_a_head_that_does_not_come_to_an_end_ends_the_connection(drip: bytes) -> None:
    with served(House()) as address, socket.create_connection(address) as connection:
        assert closed_within(connection, 3, drip)


def test_a_body_that_nobody_reads_does_not_keep_the_connection() -> None:
    """The call was refused for want of a key; the rest of what it announced comes a byte at a time."""
    with served(House()) as address, socket.create_connection(address) as connection:
        connection.sendall(b"POST /v1/analyze HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 401")
        assert closed_within(connection, 3, b"b" * 500)


def test_work_that_takes_longer_is_waited_for_and_the_connection_used_again() -> None:
    go_on = threading.Event()
    house = House(held_until(go_on))
    headers = {**house.auth(), "Content-Type": "image/png"}
    with served(house) as (host, port), httpx.Client(base_url=f"http://{host}:{port}", headers=headers) as client:
        threading.Timer(1.0, go_on.set).start()
        assert client.post("/v1/analyze", content=PNG).status_code == 200
        assert client.post("/v1/analyze", content=PNG).status_code == 200
