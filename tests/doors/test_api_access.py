"""Who may call what, how often, and what everybody may see."""

import json
import re

import pytest
from api_fakes import COMPANY, OTHER_COMPANY, PNG, House, is_problem

from moretta.core.keys import Scope


@pytest.mark.parametrize("header", ["x-api-key", "token", "X-API-Key"])
def test_the_key_is_taken_from_the_headers_that_other_services_use(header: str) -> None:
    house = House()
    assert house.analyze(token=None, headers={header: house.token}).status_code == 200


@pytest.mark.parametrize("name", ["Authorization", "x-api-key", "token"])
def test_two_keys_in_one_header_sent_twice_are_refused(name: str) -> None:
    """A proxy in front may look at the last of them where we look at the first."""
    house = House()
    prefix = "Bearer " if name == "Authorization" else ""
    headers = [(name, prefix + house.token), (name, prefix + house.other)]
    is_problem(house.call("GET", "/v1/usage", token=None, headers=headers), 401, "key.invalid")


def test_a_call_without_a_valid_key_is_refused_before_the_upload_is_read() -> None:
    house = House()
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": f"Basic {house.token}"}):
        response = house.analyze(token=None, headers=headers)
        is_problem(response, 401, "key.invalid")
        assert response.headers["www-authenticate"].startswith("Bearer")
    is_problem(house.analyze(token=None, headers={"x-api-key": house.token, "token": house.admin}), 401, "key.invalid")
    assert house.executor.requests == []


@pytest.mark.parametrize("name", ["api_key", "token", "x-api-key", "access_token", "API_KEY"])
def test_a_key_in_the_address_is_refused_even_beside_a_good_one(name: str) -> None:
    house = House()
    response = house.analyze(url=f"/v1/analyze?{name}={house.token}")
    is_problem(response, 400, "key.in_query")
    assert house.token not in response.text + house.log.getvalue()


def test_an_expired_or_revoked_key_opens_nothing() -> None:
    house = House()
    key_id = house.keys.infos[house.token].key_id
    assert house.call("DELETE", f"/v1/keys/{key_id}", token=house.admin).json()["revoked_at"]
    is_problem(house.analyze(), 401, "key.invalid")


def test_a_scope_opens_its_own_addresses_only() -> None:
    house = House()
    reader = house.keys.create(COMPANY, [Scope.STATS_READ]).token
    is_problem(house.analyze(token=reader), 403, "key.scope_missing")
    for method, url in [("GET", "/v1/egress"), ("GET", "/v1/keys"), ("POST", "/v1/keys"), ("DELETE", "/v1/keys/x")]:
        is_problem(house.call(method, url, json={} if method == "POST" else None), 403, "key.scope_missing")
    assert house.call("GET", "/v1/usage", token=reader).status_code == 200
    assert house.analyze(token=house.admin).status_code == 200


