"""Collections from their making to their end: settings, erasing, packing, new keys, new models, recovery."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from tests.recognition_rig import CARD, COMPANY, OTHER_COMPANY, SECOND, Place, opened

from moretta.core.errors import (
    Conflict,
    KeyDestroyed,
    ModelMismatch,
    NotFound,
    PersonErased,
    RegionRefused,
    RequestInvalid,
)
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection, CollectionState, StoreWish, Thresholds
from moretta.core.recognition_store import Unfinished
from moretta.use_cases.recognition import packing
from moretta.wiring.rights import rights_over

RENEWABLE = [Scheme.PLAIN, Scheme.ROTATED, Scheme.HE]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with opened(tmp_path / "place") as found:
        yield found


def _collection(place: Place, scheme: Scheme = Scheme.HE) -> Collection:
    return place.recognition.create_collection(COMPANY, "people", "access", scheme=scheme)


def test_a_collection_starts_with_the_thresholds_of_its_models_card(place: Place) -> None:
    made = _collection(place)
    assert (made.scheme, made.home, made.replicas, made.state) == (
        Scheme.HE,
        "local",
        frozenset(),
        CollectionState.ACTIVE,
    )
    assert made.thresholds == Thresholds(0.5, 0.5, 1e-4, "default")
    assert made.min_quality == 40.0
    assert place.recognition.collection(COMPANY, made.collection_id) == made
    with pytest.raises(NotFound):
        place.recognition.collection(OTHER_COMPANY, made.collection_id)


def test_a_model_without_known_thresholds_needs_them(place: Place) -> None:
    create = place.recognition.create_collection
    with pytest.raises(RequestInvalid, match="calibrate"):
        create(COMPANY, "people", "access", model="unknown")
    given = Thresholds(0.4, 0.5, 1e-4, "calibrated")
    assert create(COMPANY, "people", "access", model="unknown", thresholds=given).thresholds == given


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"purpose": ""},
        {"min_quality": 101.0},
        {"retention_days": 0},
        {"model": "nobody's"},
        {"thresholds": Thresholds(0.1, 0.5, 1e-4)},
        {"thresholds": Thresholds(0.5, 1.5, 1e-4)},
        {"thresholds": Thresholds(0.5, 0.5, 0.0)},
    ],
    ids=str,
)
def test_a_collection_with_odd_settings_is_refused_and_leaves_no_key(place: Place, wrong: dict[str, object]) -> None:
    wishes: dict[str, object] = {"name": "people", "purpose": "access"} | wrong
    name, purpose = str(wishes.pop("name")), str(wishes.pop("purpose"))
    with pytest.raises(RequestInvalid):
        place.recognition.create_collection(COMPANY, name, purpose, **wishes)  # type: ignore[arg-type]
    assert list(place.region.keys.keys()) == []


def test_a_region_that_is_not_here_is_refused(place: Place) -> None:
    with pytest.raises(RegionRefused):
        place.recognition.create_collection(COMPANY, "people", "access", region="mars")
    with pytest.raises(RegionRefused):
        place.recognition.create_collection(COMPANY, "people", "access", replicas=["mars"])
    made = _collection(place)
    with pytest.raises(RegionRefused):
        place.recognition.update_collection(COMPANY, made.collection_id, replicas=["mars"])
    with pytest.raises(NotFound):
        place.recognition.collection(COMPANY, made.collection_id.replace("local", "mars"))


def test_collections_are_listed_page_by_page(place: Place) -> None:
    made = sorted(_collection(place, Scheme.PLAIN).collection_id for _ in range(5))
    first = place.recognition.collections(COMPANY, 3)
    rest = place.recognition.collections(COMPANY, 3, first[-1].collection_id)
    assert [one.collection_id for one in (*first, *rest)] == made
    assert place.recognition.collections(OTHER_COMPANY) == []
    with pytest.raises(RequestInvalid):
        place.recognition.collections(COMPANY, 0)


def test_what_is_not_named_stays_as_it_is(place: Place) -> None:
    made = place.recognition.create_collection(COMPANY, "people", "access", scheme=Scheme.PLAIN, retention_days=30)
    changed = place.recognition.update_collection(COMPANY, made.collection_id, name="staff", min_quality=60.0)
    assert (changed.name, changed.min_quality, changed.purpose, changed.retention_days) == ("staff", 60.0, "access", 30)
    assert place.recognition.update_collection(COMPANY, made.collection_id, retention_days=None).retention_days is None
    with pytest.raises(RequestInvalid, match="floor"):
        place.recognition.update_collection(COMPANY, made.collection_id, thresholds=Thresholds(0.2, 0.5, 1e-2))


def test_a_deleted_collection_leaves_nothing_that_opens(place: Place) -> None:
    made = _collection(place)
    anna = place.enrolled(made.collection_id, "anna", store=StoreWish.PHOTO)
    place.recognition.repack(COMPANY, made.collection_id)
    rights_over(place.means).delete_collection(COMPANY, made.collection_id)
    with pytest.raises(NotFound):
        place.recognition.collection(COMPANY, made.collection_id)
    with pytest.raises((NotFound, PersonErased)):
        place.recognition.person(COMPANY, anna.person_id)
    with pytest.raises(KeyDestroyed):
        place.region.keys.terms(made.key_id)
    assert [list(blobs.ids()) for blobs in (place.region.photos, place.region.segments)] == [[], []]
    assert place.region.store.unfinished() == Unfinished()


@pytest.mark.parametrize("scheme", RENEWABLE, ids=str)
def test_no_file_holds_a_template_in_the_clear(place: Place, scheme: Scheme) -> None:
    from tests.recognition_rig import vector

    made = _collection(place, scheme)
    place.enrolled(made.collection_id, "anna", store=StoreWish.PHOTO)
    place.recognition.repack(COMPANY, made.collection_id)
    place.enrolled(made.collection_id, "ben", store=StoreWish.PHOTO)
    plain = [
        vector(name, "1", CARD.model_id).astype(form).tobytes() for name in ("anna", "ben") for form in ("<f4", "<f8")
    ]
    windows = [raw[at : at + 8] for raw in plain for at in range(0, len(raw) - 8, 4)]
    contents = [path.read_bytes() for path in place.root.rglob("*") if path.is_file()]
    assert sum(len(content) for content in contents) > 10_000
    assert all(window not in content for content in contents for window in windows)
    assert not any(name in content for content in contents for name in (b"anna/1", b"ben/1"))


def test_erasing_takes_a_person_out_of_the_packed_ciphertexts(place: Place) -> None:
    made = _collection(place)
    anna, ben = place.enrolled(made.collection_id, "anna"), place.enrolled(made.collection_id, "ben")
    place.recognition.repack(COMPANY, made.collection_id)
    (before,) = place.region.store.segments(made.collection_id)
    old = place.region.segments.get(before.segment_id)
    place.recognition.delete_person(COMPANY, anna.person_id)
    (after,) = place.region.store.segments(made.collection_id)
    assert after.rows.tolist() == [ben.face.row]
    assert list(place.region.segments.ids()) == [after.segment_id]
    assert place.region.segments.get(after.segment_id)[:64] != old[:64]
    assert place.found(made.collection_id, "anna/2", "ben/2") == [[], [ben.person_id]]
    place.recognition.delete_person(COMPANY, ben.person_id)
    assert list(place.region.segments.ids()) == []
    with pytest.raises(PersonErased):
        place.recognition.person(COMPANY, ben.person_id)


def test_a_deleted_face_leaves_the_others(place: Place) -> None:
    made = _collection(place)
    anna = place.enrolled(made.collection_id, "anna", "anna/1", "anna/2", store=StoreWish.PHOTO)
    place.recognition.repack(COMPANY, made.collection_id)
    place.recognition.delete_face(COMPANY, anna.face.face_id)
    (left,) = place.recognition.faces(COMPANY, anna.person_id)
    assert left.face_id != anna.face.face_id
    assert list(place.region.photos.ids()) == [left.photo_id]
    (segment,) = place.region.store.segments(made.collection_id)
    assert segment.rows.tolist() == [left.row]
    with pytest.raises(NotFound):
        place.recognition.delete_face(COMPANY, anna.face.face_id)


def test_enough_single_references_are_packed_and_later_ones_join_them(place: Place) -> None:
    made = _collection(place)
    store = place.region.store
    people = [place.enrolled(made.collection_id, f"person {number}") for number in range(packing.PACK_AT)]
    (first,) = store.segments(made.collection_id)
    assert store.unpacked_count(made.collection_id) == 0
    assert sorted(first.rows.tolist()) == sorted(person.face.row for person in people)
    anna = place.enrolled(made.collection_id, "anna")
    assert store.unpacked_count(made.collection_id) == 1
    place.recognition.repack(COMPANY, made.collection_id)
    (both,) = store.segments(made.collection_id)
    assert set(both.rows.tolist()) == {*first.rows.tolist(), anna.face.row}
    assert len(list(place.region.segments.ids())) == 1
    found = place.found(made.collection_id, "person 0/9", f"person {packing.PACK_AT - 1}/9", "anna/9", "zoe/1")
    assert found == [[people[0].person_id], [people[-1].person_id], [anna.person_id], []]


@pytest.mark.parametrize("scheme", RENEWABLE, ids=str)
def test_a_new_key_decides_the_same_and_the_old_one_is_gone(place: Place, scheme: Scheme) -> None:
    made = _collection(place, scheme)
    anna, ben = place.enrolled(made.collection_id, "anna"), place.enrolled(made.collection_id, "ben")
    place.recognition.repack(COMPANY, made.collection_id)
    cleo = place.enrolled(made.collection_id, "cleo")
    old = [path.read_bytes() for path in sorted((place.root / "segments").iterdir())]
    told: list[str] = []
    renewed = place.recognition.reissue(COMPANY, made.collection_id, on_progress=lambda step: told.append(step.stage))
    assert renewed.key_id != made.key_id
    assert renewed.state is CollectionState.ACTIVE
    assert set(told) == ({"references", "segments"} if scheme is Scheme.HE else {"references"})
    found = place.found(made.collection_id, "anna/2", "ben/2", "cleo/2", "zoe/1")
    assert found == [[anna.person_id], [ben.person_id], [cleo.person_id], []]
    assert list(place.region.keys.keys()) == [renewed.key_id]
    with pytest.raises(KeyDestroyed):
        place.region.keys.terms(made.key_id)
    new = [path.read_bytes() for path in sorted((place.root / "segments").iterdir())]
    assert len(new) == len(old)
    for before, after in zip(old, new, strict=True):
        changed = np.frombuffer(before, np.uint8) != np.frombuffer(after, np.uint8)
        assert changed.mean() > 0.9


def test_a_reissue_that_fails_changes_nothing(place: Place) -> None:
    made = _collection(place)
    anna = place.enrolled(made.collection_id, "anna")
    place.recognition.repack(COMPANY, made.collection_id)

    def fail(_: object) -> None:
        raise RuntimeError("made up")

    with pytest.raises(RuntimeError, match="made up"):
        place.recognition.reissue(COMPANY, made.collection_id, on_progress=fail)
    now = place.recognition.collection(COMPANY, made.collection_id)
    assert (now.key_id, now.state) == (made.key_id, CollectionState.ACTIVE)
    assert list(place.region.keys.keys()) == [made.key_id]
    assert len(list(place.region.segments.ids())) == 1
    assert place.found(made.collection_id, "anna/2") == [[anna.person_id]]


def test_two_changes_of_key_do_not_meet(place: Place) -> None:
    made = _collection(place, Scheme.ROTATED)
    place.enrolled(made.collection_id, "anna")

    def again(_: object) -> None:
        with pytest.raises(Conflict):
            place.recognition.reissue(COMPANY, made.collection_id)
        with pytest.raises(Conflict):
            place.recognition.delete_person(
                COMPANY, place.recognition.persons(COMPANY, made.collection_id)[0].person_id
            )

    place.recognition.reissue(COMPANY, made.collection_id, on_progress=again)
    assert len(place.region.keys.keys()) == 1


def test_a_living_change_of_key_is_not_taken_for_a_dead_one(place: Place) -> None:
    made = _collection(place, Scheme.ROTATED)
    place.enrolled(made.collection_id, "anna")

    def another_start(_: object) -> None:
        place.recognition.recover()
        state = place.recognition.collection(COMPANY, made.collection_id).state
        assert state is CollectionState.REISSUING

    place.recognition.reissue(COMPANY, made.collection_id, on_progress=another_start)
    assert place.recognition.collection(COMPANY, made.collection_id).key_id != made.key_id


def test_a_new_model_takes_stored_photos_and_lists_who_needs_a_picture(tmp_path: Path) -> None:
    with opened(tmp_path / "place") as place:
        made = _collection(place)
        anna = place.enrolled(made.collection_id, "anna", "anna/1", "anna/2", store=StoreWish.PHOTO)
        ben = place.enrolled(made.collection_id, "ben")
        place.recognition.repack(COMPANY, made.collection_id)
    with opened(tmp_path / "place", cards=[SECOND]) as place:
        with pytest.raises(ModelMismatch):
            place.found(made.collection_id, "anna/3")
        done = place.recognition.reenrol(COMPANY, made.collection_id, model="second")
        assert (done.model_id, done.faces, done.needing_photo) == (SECOND.model_id, 2, (ben.person_id,))
        moved = place.recognition.collection(COMPANY, made.collection_id)
        assert (moved.model_id, moved.dimension, moved.thresholds.match) == (SECOND.model_id, SECOND.dimension, 0.5)
        assert place.found(made.collection_id, "anna/3", "ben/3") == [[anna.person_id], []]
        with pytest.raises(ModelMismatch, match="new picture"):
            place.recognition.verify(COMPANY, ben.person_id, place.fd("ben/1"))
        place.recognition.add_faces(COMPANY, ben.person_id, [place.fd("ben/4")])
        assert place.recognition.verify(COMPANY, ben.person_id, place.fd("ben/1")).match
        with pytest.raises(RequestInvalid, match="another model"):
            place.recognition.reenrol(COMPANY, made.collection_id, model="second")


def test_shares_are_refreshed_and_not_reissued(place: Place) -> None:
    made = _collection(place, Scheme.PLAIN)
    with pytest.raises(RequestInvalid, match="shares"):
        place.recognition.refresh_shares(COMPANY, made.collection_id)


def test_a_start_destroys_keys_that_no_database_knows(tmp_path: Path) -> None:
    with opened(tmp_path / "place") as place:
        made = _collection(place)
        stray = place.region.keys.create(Scheme.HE, CARD.model_id, CARD.dimension, 0.3)
        recovered = place.recognition.recover()
        assert recovered.keys == 1
        assert list(place.region.keys.keys()) == [made.key_id]
        with pytest.raises(KeyDestroyed):
            place.region.keys.terms(stray.key_id)


def test_an_update_of_a_person_corrects_words_and_keeps_the_rest(place: Place) -> None:
    made = _collection(place, Scheme.PLAIN)
    anna = place.enrolled(made.collection_id, "anna")
    changed = place.recognition.update_person(COMPANY, anna.person_id, name="Anna B.", attributes=[("a", "b")])
    assert (changed.name, changed.attributes, changed.faces) == ("Anna B.", (("a", "b"),), 1)
    assert changed.created_at <= datetime.now(UTC)
    with pytest.raises(RequestInvalid):
        place.recognition.update_person(COMPANY, anna.person_id, name="x" * 500)
    pages = place.recognition.persons(COMPANY, made.collection_id, 10)
    assert [person.person_id for person in pages] == [anna.person_id]


def test_a_gallery_is_searched_after_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path / "place") as place:
        made = _collection(place)
        anna = place.enrolled(made.collection_id, "anna")
        place.recognition.repack(COMPANY, made.collection_id)
        ben = place.enrolled(made.collection_id, "ben")
    with opened(tmp_path / "place") as place:
        assert place.found(made.collection_id, "anna/2", "ben/2") == [[anna.person_id], [ben.person_id]]
