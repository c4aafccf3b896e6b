"""`moretta master-keys` and `moretta certificates`."""

import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from command_line import Moretta
from tests.key_rigs import linked, local_holder
from tests.storage_rig import COMPANY, a_person, created, some_faces

from moretta.core.errors import KeyDestroyed
from moretta.core.protection import Scheme
from moretta.keys.envelope import Envelope
from moretta.keys.file import FileKeyService
from moretta.keys.wrapped import master_key_of
from moretta.storage.database import open_database
from moretta.storage.recognition.store import SqlRecognitionStore
from moretta.wiring.service import DATABASE_NAME


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of the commands, with keys in it."""
    FileKeyService(tmp_path / "data" / "keys").active()
    return tmp_path / "data"


@contextmanager
def store_in(database: Path, keys: Path) -> Iterator[SqlRecognitionStore]:
    engine = open_database(database)
    store = SqlRecognitionStore(engine, Envelope(FileKeyService(keys)))
    yield store
    store.close()
    engine.dispose()


def enrolled(store: SqlRecognitionStore, count: int) -> dict[str, str]:
    """Ids and names of new people."""
    collection, found = created(store), {}
    for number in range(count):
        person = a_person(collection, f"Person {number}")
        store.enrol(collection, person, some_faces())
        found[person.person_id] = person.name
    return found


def names(store: SqlRecognitionStore, people: dict[str, str]) -> dict[str, str]:
    return {person_id: store.person(COMPANY, person_id).name for person_id in people}


def test_master_keys_are_listed(moretta: Moretta, data: Path) -> None:
    first = FileKeyService(data / "keys").active()
    assert moretta("master-keys", "list").out == f"{first}  active\n"
    second = FileKeyService(data / "keys").rotate()
    assert moretta("master-keys", "list").out == f"{first}  old: a change was begun\n{second}  active\n"


def test_a_change_wraps_everything_anew_and_destroys_the_old_key(moretta: Moretta, data: Path) -> None:
    keys = FileKeyService(data / "keys")
    old, holder = keys.active(), local_holder(data / "gallery-keys", keys)
    terms = holder.create(Scheme.ROTATED, "model", 8, 0.3)
    with store_in(data / DATABASE_NAME, data / "keys") as store:
        people = enrolled(store, 3)
        before = dict(store.wrapped_keys(10))
        told = moretta("master-keys", "change", "--settle-s", 0)
        assert told.status == 0
        assert "4 keys were wrapped anew, 1 master keys destroyed" in told.out
        assert list(keys.master_keys()) == [keys.active()] != [old]
        assert names(store, people) == people
        assert {master_key_of(wrapped) for _, wrapped in store.wrapped_keys(10)} == {keys.active()}
        for person_id, wrapped in before.items():
            with pytest.raises(KeyDestroyed):
                Envelope(keys).opened(person_id, wrapped)
    assert holder.terms(terms.key_id) == terms


def test_a_change_that_was_begun_is_finished_and_no_other_begun(moretta: Moretta, data: Path) -> None:
    keys = FileKeyService(data / "keys")
    with store_in(data / DATABASE_NAME, data / "keys") as store:
        people = enrolled(store, 2)
        begun = keys.rotate()
        assert begun in moretta("master-keys", "change", "--settle-s", 0).out
        assert list(keys.master_keys()) == [begun]
        assert begun not in moretta("master-keys", "change", "--settle-s", 0, "--anew").out
        assert names(store, people) == people


def test_a_key_that_does_not_open_is_told_and_its_master_key_kept(moretta: Moretta, data: Path) -> None:
    keys = FileKeyService(data / "keys")
    old = keys.active()
    with store_in(data / DATABASE_NAME, data / "keys") as store:
        person_id = next(iter(enrolled(store, 1)))
        [(_, wrapped)] = store.wrapped_keys(1)
        store.rewrap([(person_id, wrapped, wrapped[:-1] + bytes([wrapped[-1] ^ 1]))])
        told = moretta("master-keys", "change", "--settle-s", 0)
    assert told.status == 75 and "1 old master keys are kept" in told.err
    assert old in keys.master_keys()


def test_regions_that_share_a_key_holder_change_together(moretta: Moretta, tmp_path: Path) -> None:
    keys = FileKeyService(tmp_path / "keyd" / "keys")
    holder = local_holder(tmp_path / "keyd" / "gallery-keys", keys)
    terms = holder.create(Scheme.ROTATED, "model", 8, 0.3)
    with ExitStack() as stack:
        address = linked(keys, holder, stack, tls=False).address
        plan = ['default = "eu"']
        stores, people = {}, {}
        for region in ("eu", "us"):
            root = tmp_path / region
            stores[region] = stack.enter_context(store_in(root / "db", tmp_path / "keyd" / "keys"))
            people[region] = enrolled(stores[region], 2)
            plan += [
                f"[regions.{region}]",
                f'database = "sqlite:///{root / "db"}"',
                f'blobs = "file://{root / "blobs"}"',
                f'segments = "file://{root / "segments"}"',
                f'keys = "{address}"',
            ]
        (tmp_path / "regions.toml").write_text("\n".join(plan))
        old = keys.active()
        settings = {"regions_file": tmp_path / "regions.toml"}
        assert moretta("master-keys", "list", **settings).out == f"{old}  active\n"
        told = moretta("master-keys", "change", "--region", "us", "--settle-s", 0, **settings)
        assert (told.status, "5 keys were wrapped anew" in told.out) == (0, True)
        assert old not in keys.master_keys()
        for region, store in stores.items():
            assert names(store, people[region]) == people[region]
    assert holder.terms(terms.key_id) == terms


@pytest.mark.parametrize("command", ["list", "change"])
def test_a_region_that_is_not_there_is_told_in_one_line(moretta: Moretta, command: str) -> None:
    told = moretta("master-keys", command, "--region", "mars")
    assert told.status == 64 and told.err.splitlines()[-1].startswith("moretta: ")
    assert "region" in told.err


def test_certificates_are_written_for_every_role(moretta: Moretta, tmp_path: Path) -> None:
    folder = tmp_path / "certificates"
    told = moretta("certificates", folder, "serve", "keyd", "node-eu")
    assert told.status == 0 and "off line" in told.err
    assert stat.S_IMODE((folder / "node-eu.key").stat().st_mode) == 0o600
    assert {path.name for path in folder.iterdir()} == {
        f"{role}.{kind}" for role in ("authority", "serve", "keyd", "node-eu") for kind in ("crt", "key")
    }


def test_a_role_that_cannot_be_is_told_in_one_line(moretta: Moretta, tmp_path: Path) -> None:
    told = moretta("certificates", tmp_path / "certificates", "../serve")
    assert told.status == 64 and len(told.err.splitlines()) == 1
