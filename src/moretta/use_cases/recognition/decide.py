"""Who of a gallery matches a probe: compare at a node, open at the key holder, look the rows up.

Belongs here: the steps that verify, search and enrolment share. Does not belong here: photos, brakes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from moretta.core.errors import Conflict, KeyDestroyed
from moretta.core.protection import OpenTerms, ProtectedProbe
from moretta.core.recognition import Candidate, Collection
from moretta.use_cases.recognition.means import Region

# Coarse steps above the threshold for collections that release bands: wide beside the error of a protected score (0.01), so that
# a caller cannot climb from band to band by small changes of a probe as it could with scores.
BAND_STEPS = (0.05, 0.10)
# A person may have several templates, each a row of its own; so many rows are opened for one person asked for.
_ROWS_PER_PERSON = 8


# The key of a collection may change between protecting a probe and opening its scores; that it does twice is no accident.
_ATTEMPTS = 3

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Decision:
    """The persons who match, the most similar first, where that was compared, how far behind that place was, and with how many
    references."""

    candidates: tuple[Candidate, ...]
    region: str
    behind: int
    compared: int


def decide(
    region: Region,
    collection: Collection,
    probe: bytes,
    threshold: float,
    limit: int,
    only: Sequence[int] | None = None,
) -> Decision:
    """At most `limit` persons of the collection (or of its rows `only`) who reach `threshold`.

    Raises:
        NodeUnavailable: no node or key holder answers.
        ProbeRejected: the probe is not what a worker makes.
    """
    protected = ProtectedProbe(collection.scheme, collection.model_id, collection.key_id, probe)
    answer = region.galleries.compare(collection, protected, threshold, only)
    bands = tuple(threshold + step for step in BAND_STEPS) if collection.bands else ()
    opened = region.keys.open(answer.sealed, OpenTerms(threshold, limit * _ROWS_PER_PERSON, bands))
    # The database has the last word: rows that were removed or restricted since the node was up to date are not there.
    faces = region.store.faces_at(collection.collection_id, [match.row for match in opened])
    best: dict[str, Candidate] = {}
    for match in opened:
        face = faces.get(match.row)
        if face is not None and face.person_id not in best and face.key_id == collection.key_id:
            best[face.person_id] = Candidate(face.person_id, face.face_id, match.rank, match.band)
    ranks = {rank: place for place, rank in enumerate(sorted({c.rank for c in best.values()}), start=1)}
    ordered = sorted(best.values(), key=lambda candidate: candidate.rank)[:limit]
    renumbered = tuple(Candidate(c.person_id, c.face_id, ranks[c.rank], c.band) for c in ordered)
    return Decision(renumbered, answer.region, answer.behind, int(answer.sealed.counted.sum()))


def retried(attempt: Callable[[], Result]) -> Result:
    """What `attempt` gives, tried again where the collection was given another key meanwhile."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return attempt()
        except (Conflict, KeyDestroyed):
            continue
    return attempt()
