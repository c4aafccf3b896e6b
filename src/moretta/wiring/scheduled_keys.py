"""Backups are shredded on a schedule: whoever was erased, the master key that wraps their key in older backups is destroyed.

Belongs here: when a change is due, and its order over crashes. Does not belong here: the steps of the change of a master key (see
`keys.rotation`), what certificates say of it (see `use_cases.rights.certify`).

    begin     noted in each region's database, with the master keys that there are and the collections that lost somebody and
              pack references
    succeed   each such collection gets a successor of its key: packed references stand under no subject's key
    change    every key is wrapped under a new master key, and the old one is destroyed
    done      noted and logged with the moment of the beginning: whoever was erased before that moment is covered, but for
              collections that could not have a successor yet (`left` of the entry): they are tried again each round

A step may be cut off anywhere: the next round, of whichever process, goes on from the note, or does the step once more.
Collections come first, so that the keys they had are never wrapped under the new master key.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Engine

from moretta.core.clock import to_second
from moretta.core.errors import Conflict, KeyDestroyed, MorettaError, NotFound
from moretta.core.ledger import EntryKind
from moretta.settings import Settings
from moretta.storage.alone import alone_in_all
from moretta.storage.key_changes import (
    KeyChange,
    Named,
    erased_since,
    keep_key_change,
    key_change_in,
    packed_collections_erased_from,
)
from moretta.use_cases.recognition import acts
from moretta.use_cases.recognition.means import Means
from moretta.use_cases.recognition.reissue import succeed
from moretta.wiring.drill.run import COMPANY as DRILLS
from moretta.wiring.housekeeping import EVERY_S, Housekeeping
from moretta.wiring.regions import Regions

# Clocks of machines that share a database may differ: whoever was erased so shortly before a change is taken for erased after it.
CLOCKS_DIFFER = timedelta(minutes=5)
_LOCK = "master-key-schedule"
_log = logging.getLogger(__name__)


class _Ended(Exception):
    """The service ends: what was begun is gone on with by whoever comes next."""


class ScheduledKeys:
    """A chore: changes master keys where that is due, in one process at a time.

    Args:
        means: the deployment's.
        regions: its regions, as `means` has them.
        days: how many days a change covers; at least 1.
    """

    def __init__(self, means: Means, regions: Regions, days: int) -> None:
        self._means, self._regions, self._every = means, regions, timedelta(days=days)
        self._ends = threading.Event()

    def __call__(self) -> None:
        """One round. What keeps one group of regions from it keeps no other; the first such error is raised at the end."""
        failed: MorettaError | None = None
        for names in self._regions.sharing_keys():
            try:
                self._round(names)
            except _Ended:
                return
            except MorettaError as error:
                _log.warning("master_key.not_changed: %s: %s", ", ".join(names), error.code)
                failed = failed or error
        if failed is not None:
            raise failed

    def end(self) -> None:
        """Wait no longer; a change under way is gone on with at the next start."""
        self._ends.set()

    def _round(self, names: Sequence[str]) -> None:
        engines = {name: self._regions.engine_of(name) for name in names}
        with alone_in_all(list(engines.values()), _LOCK) as held:
            if not held:
                return
            now = self._means.clock()
            if any(self._is_due(engine, now) for engine in engines.values()):
                self._begin(engines, now)
            for name, engine in engines.items():
                self._succeed(name, engine)
            if any(key_change_in(engine).begun for engine in engines.values()):
                self._change(engines)

    def _is_due(self, engine: Engine, now: datetime) -> bool:
        kept = key_change_in(engine)
        if kept.begun is not None:
            return False
        old = kept.covered is None or now - kept.covered >= self._every
        return old and erased_since(engine, _since(kept), DRILLS)

    def _begin(self, engines: dict[str, Engine], now: datetime) -> None:
        old = self._regions.master_keys(next(iter(engines)))
        for name, engine in engines.items():
            kept = key_change_in(engine)
            if kept.begun is None:
                lost = packed_collections_erased_from(engine, _since(kept), DRILLS)
                self._tell(name, {"step": "begun"})
                keep_key_change(engine, replace(kept, begun=now, old=old, left=tuple(sorted({*kept.left, *lost}))))

    def _succeed(self, name: str, engine: Engine) -> None:
        """Give the collections that are left successors of their keys; one that cannot have one now is tried again each round."""
        for one in key_change_in(engine).left:
            self._go_on()
            if self._succeeded(name, one):
                kept = key_change_in(engine)
                keep_key_change(engine, replace(kept, left=tuple(other for other in kept.left if other != one)))

    def _succeeded(self, name: str, one: Named) -> bool:
        try:
            succeed(self._means, *one)
        except (NotFound, KeyDestroyed):
            return True  # the key is gone, or goes with its collection
        except MorettaError as error:
            _log.warning("master_key.packed_left: a collection of %s keeps its key for now: %s", name, error.code)
            return False
        return True

    def _change(self, engines: dict[str, Engine]) -> None:
        names = list(engines)
        old = {one for engine in engines.values() for one in key_change_in(engine).old}
        *_, active = present = self._regions.master_keys(names[0])
        if old & set(present):  # else the process died right after the last of them was destroyed
            # Where another one is active, it was made since the beginning: the change is finished, and no other is begun.
            change = self._regions.change_master_key(names, anew=active in old, sleep=self._wait)
            active = change.active
            if change.kept:
                _log.error("master_key.kept: %d old ones: %d keys do not open", len(change.kept), change.unreadable)
                raise Conflict("old master keys are kept, since keys under them do not open, or change all the time")
        for name, engine in engines.items():
            kept = key_change_in(engine)
            if kept.begun is not None:
                facts = {"new": active, "begun_at": to_second(kept.begun), "left": str(len(kept.left))}
                self._tell(name, {"step": "done", **facts})
                keep_key_change(engine, replace(kept, covered=kept.begun, begun=None, old=()))
        _log.info("master_key.changed: %s", ", ".join(names))

    def _tell(self, name: str, facts: dict[str, str]) -> None:
        told = {"change": "master-key", **facts}
        self._means.region(name).log.append([acts.entry(EntryKind.KEY_CHANGED, self._means.clock, "", told)])

    def _wait(self, seconds: float) -> None:
        self._ends.wait(seconds)
        self._go_on()

    def _go_on(self) -> None:
        if self._ends.is_set():
            raise _Ended


@contextmanager
def changing_master_keys(means: Means, settings: Settings, every_s: float = EVERY_S) -> Iterator[None]:
    """Change master keys when that is due until the context ends, in a thread of its own: a change waits for minutes."""
    regions = means.regions
    if not settings.master_key_days or not isinstance(regions, Regions):
        yield
        return
    chore = ScheduledKeys(means, regions, settings.master_key_days)
    with Housekeeping({"master keys": chore}, every_s):
        try:
            yield
        finally:
            chore.end()


def _since(kept: KeyChange) -> datetime | None:
    return None if kept.covered is None else kept.covered - CLOCKS_DIFFER
