"""Everything that is kept of one person, as a ZIP for that person: GDPR Art. 15 and 20.

Belongs here: what is in it and its form. Does not belong here: checking it (see `ledger.packages`), who may have it.

    README.txt         what the files are, in plain words
    person.json        name, attributes, state, collection and its purpose
    consents.json      every consent; receipts/ID-EVENT.jws proves each of them
    searches.json      every search and verification that compared this person: when, why, by which API key, whether it matched
    requests.json      the person's own requests
    templates/ID.json  a template: numbers, model, dimension, normalisation, scheme; ID.npy holds the numbers for programs
    photos/ID.jpg      stored photos
    manifest.json      SHA-256 of every other file, signed

It is written to a sink and kept nowhere; that it was made is an entry of the log.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import BinaryIO

import numpy as np

from moretta.core.audit import SearchAbout
from moretta.core.clock import to_second
from moretta.core.erasure import KeptTemplate
from moretta.core.errors import MorettaError, NotFound, RequestInvalid
from moretta.core.key_service import SubjectKey
from moretta.core.ledger import EntryKind
from moretta.core.paging import every
from moretta.core.recognition import Collection, IdKind, Person
from moretta.core.signing import signed_document
from moretta.core.usage import canonical_json
from moretta.use_cases.recognition import acts, photos
from moretta.use_cases.recognition.means import Region
from moretta.use_cases.rights.means import RightsMeans
from moretta.use_cases.rights.planning import reference_of

PACKAGE_TYPE = "moretta.access-package.v1"
_PAGE = 200

README = """\
This archive holds what is kept about you.

person.json     the words kept about you, whether you may be compared, and what for
consents.json   what you agreed to, when, and on which text; receipts/ holds the signed proofs
searches.json   every time your face data was compared: when, why, by whom, and whether it was you
requests.json   what you asked for before
templates/      your face as numbers, as a program computed them from a photo: a list of numbers in each .json file, and the
                same numbers in the .npy file for use in programs. They can be used to recognise you: keep them as you would
                keep a photo of yourself.
photos/         photos of you that were kept
manifest.json   a fingerprint (SHA-256) of each file here, with a signature: `moretta verify THIS.zip --key ...` checks both

