"""Who waits for whom when several threads append: each for the commit that holds its own entries, and for no other."""

import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from moretta.storage.ledger.appending import WrittenEntry
from moretta.storage.ledger.grouping import MOST_TOGETHER, GroupedAppend

ENTRY = WrittenEntry("co_0123456789abcdef0123", b"leaf", bytes(32))
# Only a test that fails waits as long.
PATIENCE_S = 30.0


class Log:
    """Commits that each wait until `may_commit` holds of this log, and notes how many entries each had."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.commits: list[int] = []
        self.returned = 0

    def may_commit(self) -> bool:
        return True

    def commit(self, entries: Sequence[WrittenEntry]) -> list[int]:
        time.sleep(0.001)  # as a disk does: the others come meanwhile
        with self.changed:
            if not self.changed.wait_for(self.may_commit, PATIENCE_S):
                raise TimeoutError
            size = sum(self.commits)
            self.commits.append(len(entries))
        return list(range(size, size + len(entries)))


class OneAfterTheOther(Log):
    """Commits only when everybody whose entries were committed before has returned."""

    def may_commit(self) -> bool:
        return self.returned == sum(self.commits)


class Held(Log):
    """Commits when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.free = threading.Event(), False

    def may_commit(self) -> bool:
        self.reached.set()
        return self.free

    def let_go(self) -> None:
        with self.changed:
            self.free = True
            self.changed.notify_all()


def test_whoever_is_done_returns_while_the_next_commit_is_under_way() -> None:
    log = OneAfterTheOther()
    grouped = GroupedAppend(log.commit)

    def append_on(_: int) -> list[int]:
        indexes = []
        for _ in range(20):
            indexes += grouped.append([ENTRY])
            with log.changed:
                log.returned += 1
                log.changed.notify_all()
        return indexes

    with ThreadPoolExecutor(8) as pool:
        found = [index for indexes in pool.map(append_on, range(8)) for index in indexes]
    assert sorted(found) == list(range(160))


def test_a_caller_whose_wait_is_interrupted_keeps_nobody_else_waiting() -> None:
    log = Held()
    grouped = GroupedAppend(log.commit)
    main = threading.main_thread().ident
    assert main is not None
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(grouped.append, [ENTRY])
        assert log.reached.wait(PATIENCE_S)
        interrupt = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT))
        interrupt.start()
        with pytest.raises(KeyboardInterrupt):
            grouped.append([ENTRY])
        last = pool.submit(grouped.append, [ENTRY, ENTRY])
        log.let_go()
        assert (first.result(PATIENCE_S), last.result(PATIENCE_S)) == ([0], [1, 2])
    assert log.commits == [1, 2]


def test_a_commit_takes_no_more_along_than_is_said_and_never_parts_one_call() -> None:
    log = Log()
    grouped = GroupedAppend(log.commit)
    many = [ENTRY] * (MOST_TOGETHER + 1)
    assert grouped.append(many) == list(range(MOST_TOGETHER + 1))
    assert grouped.append([]) == []
    assert log.commits == [MOST_TOGETHER + 1, 0]
