"""Hands uploads to the workers, counts what they processed, and ends work that nobody waits for.

Belongs here: the one path from a sealed upload to a counted result, inline or as a job.
Does not belong here: addresses, the shape of answers.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import anyio
import anyio.to_thread
from fastapi import Request
from starlette.requests import ClientDisconnect

from moretta.api.forms import UploadRules
from moretta.api.idempotency import IdempotencyMemory
from moretta.api.memfd import MemoryBudget, Upload
from moretta.api.observe import Metrics
from moretta.api.services import Services
from moretta.core.analysis import Analysis, AnalysisRequest, Progress
from moretta.core.errors import NOT_PROCESSED, Cancelled, MorettaError
from moretta.core.keys import ApiKeyInfo
from moretta.core.ports import OnProgress
from moretta.use_cases.jobs import JobBoard

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Desk:
    """What all addresses that take media share."""

    services: Services
    metrics: Metrics
    board: JobBoard
    budget: MemoryBudget
    memory: IdempotencyMemory
    inline: anyio.CapacityLimiter

    def rules(self, fields: frozenset[str]) -> UploadRules:
        """Within what an upload with the form fields `fields` is read."""
        settings = self.services.settings
        return UploadRules(
            self.services.limits.bytes, settings.field_bytes, settings.upload_idle_s, settings.upload_total_s, fields
        )

    def process(
        self, upload: Upload, request: AnalysisRequest, endpoint: str, key: ApiKeyInfo, on_progress: OnProgress
    ) -> Analysis:
        """The analysis of `upload`, counted durably, whatever came of it. Blocks.

        Raises:
            MorettaError: as `Executor.analyse`; or the record could not be kept, and then there is no result either.
        """

        def count(status: int) -> None:
            self.services.meter.record(endpoint, status, key.company_id, 1, key.key_id)

        with failures_counted(count):
            analysis = self.services.executor.analyse(upload.fd, request, on_progress)
        count(200)
        self.metrics.analysed(analysis)
        return analysis


@contextmanager
def failures_counted(
    count: Callable[[int], None], processed: type[MorettaError] | tuple[type[MorettaError], ...] = MorettaError
) -> Iterator[None]:
    """Count, by its HTTP status, work within that fails once a worker has had the media; `processed` are such errors of ours."""
    try:
        yield
    except NOT_PROCESSED:
        raise
    except MorettaError as error:
        if isinstance(error, processed):
            count(error.status)
        raise
    except Exception:
        count(500)
        raise


async def while_connected(
    request: Request, work: Callable[[OnProgress], Result], limiter: anyio.CapacityLimiter
) -> Result:
    """The result of `work`, run in a thread; its progress callback cancels it once the caller has gone away.

    Work that had ended by then keeps its result: it has been counted, and a repetition with an idempotency key gets it.

    Raises:
        ClientDisconnect: the caller went away, and the work was cancelled.
        Exception: whatever `work` raises.
    """
    stop = threading.Event()
    gone = False

    def on_progress(_: Progress) -> None:
        if stop.is_set():
            raise Cancelled("The caller went away, or the service is ending.")

    async def watch() -> None:
        nonlocal gone
        try:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            gone = True
        finally:
            stop.set()  # Also where the server cancels the request in order to end.

    outcome: Result | Exception
    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        try:
            # A thread cannot be cancelled: this waits for it, and `stop` makes the wait short.
            outcome = await anyio.to_thread.run_sync(work, on_progress, limiter=limiter)
        except Exception as error:
            outcome = error
        group.cancel_scope.cancel()
    if gone and isinstance(outcome, Cancelled):
        raise ClientDisconnect
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
