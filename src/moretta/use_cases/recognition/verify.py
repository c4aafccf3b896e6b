"""Verify: does a photo show the person claimed (1:1)?"""

from dataclasses import replace

from moretta.core.audit import SearchKind, SearchRecord, new_search_id
from moretta.core.clock import to_second
from moretta.core.errors import ModelMismatch, PersonRestricted
from moretta.core.policy import Action
from moretta.core.recognising import EmbedRequest, Wanted
from moretta.core.recognition import IdKind
from moretta.use_cases.recognition import acts
from moretta.use_cases.recognition.decide import decide, retried
from moretta.use_cases.recognition.means import Means, require_in_use
from moretta.use_cases.recognition.pictures import the_face
from moretta.use_cases.recognition.results import Verification
from moretta.use_cases.review import propose


def verify(
    means: Means, company_id: str, person_id: str, media_fd: int, purpose: str | None, caller: str
) -> Verification:
    """See `Recognition.verify`."""
    region = means.home(person_id, IdKind.PERSON)
    person = region.store.person(company_id, person_id)
    if not person.state.comparable:
        raise PersonRestricted("this person's data is restricted: it is kept and must not be compared")
    collection = require_in_use(region.store.collection(company_id, person.collection_id))
    allowed = means.guard.on(collection, Action.VERIFY, named=purpose)
    means.require_model(collection)
    # Before the photo is looked at: an attempt is an attempt, whatever it shows.
    means.brakes.caller.take(caller)
    means.brakes.subject.take(person_id)
    found, compared = retried(lambda: _verified(means, company_id, person_id, media_fd))
    record = SearchRecord(
        new_search_id(),
        SearchKind.VERIFY,
        collection.collection_id,
        company_id,
        to_second(means.clock()),
        collection.purpose,
        caller,
        compared,
        claimed=person_id,
        matched=(person_id,) if found.match else (),
    )
    acts.record(means, region, record)
    told = replace(found, search_id=record.search_id)
    return propose.verification(means, collection, person_id, told, caller, allowed.review)


def _verified(means: Means, company_id: str, person_id: str, media_fd: int) -> tuple[Verification, int]:
    region = means.home(person_id, IdKind.PERSON)
    person = region.store.person(company_id, person_id)
    collection = require_in_use(region.store.collection(company_id, person.collection_id))
    rows = [face.row for face in region.store.faces(company_id, person_id) if face.key_id == collection.key_id]
    if not rows:
        raise ModelMismatch("the person has no template of the collection's present model: enrol a new picture")
    request = EmbedRequest(region.keys.terms(collection.key_id), Wanted.PROBE_OF_ONE)
    embedded = means.reader.embed(media_fd, request)
    probe = embedded.faces[0].probe if len(embedded.faces) == 1 else None
    face = the_face(embedded.faces, probe is not None)
    decision = decide(region, collection, probe or b"", collection.thresholds.match, 1, rows)
    matched = next((c for c in decision.candidates if c.person_id == person_id), None)
    face_id = None if matched is None else matched.face_id
    verification = Verification(
        matched is not None, face_id, face, collection.thresholds.fmr, decision.region, decision.behind
    )
    return verification, decision.compared
