"""Making and revoking API keys is told to the log: which key and who did it, never the secret, and no key is usable untold."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Engine

from moretta.core.acting import acting_as
from moretta.core.errors import NotAuthenticated, NotFound, StorageUnusable
from moretta.core.keys import Scope
from moretta.core.ledger import EntryKind, LogEntry, entry_from_leaf
from moretta.settings import Settings
from moretta.storage.api_keys import ApiKeyStore
from moretta.storage.database import open_database
from moretta.storage.ledger.store import SqlLedger
from moretta.use_cases.api_keys import ApiKeys
from moretta.wiring.service import opened

COMPANY = "co_0123456789abcdef0123"


class Telling:
    """A log that can be down."""

    def __init__(self) -> None:
        self.told: list[LogEntry] = []
        self.down = False

    def __call__(self, entries: Sequence[LogEntry]) -> None:
        if self.down:
            raise StorageUnusable("the log's database cannot be reached")
        self.told += entries


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    found = open_database(tmp_path / "moretta.db")
    yield found
    found.dispose()


def logged(where: Path) -> list[LogEntry]:
    engine = open_database(where)
    try:
        return [entry_from_leaf(one.leaf) for one in SqlLedger(engine).leaves(0, 100)]
    finally:
        engine.dispose()


def test_the_log_names_the_key_its_scopes_and_who_made_and_revoked_it_and_never_its_secret(engine: Engine) -> None:
    telling = Telling()
    keys = ApiKeys(ApiKeyStore(engine), telling)
    with acting_as("uid:1000"):
        issued = keys.create(COMPANY, [Scope.SEARCH_RUN, Scope.ADMIN], label="Erika Mustermann")
    with acting_as("0123456789abcdef"):
        keys.revoke(issued.info.key_id, COMPANY)
    common = {"key": issued.info.key_id, "scopes": "admin,search:run"}
    assert [dict(one.facts) for one in telling.told] == [
        {**common, "change": "api-key-created", "by": "uid:1000"},
        {**common, "change": "api-key-revoked", "by": "0123456789abcdef"},
    ]
    assert {(one.kind, one.company_id) for one in telling.told} == {(EntryKind.KEY_CHANGED, COMPANY)}
    leaves = b"".join(one.leaf() for one in telling.told)
    assert issued.token.rpartition("_")[2].encode() not in leaves
    assert b"Erika" not in leaves


def test_a_key_that_the_log_was_not_told_of_opens_nothing(engine: Engine) -> None:
    telling = Telling()
    store = ApiKeyStore(engine)
    keys = ApiKeys(store, telling)
    telling.down = True
    with pytest.raises(StorageUnusable):
        keys.create(COMPANY, [Scope.ADMIN])
    (left,) = store.list()
    assert left.revoked_at is not None


def test_a_log_that_is_down_keeps_no_key_alive_and_whoever_tries_again_tells_it(engine: Engine) -> None:
    telling = Telling()
    keys = ApiKeys(ApiKeyStore(engine), telling)
    issued = keys.create(COMPANY, [Scope.ADMIN])
    telling.down = True
    with pytest.raises(StorageUnusable):
        keys.revoke(issued.info.key_id)
    with pytest.raises(NotAuthenticated):
        keys.authenticate(issued.token)
    telling.down = False
    keys.revoke(issued.info.key_id)
    assert [dict(one.facts)["change"] for one in telling.told] == ["api-key-created", "api-key-revoked"]


def test_a_key_that_there_is_not_is_no_entry(engine: Engine) -> None:
    telling = Telling()
    with pytest.raises(NotFound):
        ApiKeys(ApiKeyStore(engine), telling).revoke("0" * 16, COMPANY)
    assert telling.told == []


def test_a_deployments_keys_are_told_to_its_own_log(tmp_path: Path) -> None:
    with opened(Settings(data_dir=tmp_path)) as deployment:
        key_id = deployment.keys.create(deployment.company_id, [Scope.ADMIN]).info.key_id
    (entry,) = logged(tmp_path / "moretta.db")
    assert dict(entry.facts)["key"] == key_id


def test_with_regions_keys_are_told_to_the_log_of_the_default_one(tmp_path: Path) -> None:
    file = tmp_path / "regions.toml"
    file.touch(mode=0o600)
    file.write_text(
        f"""
default = "eu"
[regions.eu]
database = "sqlite:///{tmp_path}/eu.db"
blobs = "file://{tmp_path}/blobs"
segments = "file://{tmp_path}/segments"
keys = "file://{tmp_path}/keys"
gallery_keys = "file://{tmp_path}/gallery-keys"
"""
    )
    with opened(Settings(data_dir=tmp_path / "data", regions_file=file)) as deployment:
        key_id = deployment.keys.create(deployment.company_id, [Scope.ADMIN]).info.key_id
        deployment.keys.revoke(key_id)
    assert [dict(one.facts)["key"] for one in logged(tmp_path / "eu.db")] == [key_id, key_id]
    assert logged(tmp_path / "data" / "moretta.db") == []
