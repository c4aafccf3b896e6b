"""Work that outlives its request: a board of jobs in memory, each seen by its own company only.

Belongs here: queueing, cancelling, events and forgetting. Nothing is kept on disk: a restart forgets all jobs.
Does not belong here: what the work is, HTTP.
"""

import secrets
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from moretta.core.analysis import Notice, Progress
from moretta.core.clock import Clock, utc_now
from moretta.core.errors import Cancelled, MorettaError, NotFound, RateLimited
from moretta.core.jobs import EventKind, Job, JobEvent, JobResult, JobState
from moretta.core.ports import OnProgress

JobWork = Callable[[OnProgress], JobResult]
# Progress comes about five times a second: this many events are a reader's two minutes away from the stream.
EVENTS_KEPT = 600


@dataclass(frozen=True, slots=True)
class JobLimits:
    """How many jobs at once, how many are remembered, and for how long; `ttl_s` counts from a job's end."""

    threads: int = 2
    active_per_company: int = 16
    kept_per_company: int = 200
    ttl_s: float = 24 * 3600.0


@dataclass(slots=True)
class _Entry:
    job: Job
    work: JobWork
    release: Callable[[], None]
    number: int
    events: deque[JobEvent] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))
    last_event_id: int = 0
    listeners: set[Callable[[], None]] = field(default_factory=set)
    future: Future[None] | None = None


