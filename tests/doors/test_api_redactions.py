"""POST /v1/redactions and what comes of it."""

import json
import time

import pytest
from api_fakes import COMPANY, MP4, PNG, House, is_problem, progress

from moretta.core.errors import MediaUnreadable, RequestInvalid, WorkerLost
from moretta.core.ports import OnProgress
from moretta.core.redaction import Leak, LeakReport, Method, Scope, SoundTreatment

URL = "/v1/redactions"
LEAKING = LeakReport(9, 9, 9, 2, 66.0, (Leak(3, 0.1, (1.0, 2.0, 3.0, 4.0), 0.9),))


def test_a_picture_is_answered_with_its_report_and_the_place_of_its_output() -> None:
    house = House()
    done = house.analyze(url=URL)
    assert done.status_code == 200, done.text
    body = done.json()
    assert body["media"] == f"{URL}/{body['id']}/media"
    assert body["media_type"] == "image/png"
    assert body["expires_at"] == "2025-01-31T13:00:00Z"
    assert body["redaction"]["report"]["frames_leaking"] == 0
    media = house.call("GET", body["media"])
    assert media.content == PNG
    assert media.headers["content-type"] == "image/png"
    assert media.headers["content-length"] == str(len(PNG))
    assert media.headers["cache-control"] == "no-store"
    assert media.headers["x-content-type-options"] == "nosniff"
    assert media.headers["content-disposition"] == "attachment"
    assert house.call("GET", f"{URL}/{body['id']}").json() == body
    assert house.meter.records == [(URL, 200, COMPANY, 1, house.keys.infos[house.token].key_id)]


def test_options_come_from_the_query_or_the_form_and_the_query_wins() -> None:
    house = House()
    house.analyze(url=URL)
    house.analyze(url=f"{URL}?method=mosaic&audio=drop&except=3,1&check=0")
    house.analyze(url=f"{URL}?method=solid", data={"method": "blur", "audio": "change", "only": "2"})
    found = [(r.method, r.sound, r.scope, sorted(r.tracks), r.check) for r in house.redacter.requests]
    assert found == [
        (Method.BLUR, SoundTreatment.KEEP, Scope.ALL, [], True),
        (Method.MOSAIC, SoundTreatment.DROP, Scope.ALL_BUT, [1, 3], False),
        (Method.SOLID, SoundTreatment.CHANGE, Scope.ONLY, [2], True),
    ]
    assert len({request.seed for request in house.redacter.requests}) == 3, "the noise is drawn anew for each"


@pytest.mark.parametrize(
    "wrong",
    ["method=pixelate", "audio=loud", "only=1&except=2", "only=x", "except=", "strict=1&check=0", "check=perhaps"],
)
def test_options_that_mean_nothing_are_refused_before_any_work(wrong: str) -> None:
    house = House()
    is_problem(house.analyze(url=f"{URL}?{wrong}"), 422, "request.invalid")
    assert house.redacter.requests == []


def test_an_unknown_form_field_is_refused() -> None:
    is_problem(House().analyze(url=URL, data={"metod": "blur"}), 422, "request.invalid")


def test_tracks_can_be_listed_and_then_nothing_is_kept() -> None:
    house = House()
    body = house.analyze(url=f"{URL}?tracks=1").json()
    assert (body["id"], body["media"], body["expires_at"]) == (None, None, None)
    assert [track["track_id"] for track in body["redaction"]["tracks"]] == [1]
    assert house.redacter.requests[0].follow_only


def test_strict_gives_no_output_where_a_face_leaks_and_the_item_is_counted() -> None:
    house = House()
    house.redacter.behave = lambda _: LEAKING
    problem = is_problem(house.analyze(url=f"{URL}?strict=1"), 422, "redaction.leak")
    assert "2 of 9 frames" in problem["detail"]
    assert house.meter.records[0][:2] == (URL, 422)
    assert house.analyze(url=URL).json()["redaction"]["report"]["leaks"][0]["frame"] == 3, "told, where not strict"


@pytest.mark.parametrize(("error", "status"), [(MediaUnreadable("broken"), 400), (WorkerLost("gone"), 500)])
def test_what_reached_a_worker_is_counted_with_its_outcome(error: Exception, status: int) -> None:
    def fail(_: OnProgress | None) -> None:
        raise error

    house = House()
    house.redacter.behave = fail
    assert house.analyze(url=URL).status_code == status
    assert house.meter.records[0][:2] == (URL, status)


