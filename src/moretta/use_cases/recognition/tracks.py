"""Verify the faces of an image or a video against persons who are named: does a track show one of them (1:1)?

Belongs here: who may be compared, the comparisons, and their records. Does not belong here: following faces (a worker does), and
what becomes of a face that matched (redaction decides).

Nothing is searched: a track is compared with the references of the persons named and of nobody else. Whatever is not certain is
told as unclear, and redaction hides it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from moretta.core.audit import SearchKind, SearchRecord, new_search_id
from moretta.core.clock import to_second
from moretta.core.errors import Conflict, ConsentError, PersonErased, RequestInvalid
from moretta.core.policy import Action
from moretta.core.ports import OnProgress
from moretta.core.recognising import ProbedTracks, ProbeTracksRequest
from moretta.core.recognition import Collection, IdKind
from moretta.core.values import TrackId
from moretta.use_cases.consent import validity
from moretta.use_cases.recognition import acts
from moretta.use_cases.recognition.decide import decide, retried
from moretta.use_cases.recognition.means import Means, Region, require_in_use
from moretta.use_cases.recognition.results import MAX_PERSONS, RecognisedTracks, TrackProber


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A person who may be compared now."""

    person_id: str
    region: Region
    collection: Collection


@dataclass(frozen=True, slots=True)
class _Compared:
    """What came of one person: how their item's tracks were followed, which were compared, and which matched."""

    tracking: str
    compared: frozenset[TrackId]
    matched: frozenset[TrackId]
    tracks: int
    references: int


def recognise_tracks(
    means: Means,
    company_id: str,
    person_ids: Sequence[str],
    media_fd: int,
    prober: TrackProber,
    caller: str,
    on_progress: OnProgress | None,
) -> RecognisedTracks:
    """See `Recognition.recognise_tracks`."""
    named = list(dict.fromkeys(person_ids))
    if not 1 <= len(named) <= MAX_PERSONS:
        raise RequestInvalid(f"expected 1 to {MAX_PERSONS} persons; hide by tracks instead, or in several runs")
    # Everybody is looked up before anybody is compared: what is refused for one is refused before it was done for another.
    claimed = [who for person_id in named if (who := _claimed(means, company_id, person_id)) is not None]
    probed: dict[str, ProbedTracks] = {}
    told = [_verified(means, who, media_fd, prober, probed, caller, on_progress) for who in claimed]
    if len({one.tracking for one in told}) > 1:
        # Followed in two ways, an id would mean two faces.
        told = [_Compared("", frozenset(), frozenset(), one.tracks, 0) for one in told]
    shown = frozenset[TrackId]().union(*(one.matched for one in told))
    by_all = frozenset.intersection(*(one.compared for one in told)) if told else frozenset[TrackId]()
    others = by_all - shown if len(told) == len(named) else frozenset[TrackId]()
    tracks = max((one.tracks for one in told), default=0)
    return RecognisedTracks(
        told[0].tracking if told else "",
        shown,
        others,
        tracks - len(by_all | shown),
        len(named),
        len(told),
        sum(bool(one.matched) for one in told),
    )


def _claimed(means: Means, company_id: str, person_id: str) -> _Claimed | None:
    """The person; None where they must not be compared. Raises as `Recognition.recognise_tracks`."""
    region = means.home(person_id, IdKind.PERSON)
    try:
        person = region.store.person(company_id, person_id)
    except PersonErased:
        return None
    collection = require_in_use(region.store.collection(company_id, person.collection_id))
    allowed = means.guard.on(collection, Action.VERIFY)
    means.require_model(collection)
    # Whether or not the policy asks for a consent: nobody is shown on another's word.
    consenting = _consents(means, region, collection, person_id)
    if not person.state.comparable or not consenting or allowed.review > 0 or not _rows(region, collection, person_id):
        return None
    return _Claimed(person_id, region, collection)


def _rows(region: Region, collection: Collection, person_id: str) -> list[int]:
    """Where the person's references under the collection's present key are."""
    faces = region.store.faces(collection.company_id, person_id)
    return [face.row for face in faces if face.key_id == collection.key_id]


def _consents(means: Means, region: Region, collection: Collection, person_id: str) -> bool:
    """Whether the person's consent to the collection's purpose is valid now."""
    meant = means.guard.policy.purpose(collection.purpose)
    try:
        return validity.standing(
            region.consents, collection.company_id, person_id, collection.purpose, means.clock(), meant
        ).consent
    except ConsentError:
        return False


def _verified(
    means: Means,
    who: _Claimed,
    media_fd: int,
    prober: TrackProber,
    probed: dict[str, ProbedTracks],
    caller: str,
    on_progress: OnProgress | None,
) -> _Compared:
    """Compare every clear track with the person, and keep the record of it. `probed`: what was protected so far, by key."""

    def attempt() -> _Compared:
        region, collection = means.opened(who.collection.company_id, who.collection.collection_id)
        if collection.key_id not in probed:
            means.brakes.caller.take(caller)
            request = ProbeTracksRequest(
                region.keys.terms(collection.key_id), collection.thresholds.match, collection.min_quality
            )
            probed[collection.key_id] = prober.probe_tracks(media_fd, request, on_progress)
            _, now = means.opened(collection.company_id, collection.collection_id)
            if now.key_id != collection.key_id:
                raise Conflict("the collection was given a new key meanwhile; try again")
        return _decided(means, region, collection, who.person_id, probed[collection.key_id], caller)

    found = retried(attempt)
    record = SearchRecord(
        new_search_id(),
        SearchKind.VERIFY,
        who.collection.collection_id,
        who.collection.company_id,
        to_second(means.clock()),
        who.collection.purpose,
        caller,
        found.references,
        claimed=who.person_id,
        matched=(who.person_id,) if found.matched else (),
    )
    # Nobody is shown by a match that no record tells of.
    acts.record(means, who.region, record, faces=len(found.compared))
    return found


def _decided(
    means: Means, region: Region, collection: Collection, person_id: str, probed: ProbedTracks, caller: str
) -> _Compared:
    """Raises `RateLimited` before anything is compared; `Conflict`, `KeyDestroyed` where the key changed meanwhile."""
    rows = _rows(region, collection, person_id)
    probes = [(track.track_id, track.probe) for track in probed.tracks if track.probe is not None]
    if not rows or not probes:
        return _Compared(probed.tracking, frozenset(), frozenset(), len(probed.tracks), 0)
    # As a search: what it tells of one person a search of the collection tells too, and is braked by who asks.
    means.brakes.caller.take(caller, len(probes))
    matched, references = set(), 0
    for track_id, probe in probes:
        decision = decide(region, collection, probe, collection.thresholds.match, 1, rows)
        references += decision.compared
        if any(candidate.person_id == person_id for candidate in decision.candidates):
            matched.add(track_id)
    compared = frozenset(track_id for track_id, _ in probes)
    return _Compared(probed.tracking, compared, frozenset(matched), len(probed.tracks), references)
