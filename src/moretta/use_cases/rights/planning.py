"""What is held of a person, gathered before anything is deleted: counts, traces to look for, and probes to search with.

Belongs here: reading. Does not belong here: deleting (see `erase`).
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from moretta.core.erasure import (
    MARKER_BYTES,
    Erasure,
    ErasureStep,
    Held,
    Holding,
    KeptTemplate,
    Traces,
    erasure_plan,
)
from moretta.core.errors import KeyUnusable, MorettaError, NodeUnavailable, NotFound
from moretta.core.key_service import StoredReference
from moretta.core.ledger import NONCE_BYTES, subject_commitment
from moretta.core.protection import OpenTerms, ProtectedProbe, Scheme
from moretta.core.recognition import Collection, IdKind, Person, new_id
from moretta.use_cases.recognition import acts
from moretta.use_cases.recognition.means import Region
from moretta.use_cases.rights.means import RightsMeans

# Each is compared with the whole gallery twice; more templates of one person prove nothing more.
MOST_PROBES = 3
PARTIES = 3
RESUMED = "the process ended meanwhile, and the probes with it, since they are only ever in memory"
_LABEL = b"moretta key fingerprint 1"
# Sealed values begin with a form and the nonce (`keys.envelope`).
_SEALED_NONCE = 1


@dataclass(frozen=True, slots=True)
class Probes:
    """A person's templates as probes, only ever in memory; `unavailable` says why there are none."""

    payloads: tuple[bytes, ...] = field(default=(), repr=False)
    controls: int = 0
    unavailable: str = ""


def planned(
    means: RightsMeans,
    region: Region,
    person: Person,
    request_id: str | None,
    requested_at: datetime,
    *,
    with_collection: bool = False,
) -> Erasure:
    """The erasure of a person as it begins."""
    company_id, person_id = person.company_id, person.person_id
    collection = region.store.collection(company_id, person.collection_id)
    templates = region.erasures.templates(company_id, person_id, opened=False)
    held = region.erasures.holdings(company_id, person_id)
    photos = tuple(sorted({one.face.photo_id for one in templates if one.face.photo_id is not None}))
    segments = tuple(sorted({one.segment_id for one in templates if one.segment_id is not None}))
    rows = tuple(one.face.row for one in templates)
    key = acts.key_if_it_opens(region, person_id)
    nonce = secrets.token_bytes(NONCE_BYTES)
    holdings = [
        Holding(Held.KEY, region.name, 1),
        *(Holding(Held.ROWS, f"{region.name} {table}", count) for table, count in held.rows),
        Holding(Held.PHOTOS, region.name, len(photos)),
        Holding(Held.SEGMENTS, region.name, len(segments)),
        *(Holding(kind, place, len(rows)) for kind, place in nodes_of(region, collection)),
        Holding(Held.MEMORY, "this process", 0),
    ]
    return Erasure(
        certificate_id=new_id(IdKind.CERTIFICATE, region.name),
        company_id=company_id,
        person_id=person_id,
        collection_id=collection.collection_id,
        request_id=request_id,
        step=ErasureStep.PLANNED,
        requested_at=requested_at.replace(microsecond=0),
        started_at=means.recognition.clock().replace(microsecond=0),
        nonce=nonce,
        subject=b"" if key is None else subject_commitment(key.key, person_id, nonce),
        key_fingerprint="" if key is None else hashlib.sha256(_LABEL + key.key).hexdigest(),
        model_id=collection.model_id,
        scheme=collection.scheme.value,
        purpose=acts.word(collection.purpose),
        keeper=held.keeper,
        plan=erasure_plan(holdings, held.keeper),
        traces=Traces(rows, photos, segments, (*held.markers, *_photo_markers(region, photos))),
        with_collection=with_collection,
    )


def probes_of(region: Region, erasure: Erasure, most: int = MOST_PROBES) -> Probes:
    """The person's templates (at most `most`) as probes, while they are there.

    Nothing that goes wrong here keeps an erasure from going on.
    """
    try:
        collection = region.store.collection(erasure.company_id, erasure.collection_id)
        templates = region.erasures.templates(erasure.company_id, erasure.person_id)
        wanted = [one for one in templates if one.face.key_id == collection.key_id][:most]
        if not wanted:
            return Probes(unavailable="the person had no template of the collection's present key")
        references = [reference_of(region, collection, one) for one in wanted]
        payloads = tuple(region.keys.probes(collection.key_id, references))
        rows = [one.face.row for one in wanted]
        controls = sum(bool(met(region, collection, payload, rows, rows)) for payload in payloads)
        return Probes(payloads, controls)
    except MorettaError as error:
        return Probes(
            unavailable=f"the key holder or a node did not give the person's template as a probe ({error.code})"
        )


def met(
    region: Region, collection: Collection, payload: bytes, rows: Sequence[int], only: Sequence[int] | None = None
) -> int:
    """How many of `rows` a probe meets in the gallery, as its nodes answer and the key holder opens."""
    probe = ProtectedProbe(collection.scheme, collection.model_id, collection.key_id, payload)
    threshold = collection.thresholds.match
    answer = region.galleries.compare(collection, probe, threshold, only)
    opened = region.keys.open(answer.sealed, OpenTerms(threshold, 1000))
    return len({match.row for match in opened} & set(rows))


def reference_of(region: Region, collection: Collection, template: KeptTemplate) -> StoredReference:
    """A stored template as the key holder takes it.

    Raises:
        NotFound: it is stored nowhere that this service can read (`shares`).
    """
    if template.payload is not None:
        return StoredReference(template.payload)
    for segment in region.store.segments(collection.collection_id):
        if segment.segment_id == template.segment_id:
            slots = [slot for slot, row in enumerate(segment.rows.tolist()) if row == template.face.row]
            return StoredReference(region.segments.get(segment.segment_id), slots[0])
    raise NotFound(
        "the template stands at the parties alone, as random numbers that no message of theirs puts together"
    )


def nodes_of(region: Region, collection: Collection) -> list[tuple[Held, str]]:
    """Which nodes or parties hold the collection's gallery."""
    if collection.scheme is Scheme.SHARES:
        return [(Held.SHARES, f"{region.name} party {number}") for number in range(1, PARTIES + 1)]
    return [(Held.GALLERIES, place) for place in sorted(collection.regions)]


def _photo_markers(region: Region, photos: Sequence[str]) -> list[bytes]:
    markers = []
    for photo_id in photos:
        try:
            content = region.photos.get(photo_id)
        except (NotFound, NodeUnavailable, KeyUnusable):
            continue
        markers.append(content[_SEALED_NONCE : _SEALED_NONCE + MARKER_BYTES])
    return markers
