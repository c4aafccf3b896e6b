"""Refreshing and restoring: every stored share changes, no decision does, and a crash at any step leaves no party behind."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.protection_harness import at_cosine, unit_vectors
from tests.shares_rig import SharedGallery, Trio, gallery, temporary_trio

from moretta.core.errors import Conflict, NodeUnavailable
from moretta.core.protection import OpenTerms
from moretta.links.frames import Message
from moretta.protection.shares import messages as said

D = 32
VECTORS = unit_vectors(np.random.default_rng(1), 60, D)


class Crash(BaseException):
    """The party's process ended here."""


@pytest.fixture
def trio() -> Iterator[Trio]:
    with temporary_trio(patience_s=2.0) as made:
        yield made


def _shared(trio: Trio) -> SharedGallery:
    """Rows 0 to 49 but 7, of which 9 is excluded."""
    made = gallery(trio, D)
    made.enrol(VECTORS[:50])
    made.remove([7])
    made.exclude([9])
    return made


def _decisions(shared: SharedGallery) -> list[list[int]]:
    rng = np.random.default_rng(2)
    found = []
    for row in (0, 7, 9, 20, 49):
        probe = shared.probe(at_cosine(rng, VECTORS[row], 0.8))
        found.append([match.row for match in shared.key.open(shared.compare(probe, 0.6), OpenTerms(0.6))])
    return found


EXPECTED = [[0], [], [], [20], [49]]


def _stored(trio: Trio, index: int) -> dict[str, np.ndarray]:
    (folder,) = {path.parent for path in trio.files(index, "state")}
    rows = np.fromfile(folder / "rows", np.uint32)
    order = np.argsort(rows, kind="stable")
    order = order[rows[order] != 0xFFFFFFFF]
    return {
        name: np.fromfile(folder / name, np.uint16)[: rows.size * D].reshape(-1, D)[order]
        for name in ("first", "second")
    }


def _folders(trio: Trio, index: int) -> list[str]:
    (folder,) = {path.parent.parent for path in trio.files(index, "state")}
    return sorted(path.name for path in folder.iterdir())


def test_a_refresh_changes_every_stored_share_and_no_decision(trio: Trio) -> None:
    shared = _shared(trio)
    assert _decisions(shared) == EXPECTED
    before = [_stored(trio, index) for index in range(3)]
    assert trio.node.refresh(shared.spec) == 1
    assert trio.node.refresh(shared.spec) == 2
    assert _decisions(shared) == EXPECTED
    shared.exclude([])
    assert _decisions(shared) == [[0], [], [9], [20], [49]]
    for index in range(3):
        after = _stored(trio, index)
        assert _folders(trio, index) == ["g2"]
        for name in ("first", "second"):
            assert after[name].shape == before[index][name].shape == (49, D)
            # 1,568 numbers of 16 bits: more than 4 stay by chance once in 10^10 runs.
            assert (after[name] == before[index][name]).sum() <= 4
    # Old shares of one party and new ones of another do not add up to the templates, the new ones of all do.
    new = [_stored(trio, index) for index in range(3)]
    whole = new[0]["first"] + new[1]["first"] + new[2]["first"]
    assert np.abs(whole.view(np.int16)).max() <= 128
    mixed = before[0]["first"] + before[0]["second"] + new[2]["first"]
    assert (mixed == whole).sum() <= 4


def test_what_is_enrolled_and_removed_after_a_refresh_is_compared_as_before_it(trio: Trio) -> None:
    shared = _shared(trio)
    trio.node.refresh(shared.spec)
    shared.enrol(VECTORS[50:55], start=50)
    shared.remove([20])
    trio.node.refresh(shared.spec)
    assert _decisions(shared) == [[0], [], [], [], [49]]
    assert shared.key.open(shared.compare(shared.probe(VECTORS[52]), 0.6), OpenTerms(0.6))[0].row == 52


