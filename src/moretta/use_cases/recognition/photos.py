"""Photos that are kept: encrypted under their subject's own key, and given back.

Belongs here: sealing, storing and opening one photo. Does not belong here: who may see it, and signed addresses (a door's).
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from moretta.core.errors import NotFound
from moretta.core.key_service import Place, SubjectKey
from moretta.core.policy import Action
from moretta.core.recognition import FaceRecord, IdKind
from moretta.use_cases.recognition import acts
from moretta.use_cases.recognition.leftovers import Made
from moretta.use_cases.recognition.means import Means, Region
from moretta.use_cases.recognition.results import PhotoOfPerson


def of_person(means: Means, company_id: str, person_id: str, face_id: str | None) -> PhotoOfPerson:
    """See `Recognition.photo`."""
    region = means.home(person_id, IdKind.PERSON)
    person = region.store.person(company_id, person_id)
    means.guard.on(region.store.collection(company_id, person.collection_id), Action.PHOTO)
    faces = [face for face in region.store.faces(company_id, person_id) if face_id in (None, face.face_id)]
    stored = [face for face in faces if face.photo_id is not None]
    if not stored:
        raise NotFound("no photo of this person is stored; photos are kept only where `store=photo` was asked for")
    key = region.cipher.opened(person.person_id, region.store.subject_key(person_id))
    content = opened(region, key, stored[-1])
    region.log.append([acts.photo_viewed(means.clock, person, key)])
    return PhotoOfPerson(content, stored[-1].created_at)


def keep(means: Means, region: Region, key: SubjectKey, content: bytes, made: Made) -> str:
    """Seal and store a photo under a new id, which is announced and noted in `made` before."""
    blob_id = secrets.token_hex(16)
    made.blobs.append(blob_id)
    region.store.announce_blob(blob_id)
    means.checkpoint("photo:announced")
    region.photos.put(blob_id, region.cipher.seal(key, _place(blob_id), content))
    means.checkpoint("photo:put")
    return blob_id


def opened(region: Region, key: SubjectKey, face: FaceRecord) -> bytes:
    """The photo stored with a face. Raises `NotFound` where it has none."""
    if face.photo_id is None:
        raise NotFound("no photo of this face is stored")
    return region.cipher.open(key, _place(face.photo_id), region.photos.get(face.photo_id))


@contextmanager
def in_memory(content: bytes) -> Iterator[int]:
    """A descriptor of an anonymous memory file that holds `content`, closed at the end."""
    media_fd = os.memfd_create("photo", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(media_fd, view) :]
        yield media_fd
    finally:
        os.close(media_fd)


def _place(blob_id: str) -> Place:
    return Place("photos", blob_id, "content")