def test_an_administrator_makes_lists_and_revokes_keys_of_the_own_company_only() -> None:
    house = House()
    wanted = {"scopes": ["media:analyze"], "label": "camera 3", "expires_at": "2026-01-01T00:00:00Z"}
    made = house.call("POST", "/v1/keys", token=house.admin, json=wanted)
    assert made.status_code == 201, made.text
    assert house.analyze(token=made.json()["token"]).status_code == 200
    listed = house.call("GET", "/v1/keys", token=house.admin)
    assert {key["company_id"] for key in listed.json()["data"]} == {COMPANY}
    assert made.json()["token"] not in listed.text
    foreign = house.keys.infos[house.other].key_id
    is_problem(house.call("DELETE", f"/v1/keys/{foreign}", token=house.admin), 404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": []},
        {"scopes": ["everything"]},
        {"scopes": ["admin"], "company_id": "co_x"},
        {"scopes": ["admin"], "label": "x" * 81},
        {"scopes": ["admin"], "expires_at": "2020-01-01T00:00:00Z"},
        {"scopes": ["admin"], "expires_at": "2030-01-01T00:00:00"},
        [],
        "x",
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(body: object) -> None:
    house = House()
    before = len(house.keys.infos)
    problem = is_problem(house.call("POST", "/v1/keys", token=house.admin, json=body), 422, "request.invalid")
    assert problem["field_errors"]
    assert len(house.keys.infos) == before


def test_a_key_request_is_json_and_small() -> None:
    house = House()
    is_problem(house.call("POST", "/v1/keys", token=house.admin, content=b"a=b"), 415, "media.unsupported")
    big = {"scopes": ["admin"], "label": "x" * 20_000}
    is_problem(house.call("POST", "/v1/keys", token=house.admin, json=big), 413, "media.too_large")


def test_the_ledger_of_what_was_sent_is_asked_for_the_callers_company() -> None:
    house = House()
    elsewhere = house.keys.create(OTHER_COMPANY, [Scope.ADMIN]).token
    assert house.call("GET", "/v1/egress", token=house.admin).json() == {"sent": [], "addresses": []}
    is_problem(house.call("GET", "/v1/egress", token=elsewhere), 403, "key.scope_missing")


def test_usage_shows_the_own_company_only() -> None:
    house = House()
    house.analyze()
    house.analyze()
    house.analyze(token=house.other)
    usage = house.call("GET", "/v1/usage").json()
    assert (usage["company_id"], usage["total"]) == (COMPANY, 2)
    assert house.call("GET", "/v1/usage?since=2025-02-01").json()["total"] == 0
    is_problem(house.call("GET", "/v1/usage?since=yesterday"), 422, "request.invalid")


def test_a_key_that_calls_too_often_is_told_when_to_come_back() -> None:
    house = House(rate_per_s=0.5, rate_burst=2)
    assert [house.call("GET", "/v1/usage").status_code for _ in range(3)] == [200, 200, 429]
    refused = house.call("GET", "/v1/usage")
    is_problem(refused, 429, "rate.limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 3
    assert house.call("GET", "/v1/usage", token=house.other).status_code == 200


@pytest.mark.parametrize(
    "url", ["/", "/healthz", "/readyz", "/openapi.json", "/metrics", "/v1/whitepaper", "/v1/schemas/analysis"]
)
def test_what_says_nothing_about_callers_is_open(url: str) -> None:
    assert House().call("GET", url, token=None).status_code == 200


def test_metrics_can_be_closed() -> None:
    house = House(metrics_open=False)
    is_problem(house.call("GET", "/metrics", token=None), 401, "key.invalid")
    assert house.call("GET", "/metrics", token=house.admin).status_code == 200


def test_readiness_says_what_is_missing_and_what_the_sandbox_denies() -> None:
    house = House()
    assert house.call("GET", "/readyz", token=None).json()["sandbox"] == {"landlock": True}
    house.ready = False
    response = house.call("GET", "/readyz", token=None)
    assert response.status_code == 503
    assert response.json()["checks"][0]["mend"] == "install them"


def test_metrics_and_log_hold_route_templates_and_counts_and_nothing_of_the_caller() -> None:
    house = House()
    house.call("POST", "/v1/analyze", files={"file": ("Jane-Doe.png", PNG)}, headers={"Purpose": "Jane-Doe"})
    house.call("GET", "/v1/jobs/Jane-Doe")
    house.call("GET", "/Jane-Doe?name=Jane-Doe")
    house.call("JANE-DOE", "/v1/usage")
    metrics = house.call("GET", "/metrics", token=None).text
    assert 'moretta_requests_total{method="POST",route="/v1/analyze",status="200"} 1.0' in metrics
    assert 'route="/v1/jobs/{job_id}",status="404"' in metrics
    assert 'moretta_media_total{kind="image"} 1.0' in metrics
    assert 'moretta_workers{state="busy"} 1.0' in metrics
    log = house.log.getvalue()
    assert not re.search("jane", metrics + log, re.IGNORECASE)
    assert house.token not in log
    lines = [json.loads(line) for line in log.splitlines()]
    first = {"route": "/v1/analyze", "method": "POST", "status": 200, "key_id": house.keys.infos[house.token].key_id}
    assert lines[0].items() >= first.items()
    assert len(lines) == 5
