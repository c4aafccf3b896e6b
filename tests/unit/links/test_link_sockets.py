"""A link over a Unix socket: who may call, what a server survives, and what a client makes of a bad peer."""

import os
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.link_rigs import Links, bytes_of, echo, until_closed

from moretta.core.errors import KeyDestroyed, MorettaError, NodeUnavailable, RequestInvalid
from moretta.links.addresses import Address, parse_address
from moretta.links.frames import HEAD_LIMIT, Message
from moretta.links.server import LinkServer

HELLO = Message("hello", {"n": 1}, (b"\0" * 10, b"", b"abc"))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:/run/keyd.sock", Address(Path("/run/keyd.sock"))),
        ("tls:10.0.0.2:7301", Address(host="10.0.0.2", port=7301)),
        ("tls:[::1]:7301", Address(host="::1", port=7301)),
        ("tls:keyd.internal:0", Address(host="keyd.internal", port=0)),
    ],
)
def test_an_address_is_read(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "unix:", "unix:relative", "tcp:host:1", "tls:host", "tls::1", "tls:host:x", "tls:host:65536", "tls:host:-1"],
)
def test_another_address_is_refused(text: str) -> None:
    with pytest.raises(RequestInvalid):
        parse_address(text)


def test_a_call_is_answered_with_its_blobs_untouched(links: Links) -> None:
    links.server(links.socket)
    answer = links.client(links.socket).call(HELLO)
    assert answer == Message("echo", {"role": "local", "n": 1}, HELLO.blobs)


def test_many_megabytes_cross_whole(links: Links) -> None:
    links.server(links.socket)
    large = os.urandom(1 << 20) * 24
    assert links.client(links.socket).call(Message("large", {}, (large, b"end"))).blobs == (large, b"end")


def test_the_socket_is_its_owners_alone(links: Links) -> None:
    links.server(links.socket)
    mode = links.folder.joinpath("link.sock").stat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600


def test_a_folder_made_for_the_socket_is_its_owners_alone(links: Links) -> None:
    links.server(Address(links.folder / "run" / "link.sock"))
    assert stat.S_IMODE((links.folder / "run").stat().st_mode) == 0o700


def test_the_socket_of_a_dead_process_is_replaced(links: Links) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(links.socket.path))
    dead.close()
    links.server(links.socket)
    assert links.client(links.socket).call(HELLO).kind == "echo"


def test_the_socket_of_a_living_process_is_not_replaced(links: Links) -> None:
    links.server(links.socket)
    with pytest.raises(RequestInvalid, match="address"):
        LinkServer(links.socket, echo, frozenset())
    assert links.client(links.socket).call(HELLO).kind == "echo"


def test_a_file_that_is_no_socket_is_not_replaced(links: Links) -> None:
    path = links.folder / "link.sock"
    path.write_text("mine")
    with pytest.raises(RequestInvalid):
        LinkServer(links.socket, echo, frozenset())
    assert path.read_text() == "mine"


def test_a_path_that_is_too_long_is_told(links: Links) -> None:
    with pytest.raises(RequestInvalid, match="too long"):
        LinkServer(Address(links.folder / ("x" * 120)), echo, frozenset())
    with pytest.raises(NodeUnavailable):
        links.client(Address(links.folder / ("x" * 120))).call(HELLO)


def test_the_socket_is_gone_when_its_server_closes(links: Links) -> None:
    server = links.server(links.socket)
    server.close()
    server.close()
    assert not (links.folder / "link.sock").exists()
    with pytest.raises(NodeUnavailable, match="cannot be reached"):
        links.client(links.socket).call(HELLO)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
def test_a_process_of_another_user_is_not_answered(links: Links) -> None:
    links.server(links.socket)
    links.folder.chmod(0o711)
    (links.folder / "link.sock").chmod(0o666)
    code = (
        "import os, socket, sys; os.setgid(65534); os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sys.argv[1])\n"
        "try: s.sendall(sys.stdin.buffer.read()); got = s.recv(1)\n"
        "except ConnectionError: got = b''\n"
        "sys.exit(7 if got == b'' else 1)"
    )
    command = [sys.executable, "-c", code, str(links.socket.path)]
    assert subprocess.run(command, input=bytes_of(HELLO), check=False, timeout=30).returncode == 7


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0" * 100,
        b"MLK1\xff\xff\xff\xff",
        b"MLK1\0\0\0\x02[]",
        struct.pack(">4sI", b"MLK1", HEAD_LIMIT + 1),
        bytes_of(HELLO)[:-1] + b"X" + b"rubbish after a whole message",
    ],
)
def test_rubbish_ends_its_own_connection_and_no_other(links: Links, sent: bytes) -> None:
    links.server(links.socket)
    good = links.client(links.socket)
    good.call(HELLO)
    bad = links.raw(links.socket)
    bad.sendall(sent)
    until_closed(bad)
    assert good.call(HELLO).kind == "echo"


def test_callers_that_go_away_in_the_middle_leave_the_server_as_it_was(links: Links) -> None:
    links.server(links.socket)
    whole = bytes_of(HELLO)
    for length in range(len(whole)):
        with links.raw(links.socket) as bad:
            bad.sendall(whole[:length])
    with links.raw(links.socket) as bad:  # and one that does not wait for its answer
        bad.sendall(whole)
    assert links.client(links.socket).call(HELLO).kind == "echo"


