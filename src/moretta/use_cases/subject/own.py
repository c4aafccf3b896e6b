"""What a person sees of themself, and what they do about it.

Belongs here: gathering and acting for whoever the visit says it is; no function takes a person's id from a request. Does not
belong here: pages, how a right is fulfilled (see the port `OwnRights`).

The policy is not asked: a person's rights over their own data are above what an operator's policy allows the operator.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from moretta.core.audit import SearchAbout
from moretta.core.consent import Consent, Notice, Receipt, WithdrawnBy
from moretta.core.errors import NotFound, PersonErased
from moretta.core.recognition import Collection, FaceRecord, IdKind, Person, PersonState
from moretta.core.retention import RetentionRule
from moretta.core.rights import Right, RightsRequest
from moretta.core.signing import fingerprint
from moretta.use_cases.consent.challenges import Asked
from moretta.use_cases.consent.end import Ended
from moretta.use_cases.consent.give import Agreement
from moretta.use_cases.recognition import acts, photos
from moretta.use_cases.recognition.means import Region
from moretta.use_cases.subject.access import Visit
from moretta.use_cases.subject.means import SubjectMeans


@dataclass(frozen=True, slots=True)
class About:
    """What is held of a person, and by which rule of retention.

    `notices`: what the collection shows now, in each language; `consents`: the newest first; `valid`: the one that holds.
    """

    person: Person
    collection: Collection
    rule: RetentionRule
    faces: tuple[FaceRecord, ...]
    notices: tuple[Notice, ...] = field(repr=False)
    consents: tuple[Consent, ...]
    valid: Consent | None

    @property
    def photos(self) -> tuple[FaceRecord, ...]:
        """Faces whose photo is stored."""
        return tuple(face for face in self.faces if face.photo_id is not None)


@dataclass(frozen=True, slots=True)
class Certified:
    """The certificate of an erasure: its id, the signed document, and that document read."""

    certificate_id: str
    document: bytes = field(repr=False)
    fields: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A public key in hexadecimal, since when it signs, and what of it people compare (`core.signing.fingerprint`)."""

    public_key: str
    fingerprint: str
    made_at: str


def about(means: SubjectMeans, seen: Visit) -> About:
    """See `OwnPages.about`."""
    region, person = _me(means, seen)
    collection = region.store.collection(seen.company_id, person.collection_id)
    consents = region.consents.of_person(seen.company_id, seen.person_id)
    now = means.recognition.clock()
    valid = next((one for one in consents if one.purpose == collection.purpose and one.is_valid(now)), None)
    return About(
        person,
        collection,
        region.retention.rule(collection.collection_id),
        tuple(region.store.faces(seen.company_id, seen.person_id)),
        tuple(region.consents.shown(seen.company_id, collection.collection_id)),
        tuple(consents),
        valid,
    )


def searches(means: SubjectMeans, seen: Visit, limit: int, before: int | None) -> list[SearchAbout]:
    """See `OwnPages.searches`."""
    region, _ = _me(means, seen)
    return region.audit.searches_about(seen.company_id, seen.person_id, limit, before)


def photo(means: SubjectMeans, seen: Visit, face_id: str) -> bytes:
    """See `OwnPages.photo`."""
    region, person = _me(means, seen)
    faces = region.store.faces(seen.company_id, seen.person_id)
    face = next((one for one in faces if one.face_id == face_id), None)
    if face is None or face.photo_id is None:
        raise NotFound("no photo of you is stored there")
    key = acts.data_key(region, seen.person_id)
    content = photos.opened(region, key, face)
    region.log.append([acts.photo_viewed(means.recognition.clock, person, key)])
    return content


def ask_consent(means: SubjectMeans, seen: Visit, notice_sha256: str) -> Asked:
    """See `OwnPages.ask_consent`."""
    _, person = _me(means, seen)
    return means.consents.challenge(seen.company_id, person.collection_id, notice_sha256, person_id=seen.person_id)


