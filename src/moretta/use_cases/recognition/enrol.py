"""Enrol: photos become protected templates of one person.

Belongs here: the order of the work, and that all of it is one transaction. Does not belong here: looking at pixels (a worker
does), packing (see `packing`).
"""

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from moretta.core.acting import acting
from moretta.core.audit import DUPLICATE_CHECK, SearchKind, SearchRecord, new_search_id
from moretta.core.clock import to_second
from moretta.core.errors import (
    Conflict,
    ConsentError,
    ConsentRequired,
    MorettaError,
    NotFound,
    RequestInvalid,
    SubjectMismatch,
)
from moretta.core.key_service import SubjectKey
from moretta.core.policy import Action, Output
from moretta.core.protection import Scheme
from moretta.core.recognising import Embedded, EmbeddedFace, EmbedRequest, Wanted
from moretta.core.recognition import (
    Collection,
    CollectionState,
    Duplicate,
    Enrolled,
    FailureToEnrol,
    IdKind,
    Person,
    RefusalReason,
    StoreWish,
    new_id,
)
from moretta.core.recognition_store import NewFace
from moretta.use_cases.consent import validity
from moretta.use_cases.guard import Standing
from moretta.use_cases.recognition import acts, packing, photos
from moretta.use_cases.recognition.decide import decide
from moretta.use_cases.recognition.leftovers import Made, sweep, undone_on_failure
from moretta.use_cases.recognition.means import Means, Region
from moretta.use_cases.recognition.pictures import refusal
from moretta.use_cases.recognition.words import require_words

# A photo is held in memory until all of a call are enrolled; more templates than this of one person add nothing measurable.
MAX_PHOTOS = 20
MAX_DUPLICATES = 10
# The key of a collection changes about once a year; that it does twice within one call is no accident.
ATTEMPTS = 3

