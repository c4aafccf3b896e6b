"""The master key changes while writers go on, and after a crash at any step."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
from tests.key_rigs import local_holder

from moretta.core.errors import KeyDestroyed
from moretta.core.protection import Scheme
from moretta.keys.envelope import Envelope
from moretta.keys.file import FileKeyService
from moretta.keys.memory import MemoryKeyService
from moretta.keys.rotation import MasterKeyChange, WrappedKeys, change_master_key, rewrapped, settling_s


class Killed(BaseException):
    """The process died here."""


class Rows:
    """The data keys of a store, in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[str, bytes] = {}

    def add(self, subject_id: str, wrapped: bytes) -> None:
        with self._lock:
            self._rows[subject_id] = wrapped

    def rows(self) -> dict[str, bytes]:
        with self._lock:
            return dict(self._rows)

    def wrapped_keys(self, limit: int, after: str | None = None) -> list[tuple[str, bytes]]:
        with self._lock:
            later = sorted(item for item in self._rows.items() if after is None or item[0] > after)
        return later[:limit]

    def rewrap(self, keys: Sequence[tuple[str, bytes, bytes]]) -> None:
        with self._lock:
            for subject_id, old, new in keys:
                if self._rows.get(subject_id) == old:
                    self._rows[subject_id] = new


class Mortal:
    """A store whose process dies at one of its writes: before it, or right after it was made."""

    def __init__(self, rows: Rows, write: int, durable: bool) -> None:
        self._rows, self._left, self._durable = rows, write, durable

    def wrapped_keys(self, limit: int, after: str | None = None) -> list[tuple[str, bytes]]:
        return self._rows.wrapped_keys(limit, after)

    def rewrap(self, keys: Sequence[tuple[str, bytes, bytes]]) -> None:
        self._left -= 1
        if self._durable or self._left:
            self._rows.rewrap(keys)
        if not self._left:
            raise Killed


def filled(rows: Rows, envelope: Envelope, count: int) -> dict[str, bytes]:
    keys = [envelope.new_key(f"per_eu_{number:06d}") for number in range(count)]
    for key in keys:
        rows.add(key.subject_id, key.wrapped)
    return {key.subject_id: key.key for key in keys}


def changed(service: MemoryKeyService | FileKeyService, *stores: WrappedKeys, **options: object) -> MasterKeyChange:
    options = {"settle_s": 1.0, "sleep": lambda _s: None} | options
    return change_master_key(service, Envelope(service), stores, lambda: 0, **options)  # type: ignore[arg-type]


def all_open(envelope: Envelope, rows: Rows, expected: dict[str, bytes]) -> bool:
    stored = rows.rows()
    return {subject_id: envelope.opened(subject_id, stored[subject_id]).key for subject_id in stored} == expected


def test_every_data_key_is_under_the_new_master_key_and_the_old_one_is_gone() -> None:
    service, rows, more = MemoryKeyService(), Rows(), Rows()
    envelope = Envelope(service)
    expected, others = filled(rows, envelope, 1234), filled(more, envelope, 3)
    old = service.active()
    change = changed(service, rows, more)
    assert change == MasterKeyChange(service.active(), 1237, (old,))
    assert list(service.master_keys()) == [change.active] != [old]
    assert all_open(envelope, rows, expected) and all_open(envelope, more, others)


def test_a_writer_that_commits_after_we_have_looked_loses_nothing() -> None:
    service, rows = MemoryKeyService(), Rows()
    envelope = Envelope(service)
    expected = filled(rows, envelope, 10)
    late = envelope.new_key("per_eu_late")
    slept: list[float] = []

    def commit_late(seconds: float) -> None:
        slept.append(seconds)
        rows.add(late.subject_id, late.wrapped)

    changed(service, rows, sleep=commit_late, settle_s=7.0)
    assert slept == [7.0]
    assert all_open(envelope, rows, expected | {late.subject_id: late.key})
    assert len(service.master_keys()) == 1


