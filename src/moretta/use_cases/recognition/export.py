"""Export: a collection's persons, faces' records and stored photos as a ZIP. Templates stay: they serve nobody elsewhere.

Belongs here: the archive's form. Does not belong here: signatures, and a single person's right of access.

    collection.json   name, purpose, model, settings
    persons.jsonl     one person a line: id, name, attributes, state, when enrolled
    faces.jsonl       one face a line: id, person, quality, when enrolled, the name of its photo in this archive
    photos/*.jpg      where the policy lets photos out under the collection's purpose
"""

import json
import zipfile
from collections.abc import Iterator, Mapping
from functools import partial
from operator import attrgetter
from typing import BinaryIO

from moretta.core.clock import to_second
from moretta.core.paging import every
from moretta.core.policy import Action, Output
from moretta.core.recognition import Collection, FaceRecord, Person
from moretta.use_cases.recognition import acts, photos
from moretta.use_cases.recognition.means import Means, Region

_PAGE = 200


def export(means: Means, company_id: str, collection_id: str, sink: BinaryIO) -> int:
    """See `Recognition.export`."""
    region, collection = means.opened(company_id, collection_id)
    allowed = means.guard.on(collection, Action.EXPORT)
    with_photos = allowed.purpose is not None and Output.PHOTO in allowed.purpose.outputs
    # Before a byte is handed out: an export that is cut off was one as well.
    region.log.append([acts.exported(means.clock, collection)])
    faces: list[FaceRecord] = []
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("collection.json", _line(_collection(collection)))
        count = 0
        with archive.open("persons.jsonl", "w") as lines:
            for person in _persons(region, collection):
                lines.write(_line(_person(person)))
                faces += region.store.faces(company_id, person.person_id)
                count += 1
        with archive.open("faces.jsonl", "w") as lines:
            for face in faces:
                lines.write(_line(_face(face, with_photos)))
        for face in faces if with_photos else ():
            _add_photo(region, archive, face)
    return count


def _add_photo(region: Region, archive: zipfile.ZipFile, face: FaceRecord) -> None:
    name = _photo_name(face)
    if name is None or name in archive.NameToInfo:
        return
    key = region.cipher.opened(face.person_id, region.store.subject_key(face.person_id))
    # JPEG does not get smaller.
    archive.writestr(name, photos.opened(region, key, face), zipfile.ZIP_STORED)


def _persons(region: Region, collection: Collection) -> Iterator[Person]:
    page = partial(region.store.persons, collection.company_id, collection.collection_id, _PAGE)
    return every(page, attrgetter("person_id"))


def _collection(collection: Collection) -> dict[str, object]:
    return {
        "collection_id": collection.collection_id,
        "name": collection.name,
        "purpose": collection.purpose,
        "model_id": collection.model_id,
        "scheme": collection.scheme,
        "home": collection.home,
        "replicas": sorted(collection.replicas),
        "created_at": to_second(collection.created_at),
        "retention_days": collection.retention_days,
        "min_quality": collection.min_quality,
    }


def _person(person: Person) -> dict[str, object]:
    return {
        "person_id": person.person_id,
        "name": person.name,
        "attributes": dict(person.attributes),
        "state": person.state,
        "created_at": to_second(person.created_at),
    }


def _face(face: FaceRecord, with_photo: bool) -> dict[str, object]:
    return {
        "face_id": face.face_id,
        "person_id": face.person_id,
        "quality": round(face.quality, 1),
        "created_at": to_second(face.created_at),
        "photo": _photo_name(face) if with_photo else None,
    }


def _photo_name(face: FaceRecord) -> str | None:
    return None if face.photo_id is None else f"photos/{face.photo_id}.jpg"


def _line(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
