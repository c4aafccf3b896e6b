"""Requests and results as JSON between processes and at the doors.

Belongs here: the one place where an `Analysis` becomes bytes and bytes become one, strictly checked.
"""

from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from moretta.core.analysis import Analysis, AnalysisRequest, Progress
from moretta.core.errors import WorkerLost

T = TypeVar("T")


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def analysis_json(analysis: Analysis) -> bytes:
    """`analysis` as one line of JSON."""
    return bytes(_adapter(Analysis).dump_json(analysis))


def request_json(request: AnalysisRequest) -> bytes:
    """`request` as one line of JSON."""
    return bytes(_adapter(AnalysisRequest).dump_json(request))


def progress_json(progress: Progress) -> bytes:
    """`progress` as one line of JSON."""
    return bytes(_adapter(Progress).dump_json(progress))


def parse_request(raw: bytes) -> AnalysisRequest:
    """The request in `raw`."""
    return _parse(AnalysisRequest, raw)


def parse_analysis(raw: bytes) -> Analysis:
    """The analysis in `raw`, which comes from a worker that has read hostile media: nothing about it is taken on trust.

    Raises:
        WorkerLost: it is not an analysis.
    """
    return _parse(Analysis, raw)


def parse_progress(raw: bytes) -> Progress:
    """The progress in `raw`; raises as `parse_analysis` does."""
    return _parse(Progress, raw)


def _parse(kind: type[T], raw: bytes) -> T:
    try:
        value: T = _adapter(kind).validate_json(raw)
    except ValidationError:
        raise WorkerLost(
            "expected a result from the analysis process, got something else; the result is dropped"
        ) from None
    return value
