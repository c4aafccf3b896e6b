"""Jobs: taken on, followed, cancelled, forgotten; seen by their own company only."""

import threading

import pytest
from api_fakes import MP4, PNG, House, an_analysis, held_until, is_problem, open_uploads, progress, wait_until

from moretta.core.analysis import Analysis, Notice
from moretta.core.errors import MediaTruncated
from moretta.core.jobs import JobState
from moretta.core.ports import OnProgress


def _state(house: House, url: str) -> str:
    return str(house.call("GET", url).json()["state"])


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("/v1/analyze?async=1", {}),
        ("/v1/analyze", {"headers": {"Prefer": "respond-async"}}),
        ("/v1/analyze", {"headers": {"Prefer": "wait=5, respond-async"}}),
        ("/v1/analyze", {"data": {"async": "1"}}),
    ],
)
def test_a_job_is_made_where_the_caller_asks_for_one(url: str, given: dict[str, object]) -> None:
    house = House()
    response = house.analyze(PNG, url, **given)
    assert response.status_code == 202, response.text
    assert response.json()["state"] in {"queued", "running", "succeeded"}
    location = response.headers["location"]
    wait_until(lambda: _state(house, location) == "succeeded")
    job = house.call("GET", location).json()
    assert job["result"]["media"]["bytes"] == len(PNG)
    assert job["error"] is None
    assert house.meter.records[0][:2] == ("/v1/analyze", 200)


def test_a_long_video_becomes_a_job_and_a_short_one_is_answered() -> None:
    house = House(inline_video_bytes=len(MP4))
    assert house.analyze(MP4).status_code == 200
    assert house.analyze(MP4 + b"\0").status_code == 202
    assert house.analyze(PNG * 10).status_code == 200


def test_a_failed_job_shows_the_problem_and_is_counted() -> None:
    def fail(_: OnProgress | None) -> Analysis:
        raise MediaTruncated("cut off")

    house = House(fail)
    location = house.analyze(url="/v1/analyze?async=1").headers["location"]
    wait_until(lambda: _state(house, location) == "failed")
    error = house.call("GET", location).json()["error"]
    assert (error["code"], error["status"]) == ("media.truncated", 400)
    assert house.meter.records[0][1] == 400


def test_a_result_that_could_not_be_counted_is_not_published() -> None:
    house = House()
    house.meter.broken = True
    location = house.analyze(url="/v1/analyze?async=1").headers["location"]
    wait_until(lambda: _state(house, location) == "failed")
    job = house.call("GET", location).json()
    assert (job["result"], job["error"]["code"]) == (None, "internal")
    assert '"kind": "OSError"' in house.log.getvalue()
    assert "secret-file-name" not in house.log.getvalue()


def test_cancelling_ends_running_work_and_frees_its_memory() -> None:
    ended = threading.Event()

    def work(on_progress: OnProgress | None) -> None:
        assert on_progress is not None
        try:
            for done in range(10_000):
                on_progress(progress(done))
                threading.Event().wait(0.005)
        finally:
            ended.set()

    house = House(work)
    location = house.analyze(url="/v1/analyze?async=1").headers["location"]
    wait_until(lambda: _state(house, location) == "running")
    wait_until(lambda: house.call("GET", location).json()["progress"] is not None)
    cancelled = house.call("DELETE", location)
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert ended.wait(10)
    wait_until(lambda: open_uploads() == 0)
    assert _state(house, location) == "cancelled"


def test_a_job_that_has_not_begun_is_cancelled_without_being_counted() -> None:
    go_on = threading.Event()
    house = House(held_until(go_on), job_threads=1)
    running = house.analyze(url="/v1/analyze?async=1").headers["location"]
    queued = house.analyze(url="/v1/analyze?async=1").headers["location"]
    wait_until(lambda: _state(house, running) == "running")
    assert _state(house, queued) == "queued"
    assert house.call("DELETE", queued).json()["state"] == "cancelled"
    go_on.set()
    wait_until(lambda: _state(house, running) == "succeeded")
    assert len(house.meter.records) == 1
    wait_until(lambda: open_uploads() == 0)


