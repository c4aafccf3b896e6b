"""Compare two photos (1:1) that nobody was enrolled from; nothing is kept."""

from moretta.core.policy import Action, Situation
from moretta.core.recognising import CompareRequest
from moretta.use_cases.recognition import acts
from moretta.use_cases.recognition.means import Means
from moretta.use_cases.recognition.pictures import the_face
from moretta.use_cases.recognition.results import Comparison
from moretta.use_cases.recognition.thresholds import MATCH_FMR, at_rate


def compare(
    means: Means,
    company_id: str,
    caller: str,
    first_fd: int,
    second_fd: int,
    model: str | None,
    fmr: float | None,
    purpose: str | None,
) -> Comparison:
    """See `Recognition.compare`."""
    means.guard.require(Situation(Action.COMPARE, named=purpose), company_id)
    card = means.card(model)
    rate = MATCH_FMR if fmr is None else fmr
    threshold = at_rate(card, rate)
    means.brakes.caller.take(caller)
    compared = means.reader.compare(first_fd, second_fd, CompareRequest(card.model_id, threshold))
    usable = [not any(face.reason for face in faces) for faces in (compared.first, compared.second)]
    first = the_face(compared.first, usable[0], "the first photo")
    second = the_face(compared.second, usable[1], "the second photo")
    region = means.region(None)
    region.log.append([acts.compared(means.clock, company_id, caller, card.model_id)])
    return Comparison(bool(compared.match), first, second, rate, card.model_id)
