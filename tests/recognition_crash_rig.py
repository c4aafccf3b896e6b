"""A service that dies in the middle of a change of people or templates: what it was doing, and the child that does it.

The database is real, photos and segments are files, and gallery keys are files of a folder that stands for the key holder.
Every id is made before, so that a run that ends well and one that dies can be compared row by row.
"""

import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import Engine

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.clock import to_second
from moretta.core.ledger import EntryKind, LogEntry
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection, IdKind, Person, PersonState, new_id
from moretta.core.recognition_store import NewFace, PackedSegment
from moretta.keys.envelope import Envelope
from moretta.keys.file import FileKeyService
from moretta.storage.blobs.folder import FolderBlobs
from moretta.storage.database import open_database
from moretta.storage.photos import Photos
from moretta.storage.recognition.store import SqlRecognitionStore
from tests.storage_rig import COMPANY, NOW, a_collection, a_key, a_person, a_segment, some_faces

KILLED = 9
PICTURE = b"a picture of a face " * 20


@dataclass(frozen=True)
class Scene:
    """What there is before, and the ids of what is to be."""

    collection: Collection
    shares: Collection
    person: Person
    other: Person
    new_person: Person
    faces: tuple[NewFace, ...]
    segment: PackedSegment
    new_segment: PackedSegment
    reissued_segment: PackedSegment
    new_collection: Collection
    import_id: str = field(default_factory=lambda: new_id(IdKind.IMPORT, "local"))
    new_key: str = field(default_factory=a_key)
    old_photo: str = field(default_factory=Photos.new_id)
    new_photo: str = field(default_factory=Photos.new_id)
    # What the transparency log is told of the change, in its transaction.
    told: tuple[LogEntry, ...] = (
        LogEntry(EntryKind.RECTIFIED, to_second(NOW), COMPANY, nonce=b"1" * 16),
        LogEntry(EntryKind.RESTRICTED, to_second(NOW), COMPANY, nonce=b"2" * 16),
    )


class Side:
    """One process's view: the database, and the folders beside it."""

    def __init__(self, where: Path | str, folder: Path, checkpoint: Checkpoint = no_checkpoint) -> None:
        self.engine: Engine = open_database(where)
        self.service = FileKeyService(folder / "master")
        self.cipher = Envelope(self.service)
        self.store = SqlRecognitionStore(self.engine, self.cipher, checkpoint, clock=lambda: NOW)
        self.blobs, self.segments = FolderBlobs(folder / "photos"), FolderBlobs(folder / "segments")
        self.keys = FolderBlobs(folder / "keys")
        self.photos = Photos(self.blobs, self.cipher)
        self.checkpoint = checkpoint

    def close(self) -> None:
        self.store.close()
        self.engine.dispose()

    def make_key(self, key_id: str) -> None:
        with self.store.keys_alone():
            self.keys.put(key_id, b"secret")
            self.checkpoint("key:made")
            self.store.announce_key(key_id)

    def keep_photo(self, person: Person, photo_id: str) -> bytes:
        """Announce and write; the wrapped key under which it is sealed."""
        self.store.announce_blob(photo_id)
        known = [one.person_id for one in self.store.persons(COMPANY, person.collection_id, 10)]
        key = (
            self.cipher.opened(person.person_id, self.store.subject_key(person.person_id))
            if person.person_id in known
            else self.cipher.new_key(person.person_id)
        )
        self.photos.put(key, photo_id, PICTURE)
        self.checkpoint("blob:written")
        return key.wrapped

    def keep_segment(self, segment: PackedSegment) -> None:
        self.store.announce_segment(segment.info.segment_id)
        self.segments.put(segment.info.segment_id, b"ciphertext")
        self.checkpoint("segment:written")

    def recover(self) -> None:
        """What a service does when it starts: delete whatever is left over."""
        with self.store.keys_alone():
            left = self.store.unfinished()
            for key_id in {*left.keys, *(set(self.keys.ids()) - self.store.known_keys())}:
                self.keys.delete(key_id)
        for blob_id in left.blobs:
            self.blobs.delete(blob_id)
        for segment_id in left.segments:
            self.segments.delete(segment_id)
        self.checkpoint("left-over:deleted")
        self.store.gone(left)


def set_up(where: Path | str, folder: Path) -> Scene:
    """Two people with faces, photo, segment, and an import under way; and a collection of shares."""
    side = Side(where, folder)
    collection, shares = a_collection(), a_collection(Scheme.SHARES)
    for one in (collection, shares):
        side.make_key(one.key_id)
        side.store.create_collection(one, entries=[LogEntry(EntryKind.COLLECTION_CHANGED, to_second(NOW), COMPANY)])
    person, other = a_person(collection), a_person(collection, "Otto")
    old_photo = Photos.new_id()
    wrapped = side.keep_photo(person, old_photo)
    mine = side.store.enrol(collection, person, some_faces(3, photo_id=old_photo), wrapped_key=wrapped)
    theirs = side.store.enrol(collection, other, some_faces(2))
    side.store.enrol(shares, a_person(shares), some_faces(2))
    rows = [mine[0].row, theirs[0].row]
    new_key = a_key()
    scene = Scene(
        collection=collection,
        shares=shares,
        person=person,
        other=other,
        new_person=a_person(collection, "Neu"),
        faces=tuple(some_faces(2)),
        segment=a_segment(rows, collection.key_id),
        new_segment=a_segment([*rows, mine[1].row], collection.key_id),
        reissued_segment=a_segment(rows, new_key),
        new_collection=a_collection(),
        new_key=new_key,
        old_photo=old_photo,
    )
    side.keep_segment(scene.segment)
    side.store.publish_segments(collection, [scene.segment], [])
    side.store.create_import(scene.import_id, collection.collection_id, COMPANY)
    side.store.delete_face(COMPANY, theirs[1].face_id)
    side.service.rotate()
    side.close()
    return scene


