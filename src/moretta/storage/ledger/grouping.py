"""One commit for all who append at the same moment.

Belongs here: who waits for whom. Does not belong here: the commit itself.

A commit waits for the disk, and a disk takes some hundred synced writes a second: whoever comes while one is under way is taken
along by the next. Each caller returns when its own entries are durable, and not before.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from moretta.core.ledger import LogEntry

Commit = Callable[[Sequence[LogEntry]], list[int]]

# So many entries a commit, at most (one call's are never split): a transaction stays short, and its memory small.
MOST_TOGETHER = 5_000


@dataclass(slots=True)
class _Call:
    entries: Sequence[LogEntry]
    indexes: list[int] | None = None
    error: BaseException | None = field(default=None, repr=False)

    @property
    def done(self) -> bool:
        return self.indexes is not None or self.error is not None


class GroupedAppend:
    """Appends what several threads bring in few transactions. Entries of one call stay together and in order."""

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._guard, self._turn = threading.Lock(), threading.Lock()
        self._waiting: list[_Call] = []

    def append(self, entries: Sequence[LogEntry]) -> list[int]:
        """As `LedgerStore.append`. Where the commit fails, it fails for all whose entries were in it, and none is kept."""
        mine = _Call(tuple(entries))
        with self._guard:
            self._waiting.append(mine)
        with self._turn:  # whoever gets it first commits for those behind it
            while not mine.done:
                self._commit_some()
        if mine.error is not None:
            raise mine.error
        return mine.indexes or []

    def _commit_some(self) -> None:
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
            return
        for call in calls:
            call.indexes, indexes = indexes[: len(call.entries)], indexes[len(call.entries) :]
