"""Requests and results as JSON between processes and at the doors.

Belongs here: the one place where an `Analysis` becomes bytes and bytes become one, strictly checked.
"""

import re
from functools import cache
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from moretta.core.analysis import Analysis, AnalysisRequest, Progress
from moretta.core.errors import WorkerLost

T = TypeVar("T")

# What sizes and counts of media stay under, by far; NaN is not under it.
_MOST = 2**53
# Control characters in a string of JSON, as escapes and as they are: our words need none, and a terminal obeys them.
_ESCAPED = re.compile(rb"(?<!\\)(?:\\\\)*\\(?:[bfnrt]|u00(?:[0189][0-9a-f]|7f))", re.IGNORECASE)
_PLAIN = re.compile(rb"\x7f|\xc2[\x80-\x9f]")


@cache
def _analyses() -> TypeAdapter[Analysis]:
    return TypeAdapter(Analysis)


@cache
def _requests() -> TypeAdapter[AnalysisRequest]:
    return TypeAdapter(AnalysisRequest)


@cache
def _progresses() -> TypeAdapter[Progress]:
    return TypeAdapter(Progress)


def analysis_json(analysis: Analysis) -> bytes:
    """`analysis` as one line of JSON."""
    return _analyses().dump_json(analysis)


def request_json(request: AnalysisRequest) -> bytes:
    """`request` as one line of JSON."""
    return _requests().dump_json(request)


def progress_json(progress: Progress) -> bytes:
    """`progress` as one line of JSON."""
    return _progresses().dump_json(progress)


def parse_request(raw: bytes) -> AnalysisRequest:
    """The request in `raw`."""
    return parsed(_requests(), raw)


def parse_analysis(raw: bytes) -> Analysis:
    """The analysis in `raw`, which comes from a worker that has read hostile media: nothing about it is taken on trust.

    Raises:
        WorkerLost: it is not an analysis.
    """
    analysis = parsed(_analyses(), raw)
    media = analysis.media
    numbers = (media.width, media.height, media.frames, media.bytes, media.duration_s or 0.0, media.frame_rate or 0.0)
    if not all(0 <= number < _MOST for number in numbers):
        raise not_a_result()
    return analysis


def parse_progress(raw: bytes) -> Progress:
    """The progress in `raw`; raises as `parse_analysis` does."""
    return parsed(_progresses(), raw)


def parsed(adapter: TypeAdapter[T], raw: bytes) -> T:
    """What `raw` holds. Raises `WorkerLost`: another shape, or characters that a terminal obeys."""
    if _commands_a_terminal(raw):
        raise not_a_result()
    try:
        return adapter.validate_json(raw)
    except ValidationError:
        raise not_a_result() from None


def _commands_a_terminal(raw: bytes) -> bool:
    # Results are numbers for the most part: a look for single bytes first spares them the search.
    escaped = b"\\" in raw and _ESCAPED.search(raw) is not None
    return escaped or ((b"\xc2" in raw or b"\x7f" in raw) and _PLAIN.search(raw) is not None)


def not_a_result() -> WorkerLost:
    """The error where a worker answers with something else."""
    return WorkerLost("expected a result from the analysis process, got something else; it is dropped")
