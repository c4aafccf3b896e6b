"""Collections over HTTP: made, listed, changed, made anew, taken down."""

import threading

import pytest
from api_fakes import House, is_problem, wait_until
from people_rig import PURPOSE, a_collection, a_person

from moretta.core.errors import Conflict
from moretta.core.jobs import JobState


def _job(house: House, location: str) -> dict[str, object]:
    wait_until(lambda: not JobState(house.call("GET", location, token=house.writer).json()["state"]).active)
    answer: dict[str, object] = house.call("GET", location, token=house.writer).json()
    return answer


def test_a_collection_has_safe_defaults_and_shows_no_key_material() -> None:
    house = House()
    made = house.call("GET", f"/v1/collections/{a_collection(house)}", token=house.searcher).json()
    assert (made["scheme"], made["region"], made["replicas"], made["bands"]) == ("he", "local", [], False)
    assert made["purpose"] == PURPOSE
    assert made["thresholds"] == {"match": 0.5, "duplicate": 0.6, "fmr": 0.0001, "source": "default"}
    assert set(made) == {
        *("id", "name", "purpose", "scheme", "model_id", "dimension", "key_id", "thresholds", "region", "replicas"),
        *("created_at", "retention_days", "min_quality", "bands", "state"),
    }


def test_every_wish_for_a_collection_is_granted_or_refused() -> None:
    house = House()
    wishes = {
        "scheme": "shares",
        "region": "eu",
        "replicas": ["local"],
        "retention_days": 30,
        "min_quality": 55.5,
        "bands": True,
        "thresholds": {"match": 0.4, "duplicate": 0.5, "fmr": 0.001},
    }
    shown = house.call("GET", f"/v1/collections/{a_collection(house, **wishes)}", token=house.writer).json()
    assert {name: shown[name] for name in wishes} == {
        **wishes,
        "thresholds": {"match": 0.4, "duplicate": 0.5, "fmr": 0.001, "source": "calibrated"},
    }
    body = {"name": "Plant", "purpose": PURPOSE, "region": "mars"}
    is_problem(house.call("POST", "/v1/collections", token=house.writer, json=body), 403, "region.refused")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "Plant"}, "purpose"),
        ({"name": "", "purpose": PURPOSE}, "name"),
        ({"name": "a\nb", "purpose": PURPOSE}, "name"),
        ({"name": "Plant", "purpose": PURPOSE, "scheme": "rot13"}, "scheme"),
        ({"name": "Plant", "purpose": PURPOSE, "retention_days": 0}, "retention_days"),
        ({"name": "Plant", "purpose": PURPOSE, "min_quality": 101}, "min_quality"),
        ({"name": "Plant", "purpose": PURPOSE, "thresholds": {"match": 2, "duplicate": 0, "fmr": 0.1}}, "thresholds"),
        ({"name": "Plant", "purpose": PURPOSE, "Wilhelmine": 1}, "body"),
        ([], "body"),
    ],
)
def test_a_body_that_is_wrong_is_refused_by_the_name_of_our_field(body: object, field: str) -> None:
    house = House()
    response = house.call("POST", "/v1/collections", token=house.writer, json=body)
    problem = is_problem(response, 422, "request.invalid")
    assert [wrong["field"] for wrong in problem["field_errors"]] == [field]
    assert "Wilhelmine" not in response.text


