"""Many callers at once, in one process and in several: nobody is lost, doubled, or found after they were erased."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.recognition_rig import COMPANY, opened

from moretta.core.errors import NodeUnavailable
from moretta.core.protection import Scheme
from moretta.core.recognition import StoreWish
from moretta.core.recognition_store import Unfinished


def test_enrolling_erasing_packing_and_searching_go_on_together(tmp_path: Path) -> None:
    with opened(tmp_path / "place") as place:
        made = place.recognition.create_collection(COMPANY, "people", "access", scheme=Scheme.HE)
        collection_id = made.collection_id
        kept = place.enrolled(collection_id, "kept")
        done = threading.Event()

        def come_and_go(name: str) -> str:
            stays = place.enrolled(collection_id, f"{name} stays", store=StoreWish.PHOTO)
            goes = place.enrolled(collection_id, f"{name} goes", store=StoreWish.PHOTO)
            place.recognition.delete_person(COMPANY, goes.person_id)
            assert place.found(collection_id, f"{name} goes/2") == [[]]
            return stays.person_id

        def pack() -> None:
            while not done.is_set():
                place.recognition.repack(COMPANY, collection_id)
                assert place.found(collection_id, "kept/5") == [[kept.person_id]]

        with ThreadPoolExecutor(5) as pool:
            packer = pool.submit(pack)
            staying = list(pool.map(come_and_go, [f"person {number}" for number in range(12)]))
            done.set()
            packer.result()
        place.recognition.repack(COMPANY, collection_id)
        listed = place.recognition.persons(COMPANY, collection_id, 100)
        assert {person.person_id for person in listed} == {kept.person_id, *staying}
        rows = [row for segment in place.region.store.segments(collection_id) for row in segment.rows.tolist()]
        assert len(rows) == len(set(rows)) == 13
        assert len(list(place.region.photos.ids())) == 12
        assert place.region.store.unfinished() == Unfinished()


def test_two_processes_beside_each_other_see_one_gallery(tmp_path: Path) -> None:
    with opened(tmp_path / "place") as one, opened(tmp_path / "place") as other:
        made = one.recognition.create_collection(COMPANY, "people", "access", scheme=Scheme.HE)
        anna = one.enrolled(made.collection_id, "anna")
        ben = other.enrolled(made.collection_id, "ben")
        for place in (one, other):
            assert place.found(made.collection_id, "anna/2", "ben/2") == [[anna.person_id], [ben.person_id]]
        one.recognition.repack(COMPANY, made.collection_id)
        other.recognition.delete_person(COMPANY, anna.person_id)
        renewed = one.recognition.reissue(COMPANY, made.collection_id)
        for place in (one, other):
            assert place.found(made.collection_id, "anna/2", "ben/2") == [[], [ben.person_id]]
        assert list(other.region.keys.keys()) == [renewed.key_id]
        # What one is about to write is no leftover for the other.
        other.recognition.recover()
        one.region.store.announce_blob("f" * 32)
        other.recognition.recover()
        one.region.photos.put("f" * 32, b"under way")
        assert other.region.store.unfinished() == Unfinished()


def test_what_fails_after_an_enrolment_is_committed_does_not_undo_it(tmp_path: Path) -> None:
    failing = False

    def fail(step: str) -> None:
        if failing and step == "segment:announced":
            raise NodeUnavailable("made up")

    with opened(tmp_path / "place", checkpoint=fail) as place:
        made = place.recognition.create_collection(COMPANY, "people", "access", scheme=Scheme.HE)
        anna = place.enrolled(made.collection_id, "anna", "anna/1", "anna/2")
        place.recognition.repack(COMPANY, made.collection_id)
        failing = True
        new = place.recognition.add_faces(COMPANY, anna.person_id, [place.fd("anna/3")], replace=anna.face.face_id)[0]
        assert {face.face_id for face in place.recognition.faces(COMPANY, anna.person_id)} >= {new.face.face_id}  # type: ignore[union-attr]
        failing = False
        place.recognition.recover()
        (segment,) = place.region.store.segments(made.collection_id)
        assert anna.face.row not in segment.rows.tolist(), "the next start takes the replaced face out"


def test_an_erasure_whose_rewriting_fails_is_an_error_that_a_start_mends(tmp_path: Path) -> None:
    failing = False

    def fail(step: str) -> None:
        if failing and step == "segment:announced":
            raise NodeUnavailable("made up")

    with opened(tmp_path / "place", checkpoint=fail) as place:
        made = place.recognition.create_collection(COMPANY, "people", "access", scheme=Scheme.HE)
        anna, ben = place.enrolled(made.collection_id, "anna"), place.enrolled(made.collection_id, "ben")
        place.recognition.repack(COMPANY, made.collection_id)
        failing = True
        with pytest.raises(NodeUnavailable):
            place.recognition.delete_person(COMPANY, anna.person_id)
        assert place.found(made.collection_id, "anna/2") == [[]]
        failing = False
        place.recognition.recover()
        (segment,) = place.region.store.segments(made.collection_id)
        assert segment.rows.tolist() == [ben.face.row]


def test_a_packed_segment_that_is_committed_survives_an_error_right_after_the_commit(tmp_path: Path) -> None:
    failing = False

    def fail(step: str) -> None:
        if failing and step == "publish-segments:after-commit":
            raise KeyboardInterrupt

    with opened(tmp_path / "place", checkpoint=fail) as place:
        made = place.recognition.create_collection(COMPANY, "people", "access", scheme=Scheme.HE)
        anna = place.enrolled(made.collection_id, "anna")
        failing = True
        with pytest.raises(KeyboardInterrupt):
            place.recognition.repack(COMPANY, made.collection_id)
        failing = False
        assert place.region.store.unpacked_count(made.collection_id) == 0, "it was committed"
        place.recognition.recover()
        assert place.found(made.collection_id, "anna/2") == [[anna.person_id]]
