"""A backup is made, somebody is erased, master keys are changed on schedule, the backup is put back: it opens for nobody.

Each test reads the backup before the change, too, beside the same key holder: what opens nothing afterwards did open.
"""

import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from tests.key_rigs import linked, local_holder
from tests.policies import OPEN
from tests.postgres_server import PostgresServer
from tests.recognition_rig import CARD, COMPANY, ScriptedFaces, photo, vector
from tests.softhsm import softhsm_token

from moretta.core.errors import KeyUnusable, MorettaError
from moretta.core.key_service import StoredReference
from moretta.core.ledger import EntryKind
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection, Enrolled, StoreWish
from moretta.keys.file import FileKeyService
from moretta.settings import Settings
from moretta.storage.alone import alone_in_all
from moretta.storage.key_changes import key_change_in
from moretta.use_cases.guard import Guard
from moretta.use_cases.recognition import Recognition
from moretta.use_cases.recognition.means import Means, Region
from moretta.use_cases.rights.planning import reference_of
from moretta.wiring.drill.run import COMPANY as DRILLS
from moretta.wiring.regions import Regions
from moretta.wiring.regions_file import read_regions
from moretta.wiring.rights import rights_over
from moretta.wiring.scheduled_keys import ScheduledKeys, changing_master_keys

DAYS = 7
STORES = ("blobs", "segments")


class Killed(BaseException):
    """The process died here."""


@dataclass
class Clock:
    """The real time and a number of days; erasing takes the real time."""

    days: float = 0.0

    def __call__(self) -> datetime:
        return datetime.now(UTC) + timedelta(days=self.days)


@dataclass
class House:
    """A deployment of one region over its key holder."""

    root: Path
    regions: Regions
    means: Means
    clock: Clock
    fds: list[int] = field(default_factory=list)

    @property
    def region(self) -> Region:
        return self.regions["eu"]

    def fd(self, face: str) -> int:
        made = os.memfd_create("picture")
        os.write(made, photo(face))
        self.fds.append(made)
        return made

    def collection(self, scheme: Scheme = Scheme.HE, company_id: str = COMPANY) -> Collection:
        return Recognition(self.means).create_collection(company_id, "staff", "access", scheme=scheme)

    def enrol(self, collection: Collection, name: str, company_id: str = COMPANY) -> str:
        people, kept = Recognition(self.means), StoreWish.PHOTO
        (outcome,) = people.enrol(company_id, collection.collection_id, [self.fd(f"{name}/1")], name=name, store=kept)
        assert isinstance(outcome, Enrolled)
        return outcome.person_id

    def found(self, collection: Collection, name: str) -> list[str]:
        result = Recognition(self.means).search(COMPANY, collection.collection_id, self.fd(f"{name}/2"))
        return [one.person_id for face in result.faces for one in face.candidates]

    def packed(self, collection: Collection) -> None:
        Recognition(self.means).repack(COMPANY, collection.collection_id)

    def erase(self, person_id: str, company_id: str = COMPANY) -> Mapping[str, object]:
        rights = rights_over(self.means, master_key_days=DAYS)
        told = json.loads(rights.erase(company_id, person_id).certificate.document)
        assert isinstance(told, dict)
        return told

    def chore(self) -> ScheduledKeys:
        return ScheduledKeys(self.means, self.regions, DAYS)

    def changes(self) -> list[dict[str, str]]:
        """What the log tells of master keys, in order."""
        logged = [one.entry for one in self.region.log.entries(0, 1000)]
        told = [dict(one.facts) for one in logged if one.kind is EntryKind.KEY_CHANGED]
        return [one for one in told if one.get("change") == "master-key"]


@contextmanager
def opened(
    root: Path,
    keys: str,
    *,
    database: str | None = None,
    checkpoint: Callable[[str], None] | None = None,
    settle_s: float = 0.0,
) -> Iterator[House]:
    """The deployment whose stores lie in `root`; its keys lie where `keys` says, and gallery keys beside `root`."""
    root.mkdir(exist_ok=True)
    file = root / "regions.toml"
    lines = [
        'default = "eu"\n[regions.eu]',
        f'database = "{database or f"sqlite:///{root}/moretta.db"}"',
        *(f'{name} = "file://{root}/{name}"' for name in STORES),
        f'keys = "{keys}"',
        'node = "embedded"',
    ]
    if not keys.startswith("unix:"):
        lines.append(f'gallery_keys = "file://{root.parent}/gallery-keys"')
    file.write_text("\n".join(lines))
    file.chmod(0o600)
    regions, clock = Regions(read_regions(file), root / "data", settle_s=settle_s), Clock()
    means = Means(regions, "eu", ScriptedFaces(), (CARD,), places=regions.places, guard=Guard(OPEN), clock=clock)
    house = House(root, regions, means if checkpoint is None else replace(means, checkpoint=checkpoint), clock)
    try:
        yield house
    finally:
        for fd in house.fds:
            os.close(fd)
        regions.close()


