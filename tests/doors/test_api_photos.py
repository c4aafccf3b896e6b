"""A stored photo is shown at an address that is good for a minute, and at no other."""

import base64

import pytest
from api_fakes import House, is_problem
from people_fakes import photo_of
from people_rig import a_collection, a_person, enrol

ANN = photo_of("ann")


def _address(house: House, person_id: str, query: str = "") -> str:
    answer = house.call("GET", f"/v1/persons/{person_id}/photo{query}", token=house.writer)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["url"])


def _stored(house: House) -> str:
    return str(enrol(house, a_collection(house), ANN, headers={"Store": "photo"}).json()["person_id"])


def test_the_address_shows_the_photo_without_a_key_and_lets_nobody_keep_it() -> None:
    house = House()
    shown = house.call("GET", _address(house, _stored(house)), token=None)
    assert (shown.status_code, shown.content) == (200, b"\xff\xd8" + ANN)
    assert shown.headers["content-type"] == "image/jpeg"
    assert shown.headers["cache-control"] == "no-store"
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert shown.headers["referrer-policy"] == "no-referrer"
    assert "sandbox" in shown.headers["content-security-policy"]
    assert "default-src 'none'" in shown.headers["content-security-policy"]


def test_the_address_expires() -> None:
    house = House()
    person_id = _stored(house)
    answer = house.call("GET", f"/v1/persons/{person_id}/photo", token=house.writer).json()
    assert answer["expires_at"] == "2025-01-31T12:01:00Z"
    house.pass_time(59)
    assert house.call("GET", answer["url"], token=None).status_code == 200
    house.pass_time(1)
    is_problem(house.call("GET", answer["url"], token=None), 410, "link.expired")


def test_an_address_that_was_altered_shows_nothing() -> None:
    house = House()
    token = _address(house, _stored(house)).removeprefix("/v1/photos/")
    body, _, signature = token.partition(".")
    later = base64.urlsafe_b64encode(
        base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).replace(b"1738324860", b"1838324860")
    )
    assert later.rstrip(b"=") != body.encode()
    altered = [
        f"{later.rstrip(b'=').decode()}.{signature}",
        f"{body}.{'A' * len(signature)}",
        f"{body}.{signature}=",
        f"{body}.{signature[:-1]}",
        f".{signature}",
        body,
        "ä.b",
        "a" * 400,
    ]
    for wrong in altered:
        assert house.call("GET", f"/v1/photos/{wrong}", token=None).status_code == 404, wrong
    is_problem(house.call("GET", f"/v1/photos/{'a' * 401}", token=None), 422, "request.invalid")


def test_the_address_of_another_process_shows_nothing() -> None:
    house, other = House(), House()
    address = _address(house, _stored(house))
    other.people = house.people
    is_problem(other.call("GET", address, token=None), 404, "not_found")


def test_an_erased_person_is_not_shown_by_an_address_that_is_still_good() -> None:
    house = House()
    person_id = _stored(house)
    address = _address(house, person_id)
    house.call("DELETE", f"/v1/persons/{person_id}", token=house.writer)
    is_problem(house.call("GET", address, token=None), 410, "person.erased")


def test_the_log_tells_for_which_key_a_photo_was_shown_and_not_its_address() -> None:
    house = House()
    address = _address(house, _stored(house))
    house.call("GET", address, token=None)
    line = house.log.getvalue().splitlines()[-1]
    key_id = next(info.key_id for token, info in house.keys.infos.items() if token == house.writer)
    assert '"/v1/photos/{token}"' in line
    assert key_id in line
    assert address.removeprefix("/v1/photos/") not in house.log.getvalue()


def test_the_photo_of_one_face_can_be_asked_for() -> None:
    house = House()
    made = enrol(house, a_collection(house), ANN, ANN + b"2", headers={"Store": "photo"}).json()
    first, second = (one["face"]["id"] for one in made["photos"])
    person_id = made["person_id"]
    newest = house.call("GET", _address(house, person_id), token=None).content
    older = house.call("GET", _address(house, person_id, f"?face_id={first}"), token=None).content
    assert (newest, older) == (b"\xff\xd8" + ANN + b"2", b"\xff\xd8" + ANN)
    assert house.call("GET", _address(house, person_id, f"?face_id={second}"), token=None).content == newest


@pytest.mark.parametrize("query", ["", "?face_id=fac_local_000000000000000000000000"])
def test_without_a_stored_photo_there_is_no_address(query: str) -> None:
    house = House()
    person_id = a_person(house, a_collection(house))
    is_problem(house.call("GET", f"/v1/persons/{person_id}/photo{query}", token=house.writer), 404, "not_found")
