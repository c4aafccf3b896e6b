"""One call over HTTP: answers that are whole, and everything else that a server, or somebody in between, may say."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from moretta.core.errors import NodeUnavailable, RequestInvalid
from moretta.links.http import HttpAddress, call, parse_http_address, post, trusted


@contextmanager
def answering(
    *answers: bytes, hold: bool = False, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[HttpAddress, list[bytes]]]:
    """A server that says each answer to one connection, whatever it is asked, and what it was asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    heard: list[bytes] = []
    done = threading.Event()

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            if tls is not None:
                try:
                    connection = tls.wrap_socket(connection, server_side=True)
                except OSError:  # it does not trust us
                    connection.close()
                    continue
            with connection:
                heard.append(connection.recv(65536))
                connection.sendall(answer)
                if hold:
                    done.wait(10)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield HttpAddress("127.0.0.1", listener.getsockname()[1], tls=False, path="/base"), heard
    finally:
        done.set()
        thread.join(10)
        listener.close()


def test_a_whole_answer_is_given_and_the_request_is_what_was_asked() -> None:
    with answering(b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\nX: y\r\n\r\nhello") as (address, heard):
        answer = call(address, "POST", "/v1/log?a=1", {"Authorization": "Bearer mk_1"}, b"body")
    assert (answer.status, answer.body) == (201, b"hello")
    head, _, body = heard[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /base/v1/log?a=1 HTTP/1.1"
    assert {b"Authorization: Bearer mk_1", b"Connection: close", b"Content-Length: 4"} <= set(lines)
    assert body == b"body"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nlong",
        b"HTTP/1.1 200 OK\r\n\r\nno length",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 99 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + bytes(2_000_000),
    ],
    ids=["nothing", "garbage", "cut", "more", "no-length", "chunked", "status", "large"],
)
def test_what_is_no_answer_is_refused(answer: bytes) -> None:
    with answering(answer) as (address, _), pytest.raises(NodeUnavailable):
        call(address, "GET", "/", {})


def test_whoever_is_silent_is_given_up() -> None:
    with answering(b"HTTP/1.1 200 OK\r\n", hold=True) as (address, _), pytest.raises(NodeUnavailable):
        call(address, "GET", "/", {}, timeout_s=0.2)


def test_a_server_is_believed_only_with_a_certificate_that_this_machine_trusts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with answering(answer, answer, tls=context) as (plain, _):
        address = HttpAddress("localhost", plain.port, tls=True)
        with pytest.raises(NodeUnavailable, match="certificate"):
            call(address, "GET", "/", {})
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert call(address, "GET", "/", {}).body == b"ok"


def posted(address: HttpAddress, timeout_s: float = 10.0) -> int:
    return post(address, "", {"Content-Type": "application/jose"}, b"a.b.c", timeout_s)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (b"HTTP/1.0 500 \r\n\r\n", 500),
        (b"HTTP/1.1 202 Accepted\r\nContent-Length: 99999999\r\n\r\n" + bytes(100_000), 202),
    ],
    ids=["chunked", "nothing", "old", "endless"],
)
def test_of_an_answer_to_a_post_only_the_status_is_read(answer: bytes, status: int) -> None:
    with answering(answer, hold=True) as (address, heard):
        assert posted(address) == status
    head, _, body = heard[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /base HTTP/1.1\r\n")
    assert body == b"a.b.c"


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with answering(b"HTTP/1.1 200 OK\r\n\r\n") as (elsewhere, unasked):
        moved = f"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:{elsewhere.port}/\r\n\r\n".encode()
        with answering(moved) as (address, heard):
            assert posted(address) == 307
        assert len(heard) == 1
        assert unasked == []
        posted(elsewhere)  # so that the server ends


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40_000,
    ],
    ids=["nothing", "cut", "announced", "another", "endless-head"],
)
def test_what_is_no_status_is_refused(answer: bytes) -> None:
    with answering(answer) as (address, _), pytest.raises(NodeUnavailable):
        posted(address)


def test_whoever_says_no_status_is_given_up() -> None:
    with answering(b"HTTP/1.1 200 OK\r\n", hold=True) as (address, _), pytest.raises(NodeUnavailable):
        posted(address, 0.2)


def test_a_file_of_authorities_takes_the_place_of_the_systems(tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    other.cert_pem.write_to_path(tmp_path / "other.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    answer = b"HTTP/1.1 204 No Content\r\n\r\n"
    with answering(answer, answer, answer, tls=context) as (plain, heard):
        address = HttpAddress("localhost", plain.port, tls=True)
        with pytest.raises(NodeUnavailable, match="certificate"):
            post(address, "/", {}, b"", 10.0, trusted(tmp_path / "other.pem"))
        with pytest.raises(NodeUnavailable, match="certificate"):  # of another name
            post(HttpAddress("127.0.0.1", plain.port, tls=True), "/", {}, b"", 10.0, trusted(tmp_path / "ca.pem"))
        assert heard == []
        assert post(address, "/", {}, b"", 10.0, trusted(tmp_path / "ca.pem")) == 204


@pytest.mark.parametrize("content", [None, b"", b"no certificate"], ids=["absent", "empty", "another"])
def test_authorities_that_cannot_be_read_are_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RequestInvalid, match="PEM"):
        trusted(file)


def test_session_keys_are_written_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert not trusted().keylog_filename
    assert not (tmp_path / "keys").exists()


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NodeUnavailable):
        call(HttpAddress("127.0.0.1", port, tls=False), "GET", "/", {})


@pytest.mark.parametrize(("name", "value"), [("X", "a\r\nY: b"), ("X\n", "a"), ("X", "ä")])
def test_nothing_is_smuggled_into_a_request(name: str, value: str) -> None:
    with pytest.raises(RequestInvalid):
        call(HttpAddress("127.0.0.1", 1, tls=False), "GET", "/", {name: value})
    with pytest.raises(RequestInvalid):
        call(HttpAddress("127.0.0.1", 1, tls=False), "GET", "/ HTTP/1.1\r\nX: y", {})


def test_addresses() -> None:
    assert parse_http_address("https://moretta.example") == HttpAddress("moretta.example", 443, tls=True)
    assert parse_http_address("https://m.example:8443/a/b/") == HttpAddress("m.example", 8443, tls=True, path="/a/b")
    assert parse_http_address("http://127.0.0.1:8000") == HttpAddress("127.0.0.1", 8000, tls=False)
    assert parse_http_address("http://[::1]:8000") == HttpAddress("::1", 8000, tls=False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "moretta.example",
        "http://moretta.example",
        "ftp://moretta.example",
        "https://user:word@moretta.example",
        "https://moretta.example/?a=b",
        "https://moretta.example:99999",
        "https://moretta.example:0",
        "https://mor etta.example",
        "https://moretta.example\r\nX: y",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(RequestInvalid):
        parse_http_address(text)