class CrashAt:
    """Ends the party at its nth step, once it is armed."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.steps: list[str] = []

    def __call__(self, step: str) -> None:
        self.steps.append(step)
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Crash


def _count_steps(tmp_path: Path) -> int:
    counting = CrashAt()
    trio = Trio(tmp_path / "count", 2.0, (counting,) * 3)
    shared = gallery(trio, D)
    shared.enrol(VECTORS[:50])
    before = len(counting.steps)
    trio.node.refresh(shared.spec)
    trio.close()
    assert {"refresh:written", "refresh:prepared", "refresh:switched"} <= set(counting.steps[before:])
    return (len(counting.steps) - before) // 3


def test_a_party_that_crashes_at_any_step_of_a_refresh_is_brought_along(tmp_path: Path) -> None:
    steps = _count_steps(tmp_path)
    outcomes = set()
    for at in range(steps):
        for index in (0, 2) if at % 2 else (1,):
            crashing = CrashAt()
            checkpoints = [crashing if party == index else (lambda _: None) for party in range(3)]
            trio = Trio(tmp_path / f"{at}-{index}", 2.0, checkpoints)
            shared = _shared(trio)
            crashing.left = at
            with pytest.raises((Crash, NodeUnavailable, Conflict)):
                trio.node.refresh(shared.spec)
            crashing.left = None
            trio.stop(index)
            trio.start(index)
            assert _decisions(shared) == EXPECTED, f"crash of party {index} at step {at}"
            # Changes go on, whatever the refresh left behind, and count in whichever generation wins.
            shared.enrol(VECTORS[50:52], start=50)
            generation = trio.node.refresh(shared.spec)
            outcomes.add(generation)
            shared.exclude([])
            assert _decisions(shared) == [[0], [], [9], [20], [49]]
            assert shared.key.open(shared.compare(shared.probe(VECTORS[51]), 0.6), OpenTerms(0.6))[0].row == 51
            for party in range(3):
                assert _folders(trio, party) == [f"g{generation}"]
            trio.close()
    # The refresh that was interrupted was taken back (1) where a party had not prepared it, completed (2) where all had.
    assert outcomes == {1, 2}


def test_a_party_that_crashes_at_any_step_of_a_change_is_brought_along(tmp_path: Path) -> None:
    def begun(name: str, crashing: CrashAt) -> tuple[Trio, SharedGallery, dict[str, object]]:
        trio = Trio(tmp_path / name, 2.0, ((lambda _: None), crashing, (lambda _: None)))
        shared = gallery(trio, D)
        shared.enrol(VECTORS[:20])
        change = {"added": [(row, shared.reference(VECTORS[row])) for row in (20, 21)], "removed": (3,)}
        return trio, shared, change

    counting = CrashAt()
    trio, shared, change = begun("count", counting)
    before = len(counting.steps)
    shared.change(**change)  # type: ignore[arg-type]
    trio.close()
    stands = set()
    for at in range(len(counting.steps) - before):
        crashing = CrashAt()
        trio, shared, change = begun(str(at), crashing)
        crashing.left = at
        with pytest.raises((Crash, NodeUnavailable)):
            shared.change(**change)  # type: ignore[arg-type]
        crashing.left = None
        trio.stop(1)
        trio.start(1)
        stands.add(trio.node.position(shared.spec))
        if trio.node.position(shared.spec) == 1:
            assert shared.change(**change) == 2  # type: ignore[arg-type]
        for row, expected in ((20, [20]), (3, []), (5, [5])):
            sealed = shared.compare(shared.probe(VECTORS[row]), 0.6)
            assert [match.row for match in shared.key.open(sealed, OpenTerms(0.6))] == expected
        assert [len(_stored(trio, index)["first"]) for index in range(3)] == [21, 21, 21]
        trio.close()
    assert stands == {1, 2}


def test_a_refresh_that_is_under_way_is_not_taken_back_by_another_process(trio: Trio) -> None:
    """One service has had all three prepare; another one that comes between completes it, and the first finds it done."""
    shared = _shared(trio)
    honest = trio.party(0).handle
    between: list[int] = []

    def answer(role: str, message: Message) -> Message:
        if message.kind == said.SWITCH and not between:
            between.append(1)
            other = threading.Thread(target=lambda: between.append(trio.node.refresh(shared.spec)))
            other.start()
            other.join()
        return honest(role, message)

    trio.answering[0] = answer
    assert trio.node.refresh(shared.spec) == 2
    assert between[1:] == [2]
    assert _decisions(shared) == EXPECTED


def test_a_refresh_that_one_party_never_prepared_is_taken_back_everywhere(trio: Trio) -> None:
    shared = _shared(trio)
    honest = trio.party(1).handle

    def answer(role: str, message: Message) -> Message:
        if message.kind == said.PREPARE:
            honest(role, message)
            raise NodeUnavailable("the answer was lost")
        return honest(role, message)

    trio.answering[1] = answer
    with pytest.raises(NodeUnavailable):
        trio.node.refresh(shared.spec)
    trio.answering[1] = honest
    # All had prepared: it is completed before the next one begins.
    assert trio.node.refresh(shared.spec) == 2
    assert _decisions(shared) == EXPECTED


def test_a_party_that_lost_its_disk_gets_its_shares_again_from_the_others(trio: Trio) -> None:
    shared = _shared(trio)
    trio.node.refresh(shared.spec)
    for index in range(3):
        before = _stored(trio, index)
        trio.stop(index)
        shutil.rmtree(trio.folder(index))
        trio.start(index)
        with pytest.raises(NodeUnavailable):
            _decisions(shared)
        assert trio.node.restore(shared.spec, index) == shared.sequence
        after = _stored(trio, index)
        assert all(np.array_equal(before[name], after[name]) for name in before)
        assert _decisions(shared) == EXPECTED
    shared.enrol(VECTORS[50:52], start=50)
    assert shared.key.open(shared.compare(shared.probe(VECTORS[51]), 0.6), OpenTerms(0.6))[0].row == 51


def test_a_party_with_a_damaged_gallery_says_so_and_can_be_restored(trio: Trio) -> None:
    shared = _shared(trio)
    other = gallery(trio, D, "col_local_1")
    other.enrol(VECTORS[:3])
    trio.stop(1)
    path = next(path for path in trio.files(1, "first") if "col_local_0" in str(path))
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    trio.start(1)
    with pytest.raises(NodeUnavailable, match="restore"):
        _decisions(shared)
    assert other.key.open(other.compare(other.probe(VECTORS[2]), 0.6), OpenTerms(0.6))[0].row == 2
    assert trio.party(1).restore() == 2
    assert _decisions(shared) == EXPECTED


def test_a_party_gives_another_only_the_share_that_it_has_already(trio: Trio) -> None:
    shared = _shared(trio)
    stored = [_stored(trio, index) for index in range(3)]
    for holder in range(3):
        for asking, mine in (((holder + 2) % 3, "second"), ((holder + 1) % 3, "first")):
            fields = {**said.spec_fields(shared.spec), "start": 0, "from": asking}
            answer = trio.party(holder).handle(f"party-{asking}", Message(said.COPY, fields))
            given = np.frombuffer(answer.blobs[1], "<u2").reshape(-1, D)
            assert np.array_equal(given, stored[asking][mine])
