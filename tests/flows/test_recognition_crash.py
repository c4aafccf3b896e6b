"""A service is killed at every step of every change of people and templates, on both kinds of database.

Afterwards the database is, row by row, what it was before or what a run that ends well makes of it; every photo, segment and key
that nothing uses is found by the next start, and none that is used is deleted. The transparency log tells of what was done and of
nothing else: an act and its entries are there together or not at all, and the tree holds.
"""

import multiprocessing
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from tests.recognition_crash_rig import (
    KILLED,
    OPERATIONS,
    Scene,
    Side,
    copy_folder,
    operate,
    operate_and_die,
    recover_and_die,
    set_up,
)
from tests.storage_rig import COMPANY, KINDS, Database, a_database, snapshot

from moretta.core.recognition_store import Unfinished
from moretta.ledger.check import check_log
from moretta.storage.ledger.store import SqlLedger

RECOVERY_STEPS = ["unfinished:before-commit", "unfinished:after-commit", "left-over:deleted", "gone:before-commit"]

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.recognition_crash_rig"])


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with a_database(request.param, request, tmp_path) as database:
        yield database


class Worlds:
    """Copies of one scene, each for one run."""

    def __init__(self, database: Database, folder: Path, copies: ExitStack) -> None:
        self._database = database
        self._folder = folder
        self._copies = copies
        self._count = 0
        (folder / "scene").mkdir()
        self.scene: Scene = set_up(database.where, folder / "scene")

    def copy(self) -> tuple[Path | str, Path]:
        self._count += 1
        copied = self._copies.enter_context(self._database.copied(self._folder / f"database{self._count}"))
        return copied.where, copy_folder(self._folder / "scene", self._folder / f"folder{self._count}")


@pytest.fixture
def worlds(database: Database, tmp_path: Path) -> Iterator[Worlds]:
    with ExitStack() as copies:
        yield Worlds(database, tmp_path, copies)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_whoever_dies_leaves_the_old_or_the_new_state_and_nothing_else(worlds: Worlds, operation: str) -> None:
    write, _ = OPERATIONS[operation]
    seen: list[str] = []
    where, folder = worlds.copy()
    old = _rows(where, folder)
    operate(where, folder, worlds.scene, operation, seen.append)
    new = _rows(where, folder)
    assert new != old or operation == "rewrap"
    assert new.count('"leaf_hash"') - old.count('"leaf_hash"') in (0, 2)
    committed = seen.index(f"{write}:after-commit")
    where, folder = worlds.copy()
    for number, step in enumerate(seen):
        # Its own write both ways, steps before it one way: they differ in what is tidied up, which is nothing.
        for how in ("SIGKILL", "os._exit") if step.startswith(write) else ("SIGKILL",):
            nth = seen[: number + 1].count(step)
            _run_until_death(operate_and_die, (where, folder, worlds.scene, operation, step, nth, how), how)
            assert _rows(where, folder) == (new if number >= committed else old), (step, nth, how)
            _assert_all_is_found_and_cleared(where, folder)
            if number >= committed:
                where, folder = worlds.copy()


@pytest.mark.parametrize("step", RECOVERY_STEPS)
def test_whoever_dies_while_clearing_up_leaves_it_to_the_next(worlds: Worlds, step: str) -> None:
    where, folder = worlds.copy()
    arguments = (where, folder, worlds.scene, "reissue", "reissue:before-commit", 1, "SIGKILL")
    _run_until_death(operate_and_die, arguments, "SIGKILL")
    old = _rows(where, folder)
    _run_until_death(recover_and_die, (where, folder, step), "SIGKILL")
    assert _rows(where, folder) == old
    _assert_all_is_found_and_cleared(where, folder)


