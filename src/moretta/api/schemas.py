"""The shapes that answers have, and how values turn into JSON.

Belongs here: what the API shows of core's values. Does not belong here: addresses, errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, cast

from pydantic import BaseModel, Field, TypeAdapter

from moretta.api.people_jobs import DeletionResult, ImportResult, RenewalResult
from moretta.api.problems import Problem, problem_fields
from moretta.api.redaction_results import RedactionResult
from moretta.core.analysis import Analysis, FaceReport, MediaInfo, ModelUse, Notice, Progress
from moretta.core.jobs import Job, JobState
from moretta.core.keys import ApiKeyInfo, Scope
from moretta.core.metering import UsageCount


@dataclass(frozen=True, slots=True)
class Detection:
    """The faces of a still: boxes, five landmarks, head pose and quality; no trust score."""

    media: MediaInfo
    faces: tuple[FaceReport, ...]
    models: tuple[ModelUse, ...]
    warnings: tuple[Notice, ...]


class JobView(BaseModel):
    """A job of the caller's company. `result` is filled once it has succeeded, `error` once it has failed.

    What the result is goes by `endpoint`: an analysis, a redaction, an import, what was made anew of a collection, or who was
    erased with one.
    """

    id: str
    state: JobState
    endpoint: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    progress: Progress | None
    result: Analysis | RedactionResult | ImportResult | RenewalResult | DeletionResult | None = None
    error: Problem | None = None


class JobPage(BaseModel):
    """The caller's jobs, the latest first, without results."""

    data: Sequence[JobView]
    next_cursor: str | None


class KeyView(BaseModel):
    """An API key as it may be shown."""

    key_id: str
    company_id: str
    scopes: list[Scope]
    label: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class KeyPage(BaseModel):
    """The keys of the caller's company."""

    data: list[KeyView]
    next_cursor: str | None = None


class NewKey(BaseModel, extra="forbid"):
    """What a fresh key may do, until when, and the operator's note about it."""

    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope), examples=[["media:analyze"]])
    label: str = Field(default="", max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")
    expires_at: datetime | None = Field(default=None, description="With a time zone and in the future; null: never.")


class FreshKey(BaseModel):
    """A fresh key. `token` is shown this once and stored nowhere."""

    key: KeyView
    token: str


class UsageView(BaseModel):
    """Processed media items of one key on one UTC day."""

    day: str
    endpoint: str
    status: int
    key_id: str | None
    items: int


class UsagePage(BaseModel):
    """What was counted for the caller's company."""

    company_id: str
    total: int
    data: list[UsageView]
    next_cursor: str | None = None


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """The (cached) writer of `kind`. Infinite and undefined numbers are written as null: JSON has no word for them."""
    return TypeAdapter(kind)


def to_json(kind: Any, value: object) -> bytes:
    """`value`, which is a `kind`, as JSON."""
    return adapter(kind).dump_json(value)


def analysis_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of an analysis as the API, the CLI and the SDK write it."""
    schema = adapter(Analysis).json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "/v1/schemas/analysis", **schema}


def detection(analysis: Analysis) -> Detection:
    """The part of `analysis` that a detection shows."""
    return Detection(analysis.media, analysis.faces, analysis.models, analysis.warnings)


def job_view(job: Job, request_id: str, *, with_result: bool = True) -> JobView:
    """`job` as its owner sees it."""
    error = problem_fields(job.error, request_id) if job.error is not None else None
    # Results are values of our own making: they are shown, not checked again.
    return JobView.model_construct(
        id=job.job_id,
        state=job.state,
        endpoint=job.endpoint,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        expires_at=job.expires_at,
        progress=job.progress,
        result=cast(
            Analysis | RedactionResult | ImportResult | RenewalResult | DeletionResult | None,
            job.result if with_result else None,
        ),
        error=Problem.model_validate(error) if error is not None else None,
    )


def key_view(info: ApiKeyInfo) -> KeyView:
    """`info` as the operator sees it."""
    return KeyView(
        key_id=info.key_id,
        company_id=info.company_id,
        scopes=sorted(info.scopes),
        label=info.label,
        created_at=info.created_at,
        expires_at=info.expires_at,
        revoked_at=info.revoked_at,
    )


def usage_page(company_id: str, counts: Sequence[UsageCount]) -> UsagePage:
    """`counts` of `company_id` as JSON's shape."""
    data = [
        UsageView(day=one.day, endpoint=one.endpoint, status=one.status, key_id=one.key_id, items=one.items)
        for one in counts
    ]
    return UsagePage(company_id=company_id, total=sum(one.items for one in counts), data=data)
