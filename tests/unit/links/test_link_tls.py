"""A link under mutual TLS: only the right role of the deployment's own authority gets through, in both directions."""

import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from tests.link_rigs import TLS_ANYWHERE, Links, echo, until_closed

from moretta.core.errors import NodeUnavailable, RequestInvalid
from moretta.links.certificates import files_of, issue
from moretta.links.frames import Message
from moretta.links.server import LinkServer
from moretta.links.tls import client_context

HELLO = Message("hello", {}, (b"abc",))


def test_the_right_role_is_answered_and_named(links: Links) -> None:
    folder = links.certificates()
    server = links.server(TLS_ANYWHERE, folder=folder)
    client = links.client(server.address, folder)
    for _ in range(3):
        assert client.call(HELLO) == Message("echo", {"role": "serve"}, (b"abc",))


def test_many_megabytes_cross_whole_under_tls(links: Links) -> None:
    folder = links.certificates()
    server = links.server(TLS_ANYWHERE, folder=folder)
    large = bytes(range(256)) * (9 * 4096)
    assert links.client(server.address, folder).call(Message("a", {}, (large,))).blobs == (large,)


def test_a_caller_of_another_role_is_refused(links: Links) -> None:
    folder = links.certificates()
    server = links.server(TLS_ANYWHERE, folder=folder)
    for role in ("node-eu", "keyd"):
        with pytest.raises(NodeUnavailable):
            links.client(server.address, folder, role=role).call(HELLO)
    assert links.client(server.address, folder).call(HELLO).kind == "echo"


def test_a_caller_with_a_certificate_of_another_authority_is_refused(links: Links) -> None:
    folder, other = links.certificates(), links.certificates("other")
    server = links.server(TLS_ANYWHERE, folder=folder)
    # It trusts the server, so that it is the server which refuses.
    (other / "authority.crt").write_bytes((folder / "authority.crt").read_bytes())
    with pytest.raises(NodeUnavailable):
        links.client(server.address, other).call(HELLO)
    assert links.client(server.address, folder).call(HELLO).kind == "echo"


def test_a_server_with_a_certificate_of_another_authority_is_refused(links: Links) -> None:
    folder, other = links.certificates(), links.certificates("other")
    server = links.server(TLS_ANYWHERE, folder=other)
    with pytest.raises(NodeUnavailable, match="certificate"):
        links.client(server.address, folder).call(HELLO)


def test_a_server_of_another_role_is_refused(links: Links) -> None:
    folder = links.certificates()
    server = links.server(TLS_ANYWHERE, folder=folder)
    with pytest.raises(NodeUnavailable, match="cannot be reached"):
        links.client(server.address, folder, peer="node-eu").call(HELLO)


def test_a_caller_without_a_certificate_is_refused(links: Links) -> None:
    folder = links.certificates()
    server = links.server(TLS_ANYWHERE, folder=folder)
    context = ssl.create_default_context(cafile=folder / "authority.crt")
    with pytest.raises(OSError), context.wrap_socket(links.raw(server.address), server_hostname="keyd") as connection:
        connection.sendall(b"MLK1\0\0\0\0")
        assert connection.recv(1) == b""
        raise OSError("closed in order")
    assert links.client(server.address, folder).call(HELLO).kind == "echo"


def test_an_expired_certificate_is_refused_on_either_side(links: Links) -> None:
    folder = links.certificates()
    expired = links.certificates("expired", "keyd", "serve")
    for name in ("authority.crt", "authority.key"):
        (expired / name).write_bytes((folder / name).read_bytes())
    issue(expired, ["keyd", "serve"], 1, lambda: datetime.now(UTC) - timedelta(days=1, seconds=5))
    with pytest.raises(NodeUnavailable):
        links.client(links.server(TLS_ANYWHERE, folder=folder).address, expired).call(HELLO)
    with pytest.raises(NodeUnavailable, match="certificate"):
        links.client(links.server(TLS_ANYWHERE, folder=expired).address, folder).call(HELLO)