A template that is missing says in its .json file why.
"""


@dataclass(slots=True)
class _Package:
    """An archive under way, and the fingerprint of each file in it."""

    archive: zipfile.ZipFile
    made_at: tuple[int, int, int, int, int, int]
    files: list[dict[str, object]] = field(default_factory=list)

    def add(self, name: str, content: bytes) -> None:
        """Add a file that the manifest names."""
        self.write(name, content)
        self.files.append({"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()})

    def add_json(self, name: str, value: object) -> None:
        self.add(name, json.dumps(value, indent=2, ensure_ascii=False).encode())

    def write(self, name: str, content: bytes) -> None:
        """Put a file into the archive; the manifest does not name it."""
        info = zipfile.ZipInfo(name, self.made_at)
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
        self.archive.writestr(info, content)


def package(
    means: RightsMeans, company_id: str, person_id: str, sink: BinaryIO, *, request_id: str | None = None
) -> bytes:
    """See `Rights.package`."""
    region = means.home(person_id, IdKind.PERSON)
    person = region.store.person(company_id, person_id)
    collection = region.store.collection(company_id, person.collection_id)
    key = acts.data_key(region, person_id)
    now = means.recognition.clock()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        made = _Package(archive, (now.year, now.month, now.day, now.hour, now.minute, now.second))
        made.add("README.txt", README.encode())
        made.add_json("person.json", _person(person, collection))
        _add_consents(means, region, person, made)
        made.add_json("searches.json", [_search(one) for one in searches(region, company_id, person_id)])
        made.add_json("requests.json", list(_requests(region, person)))
        for template in region.erasures.templates(company_id, person_id):
            _add_template(region, collection, template, made)
        _add_photos(region, key, person, made)
        manifest = canonical_json(_manifest(region, company_id, request_id, to_second(now), made))
        made.write("manifest.json", manifest)
    digest = hashlib.sha256(manifest).digest()
    facts: dict[str, acts.Fact] = {"what": "access", "collection": collection.collection_id, "files": len(made.files)}
    if request_id is not None:
        facts["request"] = request_id
    entry = acts.entry(EntryKind.EXPORTED, means.recognition.clock, company_id, facts, subject=key, document=digest)
    region.log.append([entry])
    return digest


def searches(region: Region, company_id: str, person_id: str) -> Iterator[SearchAbout]:
    """Every act that compared the person, the latest first."""
    return every(partial(region.audit.searches_about, company_id, person_id, _PAGE), attrgetter("log_index"))


def _manifest(
    region: Region, company_id: str, request_id: str | None, made_at: str, made: _Package
) -> dict[str, object]:
    fields = {
        "type": PACKAGE_TYPE,
        "company_id": company_id,
        "request_id": request_id,
        "made_at": made_at,
        "files": made.files,
    }
    return signed_document(fields, region.signing.signer())


def _person(person: Person, collection: Collection) -> dict[str, object]:
    return {
        "id": person.person_id,
        "name": person.name,
        "attributes": dict(person.attributes),
        "state": person.state.value,
        "enrolled_at": to_second(person.created_at),
        "collection": {
            "id": collection.collection_id,
            "purpose": collection.purpose,
            "model_id": collection.model_id,
            "scheme": collection.scheme.value,
            "regions": sorted(collection.regions),
            "retention_days": collection.retention_days,
        },
    }


def _add_consents(means: RightsMeans, region: Region, person: Person, made: _Package) -> None:
    told = []
    for consent in region.consents.of_person(person.company_id, person.person_id):
        told.append(
            {
                "id": consent.consent_id,
                "purpose": consent.purpose,
                "notice_sha256": consent.notice_sha256,
                "state": consent.state.value,
                "method": consent.method.value,
                "given_at": to_second(consent.given_at),
                "expires_at": None if consent.expires_at is None else to_second(consent.expires_at),
                "withdrawn_at": None if consent.withdrawn_at is None else to_second(consent.withdrawn_at),
                "age": None if consent.details is None else consent.details.age.value,
                "guardian": None if consent.details is None else consent.details.guardian,
            }
        )
        for event, jws in means.receipts(person.company_id, consent.consent_id):
            made.add(f"receipts/{consent.consent_id}-{event}.jws", jws.encode())
    made.add_json("consents.json", told)


def _search(about: SearchAbout) -> dict[str, object]:
    record = about.record
    return {
        "id": record.search_id,
        "kind": record.kind.value,
        "time": record.time,
        "purpose": record.purpose,
        "caller": record.caller,
        "compared": record.compared,
        "named_you": record.claimed is not None,
        "matched": about.matched,
        "log_index": about.log_index,
    }


def _requests(region: Region, person: Person) -> Iterator[dict[str, object]]:
    mine = partial(region.requests.requests, person.company_id, _PAGE, person_id=person.person_id)
    for one in every(mine, attrgetter("request_id")):
        yield {
            "id": one.request_id,
            "right": one.right.value,
            "article": one.right.article,
            "state": one.state.value,
            "received_at": to_second(one.received_at),
            "due_at": to_second(one.due_at),
            "closed_at": None if one.closed_at is None else to_second(one.closed_at),
            "wishes": dict(one.details.wishes),
            "reason": one.details.reason,
            "outcome": one.details.outcome,
        }


def _add_template(region: Region, collection: Collection, template: KeptTemplate, made: _Package) -> None:
    face = template.face
    told: dict[str, object] = {
        "face_id": face.face_id,
        "model_id": face.model_id,
        "dimension": collection.dimension,
        "normalisation": "unit Euclidean length (L2)",
        "scheme": collection.scheme.value,
        "quality": face.quality,
        "enrolled_at": to_second(face.created_at),
        "values": None,
    }
    if template.payload is not None:
        told["protected"] = {
            "bytes": len(template.payload),
            "sha256": hashlib.sha256(template.payload).hexdigest(),
        }
    try:
        if face.key_id != collection.key_id:
            raise RequestInvalid("it was made under an earlier key of the collection, which is destroyed")
        (revealed,) = region.keys.reveal(face.key_id, [reference_of(region, collection, template)])
    except MorettaError as error:
        told["unavailable"] = error.detail
    else:
        vector = np.frombuffer(revealed, "<f4")
        told["values"] = [float(value) for value in vector]
        content = io.BytesIO()
        np.save(content, vector, allow_pickle=False)
        made.add(f"templates/{face.face_id}.npy", content.getvalue())
    made.add_json(f"templates/{face.face_id}.json", told)


def _add_photos(region: Region, key: SubjectKey, person: Person, made: _Package) -> None:
    written = set()
    for face in region.store.faces(person.company_id, person.person_id):
        if face.photo_id is not None and face.photo_id not in written:
            written.add(face.photo_id)
            try:
                made.add(f"photos/{face.face_id}.jpg", photos.opened(region, key, face))
            except NotFound:
                made.add_json(f"photos/{face.face_id}.json", {"unavailable": "the file is missing from its store"})