def test_writers_and_readers_go_on_meanwhile(tmp_path: Path) -> None:
    service, rows = FileKeyService(tmp_path / "keys"), Rows()
    envelope = Envelope(service)
    written, failures, stop = filled(rows, envelope, 300), list[Exception](), threading.Event()

    def work(worker: int) -> None:
        number = 0
        while not stop.wait(0.002):
            key = envelope.new_key(f"per_eu_w{worker}_{number:06d}")
            number += 1
            written[key.subject_id] = key.key
            rows.add(key.subject_id, key.wrapped)
            try:
                assert envelope.opened(key.subject_id, rows.rows()[key.subject_id]).key == key.key
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(2)]
    for thread in threads:
        thread.start()
    try:
        changes = [changed(service, rows, sleep=waiting(0.05)) for _ in range(3)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert all(len(change.destroyed) == 1 for change in changes)
    assert len(rows.rows()) > 300 and all_open(envelope, rows, written)


def waiting(seconds: float) -> Callable[[float], object]:
    return lambda _asked: threading.Event().wait(seconds)


@pytest.mark.parametrize("write", [1, 2, 3])
@pytest.mark.parametrize("durable", [False, True])
def test_a_crash_while_wrapping_anew_is_finished_by_the_next_run(tmp_path: Path, write: int, durable: bool) -> None:
    service, rows = FileKeyService(tmp_path / "keys"), Rows()
    envelope = Envelope(service)
    expected = filled(rows, envelope, 1400)
    old = service.active()
    with pytest.raises(Killed):
        changed(service, Mortal(rows, write, durable))
    assert old in service.master_keys() and all_open(envelope, rows, expected)
    new = service.active()
    change = changed(FileKeyService(tmp_path / "keys"), rows)
    assert change.active == new, "the change that was begun is finished, not begun again"
    assert change.destroyed == (old,)
    assert all_open(envelope, rows, expected)


@pytest.mark.parametrize("step", ["rotate:before", "rotate:made", "destroy:marked", "destroy:gone"])
def test_a_crash_of_the_key_service_at_any_step_loses_no_data_key(tmp_path: Path, step: str) -> None:
    armed = [False]

    def die(at: str) -> None:
        if armed[0] and at == step:
            raise Killed

    service, rows = FileKeyService(tmp_path / "keys", die), Rows()
    envelope = Envelope(service)
    expected, first = filled(rows, envelope, 20), service.active()
    armed[0] = True
    with pytest.raises(Killed):
        changed(service, rows)
    after = FileKeyService(tmp_path / "keys")
    assert all_open(Envelope(after), rows, expected)
    changed(after, rows)
    assert len(after.master_keys()) == 1 and first not in after.master_keys()
    assert all_open(Envelope(after), rows, expected)


def test_a_crash_while_waiting_is_finished_by_the_next_run() -> None:
    service, rows = MemoryKeyService(), Rows()
    envelope = Envelope(service)
    expected, old = filled(rows, envelope, 20), service.active()

    def die(_seconds: float) -> None:
        raise Killed

    with pytest.raises(Killed):
        changed(service, rows, sleep=die)
    assert len(service.master_keys()) == 2
    assert changed(service, rows).destroyed == (old,)
    assert all_open(envelope, rows, expected)


@pytest.mark.parametrize(("request_s", "waits_s"), [(1.0, 330.0), (300.0, 330.0), (1800.0, 1830.0)])
def test_a_change_waits_longer_than_any_request_may_last(request_s: float, waits_s: float) -> None:
    assert settling_s(request_s) == waits_s


def test_gallery_keys_are_wrapped_anew_before_the_old_master_key_goes(tmp_path: Path) -> None:
    service = FileKeyService(tmp_path / "keys")
    holder = local_holder(tmp_path / "galleries", service)
    made = [holder.create(Scheme.ROTATED, "model", 8, 0.3) for _ in range(3)]
    change = change_master_key(
        service,
        Envelope(service),
        [],
        lambda: holder.rewrap(partial(rewrapped, service)),
        settle_s=0,
        sleep=lambda _s: None,
    )
    assert change.rewrapped == 3 and len(change.destroyed) == 1
    again = local_holder(tmp_path / "galleries", service)
    assert [again.terms(terms.key_id) for terms in made] == made
    assert [holder.terms(terms.key_id) for terms in made] == made


def test_a_data_key_that_does_not_open_keeps_its_master_key() -> None:
    service, rows = MemoryKeyService(), Rows()
    envelope = Envelope(service)
    expected = filled(rows, envelope, 5)
    damaged = bytearray(rows.rows()["per_eu_000002"])
    damaged[-1] ^= 1
    rows.add("per_eu_000002", bytes(damaged))
    old = service.active()
    change = changed(service, rows)
    assert (change.unreadable, change.kept, change.destroyed) == (1, (old,), ())
    damaged[-1] ^= 1
    rows.add("per_eu_000002", bytes(damaged))
    assert changed(service, rows).destroyed == (old,)
    assert all_open(envelope, rows, expected)


def test_a_data_key_whose_master_key_was_destroyed_stops_nobody() -> None:
    service, rows = MemoryKeyService(), Rows()
    envelope = Envelope(service)
    filled(rows, envelope, 2)
    lost = service.active()
    service.rotate()
    service.destroy(lost)
    kept = envelope.new_key("per_eu_kept")
    rows.add(kept.subject_id, kept.wrapped)
    old = service.active()
    assert changed(service, rows).destroyed == (old,)
    assert envelope.opened("per_eu_kept", rows.rows()["per_eu_kept"]).key == kept.key
    with pytest.raises(KeyDestroyed):
        envelope.opened("per_eu_000000", rows.rows()["per_eu_000000"])


def test_anew_makes_another_master_key_even_where_a_change_was_begun() -> None:
    service, rows = MemoryKeyService(), Rows()
    first = service.active()
    second = service.rotate()
    change = changed(service, rows, anew=True)
    assert change.active not in (first, second) and change.destroyed == (first, second)
