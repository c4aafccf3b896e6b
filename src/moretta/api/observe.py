"""What the operator may see of the traffic: metrics and one log line a request, neither with a caller's data.

Belongs here: the registry of this app, its metrics, the access log.
Does not belong here: anything that names a person, a file, a raw path or a query.
"""

import sys
import traceback
from collections.abc import Callable
from typing import TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from moretta.api.services import WorkerCounts
from moretta.core.analysis import Analysis

# Seconds; a still takes tens of milliseconds, a long clip minutes.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Metrics:
    """Counters of one app in a registry of its own. Labels are route templates, methods, statuses and states, no more."""

    def __init__(self, worker_counts: Callable[[], WorkerCounts] | None, jobs_active: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        labels = ("route", "method", "status")
        self._requests = Counter("moretta_requests", "Requests answered", labels, registry=self._registry)
        self._seconds = Histogram(
            "moretta_request_seconds", "Time to answer", ("route",), buckets=_BUCKETS, registry=self._registry
        )
        self._media = Counter("moretta_media", "Media items processed", ("kind",), registry=self._registry)
        self._frames = Counter("moretta_media_frames", "Frames analysed", registry=self._registry)
        self._media_seconds = Counter("moretta_media_seconds", "Seconds of video analysed", registry=self._registry)
        jobs = Gauge("moretta_jobs_active", "Jobs queued or running", registry=self._registry)
        jobs.set_function(jobs_active)
        self._worker_counts = worker_counts
        if worker_counts is not None:
            self._workers = Gauge("moretta_workers", "Worker processes", ("state",), registry=self._registry)
            self._waiting = Gauge("moretta_queue", "Requests waiting for a worker", registry=self._registry)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answer; `route` is a template such as /v1/jobs/{job_id}."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def analysed(self, analysis: Analysis) -> None:
        """Count one media item."""
        self._media.labels(analysis.media.kind.value).inc()
        self._frames.inc(analysis.media.frames)
        self._media_seconds.inc(analysis.media.duration_s or 0.0)

    def photos(self, count: int) -> None:
        """Count photos that recognition worked on."""
        self._media.labels("photo").inc(count)

    def text(self) -> bytes:
        """The Prometheus exposition."""
        if self._worker_counts is not None:
            counts = self._worker_counts()
            self._workers.labels("busy").set(counts.busy)
            self._workers.labels("idle").set(counts.total - counts.busy)
            self._waiting.set(counts.waiting)
        return generate_latest(self._registry)


class AccessLog:
    """JSON lines on `stream` (standard error by default); the logger is this object's own, nothing global is configured."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._log = structlog.wrap_logger(
            structlog.PrintLogger(file=stream if stream is not None else sys.stderr),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(),
            ],
        )

    def answered(
        self, *, route: str, method: str, status: int, ms: float, request_id: str, key_id: str | None, code: str | None
    ) -> None:
        """One line for one request."""
        self._log.info(
            "request",
            route=route,
            method=method,
            status=status,
            ms=round(ms, 1),
            request_id=request_id,
            key_id=key_id,
            code=code,
        )

    def failed(self, work_id: str, error: Exception) -> None:
        """One line for an error that nobody foresaw: its type and place, never its message, which could quote the media.

        `work_id` is the id of the request or the job.
        """
        place = traceback.extract_tb(error.__traceback__)[-1]
        self._log.error("unexpected", id=work_id, kind=type(error).__name__, where=f"{place.name}:{place.lineno}")