def in_files(root: Path, _: ExitStack) -> str:
    return f"file://{root}/keys"


def in_keyd(root: Path, stack: ExitStack) -> str:
    service = FileKeyService(root / "keyd-keys")
    return str(linked(service, local_holder(root / "keyd-gallery-keys", service), stack, tls=False).address)


def in_token(_root: Path, _: ExitStack) -> str:
    token = softhsm_token()
    return f"pkcs11:token={token.label}?module-path={token.module}&pin-source=file:{token.pin_file}"


KINDS = [
    pytest.param("sqlite", in_files, id="sqlite-file"),
    pytest.param("sqlite", in_keyd, id="sqlite-keyd"),
    pytest.param("sqlite", in_token, id="sqlite-token"),
    pytest.param("postgresql", in_files, id="postgresql-file", marks=pytest.mark.postgres),
]


@dataclass
class Backups:
    """Databases of a kind, and copies of them."""

    kind: str
    server: PostgresServer | None
    made: list[str] = field(default_factory=list)

    def database(self) -> str | None:
        return None if self.server is None else self._url(self.server.migrated())

    def copied(self, root: Path, database: str | None, to: Path) -> str | None:
        """A copy of everything that `root` keeps, but for keys; made while nobody has it open."""
        to.mkdir()
        for name in STORES:
            shutil.copytree(root / name, to / name)
        if self.server is not None:
            return self._url(self.server.create(str(database).rpartition("/")[2]))
        source, target = sqlite3.connect(root / "moretta.db"), sqlite3.connect(to / "moretta.db")
        source.backup(target)
        source.close()
        target.close()
        return None

    def _url(self, name: str) -> str:
        assert self.server is not None
        self.made.append(name)
        return self.server.url(name)


@contextmanager
def backups_of(kind: str, request: pytest.FixtureRequest) -> Iterator[Backups]:
    server = request.getfixturevalue("postgres_server") if kind == "postgresql" else None
    backups = Backups(kind, server)
    try:
        yield backups
    finally:
        for name in backups.made:
            backups.server.drop(name)  # type: ignore[union-attr]


def read_all(house: House, collection_id: str, person_id: str, name: str) -> dict[str, bool]:
    """Each way to something of a person, and whether it leads there."""
    region, people = house.region, Recognition(house.means)

    def key() -> bool:
        return region.cipher.opened(person_id, region.store.subject_key(person_id)).subject_id == person_id

    def words() -> bool:
        return people.person(COMPANY, person_id).name == name

    def picture() -> bool:
        return photo(f"{name}/1") in people.photo(COMPANY, person_id).content

    def template() -> bool:
        collection = region.store.collection(COMPANY, collection_id)
        (one,) = region.erasures.templates(COMPANY, person_id, opened=True)
        return _tells(region, reference_of(region, collection, one), name)

    def searched() -> bool:
        return house.found(region.store.collection(COMPANY, collection_id), name) == [person_id]

    def packed() -> bool:
        """Every slot of every segment under every key that there is."""
        contents = [region.segments.get(one) for one in region.segments.ids()]
        return any(_tells(region, StoredReference(one, slot), name) for one in contents for slot in range(2))

    return {one.__name__: _holds(one) for one in (key, words, picture, template, searched, packed)}


def _tells(region: Region, reference: StoredReference, name: str) -> bool:
    """Whether any key of the holder tells the person's template from a reference."""
    holder = region.keys
    return any(
        _holds(lambda key_id=key_id: _revealed(region, key_id, reference, name)) for key_id in list(holder.keys())
    )


def _revealed(region: Region, key_id: str, reference: StoredReference, name: str) -> bool:
    (told,) = region.keys.reveal(key_id, [reference])
    return float(np.frombuffer(told, "<f4") @ vector(name, "1", CARD.model_id)) > 0.9


def _holds(read: Callable[[], bool]) -> bool:
    try:
        return read()
    except MorettaError:
        return False


