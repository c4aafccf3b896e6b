"""Search, verify and compare over HTTP: decisions, never scores."""

import pytest
from api_fakes import COMPANY, House, is_problem
from people_fakes import photo_of
from people_rig import KEY, PURPOSE, a_collection, a_person, found_in, search, verify

from moretta.core.errors import ModelMismatch, NodeUnavailable, RateLimited

ANN = photo_of("ann")


def _compare(house: House, a: bytes, b: bytes, query: str = "", **given: object) -> object:
    return house.call(
        "POST", f"/v1/compare{query}", token=house.searcher, files={"b": ("b.jpg", b), "a": ("a.jpg", a)}, **given
    )


def test_every_face_of_a_photo_is_searched_and_no_score_is_told() -> None:
    house = House()
    collection_id = a_collection(house)
    ann, bob = a_person(house, collection_id), a_person(house, collection_id, "bob")
    answer = search(house, collection_id, photo_of("bob", "stranger", "ann"))
    assert found_in(answer) == [[bob], [], [ann]]
    [candidate] = answer.json()["faces"][0]["candidates"]
    assert (candidate["rank"], candidate["band"], candidate["name"]) == (1, None, None)
    assert set(answer.json()) == {"faces", "fmr", "from_region", "behind", "search_id", "pending"}
    assert "similarity" not in answer.text
    assert "score" not in answer.text
    assert house.meter.records[-1][:4] == ("/v1/search", 200, COMPANY, 1)


def test_names_are_told_only_to_a_key_that_may_read_persons() -> None:
    house = House()
    collection_id = a_collection(house)
    a_person(house, collection_id, name="Ann")
    refused = search(house, collection_id, ANN, "?names=1")
    is_problem(refused, 403, "key.scope_missing")
    told = search(house, collection_id, ANN, "?names=1", token=house.admin)
    assert told.json()["faces"][0]["candidates"][0]["name"] == "Ann"
    assert "Ann" not in search(house, collection_id, ANN, token=house.admin).text


def test_the_number_of_candidates_is_the_callers_within_bounds() -> None:
    house = House()
    collection_id = a_collection(house)
    for _ in range(3):
        a_person(house, collection_id)
    assert len(found_in(search(house, collection_id, ANN, "?limit=2"))[0]) == 2
    for limit in ("0", "101", "many"):
        is_problem(search(house, collection_id, ANN, f"?limit={limit}"), 422, "request.invalid")


def test_a_person_is_verified_or_not() -> None:
    house = House()
    person_id = a_person(house, a_collection(house))
    yes, no = verify(house, person_id, ANN).json(), verify(house, person_id, photo_of("bob")).json()
    assert (yes["match"], no["match"], no["face_id"]) == (True, False, None)
    assert yes["face_id"].startswith("fac_local_")
    assert yes["face"]["components"] == {"sharpness": 12.0, "pose": 88.0}
    assert [record[:2] for record in house.meter.records[-2:]] == [("/v1/verify", 200)] * 2


def test_two_photos_are_compared_whichever_comes_first() -> None:
    house = House()
    same = _compare(house, ANN, ANN)
    other = _compare(house, ANN, photo_of("bob"), "?fmr=0.001&model=own")
    assert (same.json()["match"], other.json()["match"]) == (True, False)  # type: ignore[attr-defined]
    assert (other.json()["fmr"], other.json()["model_id"]) == (0.001, "own")  # type: ignore[attr-defined]
    assert [record[:2] + record[3:4] for record in house.meter.records] == [("/v1/compare", 200, 2)] * 2


def test_comparing_needs_exactly_two_photos_by_their_names() -> None:
    house = House()
    for files in ([("a", ANN)], [("a", ANN), ("a", ANN)], [("a", ANN), ("file", ANN)], [("a", ANN), ("b", ANN)] * 2):
        given = [(name, ("x.jpg", photo)) for name, photo in files]
        is_problem(house.call("POST", "/v1/compare", token=house.searcher, files=given), 422, "request.invalid")
    raw = house.call("POST", "/v1/compare", token=house.searcher, content=ANN, headers={"Content-Type": "image/jpeg"})
    is_problem(raw, 415, "media.unsupported")
    assert house.meter.records == []


