"""Recognition: people enrolled in collections, verified, searched for, and erased.

Belongs here: the order of work over the core's ports, one module a subject. Does not belong here: cryptography, SQL, models,
HTTP.
"""

from moretta.use_cases.recognition.collections import UNCHANGED
from moretta.use_cases.recognition.facade import Recognition
from moretta.use_cases.recognition.results import (
    Comparison,
    ImportFailure,
    ImportItem,
    ImportProgress,
    ImportReport,
    PhotoOfPerson,
    Recovered,
    Reenrolment,
    Search,
    SeenFace,
    StepProgress,
    Verification,
)

__all__ = [
    "UNCHANGED",
    "Comparison",
    "ImportFailure",
    "ImportItem",
    "ImportProgress",
    "ImportReport",
    "PhotoOfPerson",
    "Recognition",
    "Recovered",
    "Reenrolment",
    "Search",
    "SeenFace",
    "StepProgress",
    "Verification",
]
