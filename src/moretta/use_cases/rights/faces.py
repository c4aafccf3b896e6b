"""Putting a face right: a new photo takes the old one's place, and a receipt says that the old template is gone.

Belongs here: the receipt, which is a certificate of a smaller scope. Does not belong here: enrolling, sweeping a whole person.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime

from moretta.core.clock import to_second
from moretta.core.erasure import (
    ErasureCertificate,
    Held,
    Holding,
    KeptTemplate,
    NegativeSearch,
    StoreOutcome,
    erasure_plan,
)
from moretta.core.errors import MorettaError, NotFound
from moretta.core.ledger import NONCE_BYTES, EntryKind, LogEntry, content_commitment, subject_commitment
from moretta.core.recognition import Collection, Enrolled, FailureToEnrol, IdKind, StoreWish, new_id
from moretta.core.usage import canonical_json
from moretta.use_cases.recognition import acts
from moretta.use_cases.recognition import enrol as enrolling
from moretta.use_cases.recognition.means import Region
from moretta.use_cases.rights import certify
from moretta.use_cases.rights.means import RightsMeans
from moretta.use_cases.rights.planning import met, nodes_of, reference_of
from moretta.use_cases.rights.sweep import count_there

_SCOPE = "one template of a person who stays enrolled, and what was stored with it"
_BACKUPS = (
    "backups that were made before may hold the old template as ciphertext, which the person's own key still opens"
)


@dataclass(frozen=True, slots=True)
class _Old:
    """The face that is replaced, as it was; `probes`: its template, in memory only, or none and `unavailable` says why."""

    template: KeptTemplate
    started_at: datetime
    probes: tuple[bytes, ...] = field(repr=False)
    unavailable: str = ""


def replace_face(
    means: RightsMeans, company_id: str, person_id: str, face_id: str, media_fd: int, store: StoreWish
) -> tuple[Enrolled | FailureToEnrol, str | None]:
    """See `Rights.replace_face`."""
    region = means.home(person_id, IdKind.PERSON)
    person = region.store.person(company_id, person_id)
    collection = region.store.collection(company_id, person.collection_id)
    old = _old(means, region, collection, company_id, person_id, face_id)
    (outcome,) = enrolling.add_faces(means.recognition, company_id, person_id, [media_fd], store, face_id, False)
    if not isinstance(outcome, Enrolled):
        return outcome, None
    certificate = _certificate(means, region, company_id, person_id, old)
    body = canonical_json(certificate.fields())
    entry = LogEntry(
        kind=EntryKind.FACE_REMOVED,
        time=to_second(means.recognition.clock()),
        company_id=company_id,
        facts=(
            ("certificate", certificate.certificate_id),
            ("collection", collection.collection_id),
            ("revision", "1"),
            *acts.by_whom(),
        ),
        nonce=certificate.nonce,
        subject=certificate.subject,
        content=content_commitment(certificate.nonce, hashlib.sha256(body).digest()),
    )
    region.erasures.certify_part(company_id, certificate.certificate_id, body, entry)
    certify.sign(means, region, certificate.certificate_id)
    return outcome, certificate.certificate_id


def _old(
    means: RightsMeans, region: Region, collection: Collection, company_id: str, person_id: str, face_id: str
) -> _Old:
    started_at = means.recognition.clock().replace(microsecond=0)
    templates = region.erasures.templates(company_id, person_id)
    template = next((one for one in templates if one.face.face_id == face_id), None)
    if template is None:
        raise NotFound("expected the id of a face of this person to replace")
    try:
        reference = reference_of(region, collection, template)
        return _Old(template, started_at, tuple(region.keys.probes(template.face.key_id, [reference])))
    except MorettaError as error:
        return _Old(template, started_at, (), f"the old template was not to be had as a probe ({error.code})")


def _certificate(means: RightsMeans, region: Region, company_id: str, person_id: str, old: _Old) -> ErasureCertificate:
    face = old.template.face
    collection = region.store.collection(company_id, face.collection_id)
    key, nonce = acts.data_key(region, person_id), secrets.token_bytes(NONCE_BYTES)
    found = sum(met(region, collection, payload, [face.row]) for payload in old.probes)
    return ErasureCertificate(
        certificate_id=new_id(IdKind.CERTIFICATE, region.name),
        revision=1,
        supersedes=None,
        request_id=None,
        company_id=company_id,
        scope=_SCOPE,
        collection_id=collection.collection_id,
        purpose=acts.word(collection.purpose),
        scheme=collection.scheme.value,
        nonce=nonce,
        subject=subject_commitment(key.key, person_id, nonce),
        requested_at=old.started_at,
        started_at=old.started_at,
        completed_at=means.recognition.clock().replace(microsecond=0),
        stores=_outcomes(region, collection, company_id, person_id, old),
        destroyed_keys=(),
        backups_expire_at=None,
        backups=_BACKUPS,
        exceptions=(),
        negative_search=NegativeSearch(len(old.probes), found, old.unavailable or "the old template as a probe"),
        software=means.software,
        models=means.models_of(collection.model_id),
    )


def _outcomes(
    region: Region, collection: Collection, company_id: str, person_id: str, old: _Old
) -> tuple[StoreOutcome, ...]:
    present = region.store.faces(company_id, person_id)
    photo_id, segment_id = old.template.face.photo_id, old.template.segment_id
    gone = [] if photo_id is None or any(one.photo_id == photo_id for one in present) else [photo_id]
    packed = [] if segment_id is None else [segment_id]
    standing = region.galleries.acknowledged(collection)
    left = {
        (Held.ROWS, f"{region.name} faces"): (1, sum(one.face_id == old.template.face.face_id for one in present)),
        (Held.PHOTOS, region.name): (len(gone), count_there(region.photos, gone)),
        (Held.SEGMENTS, region.name): (len(packed), count_there(region.segments, packed)),
    }
    left |= {(kind, place): (1, int(not standing.get(place, False))) for kind, place in nodes_of(region, collection)}
    holdings = [Holding(kind, place, before) for (kind, place), (before, _) in left.items()]
    keeper = region.erasures.holdings(company_id, person_id).keeper
    return tuple(
        StoreOutcome(one.kind, one.store, one.method, one.items, left[one.kind, one.store][1], "looked at afterwards")
        for one in erasure_plan(holdings, keeper)
    )