def test_what_a_living_process_is_about_to_use_is_left_to_it(worlds: Worlds) -> None:
    where, folder = worlds.copy()
    living, other = Side(where, folder), Side(where, folder)
    wrapped = living.keep_photo(worlds.scene.new_person, worlds.scene.new_photo)
    living.keep_segment(worlds.scene.new_segment)
    living.make_key(worlds.scene.new_key)
    other.recover()
    assert worlds.scene.new_photo in set(living.blobs.ids())
    assert worlds.scene.new_segment.info.segment_id in set(living.segments.ids())
    assert worlds.scene.new_key in set(living.keys.ids())
    faces = [face.__class__(face.face_id, face.payload, 80.0, worlds.scene.new_photo) for face in worlds.scene.faces]
    living.store.enrol(worlds.scene.collection, worlds.scene.new_person, faces, wrapped_key=wrapped)
    living.close()
    other.recover()
    assert worlds.scene.new_photo in set(other.blobs.ids())
    assert worlds.scene.new_segment.info.segment_id not in set(other.segments.ids())
    other.close()


def _run_until_death(target: object, arguments: tuple[object, ...], how: str) -> None:
    child = context.Process(target=target, args=arguments)  # type: ignore[arg-type]
    child.start()
    child.join(60)
    assert child.exitcode == (-signal.SIGKILL if how == "SIGKILL" else KILLED)
    child.close()


def _rows(where: Path | str, folder: Path) -> str:
    """Every row but of what is announced, which dead processes leave behind."""
    side = Side(where, folder)
    try:
        _wait_for_the_dead(side.engine)
        with side.engine.begin() as connection:
            kept = connection.execute(text("SELECT kind, id, owner, announced_at FROM announced")).all()
            connection.execute(text("DELETE FROM announced"))
        found = snapshot(side.engine)
        check_log(SqlLedger(side.engine), [], lambda *_: False)  # nothing was signed: the tree alone
        with side.engine.begin() as connection:
            for row in kept:
                put = text("INSERT INTO announced VALUES (:kind, :id, :owner, :announced_at)")
                connection.execute(put, dict(row._mapping))
        return found
    finally:
        side.close()


def _wait_for_the_dead(engine: Engine) -> None:
    """PostgreSQL ends a dead client's session when it next looks at its socket: at once, but not before we ask."""
    if engine.dialect.name != "postgresql":
        return
    others = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with engine.connect() as connection:
            if connection.execute(others).scalar_one() == 0:
                return
        time.sleep(0.01)
    raise AssertionError("a dead client's session does not end")


def _assert_all_is_found_and_cleared(where: Path | str, folder: Path) -> None:
    side = Side(where, folder)
    photos, segments, keys = _in_use(side)
    assert photos <= set(side.blobs.ids())
    assert segments <= set(side.segments.ids())
    assert keys <= set(side.keys.ids())
    side.recover()
    assert set(side.blobs.ids()) == photos
    assert set(side.segments.ids()) == segments
    assert set(side.keys.ids()) == keys
    assert [path.name for one in (side.blobs, side.segments) for path in one.folder.glob(".*")] == []
    assert side.store.unfinished() == Unfinished()
    for collection in side.store.collections(COMPANY, 10):
        for person in side.store.persons(COMPANY, collection.collection_id, 10):
            key = side.cipher.opened(person.person_id, side.store.subject_key(person.person_id))
            for face in side.store.faces(COMPANY, person.person_id):
                assert face.photo_id is None or side.photos.get(key, face.photo_id)
        assert side.store.delta(collection.collection_id, 0).spec.key_id in keys
    side.close()


def _in_use(side: Side) -> tuple[set[str], set[str], set[str]]:
    with side.engine.begin() as connection:
        photos = connection.execute(text("SELECT photo_id FROM faces WHERE photo_id IS NOT NULL")).scalars()
        segments = connection.execute(text("SELECT segment_id FROM segments WHERE dropped_sequence IS NULL")).scalars()
        keys = connection.execute(text("SELECT key_id FROM collections")).scalars()
        return set(photos), set(segments), set(keys)
