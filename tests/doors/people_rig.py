"""Calls about people, as the tests of several doors make them."""

from typing import Any

import httpx
from api_fakes import House
from people_fakes import photo_of

KEY = {"Idempotency-Key": "5f0c5bf2-7f3a"}
PURPOSE = "door access"


def a_collection(house: House, **wishes: Any) -> str:
    """The id of a fresh collection of the house's own company."""
    body = {"name": "Plant", "purpose": PURPOSE, **wishes}
    made = house.call("POST", "/v1/collections", token=house.writer, json=body)
    assert made.status_code == 201, made.text
    assert made.headers["location"] == f"/v1/collections/{made.json()['id']}"
    return str(made.json()["id"])


def enrol(house: House, collection_id: str, *photos: bytes, token: str | None = None, **given: Any) -> httpx.Response:
    """Enrol a person; without photos, one who is called Ann."""
    files = [("photos", ("ann.jpg", photo, "image/jpeg")) for photo in photos or (photo_of("ann"),)]
    return house.call(
        "POST", f"/v1/collections/{collection_id}/persons", token=token or house.writer, files=files, **given
    )


def a_person(house: House, collection_id: str, *names: str, **form: str) -> str:
    """The id of a person enrolled with a photo of each of `names` (Ann)."""
    made = enrol(house, collection_id, *(photo_of(name) for name in names or ("ann",)), data=form)
    assert made.status_code == 201, made.text
    return str(made.json()["person_id"])


def search(house: House, collection_id: str, photo: bytes, query: str = "", **given: Any) -> httpx.Response:
    """Search a collection with a photo."""
    token = given.pop("token", house.searcher)
    files = {"file": ("crowd.jpg", photo, "image/jpeg")}
    return house.call("POST", f"/v1/collections/{collection_id}/search{query}", token=token, files=files, **given)


def verify(house: House, person_id: str, photo: bytes, **given: Any) -> httpx.Response:
    """Verify a photo against a person."""
    token = given.pop("token", house.searcher)
    files = {"file": ("door.jpg", photo, "image/jpeg")}
    return house.call("POST", f"/v1/persons/{person_id}/verify", token=token, files=files, **given)


def found_in(response: httpx.Response) -> list[list[str]]:
    """The persons found, face by face."""
    assert response.status_code == 200, response.text
    return [[one["person_id"] for one in face["candidates"]] for face in response.json()["faces"]]