@pytest.mark.parametrize("scheme", [Scheme.HE, Scheme.ROTATED])
@pytest.mark.parametrize(("kind", "key_holder"), KINDS)
def test_a_backup_from_before_an_erasure_opens_until_the_scheduled_change_and_never_after(
    tmp_path: Path,
    request: pytest.FixtureRequest,
    kind: str,
    key_holder: Callable[[Path, ExitStack], str],
    scheme: Scheme,
) -> None:
    with ExitStack() as stack:
        keys, backups = key_holder(tmp_path, stack), stack.enter_context(backups_of(kind, request))
        present, before, after = tmp_path / "present", tmp_path / "before", tmp_path / "after"
        database = backups.database()
        with opened(present, keys, database=database) as house:
            collection = house.collection(scheme)
            boris, anna = house.enrol(collection, "boris"), house.enrol(collection, "anna")
            house.packed(collection)
        one, other = (backups.copied(present, database, to) for to in (before, after))
        with opened(present, keys, database=database) as house:
            told = house.erase(anna)["backups"]
            with opened(before, keys, database=one) as restored:
                ways = read_all(restored, collection.collection_id, anna, "anna")
                assert ways.pop("packed") is (scheme is Scheme.HE)
                assert ways and all(ways.values()), ways
            house.chore()()
            with opened(after, keys, database=other) as restored:
                ways = read_all(restored, collection.collection_id, anna, "anna")
                assert not any(ways.values()), ways
                with pytest.raises(KeyUnusable):
                    restored.region.cipher.opened(anna, restored.region.store.subject_key(anna))
            ways = read_all(house, collection.collection_id, boris, "boris")
            assert ways.pop("packed") is (scheme is Scheme.HE)
            assert all(ways.values()), ways
            done = house.changes()[-1]
            assert (done["step"], done["left"]) == ("done", "0")
            assert isinstance(told, dict) and told["shredded_by"] > done["begun_at"]


def test_the_master_key_is_changed_only_where_somebody_was_erased_and_the_last_change_is_old(tmp_path: Path) -> None:
    with opened(tmp_path / "present", in_files(tmp_path, ExitStack())) as house:
        collection = house.collection(Scheme.PLAIN)
        people = [house.enrol(collection, name) for name in ("anna", "boris", "clara")]
        chore = house.chore()
        first = house.regions.master_keys("eu")
        chore()
        assert house.regions.master_keys("eu") == first, "nobody was erased"
        house.erase(people[0])
        chore()
        second = house.regions.master_keys("eu")
        assert len(second) == 1 and second != first
        house.erase(people[1])
        chore()
        assert house.regions.master_keys("eu") == second, "the last change is not old enough"
        house.clock.days = DAYS
        chore()
        third = house.regions.master_keys("eu")
        assert len(third) == 1 and third != second
        house.clock.days = 3 * DAYS
        chore()
        assert house.regions.master_keys("eu") == third, "nobody was erased since"
        assert [one["step"] for one in house.changes()] == ["begun", "done"] * 2
        assert {one["by"] for one in house.changes() if "by" in one} <= {"housekeeping"}
        assert house.found(collection, "clara") == [people[2]]


def test_whom_a_drill_makes_up_and_erases_changes_no_key(tmp_path: Path) -> None:
    with opened(tmp_path / "present", in_files(tmp_path, ExitStack())) as house:
        made_up = house.collection(Scheme.PLAIN, DRILLS)
        house.erase(house.enrol(made_up, "nobody", DRILLS), DRILLS)
        first = house.regions.master_keys("eu")
        house.chore()()
        assert house.regions.master_keys("eu") == first


def test_while_another_process_changes_keys_nothing_is_done(tmp_path: Path) -> None:
    keys = in_files(tmp_path, ExitStack())
    with opened(tmp_path / "present", keys) as house, opened(tmp_path / "present", keys) as other:
        house.erase(house.enrol(house.collection(Scheme.PLAIN), "anna"))
        first = house.regions.master_keys("eu")
        with alone_in_all([other.regions.engine_of("eu")], "master-key-schedule") as held:
            assert held
            house.chore()()
            assert house.regions.master_keys("eu") == first and house.changes() == []
        house.chore()()
        assert first[0] not in house.regions.master_keys("eu")


def test_a_change_that_was_cut_off_by_hand_is_no_excuse(tmp_path: Path) -> None:
    """Two master keys are there, and whoever is erased was wrapped under the newer one: it goes, too."""
    with opened(tmp_path / "present", in_files(tmp_path, ExitStack())) as house:
        collection = house.collection(Scheme.PLAIN)
        boris = house.enrol(collection, "boris")
        service = FileKeyService(tmp_path / "keys")
        service.rotate()
        anna = house.enrol(collection, "anna")
        backed_up = house.region.store.subject_key(anna)
        house.erase(anna)
        house.chore()()
        with pytest.raises(KeyUnusable):
            house.region.cipher.opened(anna, backed_up)
        assert house.found(collection, "boris") == [boris]


STEPS = ("key:made", "key:announced", "segment:put", "reissue:before", "reissue:committed", "rotated", "destroyed")


