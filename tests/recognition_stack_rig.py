"""Recognition in a process of its own that is killed at the n-th step, and what may be left afterwards."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from moretta.core.errors import NotFound
from moretta.core.protection import Scheme
from moretta.core.recognition import PersonState, StoreWish
from moretta.core.recognition_store import Unfinished
from moretta.use_cases.recognition import ImportItem
from moretta.use_cases.recognition.results import ImportReport
from moretta.wiring.rights import rights_over
from tests.recognition_rig import COMPANY, Place, opened

KILLED = 137
NEVER = 10**6
PEOPLE = ("anna", "ben", "cleo", "gwen")
NEWCOMERS = ("dora", "emil", "finn")
IMPORT = "imp_local_0123456789abcdef01234567"

Known = dict[str, str]
"""The ids that an operation needs, by name."""


@dataclass(frozen=True)
class State:
    """What can be seen of a collection from outside, without ids."""

    exists: bool
    model_id: str = ""
    people: tuple[tuple[str, str, int, tuple[bytes, ...]], ...] = ()
    found: tuple[tuple[str, ...], ...] = ()


def prepared(root: Path, scheme: Scheme) -> Known:
    """A collection of four people.

    Anna and cleo have a stored photo, ben two faces; they are packed where the scheme packs. Gwen is not.
    """
    with opened(root) as place:
        made = place.recognition.create_collection(COMPANY, "people", "access", scheme=scheme)
        collection_id = made.collection_id
        anna = place.enrolled(collection_id, "anna", "anna/1", store=StoreWish.PHOTO)
        ben = place.enrolled(collection_id, "ben", "ben/1", "ben/2")
        place.enrolled(collection_id, "cleo", "cleo/1", store=StoreWish.PHOTO)
        place.recognition.repack(COMPANY, collection_id)
        # Not packed: so that there is both.
        place.enrolled(collection_id, "gwen", "gwen/1")
        return {
            "collection": collection_id,
            "anna": anna.person_id,
            "anna's face": anna.face.face_id,
            "ben": ben.person_id,
            "ben's face": ben.face.face_id,
        }


def _enrol(place: Place, known: Known) -> None:
    fds = [place.fd("dora/1"), place.fd("dora/2")]
    place.recognition.enrol(COMPANY, known["collection"], fds, name="dora", store=StoreWish.PHOTO)


def _replace(place: Place, known: Known) -> None:
    fds = [place.fd("anna/7")]
    place.recognition.add_faces(COMPANY, known["anna"], fds, store=StoreWish.PHOTO, replace=known["anna's face"])


def _restrict(place: Place, known: Known) -> None:
    place.recognition.update_person(COMPANY, known["anna"], state=PersonState.RESTRICTED)


def _import(place: Place, known: Known) -> None:
    imported(place, known)


def imported(place: Place, known: Known) -> ImportReport:
    """Three newcomers, one of them with two photos."""
    photos = ("dora/1", "dora/2", "emil/1", "finn/1")
    items = [_item(place, entry) for entry in photos]
    return place.recognition.import_items(COMPANY, known["collection"], IMPORT, items, store=StoreWish.PHOTO)


def _item(place: Place, entry: str) -> ImportItem:
    name = entry.partition("/")[0]
    # The import closes what it is given.
    return ImportItem(entry, lambda: os.dup(place.fd(entry)), name, person_key=name, source="the desk")


OPERATIONS: dict[str, Callable[[Place, Known], object]] = {
    "create": lambda place, _: place.recognition.create_collection(COMPANY, "more", "access", scheme=Scheme.HE),
    "enrol": _enrol,
    "replace": _replace,
    "restrict": _restrict,
    "delete person": lambda place, known: place.recognition.delete_person(COMPANY, known["ben"]),
    "delete face": lambda place, known: place.recognition.delete_face(COMPANY, known["ben's face"]),
    "delete collection": lambda place, known: rights_over(place.means).delete_collection(COMPANY, known["collection"]),
    "reissue": lambda place, known: place.recognition.reissue(COMPANY, known["collection"]),
    "reenrol": lambda place, known: place.recognition.reenrol(COMPANY, known["collection"], model="second"),
    "repack": lambda place, known: place.recognition.repack(COMPANY, known["collection"]),
    "import": _import,
    "recover": lambda place, _: started(place),
}


def started(place: Place) -> None:
    """What a service does at its start: end what a dead process left."""
    place.recognition.recover()
    rights_over(place.means).finish_erasures()


def run(root: Path, operation: str, known: Known, step: int) -> None:
    """Do the operation and die at its n-th step, in a process of its own."""
    passed = 0

    def checkpoint(_: str) -> None:
        nonlocal passed
        passed += 1
        if passed == step:
            os._exit(KILLED)

    with opened(root, checkpoint=checkpoint) as place:
        passed = 0
        OPERATIONS[operation](place, known)


def copied(root: Path, target: Path) -> Path:
    """A fresh copy of everything."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(root, target)
    return target


def state(place: Place, known: Known) -> State:
    """The collection as it stands, found anew."""
    recognition = place.recognition
    try:
        collection = recognition.collection(COMPANY, known["collection"])
    except NotFound:
        return State(exists=False)
    names: dict[str, str] = {}
    people = []
    for person in recognition.persons(COMPANY, collection.collection_id):
        names[person.person_id] = person.name
        photos = []
        for face in recognition.faces(COMPANY, person.person_id):
            if face.photo_id is not None:
                photos.append(recognition.photo(COMPANY, person.person_id, face.face_id).content)
        people.append((person.name, str(person.state), person.faces, tuple(sorted(photos))))
    probes = [f"{name}/9" for name in (*PEOPLE, *NEWCOMERS)]
    found = place.found(collection.collection_id, *probes)
    matched = tuple(tuple(names[person_id] for person_id in entry) for entry in found)
    return State(True, collection.model_id, tuple(sorted(people)), matched)


def leftovers(place: Place) -> list[str]:
    """Everything outside of the database that it does not name, and rows of nobody inside of it."""
    region, problems = place.region, []
    if region.store.unfinished() != Unfinished():
        problems.append("unfinished")
    collections = region.store.collections(None, 100)
    segments = {one.segment_id for c in collections for one in region.store.segments(c.collection_id)}
    if set(region.segments.ids()) != segments:
        problems.append("segments")
    if set(region.keys.keys()) != {c.key_id for c in collections}:
        problems.append("gallery keys")
    with sqlite3.connect(place.root / "moretta.db") as database:
        photos = {row[0] for row in database.execute("SELECT photo_id FROM faces WHERE photo_id IS NOT NULL")}
        persons = {row[0] for row in database.execute("SELECT person_id FROM persons WHERE profile IS NOT NULL")}
        keys = {row[0] for row in database.execute("SELECT person_id FROM subject_keys")}
        owners = {row[0] for row in database.execute("SELECT person_id FROM faces")}
    database.close()
    if set(region.photos.ids()) != photos:
        problems.append("photos")
    if persons != keys:
        problems.append("data keys")
    if not owners <= keys:
        problems.append("faces of nobody")
    if any(path.name.startswith(".new-") or path.suffix == ".part" for path in place.root.rglob("*")):
        problems.append("half-written files")
    return problems