Operation = Callable[[Side, Scene], object]


def _enrol(side: Side, scene: Scene) -> None:
    wrapped = side.keep_photo(scene.new_person, scene.new_photo)
    faces = [replace(face, photo_id=scene.new_photo) for face in scene.faces]
    side.store.enrol(scene.collection, scene.new_person, faces, wrapped_key=wrapped, entries=scene.told)


def _replace(side: Side, scene: Scene) -> None:
    old = [face.face_id for face in side.store.faces(COMPANY, scene.person.person_id)]
    side.keep_photo(scene.person, scene.new_photo)
    faces = [replace(face, photo_id=scene.new_photo) for face in scene.faces]
    side.store.enrol(scene.collection, scene.person, faces, replaces=old, entries=scene.told)


def _import(side: Side, scene: Scene) -> None:
    item = (scene.import_id, "item1")
    side.store.enrol(scene.collection, scene.new_person, scene.faces, import_item=item, entries=scene.told)


def _publish(side: Side, scene: Scene) -> None:
    side.keep_segment(scene.new_segment)
    side.store.publish_segments(scene.collection, [scene.new_segment], [scene.segment.info.segment_id])


def _reissue(side: Side, scene: Scene) -> None:
    now = side.store.collection(COMPANY, scene.collection.collection_id)
    side.make_key(scene.new_key)
    side.keep_segment(scene.reissued_segment)
    payloads = [(row, bytes(reversed(payload))) for row, payload in side.store.unpacked(now.collection_id, 10)]
    side.store.reissue(now, scene.new_key, payloads, [scene.reissued_segment], entries=scene.told)


def _create(side: Side, scene: Scene) -> None:
    side.make_key(scene.new_collection.key_id)
    side.store.create_collection(scene.new_collection, entries=scene.told)


def _rewrap(side: Side, _: Scene) -> None:
    keys = side.store.wrapped_keys(10)
    side.store.rewrap([(who, old, side.cipher.rewrapped(who, old) or old) for who, old in keys])


def _delete_face(side: Side, scene: Scene) -> None:
    face_id = side.store.faces(COMPANY, scene.person.person_id)[0].face_id
    side.store.delete_face(COMPANY, face_id, entries=scene.told)


# Each by the name of the write that makes the change.
OPERATIONS: dict[str, tuple[str, Operation]] = {
    "enrol": ("enrol", _enrol),
    "replace": ("enrol", _replace),
    "import": ("enrol", _import),
    "import-failed": (
        "import-failed",
        lambda side, scene: side.store.import_failed(scene.import_id, "item1", "face.not_found"),
    ),
    "create-collection": ("create-collection", _create),
    "update-collection": (
        "update-collection",
        lambda side, scene: side.store.update_collection(
            replace(scene.collection, name="visitors"), entries=scene.told
        ),
    ),
    "update-person": (
        "update-person",
        lambda side, scene: side.store.update_person(
            replace(scene.person, state=PersonState.RESTRICTED), entries=scene.told
        ),
    ),
    "delete-face": ("delete-face", _delete_face),
    "delete-person": (
        "delete-person",
        lambda side, scene: side.store.delete_person(COMPANY, scene.person.person_id, entries=scene.told),
    ),
    "delete-collection": (
        "delete-collection",
        lambda side, scene: side.store.delete_collection(COMPANY, scene.collection.collection_id, entries=scene.told),
    ),
    "publish-segments": ("publish-segments", _publish),
    "reissue": ("reissue", _reissue),
    "settle": ("settle", lambda side, scene: side.store.settle(scene.shares.collection_id, 1)),
    "rewrap": ("rewrap", _rewrap),
}


def operate(where: Path | str, folder: Path, scene: Scene, operation: str, checkpoint: Checkpoint) -> None:
    """Do it, in this process."""
    side = Side(where, folder, checkpoint)
    OPERATIONS[operation][1](side, scene)
    side.close()


def operate_and_die(
    where: Path | str, folder: Path, scene: Scene, operation: str, step: str, nth: int, how: str
) -> None:
    """A child's whole life: it is killed the `nth` time that it comes to `step`."""
    seen: Counter[str] = Counter()

    def checkpoint(reached: str) -> None:
        seen[reached] += 1
        if reached == step and seen[step] == nth:
            if how == "SIGKILL":
                os.kill(os.getpid(), signal.SIGKILL)
            os._exit(KILLED)

    operate(where, folder, scene, operation, checkpoint)


def recover_and_die(where: Path | str, folder: Path, step: str) -> None:
    """Another child's: it dies while it clears up after the first."""

    def checkpoint(reached: str) -> None:
        if reached == step:
            os.kill(os.getpid(), signal.SIGKILL)

    side = Side(where, folder, checkpoint)
    side.recover()
    side.close()


def copy_folder(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to