@pytest.mark.parametrize("step", STEPS)
def test_a_change_goes_on_after_a_crash_at_any_step(tmp_path: Path, step: str) -> None:
    keys, armed = in_files(tmp_path, ExitStack()), [False]

    def die(at: str) -> None:
        if armed[0] and at == step:
            raise Killed

    with opened(tmp_path / "present", keys, checkpoint=die) as house:
        collection = house.collection()
        boris, anna = house.enrol(collection, "boris"), house.enrol(collection, "anna")
        house.packed(collection)
        backed_up, old_key = house.region.store.subject_key(anna), collection.key_id
        house.erase(anna)
        first = house.regions.master_keys("eu")
        armed[0] = True
        if step in ("rotated", "destroyed"):
            dies_while_changing(house, step)
        else:
            with pytest.raises(Killed):
                house.chore()()
    with opened(tmp_path / "present", keys) as house:
        assert key_change_in(house.regions.engine_of("eu")).begun is not None
        Recognition(house.means).recover()
        house.chore()()
        assert not set(first) & set(house.regions.master_keys("eu")) and len(house.regions.master_keys("eu")) == 1
        holder = house.region.keys
        assert old_key not in list(holder.keys())
        kept = key_change_in(house.regions.engine_of("eu"))
        assert (kept.begun, kept.old, kept.left) == (None, (), ()) and kept.covered is not None
        with pytest.raises(KeyUnusable):
            house.region.cipher.opened(anna, backed_up)
        assert house.found(collection, "boris") == [boris]
        assert [one["step"] for one in house.changes()] == ["begun", "done"]


def dies_while_changing(house: House, step: str) -> None:
    """As a process that dies once the new master key is made, or once the old one is destroyed and nothing is noted yet."""

    def sleep(_: float) -> None:
        raise Killed

    with pytest.raises(Killed):
        begun_only(house)
    if step == "rotated":
        with pytest.raises(Killed):
            house.regions.change_master_key(["eu"], anew=True, sleep=sleep)
    else:
        house.regions.change_master_key(["eu"], anew=True)


def begun_only(house: House) -> None:
    """A round whose process dies when it is to give the first collection another key."""

    def die(at: str) -> None:
        if at == "key:made":
            raise Killed

    ScheduledKeys(replace(house.means, checkpoint=die), house.regions, DAYS)()


def test_a_service_that_ends_does_not_wait_for_a_change_and_the_next_one_finishes_it(tmp_path: Path) -> None:
    keys = in_files(tmp_path, ExitStack())
    settings = Settings(data_dir=tmp_path / "data", master_key_days=DAYS)
    with opened(tmp_path / "present", keys, settle_s=3600.0) as house:
        anna = house.enrol(house.collection(Scheme.PLAIN), "anna")
        backed_up = house.region.store.subject_key(anna)
        house.erase(anna)
        with changing_master_keys(house.means, settings):
            while len(house.regions.master_keys("eu")) < 2:
                threading.Event().wait(0.01)
        _, second = house.regions.master_keys("eu")
    with opened(tmp_path / "present", keys) as house:
        house.chore()()
        assert house.regions.master_keys("eu") == (second,)
        with pytest.raises(KeyUnusable):
            house.region.cipher.opened(anna, backed_up)


def test_without_the_setting_nothing_is_changed(tmp_path: Path) -> None:
    with opened(tmp_path / "present", in_files(tmp_path, ExitStack())) as house:
        house.erase(house.enrol(house.collection(Scheme.PLAIN), "anna"))
        first = house.regions.master_keys("eu")
        with changing_master_keys(house.means, Settings(data_dir=tmp_path / "data"), every_s=0.01):
            pass
        assert house.regions.master_keys("eu") == first


def test_a_successor_keeps_the_numbers_and_opens_nothing_of_the_key_before(tmp_path: Path) -> None:
    with opened(tmp_path / "present", in_files(tmp_path, ExitStack())) as house:
        collection = house.collection()
        anna = house.enrol(collection, "anna")
        house.packed(collection)
        region = house.region
        (one,) = region.erasures.templates(COMPANY, anna)
        before = reference_of(region, collection, one)
        (template,) = region.keys.reveal(collection.key_id, [before])
        successor = region.keys.successor(collection.key_id).key_id
        moved = region.keys.reissue_segment(collection.key_id, successor, before.content)
        assert region.keys.reveal(successor, [StoredReference(moved, before.slot)]) == [template]
        assert not _holds(lambda: _revealed(region, successor, before, "anna"))
        assert region.keys.terms(successor).material != region.keys.terms(collection.key_id).material
