"""Many people in and out: imports as jobs that can be gone on with, exports that stream."""

import json
import threading
from collections.abc import Sequence

import httpx
from api_fakes import COMPANY, House, is_problem, open_uploads, wait_until
from people_fakes import archive_in, photo_of
from people_rig import KEY, a_collection, a_person, enrol

from moretta.core.errors import Overloaded
from moretta.core.jobs import JobState

ANN, BOB, BLURRED = photo_of("ann"), photo_of("bob"), photo_of("ann", blurred=True)


def _import(
    house: House, collection_id: str, photos: Sequence[bytes], manifest: str = "", **given: object
) -> httpx.Response:
    files: list[tuple[str, object]] = [("file", ("x.jpg", photo, "image/jpeg")) for photo in photos]
    if manifest:
        files.append(("manifest", ("people.csv", manifest.encode(), "text/csv")))
    return house.call("POST", f"/v1/collections/{collection_id}/import", token=house.writer, files=files, **given)


def _ended(house: House, taken: httpx.Response) -> dict[str, object]:
    assert taken.status_code == 202, taken.text
    at = taken.headers["location"]
    wait_until(lambda: not JobState(house.call("GET", at, token=house.writer).json()["state"]).active)
    job: dict[str, object] = house.call("GET", at, token=house.writer).json()
    wait_until(lambda: open_uploads() == 0)
    return job


def test_an_import_enrols_each_photo_by_its_row_and_tells_what_it_could_not() -> None:
    house = House()
    collection_id = a_collection(house)
    manifest = 'name,person,desk\nAnn,e1,4\nAnn,e1,4\nBob,e2,\n"Cid, the third",e3,5\n'
    job = _ended(house, _import(house, collection_id, [ANN, ANN + b"2", BOB, BLURRED], manifest))
    result = job["result"]
    assert isinstance(result, dict)
    assert {key: result[key] for key in ("enrolled", "skipped", "persons", "collection_id")} == {
        "enrolled": 3,
        "skipped": 0,
        "persons": 2,
        "collection_id": collection_id,
    }
    assert [(one["index"], one["code"]) for one in result["failures"]] == [(3, "quality.too_low")]
    assert [one["code"] for one in result["warnings"]] == ["import.incomplete"]
    assert job["progress"]["frames_done"] == job["progress"]["frames_total"] == 4  # type: ignore[index]
    persons = house.call("GET", f"/v1/collections/{collection_id}/persons", token=house.writer).json()["data"]
    assert sorted((one["name"], one["faces"], one["attributes"].get("desk")) for one in persons) == [
        ("Ann", 2, "4"),
        ("Bob", 1, None),
    ]
    assert [record[:4] for record in house.meter.records] == [("/v1/import", 201, COMPANY, 1)] * 3 + [
        ("/v1/import", 422, COMPANY, 1)
    ]
    assert "Cid" not in json.dumps(job)


def test_a_list_may_be_json_and_may_be_left_out() -> None:
    house = House()
    collection_id = a_collection(house)
    rows = [{"name": "Ann", "attributes": {"desk": "4"}}, {}]
    assert _ended(house, _import(house, collection_id, [ANN, BOB], json.dumps(rows)))["state"] == "succeeded"
    without = _ended(house, _import(house, collection_id, [photo_of("cid"), photo_of("dan")]))["result"]
    assert (without["enrolled"], without["persons"]) == (2, 2)  # type: ignore[index]


def test_an_import_that_broke_goes_on_where_it_ended() -> None:
    house = House()
    collection_id = a_collection(house)
    enrolments = iter([False, True, False, False])

    def break_once() -> None:
        if next(enrolments):
            raise Overloaded("no worker became free")

    house.people.hooks["enrol"] = break_once
    first = _ended(house, _import(house, collection_id, [ANN, BOB], headers=KEY))
    assert (first["state"], first["error"]["code"]) == ("failed", "service.overloaded")  # type: ignore[index]
    second = _ended(house, _import(house, collection_id, [ANN, BOB, photo_of("cid")], headers=KEY))["result"]
    assert (second["skipped"], second["enrolled"]) == (1, 2)  # type: ignore[index]
    assert len(house.people.known) == 3
    assert [record[1] for record in house.meter.records] == [201] * 3, "what was skipped is not counted again"