def test_an_ended_job_can_be_forgotten() -> None:
    house = House()
    location = house.analyze(url="/v1/analyze?async=1").headers["location"]
    wait_until(lambda: _state(house, location) == "succeeded")
    assert house.call("DELETE", location).status_code == 204
    is_problem(house.call("GET", location), 404, "not_found")


def test_a_result_expires_and_then_the_job_itself() -> None:
    house = House(job_ttl_s=60)
    location = house.analyze(url="/v1/analyze?async=1").headers["location"]
    wait_until(lambda: _state(house, location) == "succeeded")
    house.pass_time(61)
    job = house.call("GET", location).json()
    assert (job["state"], job["result"]) == ("expired", None)
    house.pass_time(61)
    is_problem(house.call("GET", location), 404, "not_found")


def test_another_company_sees_no_job_and_cannot_cancel_it() -> None:
    house = House()
    location = house.analyze(url="/v1/analyze?async=1").headers["location"]
    for method, url in [("GET", location), ("DELETE", location), ("GET", f"{location}/events")]:
        is_problem(house.call(method, url, token=house.other), 404, "not_found")
    assert house.call("GET", "/v1/jobs", token=house.other).json() == {"data": [], "next_cursor": None}


def test_jobs_are_listed_the_latest_first_page_by_page() -> None:
    house = House()
    made = [house.analyze(url="/v1/analyze?async=1").json()["id"] for _ in range(5)]
    seen, cursor = [], ""
    while True:
        page = house.call("GET", f"/v1/jobs?limit=2{cursor}").json()
        seen += [job["id"] for job in page["data"]]
        assert all(job["result"] is None for job in page["data"])
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == made[::-1]
    is_problem(house.call("GET", "/v1/jobs?cursor=x"), 422, "request.invalid")
    is_problem(house.call("GET", "/v1/jobs?limit=0"), 422, "request.invalid")


def test_a_company_cannot_fill_the_queue() -> None:
    go_on = threading.Event()
    house = House(held_until(go_on), jobs_active_per_company=2)
    answers = [house.analyze(url="/v1/analyze?async=1") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[2].headers["retry-after"]
    assert house.analyze(url="/v1/analyze?async=1", token=house.other).status_code == 202
    go_on.set()
    wait_until(lambda: open_uploads() == 0)


def test_the_events_of_an_ended_job_end_with_its_result_and_go_on_from_any_of_them() -> None:
    def work(on_progress: OnProgress | None) -> Analysis:
        assert on_progress is not None
        for done in (1, 2):
            on_progress(progress(done))
        return an_analysis(warnings=(Notice("video.broken", "it breaks half-way"),))

    house = House(work)
    location = house.analyze(url="/v1/analyze?async=1").headers["location"]
    wait_until(lambda: _state(house, location) == "succeeded")
    events = house.call("GET", f"{location}/events")
    assert events.headers["content-type"].startswith("text/event-stream")
    kinds = [line[7:] for line in events.text.splitlines() if line.startswith("event: ")]
    assert kinds == ["progress", "progress", "warning", "result"]
    rest = house.call("GET", f"{location}/events", headers={"Last-Event-ID": "2"})
    assert [line for line in rest.text.splitlines() if line.startswith("id: ")] == ["id: 3", "id: 4"]


def test_the_states_of_a_job_follow_each_other_in_one_order_only() -> None:
    allowed = {(one, other) for one in JobState for other in JobState if one.leads_to(other)}
    ended = {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}
    assert allowed == (
        {(JobState.QUEUED, JobState.RUNNING), (JobState.QUEUED, JobState.FAILED), (JobState.QUEUED, JobState.CANCELLED)}
        | {(JobState.RUNNING, later) for later in ended}
        | {(earlier, JobState.EXPIRED) for earlier in ended}
    )
