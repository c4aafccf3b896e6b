"""Governance over HTTP, with a real region behind it: retention, holds, incidents, documents, and who may ask."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_fakes import COMPANY as HOUSE_COMPANY
from api_fakes import House, is_problem
from tests.governance_rig import Office, an_office
from tests.recognition_rig import COMPANY

from moretta.api.app import create_app
from moretta.api.services import Governance
from moretta.core.clock import to_second
from moretta.core.keys import Scope

DAY = timedelta(days=1)
NOBODY = "per_local_0123456789abcdef01234567"


class Bureau:
    """A house whose governance is real, and a caller of each scope."""

    def __init__(self, office: Office) -> None:
        self.office, self.house = office, House()
        services = replace(
            self.house.services,
            people=office.place.recognition,
            clock=office.clock,
            governance=Governance(office.retention, office.incidents, office.documents),
        )
        self.house.app = create_app(services, self.house.log)
        self.manager = self.house.keys.create(COMPANY, [Scope.RIGHTS_MANAGE]).token
        self.writer = self.house.keys.create(COMPANY, [Scope.PERSONS_WRITE]).token
        self.stranger = self.house.keys.create(HOUSE_COMPANY, [Scope.ADMIN]).token

    def call(self, method: str, url: str, body: object = None, *, token: str | None = None) -> httpx.Response:
        given: dict[str, Any] = {} if body is None else {"json": body}
        return self.house.call(method, url, token=token or self.manager, **given)

    def person(self, name: str = "anna") -> str:
        return self.office.place.enrolled(self.office.collection_id, name, f"{name}/1").person_id

    def later(self, days: int = 30) -> str:
        return to_second(self.office.clock() + days * DAY)

    def hold(self, person_id: str, **more: object) -> httpx.Response:
        wishes = {"person_id": person_id, "reason": "case 7", "placed_by": "counsel", "until": self.later()}
        return self.call("POST", "/v1/holds", {**wishes, **more})

    def incident(self, **more: object) -> dict[str, Any]:
        made = self.call("POST", "/v1/incidents", {"what": "a laptop was lost", "kinds": ["confidentiality"], **more})
        assert made.status_code == 201, made.text
        assert made.headers["location"] == f"/v1/incidents/{made.json()['id']}"
        found: dict[str, Any] = made.json()
        return found


@pytest.fixture
def bureau(tmp_path: Path) -> Iterator[Bureau]:
    with an_office(tmp_path) as office:
        yield Bureau(office)


def test_retention_is_shown_set_and_kept(bureau: Bureau) -> None:
    address = f"/v1/collections/{bureau.office.collection_id}/retention"
    shown = bureau.call("GET", address).json()
    assert (shown["days"], shown["own_days"], shown["policy_days"], shown["bipa"]) == (60, 60, 90, True)
    rule = {"counts_from": "enrolment", "photo_days": 7, "purpose_ends": bureau.later(), "bipa": False}
    assert bureau.call("PUT", address, rule).status_code == 200
    assert {name: bureau.call("GET", address).json()[name] for name in rule} == rule
    is_problem(bureau.call("PUT", address, {"photo_days": 61}), 422, "request.invalid")
    is_problem(bureau.call("PUT", address, {"photo_days": 0}), 422, "request.invalid")
    is_problem(bureau.call("GET", address, token=bureau.stranger), 404, "not_found")


def test_a_held_person_is_neither_erased_nor_compared_until_released(bureau: Bureau) -> None:
    person = bureau.person()
    made = bureau.hold(person)
    assert made.status_code == 201, made.text
    hold = made.json()
    assert (hold["holds"], hold["overdue"]) == (True, False)
    is_problem(bureau.hold(person), 409, "conflict")
    refused = bureau.house.call("DELETE", f"/v1/persons/{person}", token=bureau.writer)
    is_problem(refused, 423, "person.held")
    assert refused.json()["legal_ref"] == "GDPR Art. 17(3)(e)"
    assert bureau.office.place.found(bureau.office.collection_id, "anna/2") == [[]]
    bureau.office.clock.offset = 31 * DAY
    assert bureau.call("GET", f"/v1/holds/{hold['id']}").json()["overdue"] is True
    assert [one["id"] for one in bureau.call("GET", "/v1/holds?active=true").json()["data"]] == [hold["id"]]
    released = bureau.call("POST", f"/v1/holds/{hold['id']}/release", {"reason": "settled"})
    assert released.json()["released_by"]
    is_problem(bureau.call("POST", f"/v1/holds/{hold['id']}/release", {"reason": "again"}), 409, "conflict")
    assert bureau.call("GET", "/v1/holds?active=true").json()["data"] == []
    assert bureau.house.call("DELETE", f"/v1/persons/{person}", token=bureau.writer).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"reason": ""},
        {"placed_by": " "},
        {"until": "2020-01-01T00:00:00Z"},
        {"until": "2030-01-01T00:00:00"},
        {"more": 1},
    ],
)
def test_a_hold_that_is_not_whole_is_refused(bureau: Bureau, wrong: dict[str, object]) -> None:
    is_problem(bureau.hold(bureau.person(), **wrong), 422, "request.invalid")
    assert bureau.call("GET", "/v1/holds").json()["data"] == []


def test_nobody_unknown_can_be_held(bureau: Bureau) -> None:
    is_problem(bureau.hold(NOBODY), 404, "not_found")


def test_reports_of_sweeps_are_handed_out_as_they_were_signed(bureau: Bureau) -> None:
    bureau.person()
    bureau.office.clock.offset = 61 * DAY
    bureau.office.retention.sweep()
    (report,) = bureau.call("GET", "/v1/retention/reports").json()["data"]
    assert json.loads(report["document"])["type"] == "moretta.retention-report.v1"
    assert bureau.call("GET", "/v1/retention/reports", token=bureau.stranger).json()["data"] == []


def test_an_incident_goes_from_noticed_to_closed_with_its_clock(bureau: Bureau) -> None:
    made = bureau.incident(noticed_at=to_second(bureau.office.clock() - 73 * timedelta(hours=1)))
    assert (made["overdue"], made["needs_authority"], made["risk"], made["decisions"]) == (
        True,
        True,
        "not_assessed",
        [],
    )
    address = f"/v1/incidents/{made['id']}"
    is_problem(bureau.call("PATCH", address, {"close": True}), 422, "request.invalid")
    now = to_second(bureau.office.clock())
    changes = {
        "risk": "high",
        "measures": "the key was destroyed",
        "decision": "tell everybody",
        "data_categories": ["templates"],
        "affected": {"collection_id": bureau.office.collection_id},
        "authority_notified_at": now,
        "subjects_notified_at": now,
        "close": True,
    }
    closed = bureau.call("PATCH", address, changes)
    assert closed.status_code == 200, closed.text
    assert (closed.json()["overdue"], closed.json()["people"], closed.json()["revision"]) == (False, 0, 2)
    assert closed.json()["closed_at"] is not None
    history = bureau.call("GET", f"{address}/history").json()["data"]
    assert [one["revision"] for one in history] == [1, 2]
    assert [one["id"] for one in bureau.call("GET", "/v1/incidents").json()["data"]] == [made["id"]]
    drafts = bureau.call("GET", f"{address}/drafts").json()
    assert "a laptop was lost" in drafts["authority"]["text"]
    assert "when it began" in drafts["authority"]["missing"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"what": ""},
        {"kinds": []},
        {"kinds": ["bad"]},
        {"noticed_at": "2100-01-01T00:00:00Z"},
        {"noticed_at": "yesterday"},
        {"what": "x" * 4001},
    ],
)
def test_an_incident_that_is_not_whole_is_refused(bureau: Bureau, wrong: dict[str, object]) -> None:
    body = {"what": "a laptop was lost", "kinds": ["confidentiality"], **wrong}
    is_problem(bureau.call("POST", "/v1/incidents", body), 422, "request.invalid")
    assert bureau.call("GET", "/v1/incidents").json()["data"] == []


def test_the_affected_are_told_by_id_in_pages(bureau: Bureau) -> None:
    ids = sorted(bureau.person(name) for name in ("anna", "bert", "cleo"))
    query = {"collection_id": bureau.office.collection_id}
    first = bureau.call("POST", "/v1/incidents/affected?limit=2", query).json()
    assert (first["person_ids"], first["erased"]) == (ids[:2], 0)
    second = bureau.call("POST", f"/v1/incidents/affected?limit=2&cursor={first['next_cursor']}", query).json()
    assert (second["person_ids"], second["next_cursor"]) == (ids[2:], None)
    assert bureau.call("POST", "/v1/incidents/affected", {}, token=bureau.stranger).json()["person_ids"] == []
    is_problem(bureau.call("POST", "/v1/incidents/affected", {"region": "moon"}), 404, "not_found")


def test_documents_are_of_the_callers_company_and_markdown(bureau: Bureau) -> None:
    for address in ("/v1/ropa", "/v1/dpia"):
        told = bureau.call("GET", address)
        assert told.headers["content-type"] == "text/markdown; charset=utf-8"
        assert "Front door" in told.text
        assert "Front door" not in bureau.call("GET", address, token=bureau.stranger).text
    assert "Art. 33" in bureau.house.call("GET", "/v1/evidence", token=None).text


def test_the_sign_is_its_companys_and_the_page_that_it_leads_to_is_everybodys(bureau: Bureau) -> None:
    notice = bureau.office.notice.notice_id
    sign = bureau.call("GET", f"/v1/notices/{notice}/sign.pdf")
    assert sign.headers["content-type"] == "application/pdf"
    assert sign.content.startswith(b"%PDF-")
    is_problem(bureau.call("GET", f"/v1/notices/{notice}/sign.pdf", token=bureau.stranger), 404, "not_found")
    page = bureau.house.call("GET", f"/notices/{notice}", token=None)
    assert page.status_code == 200
    assert "Your face at the door" in page.text
    # The one stylesheet that the page carries is allowed by the answer, and no script.
    policy = page.headers["content-security-policy"]
    assert "'sha256-" in policy
    assert "script" not in policy
    assert "unsafe" not in policy
    is_problem(bureau.house.call("GET", "/notices/not_local_0123456789abcdef01234567"), 404, "not_found")
    is_problem(bureau.house.call("GET", "/notices/nothing"), 404, "not_found")


ADDRESSES = [
    ("GET", "/v1/collections/{collection}/retention", None),
    ("PUT", "/v1/collections/{collection}/retention", {}),
    ("GET", "/v1/retention/reports", None),
    ("GET", "/v1/holds", None),
    ("POST", "/v1/holds", {"person_id": NOBODY, "reason": "x", "placed_by": "x", "until": "2100-01-01T00:00:00Z"}),
    ("GET", "/v1/holds/hol_local_0123456789abcdef01234567", None),
    ("POST", "/v1/holds/hol_local_0123456789abcdef01234567/release", {"reason": "x"}),
    ("GET", "/v1/incidents", None),
    ("POST", "/v1/incidents", {"what": "x", "kinds": ["integrity"]}),
    ("GET", "/v1/incidents/inc_local_0123456789abcdef01234567", None),
    ("PATCH", "/v1/incidents/inc_local_0123456789abcdef01234567", {"decision": "x"}),
    ("GET", "/v1/incidents/inc_local_0123456789abcdef01234567/history", None),
    ("GET", "/v1/incidents/inc_local_0123456789abcdef01234567/drafts", None),
    ("POST", "/v1/incidents/affected", {}),
    ("GET", "/v1/ropa", None),
    ("GET", "/v1/dpia", None),
    ("GET", "/v1/notices/not_local_0123456789abcdef01234567/sign.pdf", None),
]


@pytest.mark.parametrize(("method", "address", "body"), ADDRESSES)
def test_only_who_may_manage_rights_is_let_in(bureau: Bureau, method: str, address: str, body: object) -> None:
    url = address.replace("{collection}", bureau.office.collection_id)
    is_problem(bureau.call(method, url, body, token=bureau.writer), 403, "key.scope_missing")
    given: dict[str, Any] = {} if body is None else {"json": body}
    is_problem(bureau.house.call(method, url, token=None, **given), 401, "key.invalid")


@pytest.mark.parametrize(("method", "address", "body"), [one for one in ADDRESSES if "_0123" in one[1]])
def test_another_companys_entries_are_not_there(bureau: Bureau, method: str, address: str, body: object) -> None:
    hold = bureau.hold(bureau.person()).json()["id"]
    incident = bureau.incident()["id"]
    url = address
    for unknown, known in (
        ("hol_local_0123456789abcdef01234567", hold),
        ("inc_local_0123456789abcdef01234567", incident),
        ("not_local_0123456789abcdef01234567", bureau.office.notice.notice_id),
    ):
        is_problem(bureau.call(method, address, body), 404, "not_found")
        url = url.replace(unknown, known)
    is_problem(bureau.call(method, url, body, token=bureau.stranger), 404, "not_found")


def test_every_address_of_governance_is_in_the_list_above(bureau: Bureau) -> None:
    paths = bureau.house.call("GET", "/openapi.json").json()["paths"]
    told = {
        (method.upper(), path)
        for path, operations in paths.items()
        for method, operation in operations.items()
        if operation["tags"] == ["governance"] and path != "/v1/policy"  # see test_api_policy
    }
    open_to_all = {("GET", "/v1/evidence"), ("GET", "/notices/{notice_id}")}
    listed = {(method, address.replace("{collection}", "{collection_id}")) for method, address, _ in ADDRESSES}
    for unknown, name in (("hol", "hold_id"), ("inc", "incident_id"), ("not", "notice_id")):
        listed = {
            (method, address.replace(f"{unknown}_local_0123456789abcdef01234567", f"{{{name}}}"))
            for method, address in listed
        }
    assert told - open_to_all == listed