class JobBoard:
    """Runs jobs on a few threads and remembers how they went. Safe to use from any thread."""

    def __init__(
        self, limits: JobLimits, clock: Clock = utc_now, on_unexpected: Callable[[str, Exception], None] | None = None
    ) -> None:
        """Take the limits, the clock, and who is told (job id, error) of an error that nobody foresaw."""
        self._on_unexpected = on_unexpected
        self._limits = limits
        self._clock = clock
        self._lock = threading.RLock()
        self._entries: dict[str, _Entry] = {}
        self._submitted = 0
        self._pool: ThreadPoolExecutor | None = None

    def submit(self, company_id: str, endpoint: str, work: JobWork, release: Callable[[], None]) -> Job:
        """Queue `work`; `release` is called once it has ended, or will never begin.

        Raises:
            RateLimited: the company has as many unfinished jobs as it may; `release` is left to the caller.
        """
        with self._lock:
            self.sweep()
            mine = [entry.job for entry in self._entries.values() if entry.job.company_id == company_id]
            if sum(job.state.active for job in mine) >= self._limits.active_per_company:
                raise RateLimited(
                    f"At most {self._limits.active_per_company} unfinished jobs are taken; wait for one, or cancel one.",
                    retry_after_s=5.0,
                )
            self._submitted += 1
            job = Job(f"job_{secrets.token_hex(12)}", company_id, endpoint, JobState.QUEUED, self._clock())
            entry = _Entry(job, work, release, self._submitted)
            self._entries[job.job_id] = entry
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._limits.threads, thread_name_prefix="job")
            entry.future = self._pool.submit(copy_context().run, self._run, entry)
            return job

    def get(self, company_id: str, job_id: str) -> Job:
        """The job as it stands. Raises `NotFound` where `company_id` has no such job."""
        with self._lock:
            self.sweep()
            return self._entry(company_id, job_id).job

    def page(
        self, company_id: str, limit: int, before: int | None = None, shown: Callable[[Job], bool] = lambda _: True
    ) -> tuple[list[Job], int | None]:
        """At most `limit` of the jobs that are `shown`, the latest first, from before the mark `before` on; and the mark of
        the next page."""
        with self._lock:
            self.sweep()
            mine = [entry for entry in self._entries.values() if entry.job.company_id == company_id]
            mine = [entry for entry in mine if shown(entry.job)]
            mine = [entry for entry in reversed(mine) if before is None or entry.number < before]
            following = mine[limit - 1].number if len(mine) > limit else None
            return [entry.job for entry in mine[:limit]], following

    def delete(self, company_id: str, job_id: str) -> Job | None:
        """Cancel a job that is queued or running (its last state comes back), or forget one that has ended (None).

        Raises:
            NotFound: `company_id` has no such job.
        """
        with self._lock:
            entry = self._entry(company_id, job_id)
            if not entry.job.state.active:
                del self._entries[job_id]
                return None
            self._end(entry, JobState.CANCELLED, error=Cancelled("The job was cancelled at its owner's request."))
            never_began = entry.future is not None and entry.future.cancel()
        if never_began:
            entry.release()
        return entry.job

    def events(self, company_id: str, job_id: str, after: int) -> tuple[list[JobEvent], bool]:
        """The events with ids over `after`, and whether these are the job's last. Raises `NotFound`."""
        with self._lock:
            entry = self._entry(company_id, job_id)
            return [event for event in entry.events if event.event_id > after], not entry.job.state.active

    def listen(self, company_id: str, job_id: str, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` (quick, from any thread) at each new event until the returned function is called."""
        with self._lock:
            entry = self._entry(company_id, job_id)
            entry.listeners.add(wake)
        return lambda: entry.listeners.discard(wake)

    def active(self) -> int:
        """How many jobs are queued or running."""
        with self._lock:
            return sum(entry.job.state.active for entry in self._entries.values())

    def sweep(self) -> None:
        """Forget results that are over their time, and the jobs themselves after as long again."""
        ttl = timedelta(seconds=self._limits.ttl_s)
        with self._lock:
            now = self._clock()
            kept: dict[str, int] = {}
            for job_id, entry in reversed(list(self._entries.items())):
                ended = entry.job.finished_at
                if ended is None:
                    continue
                kept[entry.job.company_id] = kept.get(entry.job.company_id, 0) + 1
                if now >= ended + 2 * ttl or kept[entry.job.company_id] > self._limits.kept_per_company:
                    del self._entries[job_id]
                elif now >= ended + ttl and entry.job.state is not JobState.EXPIRED:
                    entry.job = replace(entry.job, state=JobState.EXPIRED, result=None, error=None)
                    entry.events.clear()

    def forget(self, company_id: str, named: Callable[[JobResult], bool]) -> int:
        """Forget the company's results in which somebody is `named`; how many there were."""
        count = 0
        with self._lock:
            for entry in self._entries.values():
                result = entry.job.result
                if entry.job.company_id == company_id and result is not None and named(result):
                    entry.job = replace(entry.job, state=JobState.EXPIRED, result=None)
                    entry.events.clear()
                    count += 1
        return count

    def close(self) -> None:
        """Cancel everything. Work that runs ends at its next sign of progress; this does not wait for it.

        A later `submit` opens the board again.
        """
        with self._lock:
            active = [entry.job for entry in self._entries.values() if entry.job.state.active]
            for job in active:
                self.delete(job.company_id, job.job_id)
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)
                self._pool = None

    def _entry(self, company_id: str, job_id: str) -> _Entry:
        entry = self._entries.get(job_id)
        if entry is None or entry.job.company_id != company_id:
            raise NotFound("No such job: it never was, or was forgotten; jobs live in memory and end with the service.")
        return entry

    def _run(self, entry: _Entry) -> None:
        try:
            if not self._begin(entry):
                return
            result = entry.work(lambda progress: self._progressed(entry, progress))
            self._succeed(entry, result)
        except MorettaError as error:
            self._end(entry, JobState.FAILED, error=error)
        except Exception as error:
            if self._on_unexpected is not None:
                self._on_unexpected(entry.job.job_id, error)
            # Its message could quote anything; the owner learns that it failed.
            unknown = MorettaError("The job met an unexpected error; try again, or give its id to the operator.")
            self._end(entry, JobState.FAILED, error=unknown)
        finally:
            entry.release()

    def _begin(self, entry: _Entry) -> bool:
        with self._lock:
            if entry.job.state is not JobState.QUEUED:
                return False
            entry.job = replace(entry.job, state=JobState.RUNNING, started_at=self._clock())
            return True

    def _progressed(self, entry: _Entry, progress: Progress) -> None:
        with self._lock:
            if entry.job.state is not JobState.RUNNING:
                raise Cancelled("The job was cancelled at its owner's request.")
            entry.job = replace(entry.job, progress=progress)
            self._publish(entry, EventKind.PROGRESS, progress)

    def _succeed(self, entry: _Entry, result: JobResult) -> None:
        with self._lock:
            if entry.job.state.leads_to(JobState.SUCCEEDED):
                for notice in result.warnings:
                    self._publish(entry, EventKind.WARNING, notice)
                self._end(entry, JobState.SUCCEEDED, result=result)

    def _end(
        self, entry: _Entry, state: JobState, *, result: JobResult | None = None, error: MorettaError | None = None
    ) -> None:
        with self._lock:
            if not entry.job.state.leads_to(state):
                return
            now: datetime = self._clock()
            expires_at = now + timedelta(seconds=self._limits.ttl_s)
            entry.job = replace(
                entry.job, state=state, finished_at=now, expires_at=expires_at, result=result, error=error
            )
            if result is not None:
                self._publish(entry, EventKind.RESULT, result)
            elif error is not None:
                self._publish(entry, EventKind.ERROR, error)

    def _publish(self, entry: _Entry, kind: EventKind, data: Progress | Notice | JobResult | MorettaError) -> None:
        entry.last_event_id += 1
        entry.events.append(JobEvent(entry.last_event_id, kind, data))
        for wake in tuple(entry.listeners):
            wake()