@pytest.mark.parametrize(("photo", "code"), [(b"a wall", "face.not_found"), (photo_of("ann", "bob"), "face.multiple")])
def test_a_photo_without_exactly_one_face_verifies_nobody(photo: bytes, code: str) -> None:
    house = House()
    person_id = a_person(house, a_collection(house))
    is_problem(verify(house, person_id, photo), 422, code)
    assert house.meter.records[-1][:2] == ("/v1/verify", 422)


def test_the_purpose_is_checked_where_it_is_named() -> None:
    house = House()
    collection_id = a_collection(house)
    person_id = a_person(house, collection_id)
    counted = len(house.meter.records)
    for call in (search, verify):
        at = collection_id if call is search else person_id
        is_problem(call(house, at, ANN, headers={"Purpose": "marketing"}), 403, "purpose.mismatch")
        assert len(house.meter.records) == counted
    assert search(house, collection_id, ANN, headers={"Purpose": PURPOSE}).status_code == 200


@pytest.mark.parametrize("store", [{"headers": {"Store": "photo"}}, {"data": {"store": "1"}}])
def test_nothing_of_a_compared_photo_can_be_kept(store: dict[str, object]) -> None:
    house = House()
    collection_id = a_collection(house)
    person_id = a_person(house, collection_id)
    is_problem(search(house, collection_id, ANN, **store), 403, "policy.prohibited_use")
    is_problem(verify(house, person_id, ANN, **store), 403, "policy.prohibited_use")
    is_problem(_compare(house, ANN, ANN, **store), 403, "policy.prohibited_use")  # type: ignore[arg-type]


def test_a_brake_tells_when_to_come_back() -> None:
    house = House()
    person_id = a_person(house, a_collection(house))
    house.people.fails["verify"] = RateLimited("wait", retry_after_s=29.2)
    refused = verify(house, person_id, ANN)
    is_problem(refused, 429, "rate.limited")
    assert refused.headers["retry-after"] == "30"
    assert house.meter.records[-1][0] == "/v1/persons", "an attempt that was held is not counted"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ModelMismatch("another model"), 409, "model.version_mismatch"),
        (NodeUnavailable("no node answers"), 503, "node.unavailable"),
        (OSError("secret-name.jpg"), 500, "internal"),
    ],
)
def test_what_goes_wrong_behind_the_door_is_a_problem(error: Exception, status: int, code: str) -> None:
    house = House()
    collection_id = a_collection(house)
    house.people.fails["search"] = error
    response = search(house, collection_id, ANN)
    is_problem(response, status, code)
    assert "secret-name" not in response.text + house.log.getvalue()


def test_the_brake_of_a_caller_is_the_one_of_its_key() -> None:
    house = House()
    collection_id = a_collection(house)
    search(house, collection_id, ANN)
    search(house, collection_id, ANN, token=house.admin)
    first, second = house.people.callers
    assert first != second
    assert {first, second} <= {info.key_id for info in house.keys.list(COMPANY)}


def test_a_repetition_of_a_search_is_counted_once() -> None:
    house = House()
    collection_id = a_collection(house)
    other = a_collection(house)
    first, second = (search(house, collection_id, ANN, headers=KEY) for _ in range(2))
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert len(house.meter.records) == 1
    is_problem(search(house, other, ANN, headers=KEY), 409, "idempotency.mismatch")


def test_a_result_that_could_not_be_counted_is_not_told() -> None:
    house = House()
    collection_id = a_collection(house)
    house.meter.broken = True
    is_problem(search(house, collection_id, ANN), 500, "internal")
