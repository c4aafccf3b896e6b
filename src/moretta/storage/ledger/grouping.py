"""One commit for all who append at the same moment.

Belongs here: who waits for whom. Does not belong here: the commit itself.

A commit waits for the disk, and a disk takes some hundred synced writes a second: whoever comes while one is under way is taken
along by the next. Each caller returns when its own entries are durable, and not before.

One caller at a time leads: it commits what waits, wakes exactly those whose entries were in it, and lets the first of those who
came meanwhile lead. Nobody waits for a lock in order to learn that they are done: with one lock for all, 32 callers on a slow
disk stood in line to return, and a commit took along two entries instead of sixteen.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from moretta.storage.ledger.appending import WrittenEntry

Commit = Callable[[Sequence[WrittenEntry]], list[int]]

# So many entries a commit, at most (one call's are never split): a transaction stays short, and its memory small.
MOST_TOGETHER = 5_000


@dataclass(slots=True, eq=False)
class _Call:
    entries: Sequence[WrittenEntry]
    woken: threading.Event = field(default_factory=threading.Event)
    leads: bool = False
    indexes: list[int] = field(default_factory=list)
    error: BaseException | None = None


class GroupedAppend:
    """Appends what several threads bring in few transactions. Entries of one call stay together and in order."""

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._guard = threading.Lock()  # held for a moment only, never while anything is committed
        self._waiting: list[_Call] = []
        self._led = False

    def append(self, entries: Sequence[WrittenEntry]) -> list[int]:
        """As `LedgerStore.append`. Where the commit fails, it fails for all whose entries were in it, and none is kept."""
        mine = _Call(entries)
        try:
            self._enter(mine)
            mine.woken.wait()
            if mine.leads:
                self._commit_some()
        finally:  # also where the wait was interrupted: somebody must lead those who still wait
            self._leave(mine)
        if mine.error is not None:
            raise mine.error
        return mine.indexes

    def _enter(self, mine: _Call) -> None:
        with self._guard:
            self._waiting.append(mine)
            if not self._led:
                self._let_lead(mine)

    def _leave(self, mine: _Call) -> None:
        with self._guard:
            if mine in self._waiting:
                self._waiting.remove(mine)
            if mine.leads:
                self._led = False
                if self._waiting:
                    self._let_lead(self._waiting[0])

    def _let_lead(self, call: _Call) -> None:
        self._led = call.leads = True
        call.woken.set()

    def _commit_some(self) -> None:
        """Commit the leader's own call, which is the first that waits, and those behind it."""
        with self._guard:
            calls = [self._waiting.pop(0)]
            count = len(calls[0].entries)
            while self._waiting and count + len(self._waiting[0].entries) <= MOST_TOGETHER:
                calls.append(self._waiting.pop(0))
                count += len(calls[-1].entries)
        try:
            indexes = self._commit([entry for call in calls for entry in call.entries])
        except BaseException as error:
            for call in calls:
                call.error = error
                call.woken.set()
            return
        for call in calls:
            call.indexes, indexes = indexes[: len(call.entries)], indexes[len(call.entries) :]
            call.woken.set()
