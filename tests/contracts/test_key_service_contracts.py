"""What every key service promises, tried on all of them."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.key_rigs import linked, local_holder
from tests.softhsm import softhsm_token

from moretta.core.errors import KeyDestroyed, KeyRejected, KeyUnusable
from moretta.core.key_service import KeyService
from moretta.keys.file import FileKeyService
from moretta.keys.memory import MemoryKeyService
from moretta.keys.pkcs11 import Pkcs11KeyService, Wrapping
from moretta.keys.remote import RemoteKeyService

KEY = bytes(range(32))
CONTEXT = b"subject\0per_eu_1"


@dataclass
class Kept:
    """A key service, and the same keys as another process, or this one after a restart, sees them."""

    service: KeyService
    again: Callable[[], KeyService]


def in_files(root: Path, _stack: ExitStack) -> Kept:
    return Kept(FileKeyService(root / "keys"), lambda: FileKeyService(root / "keys"))


def in_memory(_root: Path, _stack: ExitStack) -> Kept:
    service = MemoryKeyService()
    return Kept(service, lambda: service)


def in_token(wrapping: Wrapping) -> Callable[[Path, ExitStack], Kept]:
    def made(_root: Path, stack: ExitStack) -> Kept:
        token, name = softhsm_token(), f"moretta-{secrets.token_hex(6)}"

        def opened() -> Pkcs11KeyService:
            service = Pkcs11KeyService(token, name, wrapping)
            stack.callback(service.close)
            return service

        return Kept(opened(), opened)

    return made


def behind_link(tls: bool) -> Callable[[Path, ExitStack], Kept]:
    def made(root: Path, stack: ExitStack) -> Kept:
        def opened() -> RemoteKeyService:
            service = FileKeyService(root / "keys")
            return RemoteKeyService(linked(service, local_holder(root / "galleries", service), stack, tls=tls))

        return Kept(opened(), opened)

    return made


KINDS = {
    "file": in_files,
    "memory": in_memory,
    "pkcs11-gcm": in_token(Wrapping.GCM),
    "pkcs11-key-wrap": in_token(Wrapping.KEY_WRAP),
    "remote-unix": behind_link(tls=False),
    "remote-tls": behind_link(tls=True),
}


@pytest.fixture(params=sorted(KINDS))
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    with ExitStack() as stack:
        yield KINDS[request.param](tmp_path, stack)


@pytest.fixture
def service(kept: Kept) -> KeyService:
    return kept.service


@pytest.mark.parametrize("length", [16, 24, 32, 64])
def test_a_wrapped_key_opens_to_the_same_key(service: KeyService, length: int) -> None:
    key = secrets.token_bytes(length)
    assert service.unwrap(service.wrap(key, CONTEXT), CONTEXT) == key


@pytest.mark.parametrize("length", [0, 15, 65, 1000])
def test_a_key_of_another_length_is_not_wrapped(service: KeyService, length: int) -> None:
    with pytest.raises(KeyRejected, match="16 to 64"):
        service.wrap(bytes(length), CONTEXT)


def test_wrapping_twice_gives_bytes_that_differ(service: KeyService, request: pytest.FixtureRequest) -> None:
    once, twice = service.wrap(KEY, CONTEXT), service.wrap(KEY, CONTEXT)
    if "key-wrap" in request.node.name:
        # RFC 5649 is deterministic: equal keys under one context give equal bytes, and data keys are random and never equal.
        assert once == twice
    else:
        assert once != twice
    assert KEY not in once + twice


@pytest.mark.parametrize(
    "context", [b"", b"subject\0per_eu_2", b"subject\0per_eu_1\0", b"subject\0per_eu_", b"x" * 5000]
)
def test_a_wrapped_key_does_not_open_in_another_context(service: KeyService, context: bytes) -> None:
    with pytest.raises(KeyRejected):
        service.unwrap(service.wrap(KEY, CONTEXT), context)


def test_a_wrapped_key_with_any_byte_altered_does_not_open(service: KeyService) -> None:
    wrapped = service.wrap(KEY, CONTEXT)
    for position in range(len(wrapped)):
        altered = bytearray(wrapped)
        altered[position] ^= 1 + position % 255
        with pytest.raises(KeyRejected):
            service.unwrap(bytes(altered), CONTEXT)
    assert service.unwrap(wrapped, CONTEXT) == KEY


def test_a_wrapped_key_cut_off_anywhere_or_with_more_behind_it_does_not_open(service: KeyService) -> None:
    wrapped = service.wrap(KEY, CONTEXT)
    for length in range(len(wrapped)):
        with pytest.raises(KeyRejected):
            service.unwrap(wrapped[:length], CONTEXT)
    with pytest.raises(KeyRejected):
        service.unwrap(wrapped + b"\0", CONTEXT)


def test_another_services_wrapped_key_does_not_open(service: KeyService) -> None:
    service.active()
    with pytest.raises(KeyRejected):
        service.unwrap(MemoryKeyService().wrap(KEY, CONTEXT), CONTEXT)


def test_the_active_master_key_is_made_once(kept: Kept) -> None:
    active = kept.service.active()
    assert kept.service.active() == kept.again().active() == active
    assert list(kept.service.master_keys()) == [active]


def test_rotation_wraps_under_the_new_master_key_and_still_opens_the_old(kept: Kept) -> None:
    other = kept.again()
    old, wrapped = kept.service.active(), kept.service.wrap(KEY, CONTEXT)
    new = kept.service.rotate()
    assert new != old
    assert kept.service.active() == other.active() == new
    assert list(kept.service.master_keys()) == list(other.master_keys()) == [old, new]
    assert kept.service.unwrap(wrapped, CONTEXT) == other.unwrap(wrapped, CONTEXT) == KEY
    assert kept.service.wrap(KEY, CONTEXT)[:9] == other.wrap(KEY, CONTEXT)[:9] != wrapped[:9]


def test_a_destroyed_master_key_opens_nothing_here_elsewhere_and_after_a_restart(kept: Kept) -> None:
    other = kept.again()
    old, wrapped = kept.service.active(), kept.service.wrap(KEY, CONTEXT)
    assert other.unwrap(wrapped, CONTEXT) == KEY
    new = kept.service.rotate()
    kept.service.destroy(old)
    for service in (kept.service, other, kept.again()):
        with pytest.raises(KeyDestroyed):
            service.unwrap(wrapped, CONTEXT)
        assert list(service.master_keys()) == [new]


def test_destroying_is_idempotent_and_ignores_unknown_ids(service: KeyService) -> None:
    old = service.active()
    service.rotate()
    for master_key_id in (old, old, "master_0000000000000000", "../../somewhere", ""):
        service.destroy(master_key_id)
    assert len(service.master_keys()) == 1


def test_the_active_master_key_is_never_destroyed(service: KeyService) -> None:
    wrapped = service.wrap(KEY, CONTEXT)
    with pytest.raises(KeyRejected, match="rotate first"):
        service.destroy(service.active())
    assert service.unwrap(wrapped, CONTEXT) == KEY


def test_no_error_tells_a_byte_of_a_key(service: KeyService) -> None:
    wrapped = service.wrap(KEY, CONTEXT)
    with pytest.raises(KeyUnusable) as raised:
        service.unwrap(wrapped, b"other")
    told = repr(raised.value) + str(raised.value.__context__)
    assert KEY.hex() not in told and wrapped.hex() not in told and "\\x" not in told