def test_an_older_tls_is_refused(links: Links) -> None:
    folder = links.certificates()
    server = links.server(TLS_ANYWHERE, folder=folder)
    context = client_context(files_of(folder, "serve"))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        context.wrap_socket(links.raw(server.address), server_hostname="keyd")


def test_plain_bytes_at_a_tls_address_get_no_answer(links: Links) -> None:
    folder = links.certificates()
    server = links.server(TLS_ANYWHERE, folder=folder)
    plain = links.raw(server.address)
    plain.sendall(b"MLK1\0\0\0\x02{}" * 10)
    assert not until_closed(plain).startswith(b"MLK1")
    assert links.client(server.address, folder).call(HELLO).kind == "echo"


def test_tls_needs_certificates_on_both_sides(links: Links) -> None:
    with pytest.raises(RequestInvalid, match="moretta certificates"):
        LinkServer(TLS_ANYWHERE, echo, frozenset({"serve"}))
    server = links.server(TLS_ANYWHERE, folder=links.certificates())
    with pytest.raises(NodeUnavailable, match="no certificate is set"):
        links.client(server.address).call(HELLO)


def test_a_port_that_is_taken_is_told(links: Links) -> None:
    folder = links.certificates()
    server = links.server(TLS_ANYWHERE, folder=folder)
    with pytest.raises(RequestInvalid, match="in use"):
        links.server(server.address, folder=folder)


def test_a_private_key_that_others_can_read_is_refused(links: Links) -> None:
    folder = links.certificates()
    (folder / "keyd.key").chmod(0o640)
    with pytest.raises(RequestInvalid, match="chmod 600"):
        links.server(TLS_ANYWHERE, folder=folder)


@pytest.mark.parametrize(
    ("broken", "how"),
    [
        *((name, how) for name in ("keyd.key", "keyd.crt", "authority.crt") for how in ("missing", "empty")),
        ("keyd.key", "another"),
        ("keyd.crt", "another"),
    ],
)
def test_certificate_files_that_do_not_fit_are_told(links: Links, broken: str, how: str) -> None:
    folder, other = links.certificates(), links.certificates("other")
    path = folder / broken
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(b"" if how == "empty" else (other / broken).read_bytes())
    with pytest.raises(RequestInvalid, match="moretta certificates"):
        links.server(TLS_ANYWHERE, folder=folder)


def test_issued_files_have_the_modes_and_names_that_roles_need(tmp_path: Path) -> None:
    folder = tmp_path / "certificates"
    issue(folder, ["keyd", "party-eu"])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {
        "authority.crt": 0o644,
        "authority.key": 0o600,
        "keyd.crt": 0o644,
        "keyd.key": 0o600,
        "party-eu.crt": 0o644,
        "party-eu.key": 0o600,
    }
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    certificate = x509.load_pem_x509_certificate((folder / "party-eu.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["party-eu"]
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert certificate.not_valid_before_utc < datetime.now(UTC) < certificate.not_valid_after_utc


def test_an_authority_that_is_there_is_used_again(tmp_path: Path) -> None:
    issue(tmp_path, ["keyd"])
    authority, first = (tmp_path / "authority.crt").read_bytes(), (tmp_path / "keyd.crt").read_bytes()
    issue(tmp_path, ["keyd", "serve"])
    assert (tmp_path / "authority.crt").read_bytes() == authority
    assert (tmp_path / "keyd.crt").read_bytes() != first


@pytest.mark.parametrize("role", ["authority", "", "-a", "a-", "A", "a b", "../up", "a/b", "a.b", "é" * 3, "a" * 64])
def test_a_role_that_no_file_or_certificate_may_have_is_refused(tmp_path: Path, role: str) -> None:
    with pytest.raises(RequestInvalid, match="roles"):
        issue(tmp_path / "certificates", ["serve", role])
    assert not (tmp_path / "certificates").exists()


def test_an_authority_that_cannot_be_read_is_told_and_kept(tmp_path: Path) -> None:
    (tmp_path / "authority.key").write_text("mine")
    with pytest.raises(RequestInvalid, match="empty folder"):
        issue(tmp_path, ["keyd"])
    assert (tmp_path / "authority.key").read_text() == "mine"
