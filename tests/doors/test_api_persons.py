"""Persons over HTTP: enrolled, listed, rectified, erased; and their faces."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from api_fakes import House, is_problem, open_uploads
from people_fakes import photo_of
from people_rig import KEY, PURPOSE, a_collection, a_person, enrol, found_in, search, verify

from moretta.core.limits import MediaLimits

ANN, BOB, BLURRED, NOBODY = photo_of("ann"), photo_of("bob"), photo_of("ann", blurred=True), b"a wall"


def test_a_person_is_enrolled_with_several_photos_in_one_call() -> None:
    house = House()
    collection_id = a_collection(house)
    made = enrol(house, collection_id, ANN, ANN, data={"name": "Ann", "attributes": '{"desk": "4"}'})
    assert made.status_code == 201, made.text
    person_id = made.json()["person_id"]
    assert made.headers["location"] == f"/v1/persons/{person_id}"
    assert [(one["index"], one["outcome"]) for one in made.json()["photos"]] == [(0, "enrolled"), (1, "enrolled")]
    assert made.json()["photos"][0]["face"]["has_photo"] is False
    assert "Ann" not in made.text, "the answer is remembered for repetitions: no name in it"
    person = house.call("GET", f"/v1/persons/{person_id}", token=house.writer).json()
    assert (person["name"], person["attributes"], person["faces"], person["state"]) == (
        "Ann",
        {"desk": "4"},
        2,
        "active",
    )
    assert house.meter.records == [("/v1/persons", 201, house.keys.list()[0].company_id, 2, _id_of(house))]


def test_a_photo_may_be_the_body_itself() -> None:
    house = House()
    at = f"/v1/collections/{a_collection(house)}/persons"
    made = house.call("POST", at, token=house.writer, content=ANN, headers={"Content-Type": "image/jpeg"})
    assert made.status_code == 201, made.text


@pytest.mark.parametrize(
    ("photo", "status", "code"),
    [
        (NOBODY, 422, "face.not_found"),
        (photo_of("ann", "bob"), 422, "face.multiple"),
        (BLURRED, 422, "quality.too_low"),
        (b"broken", 400, "image.unreadable"),
    ],
)
def test_a_photo_that_cannot_be_enrolled_is_a_problem_and_is_counted(photo: bytes, status: int, code: str) -> None:
    house = House()
    collection_id = a_collection(house)
    is_problem(enrol(house, collection_id, photo), status, code)
    assert [record[:2] + record[3:4] for record in house.meter.records] == [("/v1/persons", status, 1)]
    assert house.call("GET", f"/v1/collections/{collection_id}/persons", token=house.writer).json()["data"] == []


def test_the_refusal_of_the_quality_gate_says_what_was_measured() -> None:
    house = House()
    problem = is_problem(enrol(house, a_collection(house), BLURRED), 422, "quality.too_low")
    assert problem["detail"] == "the face is blurred (measured quality 22 of 100: sharpness 12, pose 88)"


def test_of_several_photos_each_has_its_outcome() -> None:
    house = House()
    made = enrol(house, a_collection(house), BLURRED, ANN, NOBODY).json()
    low, good, nobody = made["photos"]
    assert (low["outcome"], low["code"], low["quality"], low["components"]) == (
        "failed",
        "quality.too_low",
        22.0,
        {"sharpness": 12.0, "pose": 88.0},
    )
    assert good["face"]["person_id"] == made["person_id"]
    assert (nobody["code"], nobody["components"]) == ("face.not_found", None)
    assert [record[1:4:2] for record in house.meter.records] == [(201, 1), (422, 2)]


def test_where_no_photo_of_several_can_be_enrolled_the_problem_tells_of_each() -> None:
    house = House()
    problem = is_problem(enrol(house, a_collection(house), NOBODY, BLURRED), 422, "face.not_found")
    assert [wrong["field"] for wrong in problem["field_errors"]] == ["photos[0]", "photos[1]"]
    assert problem["field_errors"][1]["detail"].startswith("quality.too_low: the face is blurred")
    assert sum(record[3] for record in house.meter.records) == 2


def test_a_duplicate_is_told_of_and_refused_where_asked() -> None:
    house = House()
    collection_id = a_collection(house)
    first = a_person(house, collection_id)
    second = enrol(house, collection_id, ANN).json()
    assert [one["person_id"] for one in second["photos"][0]["duplicates"]] == [first]
    is_problem(enrol(house, collection_id, ANN, data={"refuse_duplicates": "1"}), 409, "face.duplicate")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, False),
        ({"headers": {"Store": "template"}}, False),
        ({"headers": {"Store": "Photo"}}, True),
        ({"data": {"store": "1"}}, True),
        ({"data": {"store": "0"}}, False),
        ({"data": {"store": "1"}, "headers": {"Store": "template"}}, False),
    ],
)
def test_the_photo_is_kept_only_where_it_was_asked_for(given: dict[str, object], kept: bool) -> None:
    house = House()
    made = enrol(house, a_collection(house), ANN, **given)
    assert made.json()["photos"][0]["face"]["has_photo"] is kept
    assert bool(house.people.photos) is kept


@pytest.mark.parametrize("store", [{"headers": {"Store": "none"}}, {"data": {"store": "none"}}])
def test_enrolling_without_keeping_anything_is_refused_with_the_reason(store: dict[str, object]) -> None:
    house = House()
    problem = is_problem(enrol(house, a_collection(house), ANN, **store), 422, "request.invalid")
    assert "keeps a protected template" in problem["detail"]
    assert house.people.known == {}
    is_problem(enrol(house, a_collection(house), ANN, headers={"Store": "everything"}), 422, "request.invalid")


def test_what_was_refused_before_a_worker_saw_it_is_not_counted() -> None:
    house = House()
    collection_id = a_collection(house)
    is_problem(enrol(house, collection_id, ANN, headers={"Purpose": "marketing"}), 403, "purpose.mismatch")
    is_problem(enrol(house, collection_id, ANN, data={"attributes": "[1]"}), 422, "request.invalid")
    is_problem(enrol(house, "col_local_" + "0" * 24, ANN), 404, "not_found")
    assert house.meter.records == []
    assert enrol(house, collection_id, ANN, headers={"Purpose": PURPOSE}).status_code == 201


@pytest.mark.parametrize(
    "form",
    [
        {"name": "x" * 201},
        {"name": "a\x1b[31m"},
        {"attributes": "{"},
        {"attributes": '{"a": 1}'},
        {"attributes": json.dumps({str(i): "x" for i in range(33)})},
        {"refuse_duplicates": "Quastenflosser"},
        {"surname": "Quastenflosser"},
    ],
)
def test_words_about_a_person_that_cannot_be_kept_are_refused_and_not_repeated(form: dict[str, str]) -> None:
    house = House()
    response = enrol(house, a_collection(house), ANN, data=form)
    is_problem(response, 422, "request.invalid")
    assert "Quastenflosser" not in response.text
    assert "\\u001b" not in response.text


def test_limits_of_photos_hold_for_their_number_and_for_all_their_bytes() -> None:
    house = House(limits=MediaLimits(bytes=1000), enrol_photos=3)
    collection_id = a_collection(house)
    assert enrol(house, collection_id, ANN, ANN, ANN).status_code == 201
    is_problem(enrol(house, collection_id, ANN, ANN, ANN, ANN), 422, "request.invalid")
    big = ANN + b" " * 400
    is_problem(enrol(house, collection_id, big, big, big), 413, "media.too_large")
    is_problem(enrol(house, collection_id, ANN + b" " * 1000), 413, "media.too_large")
    is_problem(enrol(house, collection_id, ANN, b""), 400, "media.empty")
    assert open_uploads() == 0


def test_a_repetition_of_an_enrolment_makes_no_second_person() -> None:
    house = House()
    collection_id = a_collection(house)
    first = enrol(house, collection_id, ANN, headers=KEY, data={"name": "Ann"})
    second = enrol(house, collection_id, ANN, headers=KEY, data={"name": "Ann"})
    assert (second.content, second.headers["idempotency-replayed"]) == (first.content, "true")
    assert len(house.people.known) == len(house.meter.records) == 1
    other = enrol(house, collection_id, ANN, headers=KEY, data={"name": "Annette"})
    is_problem(other, 409, "idempotency.mismatch")
    is_problem(enrol(house, collection_id, ANN, ANN, headers=KEY, data={"name": "Ann"}), 409, "idempotency.mismatch")
    refused = [enrol(house, collection_id, NOBODY, headers={"Idempotency-Key": "2"}) for _ in range(2)]
    assert refused[0].json() == refused[1].json()
    assert len(house.meter.records) == 2


def test_persons_are_paged() -> None:
    house = House()
    collection_id = a_collection(house)
    made = sorted(a_person(house, collection_id, name) for name in ("ann", "bob", "cid"))
    at = f"/v1/collections/{collection_id}/persons"
    first = house.call("GET", f"{at}?limit=2", token=house.writer).json()
    rest = house.call("GET", f"{at}?limit=2&cursor={first['next_cursor']}", token=house.writer).json()
    assert [one["id"] for one in first["data"] + rest["data"]] == made
    assert rest["next_cursor"] is None


def test_a_person_is_rectified_and_restricted() -> None:
    house = House()
    collection_id = a_collection(house)
    person_id = a_person(house, collection_id, name="Ann")
    at = f"/v1/persons/{person_id}"
    changed = house.call("PATCH", at, token=house.writer, json={"name": "Anna"}).json()
    assert (changed["name"], changed["state"]) == ("Anna", "active")
    assert found_in(search(house, collection_id, ANN)) == [[person_id]]
    assert house.call("PATCH", at, token=house.writer, json={"state": "restricted"}).json()["name"] == "Anna"
    is_problem(verify(house, person_id, ANN), 423, "person.restricted")
    assert found_in(search(house, collection_id, ANN)) == [[]]
    is_problem(house.call("PATCH", at, token=house.writer, json={"state": "gone"}), 422, "request.invalid")


def test_an_erased_person_is_gone_and_the_answer_says_what_was_deleted() -> None:
    house = House()
    collection_id = a_collection(house)
    made = enrol(house, collection_id, ANN, ANN, headers={"Store": "photo"})
    at = f"/v1/persons/{made.json()['person_id']}"
    erased = house.call("DELETE", at, token=house.writer)
    told = {"id": made.json()["person_id"], "persons": 1, "faces": 2, "photos": 2}
    assert erased.json() == {**told, "certificate_id": None, "waiting": []}
    for method in ("GET", "DELETE"):
        is_problem(house.call(method, at, token=house.writer), 410, "person.erased")
    is_problem(house.call("GET", f"{at}/photo", token=house.writer), 410, "person.erased")
    assert found_in(search(house, collection_id, ANN)) == [[]]


def test_after_an_erasure_no_remembered_answer_names_the_person() -> None:
    house = House()
    collection_id = a_collection(house)
    person_id = a_person(house, collection_id)
    assert found_in(search(house, collection_id, ANN, headers=KEY)) == [[person_id]]
    house.call("DELETE", f"/v1/persons/{person_id}", token=house.writer)
    assert found_in(search(house, collection_id, ANN, headers=KEY)) == [[]]


def test_a_search_that_was_under_way_at_an_erasure_is_not_remembered() -> None:
    house = House()
    collection_id = a_collection(house)
    person_id = a_person(house, collection_id)
    erased: list[int] = []

    def erase_meanwhile() -> None:
        house.people.hooks.clear()
        with ThreadPoolExecutor(1) as elsewhere:
            call = elsewhere.submit(house.call, "DELETE", f"/v1/persons/{person_id}", token=house.writer)
            erased.append(call.result().status_code)

    house.people.hooks["search"] = erase_meanwhile
    search(house, collection_id, ANN, headers=KEY)
    assert erased == [200]
    again = search(house, collection_id, ANN, headers=KEY)
    assert found_in(again) == [[]]
    assert "idempotency-replayed" not in again.headers


def test_a_known_person_gets_more_faces_and_one_takes_the_place_of_another() -> None:
    house = House()
    collection_id = a_collection(house)
    person_id = a_person(house, collection_id)
    at = f"/v1/persons/{person_id}/faces"
    [old] = house.call("GET", at, token=house.writer).json()["data"]
    added = house.call("POST", at, token=house.writer, files={"file": ANN}, headers={"Store": "photo"})
    assert added.status_code == 201, added.text
    assert added.json()["person_id"] == person_id
    replaced = house.call("POST", at, token=house.writer, files={"file": ANN}, data={"replaces": old["id"]})
    faces = [face["id"] for face in house.call("GET", at, token=house.writer).json()["data"]]
    assert faces == [made.json()["photos"][0]["face"]["id"] for made in (added, replaced)]
    unknown = {"replaces": "fac_local_" + "0" * 24}
    is_problem(house.call("POST", at, token=house.writer, files={"file": ANN}, data=unknown), 404, "not_found")
    wrong = house.call("POST", at, token=house.writer, files={"file": ANN}, headers={"Purpose": "marketing"})
    is_problem(wrong, 403, "purpose.mismatch")


def test_a_face_is_deleted_only_under_its_own_person() -> None:
    house = House()
    collection_id = a_collection(house)
    ann = enrol(house, collection_id, ANN, ANN, headers={"Store": "photo"}).json()
    bob = a_person(house, collection_id, "bob")
    face_id = ann["photos"][0]["face"]["id"]
    is_problem(house.call("DELETE", f"/v1/persons/{bob}/faces/{face_id}", token=house.writer), 404, "not_found")
    at = f"/v1/persons/{ann['person_id']}/faces/{face_id}"
    assert house.call("DELETE", at, token=house.writer).json() == {"id": face_id, "persons": 0, "faces": 1, "photos": 1}
    is_problem(house.call("DELETE", at, token=house.writer), 404, "not_found")


def _id_of(house: House) -> str:
    return next(info.key_id for token, info in house.keys.infos.items() if token == house.writer)
