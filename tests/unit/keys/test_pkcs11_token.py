"""Master keys in a token: they cannot be taken out, and whatever is wrong with the token is told."""

import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.softhsm import softhsm_token

from moretta.core.errors import ExtraMissing, KeyDestroyed, KeyRejected, KeyUnusable, RequestInvalid
from moretta.keys.pkcs11 import Pkcs11KeyService, Wrapping
from moretta.keys.token import Token, TokenSessions, parse_token, pkcs11_library

KEY, CONTEXT = bytes(range(32)), b"context"
Opened = Callable[..., Pkcs11KeyService]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Opens the test's own name on the shared token."""
    name, services = f"moretta-{secrets.token_hex(6)}", list[Pkcs11KeyService]()

    def service(wrapping: Wrapping = Wrapping.BEST, name: str = name) -> Pkcs11KeyService:
        services.append(Pkcs11KeyService(softhsm_token(), name, wrapping))
        return services[-1]

    yield service
    for one in services:
        one.close()


@contextmanager
def a_session() -> Iterator[Any]:
    """Looks at the token itself."""
    sessions = TokenSessions(softhsm_token())
    try:
        with sessions.opened() as session:
            yield session
    finally:
        sessions.close()


def test_a_master_key_cannot_be_taken_out_of_the_token(opened: Opened) -> None:
    pkcs11, service = pkcs11_library(), opened()
    service.active()
    with a_session() as session:
        keys = list(session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY}))
        assert keys
        for key in keys:
            assert key[pkcs11.Attribute.SENSITIVE] and key[pkcs11.Attribute.NEVER_EXTRACTABLE]
            with pytest.raises(pkcs11.AttributeSensitive):
                key[pkcs11.Attribute.VALUE]


def test_the_token_keeps_no_key_of_ours_in_the_clear_on_its_disk(opened: Opened) -> None:
    service = opened()
    wrapped = service.wrap(KEY, CONTEXT)
    folder = softhsm_token().pin_file.parent / "tokens"
    content = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert len(content) > 1000 and KEY not in content and wrapped not in content


def test_no_object_remains_of_wrapping_by_key_wrap(opened: Opened) -> None:
    pkcs11, service = pkcs11_library(), opened(Wrapping.KEY_WRAP)
    service.unwrap(service.wrap(KEY, CONTEXT), CONTEXT)
    with a_session() as session:
        wanted = {
            pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY,
            pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.GENERIC_SECRET,
        }
        assert list(session.get_objects(wanted)) == []


def test_keys_of_either_form_open_whichever_the_service_makes(opened: Opened) -> None:
    gcm, key_wrap = opened(Wrapping.GCM), opened(Wrapping.KEY_WRAP)
    by_gcm, by_key_wrap = gcm.wrap(KEY, CONTEXT), key_wrap.wrap(KEY, CONTEXT)
    assert (by_gcm[0], by_key_wrap[0]) == (1, 2)
    assert gcm.unwrap(by_key_wrap, CONTEXT) == key_wrap.unwrap(by_gcm, CONTEXT) == KEY
    with pytest.raises(KeyRejected):
        gcm.unwrap(b"\2" + by_gcm[1:], CONTEXT)
    with pytest.raises(KeyRejected):
        gcm.unwrap(b"\1" + by_key_wrap[1:], CONTEXT)


def test_two_deployments_share_a_token_without_seeing_each_other(opened: Opened) -> None:
    one, other = opened(), opened(name=f"moretta-{secrets.token_hex(6)}")
    wrapped = one.wrap(KEY, CONTEXT)
    other.active()
    assert not set(one.master_keys()) & set(other.master_keys())
    with pytest.raises(KeyRejected):
        other.unwrap(wrapped, CONTEXT)
    first = one.active()
    one.rotate()
    other.destroy(first)
    assert one.unwrap(wrapped, CONTEXT) == KEY


def test_a_session_that_was_lost_is_opened_again(opened: Opened) -> None:
    service = opened()
    wrapped = service.wrap(KEY, CONTEXT)
    service.close()
    service.close()
    assert service.unwrap(wrapped, CONTEXT) == KEY


def test_numbers_go_on_after_keys_were_destroyed(opened: Opened) -> None:
    service = opened()
    wrapped = []
    for _ in range(4):
        wrapped.append(service.wrap(KEY, CONTEXT))
        old = service.active()
        service.rotate()
        service.destroy(old)
    assert len(service.master_keys()) == 1
    for one in wrapped:
        with pytest.raises(KeyDestroyed):
            opened().unwrap(one, CONTEXT)


def changed(**what: object) -> Token:
    token = softhsm_token()
    given = {"module": token.module, "label": token.label, "pin_file": token.pin_file} | what
    return Token(**given)  # type: ignore[arg-type]


def test_a_token_that_is_not_there_is_told() -> None:
    with pytest.raises(KeyUnusable, match="label"):
        Pkcs11KeyService(changed(label="another"))


def test_a_library_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="library"):
        Pkcs11KeyService(changed(module=tmp_path / "missing.so"))


def test_a_pin_file_that_is_missing_or_open_to_others_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="PIN"):
        Pkcs11KeyService(changed(pin_file=tmp_path / "missing"))
    (tmp_path / "pin").write_text("test-pin")
    (tmp_path / "pin").chmod(0o644)
    with pytest.raises(KeyUnusable, match="chmod 600"):
        Pkcs11KeyService(changed(pin_file=tmp_path / "pin"))


def test_a_wrong_pin_is_told_without_the_pin(tmp_path: Path) -> None:
    (tmp_path / "pin").touch(mode=0o600)
    (tmp_path / "pin").write_text("wrong-pin")
    with pytest.raises(KeyUnusable, match="refused the PIN") as raised:
        Pkcs11KeyService(changed(pin_file=tmp_path / "pin"))
    assert "wrong-pin" not in str(raised.value)


def test_a_missing_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)  # what the import system takes for a module that is not installed
    with pytest.raises(ExtraMissing, match=r"moretta\[pkcs11\]"):
        Pkcs11KeyService(Token(Path("/lib.so"), "label", Path("/pin")))


def test_a_token_is_read_from_its_uri() -> None:
    uri = "pkcs11:token=My%20token%3B1?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:///run/pin"
    assert parse_token(uri) == Token(Path("/usr/lib/softhsm/libsofthsm2.so"), "My token;1", Path("/run/pin"))
    assert parse_token("pkcs11:token=a?pin-source=file:/run/pin&module-path=/l.so").pin_file == Path("/run/pin")


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "pkcs11:",
        "token=a?module-path=/l.so&pin-source=file:/pin",
        "pkcs11:token=a?module-path=/l.so",
        "pkcs11:token=a?module-path=l.so&pin-source=file:/pin",
        "pkcs11:token=a?module-path=/l.so&pin-source=pin",
        "pkcs11:token=?module-path=/l.so&pin-source=file:/pin",
        "pkcs11:token=a?module-path=/l.so&pin-source=file:/pin&pin-value=1234",
        "pkcs11:token=a;token=b?module-path=/l.so&pin-source=file:/pin",
        "pkcs11:token=a;object=b?module-path=/l.so&pin-source=file:/pin",
    ],
)
def test_another_uri_is_refused(uri: str) -> None:
    with pytest.raises(RequestInvalid, match="RFC 7512") as raised:
        parse_token(uri)
    assert "1234" not in str(raised.value)