def test_the_same_import_does_not_run_twice_at_a_time() -> None:
    house = House()
    collection_id = a_collection(house)
    go_on = threading.Event()
    house.people.hooks["import_items"] = lambda: go_on.wait(10)
    taken = _import(house, collection_id, [ANN], headers=KEY)
    is_problem(_import(house, collection_id, [ANN], headers=KEY), 409, "idempotency.in_progress")
    assert _import(house, collection_id, [ANN], headers={"Idempotency-Key": "another"}).status_code == 202
    go_on.set()
    _ended(house, taken)
    assert _ended(house, _import(house, collection_id, [ANN], headers=KEY))["result"]["skipped"] == 1  # type: ignore[index]


def test_a_cancelled_import_keeps_what_it_enrolled_and_frees_the_rest() -> None:
    house = House()
    collection_id = a_collection(house)
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        assert go_on.wait(10)

    house.people.hooks["enrol"] = slow
    taken = _import(house, collection_id, [ANN, BOB])
    assert begun.wait(10)
    assert house.call("DELETE", taken.headers["location"], token=house.writer).json()["state"] == "cancelled"
    go_on.set()
    wait_until(lambda: open_uploads() == 0)
    assert len(house.people.known) == 1
    assert [record[1] for record in house.meter.records] == [201]


def test_a_list_that_does_not_fit_is_refused_by_row_without_a_word_of_it() -> None:
    house = House()
    collection_id = a_collection(house)
    for manifest in (
        "name\nQuastenflosser\nQuastenflosser",
        "surname\nQuastenflosser",
        "name,name\nQuastenflosser,a",
        "name,desk\nQuastenflosser",
        'name\n"Quastenflosser',
        "name\n" + "Quastenflosser" * 30,
        '[{"name": "Quastenflosser", "born": 1987}]',
        '[{"name": 1987}]',
        "[",
        '["Quastenflosser"]',
    ):
        refused = _import(house, collection_id, [ANN], manifest)
        is_problem(refused, 422, "request.invalid")
        assert "Quastenflosser" not in refused.text
        assert "1987" not in refused.text
    assert open_uploads() == 0
    assert house.call("GET", "/v1/jobs", token=house.writer).json()["data"] == []


def test_an_import_of_more_photos_than_descriptors_are_to_spare_takes_one() -> None:
    house = House()
    collection_id = a_collection(house)
    photos = [photo_of(f"person{number}") for number in range(400)]
    assert _ended(house, _import(house, collection_id, photos))["result"]["enrolled"] == 400  # type: ignore[index]
    is_problem(_import(house, collection_id, [ANN] * 501), 422, "request.invalid")


def test_an_import_meets_the_same_refusals_as_an_enrolment() -> None:
    house = House()
    collection_id = a_collection(house)
    is_problem(_import(house, collection_id, [ANN], headers={"Store": "none"}), 422, "request.invalid")
    is_problem(_import(house, collection_id, [ANN], headers={"Purpose": "marketing"}), 403, "purpose.mismatch")
    is_problem(_import(house, "col_local_" + "0" * 24, [ANN]), 404, "not_found")
    is_problem(_import(house, "nonsense", [ANN], headers=KEY), 404, "not_found")


def test_an_export_is_an_archive_that_nobody_keeps() -> None:
    house = House()
    collection_id = a_collection(house)
    enrol(house, collection_id, ANN, headers={"Store": "photo"})
    answer = house.call("GET", f"/v1/collections/{collection_id}/export", token=house.writer)
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="collection.zip"'
    assert answer.headers["cache-control"] == "no-store"
    archive = archive_in(answer.content)
    assert archive.testzip() is None
    assert archive.read("photos/photo-0.jpg") == b"\xff\xd8" + ANN
    is_problem(
        house.call("GET", f"/v1/collections/{'col_local_' + '0' * 24}/export", token=house.writer), 404, "not_found"
    )


def test_an_export_that_fails_before_its_first_piece_is_a_problem() -> None:
    house = House()
    collection_id = a_collection(house)
    a_person(house, collection_id)
    house.people.fails["collection"] = Overloaded("try again")
    is_problem(
        house.call("GET", f"/v1/collections/{collection_id}/export", token=house.writer), 503, "service.overloaded"
    )
