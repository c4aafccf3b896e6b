"""The same request sent twice is worked on, and counted, once."""

import threading
from concurrent.futures import ThreadPoolExecutor

from api_fakes import MP4, PNG, House, is_problem, wait_until

from moretta.core.analysis import Analysis
from moretta.core.errors import MediaUnreadable, WorkerLost
from moretta.core.ports import OnProgress

KEY = {"Idempotency-Key": "5f0c5bf2-7f3a"}


def test_a_repetition_gets_the_same_answer_and_is_not_counted_again() -> None:
    house = House()
    first, second = house.analyze(headers=KEY), house.analyze(headers=KEY)
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert len(house.meter.records) == 1


def test_the_same_key_with_other_media_or_options_is_a_conflict() -> None:
    house = House()
    house.analyze(headers=KEY)
    is_problem(house.analyze(PNG + b"x", headers=KEY), 409, "idempotency.mismatch")
    is_problem(house.analyze(url="/v1/analyze?features=pose", headers=KEY), 409, "idempotency.mismatch")
    assert len(house.meter.records) == 1


def test_keys_of_two_companies_and_two_endpoints_do_not_meet() -> None:
    house = House()
    house.analyze(headers=KEY)
    assert house.analyze(PNG + b"x", headers=KEY, token=house.other).status_code == 200
    assert house.analyze(PNG + b"y", "/v1/detect", headers=KEY).status_code == 200


def test_a_fault_of_the_media_is_remembered_and_a_fault_of_ours_is_tried_again() -> None:
    errors: list[Exception | None] = [WorkerLost("gone"), MediaUnreadable("broken"), None]

    def fail(_: OnProgress | None) -> Analysis | None:
        if error := errors.pop(0):
            raise error
        return None

    house = House(fail)
    assert [house.analyze(headers=KEY).status_code for _ in range(3)] == [500, 400, 400]
    assert len(errors) == 1


def test_a_repetition_while_the_first_is_under_way_is_told_to_wait() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait(_: OnProgress | None) -> None:
        begun.set()
        assert go_on.wait(10)

    house = House(wait)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(house.analyze, headers=KEY)
        assert begun.wait(10)
        response = house.analyze(headers=KEY)
        is_problem(response, 409, "idempotency.in_progress")
        assert response.headers["retry-after"]
        go_on.set()
        assert first.result().status_code == 200
    assert len(house.meter.records) == 1


def test_an_answer_is_forgotten_after_its_time() -> None:
    house = House(idempotency_ttl_s=60)
    house.analyze(headers=KEY)
    house.pass_time(61)
    assert house.analyze(PNG + b"x", headers=KEY).status_code == 200


def test_the_memory_of_answers_is_bounded() -> None:
    house = House(idempotency_entries_per_company=2)
    for name in "abc":
        house.analyze(headers={"Idempotency-Key": name})
    assert "idempotency-replayed" not in house.analyze(headers={"Idempotency-Key": "a"}).headers
    assert "idempotency-replayed" in house.analyze(headers={"Idempotency-Key": "c"}).headers


def test_a_job_is_made_once() -> None:
    house = House()
    first = house.analyze(MP4, "/v1/analyze?async=1", headers=KEY)
    second = house.analyze(MP4, "/v1/analyze?async=1", headers=KEY)
    assert first.headers["location"] == second.headers["location"]
    wait_until(lambda: len(house.meter.records) == 1)
    assert len(house.call("GET", "/v1/jobs").json()["data"]) == 1


def test_a_key_that_is_no_header_value_is_refused() -> None:
    is_problem(House().analyze(headers={"Idempotency-Key": "x" * 300}), 422, "request.invalid")