def give(means: SubjectMeans, seen: Visit, agreement: Agreement) -> Consent:
    """See `OwnPages.give`."""
    _, person = _me(means, seen)
    mine = replace(agreement, collection_id=person.collection_id, person_id=seen.person_id, name="", attributes=())
    return means.consents.give(seen.company_id, mine)


def refuse(means: SubjectMeans, seen: Visit, notice_sha256: str) -> Consent:
    """See `OwnPages.refuse`."""
    _, person = _me(means, seen)
    return means.consents.refuse(seen.company_id, person.collection_id, notice_sha256, person_id=seen.person_id)


def withdraw(means: SubjectMeans, seen: Visit) -> list[Ended]:
    """See `OwnPages.withdraw`."""
    _me(means, seen)
    return means.consents.withdraw_all(seen.company_id, seen.person_id, by=WithdrawnBy.SUBJECT)


def receipt(means: SubjectMeans, seen: Visit, consent_id: str) -> Receipt:
    """See `OwnPages.receipt`."""
    region, _ = _me(means, seen)
    if all(one.consent_id != consent_id for one in region.consents.of_person(seen.company_id, seen.person_id)):
        raise NotFound("this is no consent of yours")
    return means.consents.receipt(seen.company_id, consent_id)


def correct(means: SubjectMeans, seen: Visit, name: str, attributes: Sequence[tuple[str, str]]) -> RightsRequest | None:
    """See `OwnPages.correct`."""
    _, person = _me(means, seen)
    # Only what is known can be changed here; a field that was emptied goes, since a form has no other way to say so.
    said = dict(attributes)
    wished = tuple((key, said.get(key, value)) for key, value in person.attributes)
    kept = tuple((key, value) for key, value in wished if value)
    if (name, kept) == (person.name, person.attributes):
        return None
    return means.rights.ask(
        seen.company_id,
        seen.person_id,
        Right.RECTIFICATION,
        name=None if name == person.name else name,
        attributes=None if kept == person.attributes else kept,
    )


def ask(means: SubjectMeans, seen: Visit, right: Right, reason: str) -> RightsRequest:
    """See `OwnPages.ask`."""
    _me(means, seen)
    return means.rights.ask(seen.company_id, seen.person_id, right, reason=reason)


def lift_restriction(means: SubjectMeans, seen: Visit) -> None:
    """See `OwnPages.lift_restriction`."""
    _, person = _me(means, seen)
    if person.state is PersonState.RESTRICTED:
        means.rights.lift_restriction(seen.company_id, seen.person_id)


def archive(means: SubjectMeans, seen: Visit) -> bytes:
    """See `OwnPages.archive`."""
    _me(means, seen)
    return means.rights.archive(seen.company_id, seen.person_id)


def certificate(means: SubjectMeans, seen: Visit) -> Certified | None:
    """See `OwnPages.certificate`."""
    try:
        _me(means, seen)
    except PersonErased:
        kept = means.rights.certificate(seen.company_id, seen.person_id)
        if kept is None:
            return None
        fields = cast(Mapping[str, object], json.loads(kept.document))
        return Certified(kept.certificate_id, kept.document, fields)
    raise NotFound("nothing of you was erased, so there is no certificate")


def keys(means: SubjectMeans, seen: Visit) -> list[PublishedKey]:
    """See `OwnPages.keys`."""
    history = means.recognition.home(seen.person_id, IdKind.PERSON).signing.history()
    return [PublishedKey(one.public_key.hex(), fingerprint(one.public_key), one.made_at) for one in reversed(history)]


def _me(means: SubjectMeans, seen: Visit) -> tuple[Region, Person]:
    """Raises `PersonErased` where they are there no more."""
    region = means.recognition.home(seen.person_id, IdKind.PERSON)
    return region, region.store.person(seen.company_id, seen.person_id)
