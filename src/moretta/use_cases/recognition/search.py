"""Search: who of a collection is in a photo (1:N), face by face."""

from dataclasses import replace

from moretta.core.audit import SearchKind, SearchRecord, new_search_id
from moretta.core.clock import to_second
from moretta.core.errors import FaceNotFound, RequestInvalid
from moretta.core.policy import Action, Output
from moretta.core.recognising import EmbedRequest, Wanted
from moretta.core.recognition import Collection, SearchedFace
from moretta.use_cases.recognition import acts
from moretta.use_cases.recognition.decide import Decision, decide, retried
from moretta.use_cases.recognition.means import Means, Region
from moretta.use_cases.recognition.results import Search
from moretta.use_cases.review import propose

MAX_CANDIDATES = 100


def search(
    means: Means, company_id: str, collection_id: str, media_fd: int, limit: int, purpose: str | None, caller: str
) -> Search:
    """See `Recognition.search`."""
    if not 1 <= limit <= MAX_CANDIDATES:
        raise RequestInvalid(f"expected a limit of 1 to {MAX_CANDIDATES} candidates a face")
    _, collection = means.opened(company_id, collection_id)
    outputs = frozenset({Output.BANDS}) if collection.bands else frozenset()
    allowed = means.guard.on(collection, Action.SEARCH, named=purpose, outputs=outputs)
    means.require_model(collection)
    means.brakes.caller.take(caller)
    found, compared = retried(lambda: _searched(means, company_id, collection_id, media_fd, limit, caller))
    told = replace(found, search_id=_told(means, company_id, collection_id, caller, found, compared))
    return propose.search(means, collection, told, caller, allowed.review)


def _searched(
    means: Means, company_id: str, collection_id: str, media_fd: int, limit: int, caller: str
) -> tuple[Search, int]:
    region, collection = means.opened(company_id, collection_id)
    embedded = means.reader.embed(media_fd, EmbedRequest(region.keys.terms(collection.key_id), Wanted.PROBE))
    if not embedded.faces:
        raise FaceNotFound("expected a photo with at least one face, found none")
    probes = [face.probe for face in embedded.faces]
    further = sum(probe is not None for probe in probes) - 1
    if further > 0:
        means.brakes.caller.take(caller, further)
    decisions = [_decided(region, collection, probe, limit) for probe in probes]
    faces = tuple(
        SearchedFace(face.box, face.quality, () if decision is None else decision.candidates, face.reason or None)
        for face, decision in zip(embedded.faces, decisions, strict=True)
    )
    made = [decision for decision in decisions if decision is not None]
    regions = sorted({decision.region for decision in made})
    behind = max((decision.behind for decision in made), default=0)
    compared = max((decision.compared for decision in made), default=0)
    return Search(faces, collection.thresholds.fmr, ",".join(regions), behind), compared


def _told(means: Means, company_id: str, collection_id: str, caller: str, found: Search, compared: int) -> str:
    """The id of the record of who was compared and who matched: nobody is told of a match that no record tells of."""
    region, collection = means.opened(company_id, collection_id)
    matched = tuple(dict.fromkeys(candidate.person_id for face in found.faces for candidate in face.candidates))
    record = SearchRecord(
        new_search_id(),
        SearchKind.SEARCH,
        collection_id,
        company_id,
        to_second(means.clock()),
        collection.purpose,
        caller,
        compared,
        matched=matched,
    )
    acts.record(means, region, record, faces=len(found.faces))
    return record.search_id


def _decided(region: Region, collection: Collection, probe: bytes | None, limit: int) -> Decision | None:
    return None if probe is None else decide(region, collection, probe, collection.thresholds.match, limit)
