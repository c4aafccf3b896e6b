"""Examples for the OpenAPI document, made from the real types so that they cannot drift from them.

Belongs here: invented values. Does not belong here: measurements of anybody.
"""

import inspect
import json
from typing import Any

from moretta.api.problems import error_classes, problem_fields
from moretta.api.schemas import Detection, detection, to_json
from moretta.core.analysis import (
    Analysis,
    Cue,
    FaceReport,
    MediaInfo,
    ModelUse,
    PoseSummary,
    QualitySummary,
    TrustReport,
)
from moretta.core.values import MediaKind, Profile

_REQUEST_ID = "5f0c5bf27f3a4d0e9a3a6f1d2c3b4a59"


def analysis_example() -> dict[str, Any]:
    """The JSON of an analysis of a still."""
    example: dict[str, Any] = json.loads(to_json(Analysis, _still()))
    return example


def detection_example() -> dict[str, Any]:
    """The JSON of a detection."""
    example: dict[str, Any] = json.loads(to_json(Detection, detection(_still())))
    return example


def problem_examples(status: int) -> dict[str, Any]:
    """One example for each problem with `status`, by code."""
    examples: dict[str, Any] = {}
    for kind in error_classes():
        if kind.status == status and kind.__module__.startswith("moretta."):
            detail = (inspect.getdoc(kind) or kind.title).split("\n\n")[0]
            value = problem_fields(kind(detail), _REQUEST_ID)
            examples.setdefault(kind.code, {"summary": kind.title, "value": value})
    return examples


def _still() -> Analysis:
    face = FaceReport(
        track_id=1,
        frames=1,
        first_time_s=0.0,
        last_time_s=0.0,
        box=(212.0, 96.5, 402.0, 361.0),
        detection_score=0.93,
        landmarks=((261.0, 195.0), (351.0, 193.5), (305.5, 245.0), (270.0, 297.5), (343.0, 296.0)),
        pose=PoseSummary(yaw=-4.1, pitch=2.3, roll=0.8, yaw_range=0.0, pitch_range=0.0, roll_range=0.0),
        quality=QualitySummary(81.0, 100.0, 97.0, 88.0, 95.0, 84.0, 90.1),
    )
    cue = Cue("moire", 0.7, 1.0, 0.9, 0.12, "No regular screen pattern was found in the face.")
    return Analysis(
        media=MediaInfo(MediaKind.IMAGE, "jpeg", 640, 480, 1, None, None, False, 0, False, 83_112),
        faces=(face,),
        trust=TrustReport(6.7, 0.4, (cue,), (), track_id=1),
        voice=None,
        models=(ModelUse("face-detector", "0" * 64),),
        warnings=(),
        profile=Profile.ACCURATE,
    )
