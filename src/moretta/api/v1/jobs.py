"""GET/DELETE /v1/jobs/{job_id}, its server-sent events, and the list of a company's jobs.

Belongs here: showing the job board. Does not belong here: running jobs.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from moretta.api.auth import Guard
from moretta.api.openapi import GUARDED, problems
from moretta.api.problems import problem_body, request_id_of
from moretta.api.redaction_results import REDACTIONS
from moretta.api.schemas import JobPage, JobView, job_view, to_json
from moretta.api.v1.analysis import ANALYZE, DETECT
from moretta.core.errors import FieldError, MorettaError, NotFound, RequestInvalid
from moretta.core.jobs import Job, JobEvent
from moretta.core.keys import ApiKeyInfo, Scope
from moretta.use_cases.jobs import JobBoard

JobId = Annotated[str, Path(max_length=64, examples=["job_0123456789abcdef01234567"])]
_ANALYSES = frozenset({ANALYZE, DETECT, REDACTIONS})
# Where the browser's EventSource should wait before it reconnects.
RETRY_MS = 2000
EVENTS_DESCRIPTION = """`progress`, `warning`, then one `result` or `error`, after which the stream ends; a `heartbeat`
comes while nothing else does. Each event but the heartbeat has an id: send the last as Last-Event-ID to go on from there."""


def add_job_routes(app: FastAPI, board: JobBoard, may_follow: Guard, heartbeat_s: float) -> None:
    """Add the addresses to `app`."""
    _add_records(app, board, may_follow)
    _add_events(app, board, may_follow, heartbeat_s)


def _add_records(app: FastAPI, board: JobBoard, may_follow: Guard) -> None:
    key_of = Depends(may_follow)

    @app.get(
        "/v1/jobs",
        operation_id="listJobs",
        tags=["jobs"],
        summary="The company's jobs, the latest first",
        responses={200: {"model": JobPage}, **problems(*GUARDED)},
    )
    async def list_jobs(
        request: Request,
        key: Annotated[ApiKeyInfo, key_of],
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Annotated[str | None, Query(max_length=32, description="The next_cursor of the page before.")] = None,
    ) -> Response:
        jobs, following = board.page(key.company_id, limit, _mark(cursor), partial(_may_see, key))
        views = [job_view(job, request_id_of(request), with_result=False) for job in jobs]
        page = JobPage.model_construct(data=views, next_cursor=str(following) if following is not None else None)
        return _json(JobPage, page)

    @app.get(
        "/v1/jobs/{job_id}",
        operation_id="getJob",
        tags=["jobs"],
        summary="A job: its state, and its result once it has one",
        responses={200: {"model": JobView}, **problems(*GUARDED, 404)},
    )
    async def get_job(request: Request, key: Annotated[ApiKeyInfo, key_of], job_id: JobId) -> Response:
        return _json(JobView, job_view(_seen(board, key, job_id), request_id_of(request)))

    @app.delete(
        "/v1/jobs/{job_id}",
        operation_id="deleteJob",
        tags=["jobs"],
        summary="Cancel a job, or forget one that has ended",
        responses={
            200: {"model": JobView, "description": "Cancelled"},
            204: {"description": "Forgotten"},
            **problems(*GUARDED, 404),
        },
    )
    async def delete_job(request: Request, key: Annotated[ApiKeyInfo, key_of], job_id: JobId) -> Response:
        _seen(board, key, job_id)
        job = board.delete(key.company_id, job_id)
        return Response(status_code=204) if job is None else _json(JobView, job_view(job, request_id_of(request)))


def _add_events(app: FastAPI, board: JobBoard, may_follow: Guard, heartbeat_s: float) -> None:
    key_of = Depends(may_follow)

    @app.get(
        "/v1/jobs/{job_id}/events",
        operation_id="followJob",
        tags=["jobs"],
        summary="A job's events as they happen",
        description=EVENTS_DESCRIPTION,
        response_class=StreamingResponse,
        responses={
            200: {"description": "The stream", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
            **problems(*GUARDED, 404),
        },
    )
    async def follow_job(
        request: Request,
        key: Annotated[ApiKeyInfo, key_of],
        job_id: JobId,
        last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", max_length=32)] = None,
    ) -> StreamingResponse:
        _seen(board, key, job_id)
        after = int(last_event_id) if last_event_id and last_event_id.isascii() and last_event_id.isdigit() else 0
        stream = _events(board, key.company_id, job_id, after, heartbeat_s, request_id_of(request))
        return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


def _may_see(key: ApiKeyInfo, job: Job) -> bool:
    """Whether the key may do what the job does: an analysing key follows no import."""
    return key.allows(Scope.MEDIA_ANALYZE if job.endpoint in _ANALYSES else Scope.PERSONS_WRITE)


def _seen(board: JobBoard, key: ApiKeyInfo, job_id: str) -> Job:
    job = board.get(key.company_id, job_id)
    if not _may_see(key, job):
        raise NotFound("No such job for this key: following it needs the scope that began it.")
    return job


async def _events(
    board: JobBoard, company_id: str, job_id: str, after: int, heartbeat_s: float, request_id: str
) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    news = asyncio.Event()
    stop = board.listen(company_id, job_id, lambda: _wake(loop, news))
    try:
        yield f"retry: {RETRY_MS}\n\n".encode()
        while True:
            news.clear()
            try:
                events, ended = board.events(company_id, job_id, after)
            except NotFound:
                return  # Forgotten meanwhile: there is nothing more to tell.
            for event in events:
                after = event.event_id
                yield _event_text(event, request_id)
            if ended:
                return
            try:
                await asyncio.wait_for(news.wait(), heartbeat_s)
            except TimeoutError:
                yield b"event: heartbeat\ndata: {}\n\n"
    finally:
        stop()


def _wake(loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(news.set)


def _event_text(event: JobEvent, request_id: str) -> bytes:
    value = event.data
    data = problem_body(value, request_id) if isinstance(value, MorettaError) else to_json(type(value), value)
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.event_id, event.kind.value.encode(), data)


def _mark(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit()):
        wrong = FieldError("cursor", "expected the next_cursor of an earlier page")
        raise RequestInvalid("The cursor is not one of ours.", field_errors=(wrong,))
    return int(cursor)


def _json(kind: Any, value: object) -> Response:
    return Response(to_json(kind, value), media_type="application/json")
