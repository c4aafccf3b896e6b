"""Work that becomes a job: what the document says of it, and the answer that tells where it can be followed.

Belongs here: what every address that takes on jobs shares. Does not belong here: which work becomes one, the jobs themselves.
"""

from collections.abc import Callable

from fastapi import Request

from moretta.api.calls import REPEATED, Call, json_answer
from moretta.api.idempotency import Answer
from moretta.api.openapi import Responses
from moretta.api.problems import request_id_of
from moretta.api.schemas import JobView, job_view, to_json
from moretta.api.uploads import Received
from moretta.core.jobs import Job, JobResult
from moretta.core.ports import OnProgress

JOB_LOCATION = {"Location": {"schema": {"type": "string"}, "description": "/v1/jobs/{id}"}}
# Of addresses that answer at once where they can.
OR_A_JOB: Responses = {
    202: {
        "model": JobView,
        "description": "Taken on as a job: a large video, or asked for",
        "headers": {**JOB_LOCATION, **REPEATED},
    }
}


def job_answer(job: Job, request: Request, *, preferred: bool = False) -> Answer:
    """202 with the job and where it is; `preferred` says that the caller asked for one."""
    headers = [("Location", f"/v1/jobs/{job.job_id}")]
    if preferred:
        headers.append(("Preference-Applied", "respond-async"))
    return json_answer(to_json(JobView, job_view(job, request_id_of(request))), 202, headers)


def as_job(
    call: Call, received: Received, work: Callable[[OnProgress], JobResult], *, preferred: bool
) -> tuple[Answer, bool]:
    """A job that does `work` and holds the upload from now on, as `Call.answer` is told of it.

    Raises:
        RateLimited: the company has as many unfinished jobs as it may; the upload is left to the caller.
    """
    job = call.desk.board.submit(call.key.company_id, call.endpoint, work, received.upload.close)
    return job_answer(job, call.request, preferred=preferred), True