Outcomes = list[Enrolled | FailureToEnrol]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wishes:
    """Who is enrolled, and what is kept. `replaces` and `import_item` as in `RecognitionStore.enrol`.

    `consent_id`: the consent on which it rests, which also says who it is. `source`: where an imported photo comes from.
    """

    name: str
    attributes: tuple[tuple[str, str], ...]
    person_id: str | None
    store: StoreWish
    refuse_duplicates: bool
    replaces: tuple[str, ...] = ()
    import_item: tuple[str, str] | None = None
    consent_id: str | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A photo that can be enrolled."""

    face: EmbeddedFace
    reference: bytes
    photo: bytes | None
    duplicates: tuple[Duplicate, ...]


def enrol(
    means: Means,
    company_id: str,
    collection_id: str,
    media_fds: Sequence[int],
    wishes: Wishes,
    *,
    purpose: str | None = None,
) -> Outcomes:
    """See `Recognition.enrol`."""
    _require_sound(media_fds, wishes)
    for attempt in range(1, ATTEMPTS + 1):
        region, collection = means.opened(company_id, collection_id)
        wishes = _of_whom(means, region, collection, wishes)
        _require_allowed(means, region, collection, wishes, purpose)
        means.require_model(collection)
        if collection.state is not CollectionState.ACTIVE:
            raise Conflict("the collection is being given a new key; try again in a while")
        person = _known(region, company_id, collection, wishes)
        replaced = _rows_of(region, person, wishes.replaces)
        seen = [_look(means, region, collection, fd, wishes, person) for fd in media_fds]
        try:
            outcomes = _kept(means, region, collection, person, seen, wishes)
        except Conflict:
            if attempt == ATTEMPTS:
                raise
            continue
        if any(isinstance(outcome, Enrolled) for outcome in outcomes):
            _afterwards(means, region, collection, replaced, outcomes)
        return outcomes
    raise AssertionError("unreachable: the last attempt returns or raises")


def _of_whom(means: Means, region: Region, collection: Collection, wishes: Wishes) -> Wishes:
    """The wishes with the person whom the consent names.

    Raises:
        ConsentRequired: there is no such consent.
        ConsentError: it is not valid, for another collection, or another person's.
    """
    if wishes.consent_id is None:
        return wishes
    try:
        named = validity.person_of(region.consents, collection, wishes.consent_id, means.clock())
    except NotFound:
        raise ConsentRequired("expected the id of a consent that was given to this collection") from None
    if wishes.person_id not in (None, named):
        raise SubjectMismatch("expected a consent of the person who is enrolled; got somebody else's")
    return replace(wishes, person_id=named)


def _require_allowed(means: Means, region: Region, collection: Collection, wishes: Wishes, purpose: str | None) -> None:
    """Raises as `Guard.require`, and `ConsentError` where a consent is needed and ended."""
    outputs = frozenset({Output.PHOTO}) if wishes.store is StoreWish.PHOTO else frozenset()

    def standing() -> Standing:
        company_id, now = collection.company_id, means.clock()
        meant = means.guard.policy.purpose(collection.purpose)
        return validity.standing(region.consents, company_id, wishes.person_id, collection.purpose, now, meant)

    if wishes.import_item is None:
        means.guard.on(collection, Action.ENROL, named=purpose, outputs=outputs, standing=standing)
        return
    sourced = bool(wishes.source)
    if not sourced:
        with contextlib.suppress(ConsentError):
            sourced = standing().consent
    means.guard.on(collection, Action.IMPORT, named=purpose, outputs=outputs, standing=standing, sourced=sourced)


def add_faces(
    means: Means,
    company_id: str,
    person_id: str,
    media_fds: Sequence[int],
    store: StoreWish,
    replace_face: str | None,
    refuse_duplicates: bool,
) -> Outcomes:
    """See `Recognition.add_faces`."""
    region = means.home(person_id, IdKind.PERSON)
    person = region.store.person(company_id, person_id)
    replaces = () if replace_face is None else (replace_face,)
    wishes = Wishes("", (), person_id, store, refuse_duplicates, replaces)
    return enrol(means, company_id, person.collection_id, media_fds, wishes)


def _look(
    means: Means, region: Region, collection: Collection, media_fd: int, wishes: Wishes, person: Person | None
) -> _Seen | FailureToEnrol:
    request = EmbedRequest(
        region.keys.terms(collection.key_id),
        Wanted.REFERENCE,
        collection.min_quality,
        photo=wishes.store is StoreWish.PHOTO,
    )
    embedded: Embedded = means.reader.embed(media_fd, request)
    face = embedded.faces[0] if len(embedded.faces) == 1 else None
    reference = None if face is None else face.reference
    refused = refusal(embedded.faces, reference is not None)
    if refused is not None or face is None or reference is None:
        return refused or FailureToEnrol(RefusalReason.NO_FACE, "expected a photo with one face")
    found = () if face.probe is None else _duplicates(means, region, collection, face.probe, person)
    if found and wishes.refuse_duplicates:
        detail = "expected somebody who is not enrolled yet; the faces listed look the same"
        return FailureToEnrol(RefusalReason.DUPLICATE, detail, face.quality, face.components, found)
    return _Seen(face, reference, embedded.photo, found)


def _duplicates(
    means: Means, region: Region, collection: Collection, probe: bytes, person: Person | None
) -> tuple[Duplicate, ...]:
    """Others who look the same. Nobody is told of one that no record tells of: to them it is a search like any other."""
    decision = decide(region, collection, probe, collection.thresholds.duplicate, MAX_DUPLICATES)
    own = None if person is None else person.person_id
    found = tuple(Duplicate(c.person_id, c.face_id) for c in decision.candidates if c.person_id != own)
    if found:
        record = SearchRecord(
            new_search_id(),
            SearchKind.SEARCH,
            collection.collection_id,
            collection.company_id,
            to_second(means.clock()),
            DUPLICATE_CHECK,
            acting() or collection.company_id,
            decision.compared,
            matched=tuple(dict.fromkeys(one.person_id for one in found)),
        )
        acts.record(means, region, record)
    return found


def _kept(
    means: Means,
    region: Region,
    collection: Collection,
    known: Person | None,
    seen: Sequence[_Seen | FailureToEnrol],
    wishes: Wishes,
) -> Outcomes:
    accepted = [entry for entry in seen if isinstance(entry, _Seen)]
    if not accepted:
        return [entry for entry in seen if isinstance(entry, FailureToEnrol)]
    person = _new_person(means, collection, wishes) if known is None else _named(means, region, known, wishes)
    key = region.cipher.new_key(person.person_id) if known is None else acts.data_key(region, known.person_id)
    with undone_on_failure(means, region) as made:
        faces = [_new_face(means, region, collection, key, entry, made) for entry in accepted]
        told = acts.enrolled(
            means.clock,
            collection,
            key,
            faces=len(faces),
            replaced=len(wishes.replaces),
            photos=sum(face.photo_id is not None for face in faces),
        )
        means.checkpoint("enrol:before")
        records = region.store.enrol(
            collection,
            person,
            faces,
            replaces=wishes.replaces,
            import_item=wishes.import_item,
            wrapped_key=key.wrapped if known is None else None,
            entries=[told],
        )
    means.checkpoint("enrol:committed")
    kept = iter(records)
    return [
        entry if isinstance(entry, FailureToEnrol) else Enrolled(person.person_id, next(kept), entry.duplicates)
        for entry in seen
    ]


def _new_face(
    means: Means, region: Region, collection: Collection, key: SubjectKey, entry: _Seen, made: Made
) -> NewFace:
    photo_id = None
    if entry.photo is not None:
        photo_id = photos.keep(means, region, key, entry.photo, made)
    return NewFace(new_id(IdKind.FACE, collection.home), entry.reference, entry.face.quality, photo_id)


def _afterwards(
    means: Means, region: Region, collection: Collection, replaced: Sequence[int], outcomes: Outcomes
) -> None:
    """Replaced references leave packed ciphertexts, and single ones are packed where enough gathered.

    The enrolment is committed: what fails here is told to the log, not to the caller, who would enrol again. A later change or
    the next start does it.
    """
    try:
        if replaced:
            sweep(means, region)
            packing.rewrite_without(means, region, collection, replaced)
        if any(isinstance(one, Enrolled) and one.face.row % packing.LOOK_EVERY == 0 for one in outcomes):
            packing.pack_if_due(means, region, collection)
    except MorettaError as error:
        _log.warning("enrol.packing_later: %s", error.code)
    if replaced or collection.scheme is Scheme.SHARES:
        region.galleries.follow(region.store.collection(collection.company_id, collection.collection_id))


def _rows_of(region: Region, person: Person | None, face_ids: Sequence[str]) -> list[int]:
    if person is None or not face_ids:
        return []
    rows = {face.face_id: face.row for face in region.store.faces(person.company_id, person.person_id)}
    if not set(face_ids) <= set(rows):
        raise NotFound("expected the id of a face of this person to replace")
    return [rows[face_id] for face_id in face_ids]


def _known(region: Region, company_id: str, collection: Collection, wishes: Wishes) -> Person | None:
    if wishes.person_id is None:
        return None
    person = region.store.person(company_id, wishes.person_id)
    if person.collection_id != collection.collection_id:
        raise NotFound("expected the id of a person of this collection")
    return person


def _named(means: Means, region: Region, person: Person, wishes: Wishes) -> Person:
    """A person whom a consent made without a word, with the words of their first photo; anybody else as they are."""
    has_words = bool(person.name or person.attributes)
    if person.faces or has_words or not (wishes.name or wishes.attributes):
        return person
    named = replace(person, name=wishes.name, attributes=wishes.attributes)
    entries = acts.person_changed(means.clock, person, named, acts.data_key(region, person.person_id))
    region.store.update_person(named, entries=entries)
    return named


def _new_person(means: Means, collection: Collection, wishes: Wishes) -> Person:
    return replace(
        Person(new_id(IdKind.PERSON, collection.home), collection.collection_id, collection.company_id, means.clock()),
        name=wishes.name,
        attributes=wishes.attributes,
    )


def _require_sound(media_fds: Sequence[int], wishes: Wishes) -> None:
    if not 1 <= len(media_fds) <= MAX_PHOTOS:
        raise RequestInvalid(f"expected 1 to {MAX_PHOTOS} photos")
    if wishes.store is StoreWish.NONE:
        raise RequestInvalid("expected `store` to be template or photo: enrolling keeps a protected template at least")
    require_words(wishes.name, wishes.attributes)
