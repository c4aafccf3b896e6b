"""Who may reach whom: another company's people are not there, and each call needs its scope."""

import io

import pytest
from api_fakes import House, is_problem
from people_fakes import photo_of
from people_rig import a_collection, enrol

ANN = photo_of("ann")
PATHS = (
    ("GET", "/v1/collections/{collection_id}", "look"),
    ("PATCH", "/v1/collections/{collection_id}", "write"),
    ("POST", "/v1/collections/{collection_id}/reissue", "write"),
    ("POST", "/v1/collections/{collection_id}/import", "write"),
    ("GET", "/v1/collections/{collection_id}/export", "write"),
    ("POST", "/v1/collections/{collection_id}/persons", "write"),
    ("GET", "/v1/collections/{collection_id}/persons", "write"),
    ("POST", "/v1/collections/{collection_id}/search", "search"),
    ("GET", "/v1/persons/{person_id}", "write"),
    ("PATCH", "/v1/persons/{person_id}", "write"),
    ("DELETE", "/v1/persons/{person_id}", "write"),
    ("POST", "/v1/persons/{person_id}/faces", "write"),
    ("GET", "/v1/persons/{person_id}/faces", "write"),
    ("DELETE", "/v1/persons/{person_id}/faces/{face_id}", "write"),
    ("GET", "/v1/persons/{person_id}/photo", "write"),
    ("POST", "/v1/persons/{person_id}/verify", "search"),
)
NO_OBJECT = (
    ("GET", "/v1/collections", "look"),
    ("POST", "/v1/collections", "write"),
    ("POST", "/v1/compare", "search"),
)
MEDIA = {"import", "persons", "search", "faces", "verify"}


@pytest.fixture(scope="module")
def home() -> tuple[House, dict[str, str]]:
    """A house with a person, and the ids by their names in the paths."""
    house = House()
    collection_id = a_collection(house)
    made = enrol(house, collection_id, ANN, headers={"Store": "photo"}, data={"name": "Quastenflosser"}).json()
    face_id = made["photos"][0]["face"]["id"]
    return house, {"collection_id": collection_id, "person_id": made["person_id"], "face_id": face_id}


def _given(method: str, path: str) -> dict[str, object]:
    if method == "PATCH":
        return {"json": {}}
    if method == "POST" and path.rpartition("/")[2] in MEDIA:
        return {"files": {"file": ("x.jpg", io.BytesIO(ANN), "image/jpeg")}}
    return {}


def test_these_are_all_addresses_of_recognition_but_the_signed_one() -> None:
    document = House().app.openapi()["paths"]
    found = {
        (method.upper(), path)
        for path, methods in document.items()
        for method in methods
        if path.startswith(("/v1/collections", "/v1/persons", "/v1/compare", "/v1/photos"))
    }
    assert found == {(method, path) for method, path, _ in (*PATHS, *NO_OBJECT)} | {("GET", "/v1/photos/{token}")}


@pytest.mark.parametrize(("method", "path", "_need"), PATHS)
def test_another_companys_people_are_not_there(
    home: tuple[House, dict[str, str]], method: str, path: str, _need: str
) -> None:
    house, ids = home
    answer = house.call(method, path.format(**ids), token=house.stranger, **_given(method, path))
    is_problem(answer, 404, "not_found")
    assert "Quastenflosser" not in answer.text
    assert house.call("GET", "/v1/collections", token=house.stranger).json()["data"] == []


@pytest.mark.parametrize(("method", "path", "need"), (*PATHS, *NO_OBJECT))
def test_each_call_needs_its_scope(home: tuple[House, dict[str, str]], method: str, path: str, need: str) -> None:
    house, ids = home
    at, given = path.format(**ids), _given(method, path)
    is_problem(house.call(method, at, token=None, **given), 401, "key.invalid")
    is_problem(house.call(method, at, token=house.token, **given), 403, "key.scope_missing")
    allowed = {"look": (house.writer, house.searcher), "write": (house.writer,), "search": (house.searcher,)}[need]
    for token in {house.writer, house.searcher} - set(allowed):
        is_problem(house.call(method, at, token=token, **_given(method, path)), 403, "key.scope_missing")


def test_names_stand_in_no_log_and_no_metric() -> None:
    house = House()
    collection_id = a_collection(house, name="Quastenflosser GmbH")
    files = [("photos", ("quastenflosser.jpg", ANN, "image/jpeg"))]
    at = f"/v1/collections/{collection_id}/persons"
    form = {"name": "Wilhelmine Quastenflosser", "attributes": '{"nick": "Quaste"}'}
    made = house.call("POST", at, token=house.writer, files=files, data=form)
    person = f"/v1/persons/{made.json()['person_id']}"
    house.call("PATCH", person, token=house.writer, json={"name": "Wilma Quastenflosser"})
    house.call("POST", f"{person}/verify", token=house.searcher, files={"file": ("quaste.jpg", b"broken")})
    house.people.fails["enrol"] = OSError("Quastenflosser")
    house.call("POST", at, token=house.writer, files=files, data=form)
    written = house.log.getvalue() + house.call("GET", "/metrics", token=None).text
    for word in ("Quaste", "quaste", "Wilhelmine", collection_id, made.json()["person_id"]):
        assert word not in written
    assert 'moretta_media_total{kind="photo"} 3.0' in written