def test_unknown_tracks_are_refused_and_not_counted() -> None:
    def fail(_: OnProgress | None) -> None:
        raise RequestInvalid("expected ids of this item's 1 tracks")

    house = House()
    house.redacter.behave = fail
    is_problem(house.analyze(url=f"{URL}?only=7"), 422, "request.invalid")
    assert house.meter.records == []


def test_no_record_no_output() -> None:
    house = House()
    house.meter.broken = True
    answer = house.analyze(url=URL)
    assert answer.status_code == 500
    assert "id" not in answer.json()
    assert "disk full" not in answer.text


def test_a_video_becomes_a_job_earlier_than_for_an_analysis_and_its_result_leads_to_the_media() -> None:
    house = House(inline_video_bytes=4 * len(MP4) - 1)

    def work(on_progress: OnProgress | None) -> None:
        assert on_progress is not None
        on_progress(progress(1))

    house.redacter.behave = work
    taken = house.analyze(MP4, URL)
    assert taken.status_code == 202, taken.text
    job = _ended(house, taken.headers["location"])
    assert (job["state"], job["endpoint"]) == ("succeeded", URL)
    assert house.call("GET", job["result"]["media"]).content == MP4
    assert house.analyze(MP4).status_code == 200, "an analysis of it is answered at once"


def test_a_caller_may_ask_for_a_job() -> None:
    house = House()
    taken = house.analyze(url=f"{URL}?async=1")
    assert (taken.status_code, taken.headers["preference-applied"]) == (202, "respond-async")
    assert house.analyze(url=URL, headers={"Prefer": "respond-async"}).status_code == 202


def _ended(house: House, address: str) -> dict[str, object]:
    for _ in range(500):
        job = house.call("GET", address).json()
        if job["state"] not in {"queued", "running"}:
            return dict(job)
        time.sleep(0.01)
    raise AssertionError("the job does not end")


def test_another_company_sees_nothing_of_it() -> None:
    house = House()
    body = house.analyze(url=URL).json()
    for method, address in (("GET", body["media"]), ("GET", f"{URL}/{body['id']}"), ("DELETE", f"{URL}/{body['id']}")):
        is_problem(house.call(method, address, token=house.other), 404, "not_found")
        is_problem(house.call(method, address, token=house.searcher), 403, "key.scope_missing")
        is_problem(house.call(method, address, token=None), 401, "key.invalid")
    assert house.call("GET", body["media"]).status_code == 200


def test_an_output_is_forgotten_when_it_is_deleted_or_over_its_time() -> None:
    house = House(redaction_ttl_s=60.0)
    one, other = (house.analyze(url=URL).json() for _ in range(2))
    assert house.call("DELETE", f"{URL}/{one['id']}").status_code == 204
    is_problem(house.call("GET", one["media"]), 404, "not_found")
    house.pass_time(59)
    assert house.call("GET", other["media"]).status_code == 200
    house.pass_time(2)
    is_problem(house.call("GET", other["media"]), 404, "not_found")
    is_problem(house.call("GET", f"{URL}/{other['id']}"), 404, "not_found")


def test_outputs_count_in_the_memory_that_uploads_may_take() -> None:
    house = House(upload_bytes_total=3 * len(PNG) - 1)
    kept = house.analyze(url=URL).json()
    is_problem(house.analyze(url=URL), 503, "service.overloaded")
    house.call("DELETE", f"{URL}/{kept['id']}")
    assert house.analyze(url=URL).status_code == 200


def test_a_repetition_with_the_same_key_gives_the_same_output_and_is_counted_once() -> None:
    house = House()
    headers = {"Idempotency-Key": "abc"}
    one, other = (house.analyze(url=URL, headers=headers) for _ in range(2))
    assert one.json() == other.json()
    assert other.headers["idempotency-replayed"] == "true"
    assert len(house.redacter.requests) == len(house.meter.records) == 1
    is_problem(house.analyze(url=f"{URL}?method=solid", headers=headers), 409, "idempotency.mismatch")


def test_the_answer_holds_no_pixel_and_no_embedding() -> None:
    assert "vector" not in json.dumps(House().analyze(url=URL).json())
