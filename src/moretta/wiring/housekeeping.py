"""What a service does by itself from time to time: ending what is over, finishing what was left.

Belongs here: the thread, and that one chore's failure keeps no other from being done. Does not belong here: what a chore does.
"""

import logging
import threading
from collections.abc import Callable, Mapping

from moretta.core.acting import HOUSEKEEPING, act_as
from moretta.core.errors import MorettaError

_log = logging.getLogger(__name__)

# Terms are days; an erasure that a node held up should not wait much longer than the node is down.
EVERY_S = 900.0


class Housekeeping:
    """Does every chore at once when started, and every `every_s` seconds from then on, in one thread.

    Chores are named; several processes may do them beside each other. Use it as a context.
    """

    def __init__(self, chores: Mapping[str, Callable[[], object]], every_s: float = EVERY_S) -> None:
        self._chores, self._every_s = dict(chores), every_s
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def __enter__(self) -> "Housekeeping":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """The chore under way is finished; no other begins."""
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        act_as(HOUSEKEEPING)  # this thread's context is its own
        while not self._ends.is_set():
            for name, chore in self._chores.items():
                if self._ends.is_set():
                    return
                try:
                    chore()
                except MorettaError as error:
                    _log.warning("housekeeping.failed: %s: %s", name, error.code)
                except (
                    Exception
                ) as error:  # A defect in one chore must not end the others; its message may hold anything.
                    _log.error("housekeeping.failed: %s: %s", name, type(error).__name__)
            self._ends.wait(self._every_s)
