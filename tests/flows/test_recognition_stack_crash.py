"""The service is killed at every step of every write of recognition: it stands before or after it, and nothing is left over.

The killed side is a process of its own that ends with `os._exit` at its n-th step: before and after every commit, and around
every write of a photo, a segment or a key.
"""

import multiprocessing
from pathlib import Path

import pytest
from tests.recognition_rig import opened
from tests.recognition_stack_rig import (
    KILLED,
    NEVER,
    OPERATIONS,
    Known,
    State,
    copied,
    imported,
    leftovers,
    prepared,
    run,
    started,
    state,
)

from moretta.core.protection import Scheme

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.recognition_stack_preload"])

# Deleting a collection erases one person after the other, and is killed at its own steps in `test_collection_erasure`.
ATOMIC = [name for name in OPERATIONS if name not in ("import", "recover", "delete collection")]
# `he` has every kind of write there is; the other schemes differ where a key changes.
CASES = [(Scheme.HE, name) for name in ATOMIC] + [(Scheme.ROTATED, "reissue")]


class Template:
    """A region with three people, copied for each crash."""

    def __init__(self, root: Path, scheme: Scheme) -> None:
        self.root = root
        self.known: Known = prepared(root, scheme)

    def crashed(self, target: Path, operation: str, step: int) -> int:
        """A copy in which `operation` died at its n-th step; the exit status of its process."""
        copied(self.root, target)
        return killed(target, operation, self.known, step)


def killed(root: Path, operation: str, known: Known, step: int) -> int:
    """Run an operation in a process that dies at its n-th step; the exit status."""
    process = context.Process(target=run, args=(root, operation, known, step))
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[Scheme, Template]:
    """One region for each scheme."""
    return {
        scheme: Template(tmp_path_factory.mktemp("template") / "place", scheme)
        for scheme in (Scheme.HE, Scheme.ROTATED)
    }


def _recovered(root: Path, known: Known) -> State:
    """The state after a start, in which nothing may be left over."""
    with opened(root) as place:
        started(place)
        assert leftovers(place) == []
        return state(place, known)


@pytest.mark.parametrize(("scheme", "operation"), CASES, ids=str)
def test_a_killed_write_happened_or_did_not_and_leaves_nothing(
    scheme: Scheme, operation: str, templates: dict[Scheme, Template], tmp_path: Path
) -> None:
    template = templates[scheme]
    before = _recovered(copied(template.root, tmp_path / "before"), template.known)
    assert template.crashed(tmp_path / "after", operation, NEVER) == 0
    after = _recovered(tmp_path / "after", template.known)
    seen, steps = [], 0
    for step in range(1, 200):
        ended = template.crashed(tmp_path / "crashed", operation, step)
        if ended == 0:
            break
        assert ended == KILLED
        steps = step
        found = _recovered(tmp_path / "crashed", template.known)
        assert found in (before, after), f"neither state after step {step}"
        seen.append(found == after)
    assert steps >= 2, "the operation passed no step at which it could be killed"
    if before != after:
        assert seen == sorted(seen), "a later step than one that had happened was undone"
        assert seen[0] is False, "the first step is before the write"
        assert seen[-1] is True, "the last step is after it"


def test_an_import_that_is_killed_anywhere_goes_on_where_it_was(
    templates: dict[Scheme, Template], tmp_path: Path
) -> None:
    template = templates[Scheme.HE]
    assert template.crashed(tmp_path / "whole", "import", NEVER) == 0
    whole = _recovered(tmp_path / "whole", template.known)
    for step in range(1, 400, 5):
        ended = template.crashed(tmp_path / "crashed", "import", step)
        if ended == 0:
            assert step > 20
            break
        with opened(tmp_path / "crashed") as place:
            place.recognition.recover()
            assert leftovers(place) == []
            report = imported(place, template.known)
            assert report.enrolled + report.skipped == 4
            assert report.failures == ()
            assert state(place, template.known) == whole


@pytest.mark.parametrize("operation", ["enrol", "reissue", "delete collection"])
def test_a_recovery_that_is_killed_is_finished_by_the_next(
    operation: str, templates: dict[Scheme, Template], tmp_path: Path
) -> None:
    template = templates[Scheme.HE]
    before = _recovered(copied(template.root, tmp_path / "before"), template.known)
    assert template.crashed(tmp_path / "after", operation, NEVER) == 0
    after = _recovered(tmp_path / "after", template.known)
    for step in (4, 7):
        assert template.crashed(tmp_path / "crashed", operation, step) == KILLED
        for again in range(1, 20):
            if killed(tmp_path / "crashed", "recover", template.known, again) == 0:
                break
        assert _recovered(tmp_path / "crashed", template.known) in (before, after)
