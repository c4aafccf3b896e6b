"""Drills of a running service, now and then.

Belongs here: when one is due. Does not belong here: what a drill does.
"""

import logging
import time
from collections.abc import Callable

from moretta.core.errors import DrillFailed
from moretta.wiring.drill.report import DrillReport

_log = logging.getLogger(__name__)

# A service that is restarted each night holds its drill all the same, but not while it starts.
FIRST_AFTER_S = 600.0


class Drills:
    """A chore: holds a drill where one is due, and tells the operator's log loudly where something was found.

    Args:
        drill: holds one.
        every_h: hours between two; 0: none.
        now_s: seconds that only rise.
    """

    def __init__(
        self, drill: Callable[[], DrillReport], every_h: float, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._drill, self._every_s, self._now_s = drill, 3600.0 * every_h, now_s
        self._due = now_s() + min(FIRST_AFTER_S, self._every_s)

    def __call__(self) -> None:
        """Hold one where it is due. Raises `DrillFailed`, and whatever kept the drill from being held."""
        if not self._every_s or self._now_s() < self._due:
            return
        self._due = self._now_s() + self._every_s
        report = self._drill()
        try:
            report.require_clean()
        except DrillFailed as failed:
            _log.error("drill.failed: %s", failed.detail)
            raise
        _log.info("drill.clean: %d marks in %d bytes", report.marks, sum(one.size for one in report.searched))
