"""Importing many photos, and exporting a collection."""

import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.recognition_rig import COMPANY, Place, opened, photo

from moretta.core.errors import MediaTooLarge, NotFound, PurposeMismatch, StorageUnusable
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection, StoreWish
from moretta.use_cases.recognition import ImportItem, ImportProgress


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with opened(tmp_path / "place") as found:
        yield found


@pytest.fixture
def people(place: Place) -> Collection:
    return place.recognition.create_collection(COMPANY, "people", "access", scheme=Scheme.ROTATED)


def _item(key: str, content: bytes, person: str | None = None, name: str = "") -> ImportItem:
    def open_it() -> int:
        made = os.memfd_create("item")
        os.write(made, content)
        return made

    return ImportItem(key, open_it, name or key, person_key=person, source="photos taken at the desk")


def _folder() -> list[ImportItem]:
    return [
        _item("anna/1.jpg", photo("anna/1"), "anna"),
        _item("anna/2.jpg", photo("anna/2"), "anna"),
        _item("ben/1.jpg", photo("ben/1"), "ben"),
        _item("ben/blurred.jpg", photo("ben/2/10"), "ben"),
        _item("notes.txt", b"no picture"),
    ]


def test_a_folder_becomes_persons_and_failures_say_why(place: Place, people: Collection) -> None:
    told: list[ImportProgress] = []
    report = place.recognition.import_items(
        COMPANY, people.collection_id, None, _folder(), on_progress=told.append, purpose="access"
    )
    assert (report.enrolled, report.persons, report.skipped, report.duplicates) == (3, 2, 0, 0)
    assert [(failure.key, failure.code) for failure in report.failures] == [
        ("ben/blurred.jpg", "quality.too_low"),
        ("notes.txt", "image.unreadable"),
    ]
    assert [(one.done, one.enrolled, one.failed, one.skipped) for one in told][-1] == (5, 3, 2, 0)
    assert len(told) == 5
    counts = sorted(person.faces for person in place.recognition.persons(COMPANY, people.collection_id))
    assert counts == [1, 2]


def test_an_import_run_again_enrols_nobody_twice_and_tries_failures_again(place: Place, people: Collection) -> None:
    first = place.recognition.import_items(COMPANY, people.collection_id, None, _folder())
    mended = [*_folder()[:3], _item("ben/blurred.jpg", photo("ben/2/90"), "ben"), _folder()[4]]
    second = place.recognition.import_items(COMPANY, people.collection_id, first.import_id, mended)
    assert (second.enrolled, second.skipped, len(second.failures)) == (1, 3, 1)
    assert second.import_id == first.import_id
    persons = place.recognition.persons(COMPANY, people.collection_id)
    assert sorted(person.faces for person in persons) == [2, 2], "the mended photo went to the person known before"


def test_an_import_that_is_stopped_keeps_what_it_did(place: Place, people: Collection) -> None:
    def stop(progress: ImportProgress) -> None:
        if progress.done == 2:
            raise StorageUnusable("made up")

    import_id = "imp_local_00112233445566778899aabb"
    with pytest.raises(StorageUnusable):
        place.recognition.import_items(COMPANY, people.collection_id, import_id, _folder(), on_progress=stop)
    assert [person.faces for person in place.recognition.persons(COMPANY, people.collection_id)] == [2]
    report = place.recognition.import_items(COMPANY, people.collection_id, import_id, _folder())
    assert (report.enrolled, report.skipped) == (1, 2)


def test_an_erased_person_is_not_enrolled_again_by_going_on(place: Place, people: Collection) -> None:
    first = place.recognition.import_items(COMPANY, people.collection_id, None, _folder()[:3])
    found = place.found(people.collection_id, "anna/9")[0][0]
    place.recognition.delete_person(COMPANY, found)
    more = [*_folder()[:3], _item("anna/3.jpg", photo("anna/3"), "anna")]
    report = place.recognition.import_items(COMPANY, people.collection_id, first.import_id, more)
    assert (report.enrolled, report.skipped) == (0, 3)
    assert [(failure.key, failure.code) for failure in report.failures] == [("anna/3.jpg", "person.erased")]
    assert place.found(people.collection_id, "anna/9") == [[]]


def test_a_photo_that_cannot_be_opened_is_a_failure_of_its_own(place: Place, people: Collection) -> None:
    def too_large() -> int:
        raise MediaTooLarge("expected less")

    items = [ImportItem("huge.jpg", too_large), _item("anna.jpg", photo("anna/1"))]
    report = place.recognition.import_items(COMPANY, people.collection_id, None, items)
    assert (report.enrolled, [failure.code for failure in report.failures]) == (1, ["media.too_large"])


def test_duplicates_are_counted_and_refused_on_demand(place: Place, people: Collection) -> None:
    items = [_item("one.jpg", photo("anna/1")), _item("two.jpg", photo("anna/2"))]
    assert place.recognition.import_items(COMPANY, people.collection_id, None, items).duplicates == 1
    again = place.recognition.import_items(COMPANY, people.collection_id, None, items, refuse_duplicates=True)
    assert [failure.code for failure in again.failures] == ["face.duplicate", "face.duplicate"]


def test_another_collections_import_or_purpose_is_refused(place: Place, people: Collection) -> None:
    other = place.recognition.create_collection(COMPANY, "others", "access", scheme=Scheme.PLAIN)
    first = place.recognition.import_items(COMPANY, people.collection_id, None, [])
    run = place.recognition.import_items
    with pytest.raises(NotFound):
        run(COMPANY, other.collection_id, first.import_id, _folder())
    with pytest.raises(NotFound):
        run(COMPANY, people.collection_id, first.import_id.replace("local", "mars"), _folder())
    with pytest.raises(PurposeMismatch):
        run(COMPANY, people.collection_id, None, _folder(), purpose="marketing")


def test_no_name_of_a_file_is_stored(place: Place, people: Collection) -> None:
    place.recognition.import_items(
        COMPANY, people.collection_id, None, [_item("very-private-name.jpg", photo("anna/1"))]
    )
    contents = [path.read_bytes() for path in place.root.rglob("*") if path.is_file()]
    assert not any(b"very-private" in content for content in contents)


def test_an_export_holds_people_and_photos_and_no_template(place: Place, people: Collection) -> None:
    anna = place.enrolled(people.collection_id, "anna", "anna/1", "anna/2", store=StoreWish.PHOTO)
    ben = place.enrolled(people.collection_id, "ben")
    sink = io.BytesIO()
    assert place.recognition.export(COMPANY, people.collection_id, sink) == 2
    with zipfile.ZipFile(sink) as archive:
        head = json.loads(archive.read("collection.json"))
        persons = [json.loads(line) for line in archive.read("persons.jsonl").splitlines()]
        faces = [json.loads(line) for line in archive.read("faces.jsonl").splitlines()]
        photos = {face["photo"]: archive.read(face["photo"]) for face in faces if face["photo"]}
        names = set(archive.namelist())
    assert (head["name"], head["purpose"], head["model_id"]) == ("people", "access", people.model_id)
    assert {(person["person_id"], person["name"]) for person in persons} == {
        (anna.person_id, "anna"),
        (ben.person_id, "ben"),
    }
    assert sorted(photos.values()) == [b"\xff\xd8\xffpicture\nanna/1", b"\xff\xd8\xffpicture\nanna/2"]
    assert names == {"collection.json", "persons.jsonl", "faces.jsonl", *photos}
    assert all(set(face) == {"face_id", "person_id", "quality", "created_at", "photo"} for face in faces)
