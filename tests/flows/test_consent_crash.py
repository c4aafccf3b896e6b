"""A process is killed at every write of consents, on both kinds of database, and at every step of a withdrawal.

Afterwards the database is, row by row, what it was before or what a run that ends well makes of it; and a withdrawal that was
begun is finished by the next sweep.
"""

import multiprocessing
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.consent_crash_rig import OPERATIONS, operate, operate_and_die, set_up, withdraw_and_die
from tests.consents_place import a_desk, a_desk_at
from tests.recognition_crash_rig import copy_folder
from tests.recognition_rig import COMPANY
from tests.storage_rig import KINDS, Database, a_database, snapshot

from moretta.core.consent import ConsentState
from moretta.core.errors import PersonErased

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.consent_crash_rig", "tests.consents_place"])


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with a_database(request.param, request, tmp_path) as database:
        yield database


def _state(database: Database) -> str:
    engine = database.opened()
    try:
        return snapshot(engine)
    finally:
        engine.dispose()


def _killed(target: object, *arguments: object) -> None:
    child = context.Process(target=target, args=arguments)  # type: ignore[arg-type]
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("operation", OPERATIONS)
def test_whoever_dies_leaves_the_old_or_the_new_state_and_nothing_else(
    database: Database, tmp_path: Path, operation: str
) -> None:
    folder = tmp_path / "scene"
    folder.mkdir()
    scene = set_up(database.where, folder)
    before = _state(database)
    with database.copied(tmp_path / "whole") as copy:
        operate(copy.where, copy_folder(folder, tmp_path / "whole-keys"), scene, operation, lambda _: None)
        after = _state(copy)
    assert before != after
    for step, expected in (("before-commit", before), ("after-commit", after)):
        with database.copied(tmp_path / step) as copy:
            keys = copy_folder(folder, tmp_path / f"{step}-keys")
            _killed(operate_and_die, copy.where, keys, scene, operation, f"{operation}:{step}")
            assert _state(copy) == expected


@pytest.mark.parametrize(
    ("step", "was_withdrawn"),
    [
        ("withdraw:before", False),
        ("end-consent:before-commit", False),
        ("withdraw:committed", True),
        ("delete_person:committed", True),
        ("withdraw:erased", True),
        ("erasure-done:before-commit", True),
        ("erasure-done:after-commit", True),
    ],
)
def test_a_withdrawal_that_was_begun_is_finished_by_the_sweep(tmp_path: Path, step: str, was_withdrawn: bool) -> None:
    root = tmp_path / "place"
    with a_desk(root) as desk:
        consent = desk.on_paper()
    _killed(withdraw_and_die, root, consent.consent_id, step)
    with a_desk_at(root, lambda _: None) as consents:
        swept = consents.sweep()
        found = consents.consent(COMPANY, consent.consent_id)
        if not was_withdrawn:
            assert (found.state, found.details is None, swept.erased) == (ConsentState.GIVEN, False, 0)
            return
        assert (found.state, found.erasure_due, found.details) == (ConsentState.WITHDRAWN, False, None)
        with pytest.raises(PersonErased):
            consents.withdraw_all(COMPANY, str(consent.person_id))
