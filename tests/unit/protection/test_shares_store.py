"""The share store: what is committed survives, what is not leaves nothing, erased bytes are gone, damage is noticed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from moretta.core.errors import StorageUnusable
from moretta.protection.shares.store import GONE, ShareStore, State

D = 16


class Crash(BaseException):
    """The process ended here."""


@dataclass
class Crashing:
    """Ends the process at its nth step."""

    at: int
    steps: list[str] = field(default_factory=list)

    def __call__(self, step: str) -> None:
        self.steps.append(step)
        if len(self.steps) > self.at:
            raise Crash


def _numbers(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (
        rng.integers(1, 2**16, (rows, D), dtype=np.uint16),
        rng.integers(1, 2**16, (rows, D), dtype=np.uint16),
    )


def _filled(folder: Path) -> ShareStore:
    """Rows 0 to 9 at sequence 1; row 4 is excluded."""
    store = ShareStore.create(folder, State(D))
    store.stage(np.arange(10, dtype=np.uint32), *_numbers(10, 1))
    store.commit(1, (), (4,))
    return store


def _change(store: ShareStore) -> None:
    """To sequence 2: rows 20 to 22 come, 3 and 7 go, and 5 is excluded instead of 4."""
    store.stage(np.array([20, 21, 22], np.uint32), *_numbers(3, 2))
    store.commit(2, (3, 7, 999), (5,))


def _shown(folder: Path) -> tuple[int, list[int], list[bytes]]:
    store = ShareStore(folder)
    view = store.view()
    told = [view.first[slot].tobytes() + view.second[slot].tobytes() for slot in view.slots]
    store.close()
    return store.state.sequence, view.rows.tolist(), told


def test_what_is_committed_is_there_after_opening_anew(tmp_path: Path) -> None:
    store = _filled(tmp_path / "s")
    _change(store)
    store.close()
    sequence, rows, told = _shown(tmp_path / "s")
    assert sequence == 2
    assert rows == [0, 1, 2, 4, 6, 8, 9, 20, 21, 22]
    first, second = _numbers(10, 1)
    assert told[3] == first[4].tobytes() + second[4].tobytes()


def test_rows_in_any_order_are_compared_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    store = ShareStore.create(tmp_path / "s", State(D))
    first, second = _numbers(3, 3)
    store.stage(np.array([9, 2, 5], np.uint32), first, second)
    store.commit(1, (), ())
    view = store.view()
    assert view.rows.tolist() == [2, 5, 9]
    assert not view.whole
    assert np.array_equal(view.first[view.slots], first[[1, 2, 0]])
    assert store.slots_of(np.array([9, 2], np.uint32)).tolist() == [0, 1]
    store.close()


def test_a_removed_row_leaves_no_byte_of_its_shares(tmp_path: Path) -> None:
    store = _filled(tmp_path / "s")
    first, second = _numbers(10, 1)
    _change(store)
    store.close()
    stored = b"".join((tmp_path / "s" / name).read_bytes() for name in ("first", "second", "rows", "state"))
    for row in (3, 7):
        for share in (first[row].tobytes(), second[row].tobytes()):
            for start in range(0, len(share), 8):
                assert share[start : start + 8] not in stored


def test_staged_rows_that_are_never_committed_leave_nothing(tmp_path: Path) -> None:
    store = _filled(tmp_path / "s")
    before = _shown(tmp_path / "s")
    extra, _ = _numbers(3, 5)
    store.stage(np.array([30, 31, 32], np.uint32), extra, extra)
    store.close()
    assert _shown(tmp_path / "s") == before
    assert extra[0].tobytes() not in (tmp_path / "s" / "first").read_bytes()


def _steps(make: Callable[[], ShareStore], change: Callable[[ShareStore], None]) -> list[str]:
    store, counted = make(), Crashing(10**9)
    store._checkpoint = counted
    change(store)
    store.close()
    return counted.steps


def test_a_crash_at_any_step_of_a_change_leaves_the_old_or_the_new_state(tmp_path: Path) -> None:
    old = _filled(tmp_path / "old")
    old.close()
    new = _filled(tmp_path / "new")
    _change(new)
    new.close()
    states = {2: _shown(tmp_path / "new"), 1: _shown(tmp_path / "old")}
    steps = _steps(lambda: _filled(tmp_path / "count"), _change)
    assert {"stage:first-written", "replace:written", "commit:replaced", "erase:row", "erase:flushed"} <= set(steps)
    seen = set()
    for at in range(len(steps)):
        folder = tmp_path / f"crash-{at}"
        store = _filled(folder)
        store._checkpoint = Crashing(at)
        with pytest.raises(Crash):
            _change(store)
        found = _shown(folder)
        assert found == states[found[0]], f"crash after {steps[at]}"
        assert sorted(path.name for path in folder.iterdir()) == ["first", "rows", "second", "state"]
        if found[0] == 2:
            assert _erased(folder, (3, 7))
        again = ShareStore(folder)
        if found[0] == 1:
            _change(again)
        again.close()
        assert _shown(folder) == states[2], "the change can be made again"
        seen.add(found[0])
    assert seen == {1, 2}


def test_a_torn_write_behind_the_committed_rows_is_cut_off(tmp_path: Path) -> None:
    _filled(tmp_path / "s").close()
    before = _shown(tmp_path / "s")
    for name in ("first", "rows"):
        path = tmp_path / "s" / name
        path.write_bytes(path.read_bytes()[: 10 * (4 if name == "rows" else 2 * D)] + b"\x07" * 13)
    (tmp_path / "s" / "state.new").write_bytes(b"torn")
    assert _shown(tmp_path / "s") == before


@pytest.mark.parametrize("name", ["first", "second", "rows", "state"])
def test_one_flipped_bit_in_any_file_is_noticed_at_opening(tmp_path: Path, name: str) -> None:
    _filled(tmp_path / "s").close()
    path = tmp_path / "s" / name
    content = bytearray(path.read_bytes())
    content[17] ^= 8
    path.write_bytes(content)
    with pytest.raises(StorageUnusable):
        ShareStore(tmp_path / "s")


@pytest.mark.parametrize("name", ["first", "second", "rows", "state"])
def test_a_lost_or_shortened_file_is_noticed_at_opening(tmp_path: Path, name: str) -> None:
    for harm in (lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:20])):
        folder = tmp_path / f"s{harm.__code__.co_names[0]}"
        _filled(folder).close()
        harm(folder / name)
        with pytest.raises(StorageUnusable):
            ShareStore(folder)


def test_a_view_taken_before_a_row_was_erased_is_told_apart(tmp_path: Path) -> None:
    store = _filled(tmp_path / "s")
    view = store.view()
    assert store.epoch == view.epoch
    store.commit(2, (3,), ())
    assert store.epoch != view.epoch
    assert store.epoch == store.view().epoch
    store.close()


def test_views_tell_sets_of_rows_apart(tmp_path: Path) -> None:
    store = _filled(tmp_path / "s")
    digests = {store.view().digest}
    for sequence, (removed, excluded) in enumerate([((1,), (4,)), ((), ()), ((), (8,)), ((4,), (8,))], start=2):
        store.commit(sequence, removed, excluded)
        digests.add(store.view().digest)
    assert len(digests) == 5
    store.close()


def _erased(folder: Path, rows: tuple[int, ...]) -> bool:
    first = np.fromfile(folder / "first", np.uint16)[: 10 * D].reshape(10, D)
    second = np.fromfile(folder / "second", np.uint16)[: 10 * D].reshape(10, D)
    numbers = np.fromfile(folder / "rows", np.uint32)
    return all(not first[row].any() and not second[row].any() and numbers[row] == GONE for row in rows)
