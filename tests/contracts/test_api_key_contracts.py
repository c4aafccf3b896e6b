"""API keys, in both kinds of database: shown once, stored hashed, of one company, scoped, ending."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from tests.storage_rig import stored_bytes

from moretta.core.errors import NotAuthenticated, NotFound, RequestInvalid, UsageRejected
from moretta.core.keys import Scope, parse_bearer_token
from moretta.core.usage import new_company_id
from moretta.storage.api_keys import ApiKeyStore

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
COMPANY = new_company_id()


class MovingClock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock()


@pytest.fixture
def keys(engine: Engine, clock: MovingClock) -> ApiKeyStore:
    return ApiKeyStore(engine, clock)


def test_a_fresh_key_is_recognised_with_its_company_and_scopes(keys: ApiKeyStore) -> None:
    issued = keys.create(COMPANY, [Scope.MEDIA_ANALYZE], label="front desk")
    assert issued.token.startswith(f"mk_{issued.info.key_id}_")
    known = keys.authenticate(issued.token)
    assert known == issued.info
    assert known.company_id == COMPANY
    assert known.allows(Scope.MEDIA_ANALYZE)
    assert not known.allows(Scope.STATS_READ)


def test_an_admin_key_may_do_everything(keys: ApiKeyStore) -> None:
    info = keys.create(COMPANY, [Scope.ADMIN]).info
    assert all(info.allows(scope) for scope in Scope)


def test_the_secret_is_nowhere_in_the_database_nor_in_a_representation(keys: ApiKeyStore, engine: Engine) -> None:
    issued = keys.create(COMPANY, [Scope.ADMIN], label="Erika Mustermann")
    parsed = parse_bearer_token(issued.token, "mk")
    assert parsed is not None
    stored = stored_bytes(engine)
    assert issued.info.key_id.encode() in stored
    assert parsed.secret.encode() not in stored
    assert parsed.secret not in repr(issued) + repr(parsed)
    assert "Mustermann" not in repr(issued)


def test_two_keys_share_nothing(keys: ApiKeyStore) -> None:
    first, second = (keys.create(COMPANY, [Scope.ADMIN]).token for _ in range(2))
    assert parse_bearer_token(first, "mk") != parse_bearer_token(second, "mk")
    assert len(first) == len("mk_") + 16 + 1 + 43


@pytest.mark.parametrize("change", ["last", "first", "id", "case", "suffix", "prefix", "other", "empty", "unicode"])
def test_anything_but_the_key_is_refused(keys: ApiKeyStore, change: str) -> None:
    token = keys.create(COMPANY, [Scope.ADMIN]).token
    head, secret = token[:20], token[20:]
    wrong = {
        "last": head + secret[:-1] + ("A" if secret[-1] != "A" else "B"),
        "first": head + ("A" if secret[0] != "A" else "B") + secret[1:],
        "id": "mk_" + "0" * 16 + "_" + secret,
        "case": token.swapcase(),
        "suffix": token + "A",
        "prefix": "mh" + token[2:],
        "other": head + keys.create(COMPANY, [Scope.ADMIN]).token[20:],
        "empty": "",
        "unicode": "mk_ключ",
    }[change]
    with pytest.raises(NotAuthenticated):
        keys.authenticate(wrong)


def test_a_key_ends_at_its_expiry(keys: ApiKeyStore, clock: MovingClock) -> None:
    token = keys.create(COMPANY, [Scope.ADMIN], expires_at=NOW + timedelta(hours=1)).token
    clock.now = NOW + timedelta(minutes=59, seconds=59)
    keys.authenticate(token)
    clock.now = NOW + timedelta(hours=1)
    with pytest.raises(NotAuthenticated):
        keys.authenticate(token)


def test_a_revoked_key_is_refused_and_revoking_twice_changes_nothing(keys: ApiKeyStore, clock: MovingClock) -> None:
    issued = keys.create(COMPANY, [Scope.ADMIN])
    revoked = keys.revoke(issued.info.key_id)
    assert revoked.revoked_at == NOW
    with pytest.raises(NotAuthenticated):
        keys.authenticate(issued.token)
    clock.now += timedelta(days=1)
    assert keys.revoke(issued.info.key_id) == revoked


def test_a_company_sees_and_revokes_only_its_own_keys(keys: ApiKeyStore) -> None:
    other = new_company_id()
    mine, theirs = keys.create(COMPANY, [Scope.ADMIN]), keys.create(other, [Scope.ADMIN])
    assert keys.list(COMPANY) == [mine.info]
    assert {info.key_id for info in keys.list()} == {mine.info.key_id, theirs.info.key_id}
    with pytest.raises(NotFound):
        keys.revoke(theirs.info.key_id, COMPANY)
    assert keys.authenticate(theirs.token) == theirs.info


def test_a_key_without_sense_is_not_created(keys: ApiKeyStore) -> None:
    with pytest.raises(RequestInvalid, match="at least one scope"):
        keys.create(COMPANY, [])
    with pytest.raises(RequestInvalid, match="label"):
        keys.create(COMPANY, [Scope.ADMIN], label="x" * 81)
    with pytest.raises(RequestInvalid, match="label"):
        keys.create(COMPANY, [Scope.ADMIN], label="two\nlines")
    with pytest.raises(RequestInvalid, match="in the future"):
        keys.create(COMPANY, [Scope.ADMIN], expires_at=NOW)
    with pytest.raises(RequestInvalid, match="time zone"):
        keys.create(COMPANY, [Scope.ADMIN], expires_at=datetime(2030, 1, 1))
    with pytest.raises(UsageRejected):
        keys.create("Example Ltd", [Scope.ADMIN])
    assert keys.list() == []