def test_a_peer_that_announces_much_and_sends_little_costs_no_memory(links: Links) -> None:
    links.server(links.socket)
    announced = bytes_of(Message("a", {}, (b"",))).replace(b"[0]", b"[536870912]")
    announced = b"MLK1" + struct.pack(">I", len(announced) - 8) + announced[8:]
    before = resident_bytes()
    crowd = [links.raw(links.socket) for _ in range(8)]
    for connection in crowd:
        connection.sendall(announced + bytes(1000))
    assert links.client(links.socket).call(HELLO).kind == "echo"
    assert resident_bytes() - before < 100 * 2**20


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_200_idle_callers_do_not_keep_others_out(links: Links) -> None:
    links.server(links.socket)
    idle = [links.raw(links.socket) for _ in range(200)]
    client = links.client(links.socket)
    assert client.call(HELLO).kind == "echo"
    for connection in idle:
        connection.close()
    assert client.call(HELLO).kind == "echo"


def test_more_callers_than_places_are_turned_away_and_come_back_later(links: Links) -> None:
    links.server(links.socket)
    crowd = [links.raw(links.socket) for _ in range(256)]
    with pytest.raises(NodeUnavailable):
        links.client(links.socket).call(HELLO)
    for connection in crowd:
        connection.close()
    client, deadline = links.client(links.socket), time.monotonic() + 10
    while True:
        try:
            assert client.call(HELLO).kind == "echo"
            break
        except NodeUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_an_error_of_ours_crosses_and_the_connection_goes_on(links: Links) -> None:
    links.server(links.socket)
    client = links.client(links.socket)
    with pytest.raises(KeyDestroyed, match="gone for good"):
        client.call(Message("fail"))
    assert client.call(HELLO).kind == "echo"


def test_an_unexpected_error_crosses_without_what_it_says(links: Links, caplog: pytest.LogCaptureFixture) -> None:
    links.server(links.socket)
    with pytest.raises(MorettaError) as raised:
        links.client(links.socket).call(Message("break"))
    assert type(raised.value) is MorettaError
    assert "secret" not in raised.value.detail + caplog.text
    assert "RuntimeError" in caplog.text


def test_an_answer_over_the_limit_is_an_error_and_not_silence(links: Links) -> None:
    links.server(links.socket, lambda _role, _message: Message("large", {"text": "x" * HEAD_LIMIT}))
    with pytest.raises(RequestInvalid):
        links.client(links.socket).call(HELLO)


def test_a_client_goes_on_after_the_server_was_restarted(links: Links) -> None:
    first = links.server(links.socket)
    client = links.client(links.socket)
    crowd = [threading.Thread(target=client.call, args=(HELLO,)) for _ in range(6)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    first.close()
    with pytest.raises(NodeUnavailable):
        client.call(HELLO)
    links.server(links.socket)
    for _ in range(10):
        assert client.call(HELLO).kind == "echo"


def test_a_message_that_must_not_be_sent_twice_never_is(links: Links) -> None:
    seen: list[str] = []
    drop = threading.Event()

    def handler(role: str, message: Message) -> Message:
        seen.append(message.kind)
        if drop.is_set():
            server.close()
        return echo(role, message)

    server = links.server(links.socket, handler)
    client = links.client(links.socket)
    client.call(HELLO)
    drop.set()
    with pytest.raises(NodeUnavailable):
        client.call(Message("once"), repeatable=False)
    assert seen == ["hello", "once"]


def test_several_threads_call_at_once(links: Links) -> None:
    links.server(links.socket)
    client, wrong = links.client(links.socket), list[int]()

    def call(number: int) -> None:
        for turn in range(20):
            content = bytes([number, turn]) * 5000
            if client.call(Message("a", {"n": number}, (content,))).blobs != (content,):
                wrong.append(number)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_peer_that_does_not_answer_in_time_is_unavailable(links: Links) -> None:
    released = threading.Event()

    def slow(role: str, message: Message) -> Message:
        released.wait(20)
        return echo(role, message)

    links.server(links.socket, slow)
    begun = time.monotonic()
    with pytest.raises(NodeUnavailable, match="did not answer within"):
        links.client(links.socket, timeout_s=0.3).call(HELLO)
    assert time.monotonic() - begun < 5
    released.set()


def test_a_peer_that_drips_is_unavailable_when_the_time_of_the_call_is_up(links: Links) -> None:
    def drip(connection: socket.socket) -> None:
        for byte in bytes_of(Message("done", {}, (bytes(100),))):
            try:
                connection.sendall(bytes([byte]))
            except OSError:
                return
            time.sleep(0.05)

    begun = time.monotonic()
    with pytest.raises(NodeUnavailable, match="did not answer within"):
        links.client(links.listener(drip), timeout_s=0.5).call(HELLO)
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\n\r\n", b"MLK1\0\0\0\x02{}", bytes(64)])
def test_a_peer_that_answers_with_rubbish_is_unavailable(links: Links, answer: bytes) -> None:
    with pytest.raises(NodeUnavailable, match="no answer"):
        links.client(links.listener(lambda connection: connection.sendall(answer))).call(HELLO)


@pytest.mark.parametrize("answer", [b"", b"MLK1", bytes_of(HELLO)[:-1]])
def test_a_peer_that_hangs_up_is_unavailable(links: Links, answer: bytes) -> None:
    with pytest.raises(NodeUnavailable, match="closed the connection"):
        links.client(links.listener(lambda connection: connection.sendall(answer))).call(HELLO)


def test_a_message_over_the_limit_is_told_and_not_sent(links: Links) -> None:
    links.server(links.socket)
    with pytest.raises(RequestInvalid):
        links.client(links.socket).call(Message("a", {"text": "x" * HEAD_LIMIT}))
