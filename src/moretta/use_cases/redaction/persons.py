"""Who stays visible because of who they are: from tracks that were recognised to a request that hides the others.

Belongs here: the choice, which hides whatever is not certain, and what its owner is told, without naming anybody. Does not belong
here: recognising (see `use_cases.recognition.tracks`).
"""

from dataclasses import dataclass, replace

from moretta.core.analysis import Notice
from moretta.core.errors import RequestInvalid
from moretta.core.redaction import Redaction, RedactionRequest, Scope
from moretta.use_cases.recognition.results import RecognisedTracks


@dataclass(frozen=True, slots=True)
class ChosenPersons:
    """Ids of persons; `only`: nobody else is hidden, rather than everybody else."""

    ids: tuple[str, ...]
    only: bool = False


def chosen_persons(
    only: tuple[str, ...] | None, exempt: tuple[str, ...] | None, *, tracks: bool
) -> ChosenPersons | None:
    """The persons of a request; None where none are named. `tracks`: whether tracks are named, or only listed, as well.

    Raises:
        RequestInvalid: both are given, or tracks beside them.
    """
    if only is None and exempt is None:
        return None
    if (only is not None and exempt is not None) or tracks:
        raise RequestInvalid("expected persons or tracks, to hide or to leave visible; got more than one of these")
    return ChosenPersons(only or exempt or (), only is not None)


def request_for(request: RedactionRequest, chosen: ChosenPersons, recognised: RecognisedTracks) -> RedactionRequest:
    """`request`, which names no tracks, with those visible that are certain to be meant."""
    visible = recognised.others if chosen.only else recognised.shown
    if not visible:
        return replace(request, scope=Scope.ALL, tracks=frozenset(), tracking="")
    return replace(request, scope=Scope.ALL_BUT, tracks=visible, tracking=recognised.tracking)


def told(done: Redaction, chosen: ChosenPersons, recognised: RecognisedTracks) -> Redaction:
    """`done` with what did not go as wished, in numbers."""
    notices = []
    refused, missed = recognised.named - recognised.compared, recognised.compared - recognised.found
    if refused:
        hidden = "every face is hidden" if chosen.only else "whatever shows them is hidden"
        detail = (
            f"{refused} of {recognised.named} persons were not compared, and {hidden}: without a valid consent, restricted, "
            "erased, or under a purpose whose matches people must confirm."
        )
        notices.append(Notice("redaction.person_not_compared", detail))
    if missed:
        detail = f"{missed} of {recognised.named} persons were not recognised in any face."
        notices.append(Notice("redaction.person_not_found", detail))
    if recognised.unclear:
        detail = (
            f"Faces that were not compared, and are hidden: {recognised.unclear}. They are too small, blurred, turned away, too "
            "near to another, or not clearly one person's throughout."
        )
        notices.append(Notice("redaction.face_unclear", detail))
    return replace(done, warnings=(*done.warnings, *notices))