def test_the_list_is_paged_and_complete() -> None:
    house = House()
    made = sorted(a_collection(house) for _ in range(5))
    seen: list[str] = []
    cursor = ""
    while True:
        page = house.call("GET", f"/v1/collections?limit=2{cursor}", token=house.searcher).json()
        seen += [one["id"] for one in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == made
    bad = house.call("GET", "/v1/collections?cursor=nonsense", token=house.searcher)
    assert is_problem(bad, 422, "request.invalid")["field_errors"][0]["field"] == "cursor"


def test_what_a_change_leaves_out_stays() -> None:
    house = House()
    at = f"/v1/collections/{a_collection(house, retention_days=30, min_quality=50)}"
    changed = house.call("PATCH", at, token=house.writer, json={"name": "Gate", "bands": True}).json()
    assert (changed["name"], changed["bands"], changed["retention_days"], changed["min_quality"]) == (
        "Gate",
        True,
        30,
        50,
    )
    without = house.call("PATCH", at, token=house.writer, json={"retention_days": None}).json()
    assert (without["retention_days"], without["name"]) == (None, "Gate")
    assert house.call("PATCH", at, token=house.writer, json={}).json() == without
    is_problem(house.call("PATCH", at, token=house.writer, json={"name": None}), 422, "request.invalid")
    is_problem(house.call("PATCH", at, token=house.writer, json={"scheme": "plain"}), 422, "request.invalid")
    is_problem(house.call("PATCH", at, token=house.writer, json={"replicas": ["mars"]}), 403, "region.refused")


def test_a_reissue_is_a_job_that_tells_the_new_key() -> None:
    house = House()
    collection_id = a_collection(house)
    taken = house.call("POST", f"/v1/collections/{collection_id}/reissue", token=house.writer)
    assert taken.status_code == 202, taken.text
    job = _job(house, taken.headers["location"])
    assert job["state"] == "succeeded"
    assert job["result"] == {
        "renewed": "key",
        "collection_id": collection_id,
        "key_id": "key-1+",
        "model_id": "embedder-1",
        "needing_photo": [],
        "warnings": [],
    }
    assert job["progress"]["stage"] == "rotate"  # type: ignore[index]


def test_a_collection_moves_to_another_model_and_tells_who_needs_a_photo() -> None:
    house = House()
    collection_id = a_collection(house)
    person_id = a_person(house, collection_id)
    at = f"/v1/collections/{collection_id}/reissue"
    taken = house.call("POST", at, token=house.writer, json={"renew": "model", "model": "own-embedder"})
    result = _job(house, taken.headers["location"])["result"]
    assert (result["model_id"], result["needing_photo"]) == ("own-embedder", [person_id])  # type: ignore[index]


@pytest.mark.parametrize(
    ("scheme", "body"),
    [
        ("he", {"renew": "shares"}),
        ("shares", {"renew": "key"}),
        ("he", {"renew": "key", "model": "x"}),
        ("he", {"renew": "everything"}),
    ],
)
def test_what_the_scheme_cannot_make_anew_is_refused_before_a_job_is_made(scheme: str, body: dict[str, str]) -> None:
    house = House()
    collection_id = a_collection(house, scheme=scheme)
    refused = house.call("POST", f"/v1/collections/{collection_id}/reissue", token=house.writer, json=body)
    is_problem(refused, 422, "request.invalid")
    assert house.call("GET", "/v1/jobs", token=house.writer).json()["data"] == []


def test_shares_are_renewed_where_there_is_no_key_to_renew() -> None:
    house = House()
    collection_id = a_collection(house, scheme="shares")
    taken = house.call("POST", f"/v1/collections/{collection_id}/reissue", token=house.writer)
    assert _job(house, taken.headers["location"])["result"]["renewed"] == "shares"  # type: ignore[index]


def test_a_reissue_that_meets_changes_fails_with_its_problem() -> None:
    house = House()
    collection_id = a_collection(house)
    house.people.fails["reissue"] = Conflict("rows changed meanwhile")
    taken = house.call("POST", f"/v1/collections/{collection_id}/reissue", token=house.writer)
    job = _job(house, taken.headers["location"])
    assert (job["state"], job["error"]["code"]) == ("failed", "conflict")  # type: ignore[index]


def test_jobs_are_seen_by_keys_that_could_have_begun_them() -> None:
    house = House()
    collection_id = a_collection(house)
    reissue = house.call("POST", f"/v1/collections/{collection_id}/reissue", token=house.writer).headers["location"]
    analysis = house.analyze(url="/v1/analyze?async=1").headers["location"]
    assert house.call("GET", reissue, token=house.writer).status_code == 200
    for method, at in (("GET", reissue), ("GET", f"{reissue}/events"), ("DELETE", reissue)):
        is_problem(house.call(method, at), 404, "not_found")
    is_problem(house.call("GET", analysis, token=house.writer), 404, "not_found")
    listed = house.call("GET", "/v1/jobs").json()["data"]
    assert [job["endpoint"] for job in listed] == ["/v1/analyze"]
    assert len(house.call("GET", "/v1/jobs", token=house.admin).json()["data"]) == 2
    is_problem(house.call("GET", "/v1/jobs", token=house.searcher), 403, "key.scope_missing")


def test_events_of_a_reissue_end_with_its_result() -> None:
    house = House()
    collection_id = a_collection(house)
    location = house.call("POST", f"/v1/collections/{collection_id}/reissue", token=house.writer).headers["location"]
    _job(house, location)
    text = house.call("GET", f"{location}/events", token=house.writer).text
    assert "event: progress" in text
    assert text.rstrip().split("\n\n")[-1].startswith("id: 2\nevent: result\ndata: {")
    assert threading.active_count() < 50
