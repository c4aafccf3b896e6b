"""Jobs as values: the states of work that outlives its request, and what is told about it on the way.

    queued -> running -> succeeded | failed | cancelled -> expired

Belongs here: states and their order, the snapshot of a job, its events. Does not belong here: threads, queues, HTTP.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from moretta.core.analysis import Notice, Progress
from moretta.core.errors import MorettaError


class JobState(StrEnum):
    """Where a job stands. `EXPIRED`: it ended, and its result has been forgotten."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def active(self) -> bool:
        """Whether work is still to be done."""
        return self in {JobState.QUEUED, JobState.RUNNING}

    def leads_to(self, later: "JobState") -> bool:
        """Whether a job in this state may next be in `later`."""
        ended = {JobState.FAILED, JobState.CANCELLED}
        following = {JobState.QUEUED: {JobState.RUNNING, *ended}, JobState.RUNNING: {JobState.SUCCEEDED, *ended}}
        return later in following.get(self, {JobState.EXPIRED} - {self})


class EventKind(StrEnum):
    """What an event tells. `RESULT` and `ERROR` are the last of their job."""

    PROGRESS = "progress"
    WARNING = "warning"
    RESULT = "result"
    ERROR = "error"


class JobResult(Protocol):
    """What a job came to: an analysis, or a report on what was done to a collection. A value, ready to be shown."""

    @property
    def warnings(self) -> tuple[Notice, ...]:
        """What its owner should know beside the result; told before it."""


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One event; `event_id` counts up from 1 within the job."""

    event_id: int
    kind: EventKind
    data: Progress | Notice | JobResult | MorettaError


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stood at one moment. `expires_at` is when its result will be forgotten."""

    job_id: str
    company_id: str
    endpoint: str
    state: JobState
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None
    progress: Progress | None = None
    result: JobResult | None = None
    error: MorettaError | None = None
