"""What this process still has of people who are erased: answers that could be repeated, results of jobs, redacted media.

Belongs here: forgetting them, from whatever thread. Does not belong here: what is remembered, and for how long.
"""

import asyncio
from concurrent.futures import TimeoutError as TooLate

from moretta.api.idempotency import IdempotencyMemory
from moretta.api.people_jobs import RenewalResult
from moretta.api.people_work import NAMING
from moretta.api.redactions import RedactionShelf
from moretta.core.jobs import JobResult
from moretta.use_cases.jobs import JobBoard

# Answers to enrolling name who was enrolled and who looks alike.
_NAMING = NAMING | {"/v1/persons"}
# The event loop forgets within a millisecond; one that is busy for longer is asked again by the doors, which forget as well.
_PATIENCE_S = 2.0


class Forgetting:
    """Forgets people in answers, results and outputs that show them.

    `loop` is set while the service runs; else there is no answer to forget.
    """

    def __init__(self, memory: IdempotencyMemory, board: JobBoard, shelf: RedactionShelf) -> None:
        self._memory, self._board, self._shelf = memory, board, shelf
        self.loop: asyncio.AbstractEventLoop | None = None

    def __call__(self, company_id: str, person_id: str) -> int:
        """As `use_cases.rights.means.Forget`: from any thread but the event loop's own."""

        def named(result: JobResult) -> bool:
            return isinstance(result, RenewalResult) and person_id in result.needing_photo

        forgotten = self._board.forget(company_id, named) + self._shelf.forget(company_id, person_id)
        loop = self.loop
        if loop is None or loop.is_closed():
            return forgotten
        asked = asyncio.run_coroutine_threadsafe(self._answers(company_id), loop)
        try:
            return forgotten + asked.result(_PATIENCE_S)
        except TooLate:
            return forgotten

    async def _answers(self, company_id: str) -> int:
        return self._memory.forget(company_id, _NAMING)
