"""Each right through the API, on both kinds of database: asked for, fulfilled, proved; nothing of another company or person.

Nothing is faked but faces and the door's own bookkeeping: stores, keys, nodes, log, signatures and checks are the real ones.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from api_fakes import House, is_problem, wait_until
from tests.recognition_rig import CARD, COMPANY, OTHER_COMPANY, Place, opened, photo, vector
from tests.storage_rig import KINDS, a_database, stored_bytes

from moretta.api.app import create_app
from moretta.core.clock import utc_now
from moretta.core.documents import Trust
from moretta.core.errors import ProofRejected
from moretta.core.jobs import JobState
from moretta.core.jws import parsed
from moretta.core.keys import Scope
from moretta.core.ledger import EntryKind
from moretta.keys.signing import is_signed_by
from moretta.storage.database import open_database
from moretta.wiring.retention import retention_over
from moretta.wiring.rights import rights_over
from moretta.wiring.verifying import verified

NAME = "Wilhelmine Quastenflosser"
WEEK = 7 * 24 * 3600.0


class Office:
    """The app over a place whose clock the test turns, and its callers."""

    def __init__(self, place: Place, database: str | None) -> None:
        self.place, self.house = place, House()
        self.house.now = datetime(2026, 1, 31, 10, tzinfo=UTC)
        means = replace(place.means, clock=lambda: self.house.now)
        place.recognition = type(place.recognition)(means)
        self.rights = rights_over(means, backup_days=30)
        self.trust = Trust([place.region.signing.signer().public_key], is_signed_by)
        self.engine = open_database(database or place.root / "moretta.db")
        services = replace(
            self.house.services,
            people=place.recognition,
            rights=self.rights,
            verify=lambda content: verified(content, self.trust),
        )
        self.house.app = create_app(services, self.house.log)
        self.token = self.house.keys.create(COMPANY, [Scope.ADMIN]).token
        self.clerk = self.house.keys.create(COMPANY, [Scope.RIGHTS_MANAGE]).token
        self.stranger = self.house.keys.create(OTHER_COMPANY, [Scope.ADMIN]).token
        made = self.call("POST", "/v1/collections", json={"name": "Plant", "purpose": "door"})
        self.collection_id = made.json()["id"]

    def call(self, method: str, url: str, *, token: str | None = None, **given: Any) -> httpx.Response:
        return self.house.call(method, url, token=token or self.token, **given)

    def enrolled(self, name: str, *, words: str = NAME) -> str:
        """The id of somebody enrolled with a photo that is kept."""
        files = {"file": ("a.jpg", photo(f"{name}/1"), "image/jpeg")}
        data, headers = {"name": words, "attributes": '{"desk": "4"}'}, {"Store": "photo"}
        url = f"/v1/collections/{self.collection_id}/persons"
        answer = self.call("POST", url, files=files, data=data, headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["person_id"])

    def searched(self, name: str) -> list[str]:
        """The ids of those who are found in another photo of somebody."""
        files = {"file": ("a.jpg", photo(f"{name}/2"), "image/jpeg")}
        found = self.call("POST", f"/v1/collections/{self.collection_id}/search", files=files)
        return [one["person_id"] for face in found.json()["faces"] for one in face["candidates"]]

    def asked(self, person_id: str, right: str, **wishes: Any) -> dict[str, Any]:
        answer = self.call(
            "POST", "/v1/rights-requests", token=self.clerk, json={"person_id": person_id, "right": right, **wishes}
        )
        assert answer.status_code == 201, answer.text
        assert answer.headers["location"] == f"/v1/rights-requests/{answer.json()['id']}"
        found: dict[str, Any] = answer.json()
        return found

    def answered(self, request: dict[str, Any], how: str, **body: Any) -> httpx.Response:
        given = {"json": body} if body else {}
        return self.call("POST", f"/v1/rights-requests/{request['id']}/{how}", token=self.clerk, **given)

    def stored(self) -> bytes:
        """Every byte of the database."""
        if self.engine.dialect.name == "postgresql":
            return stored_bytes(self.engine)
        return b"".join(path.read_bytes() for path in self.place.root.glob("moretta.db*"))

    def told(self, kind: EntryKind) -> list[dict[str, str]]:
        """The facts of the log's entries of a kind."""
        entries = self.place.region.log.entries(0, 1000)
        return [dict(one.entry.facts) for one in entries if one.entry.kind is kind]


@pytest.fixture(params=KINDS)
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    with a_database(request.param, request, tmp_path) as made:
        database = None if request.param == "sqlite" else str(made.where)
        with opened(tmp_path / "place", database=database) as place:
            office = Office(place, database)
            yield office
            office.engine.dispose()


def test_access_hands_out_everything_that_is_kept_and_nothing_of_others(office: Office) -> None:
    anna, boris = office.enrolled("anna"), office.enrolled("boris", words="Boris Somebody")
    assert office.searched("anna") == [anna]
    files = {"file": ("a.jpg", photo("boris/2"), "image/jpeg")}
    assert office.call("POST", f"/v1/persons/{anna}/verify", files=files).json()["match"] is False
    asked = office.asked(anna, "access", reason="I want to see all of it")
    answer = office.call("GET", f"/v1/rights-requests/{asked['id']}/package", token=office.clerk)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["cache-control"] == "no-store"
    assert verified(answer.content, office.trust).type == "moretta.access-package.v1"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    manifest = json.loads(archive.read("manifest.json"))
    for one in manifest["files"]:
        assert hashlib.sha256(archive.read(one["name"])).hexdigest() == one["sha256"]
    person = json.loads(archive.read("person.json"))
    assert (person["name"], person["attributes"]) == (NAME, {"desk": "4"})
    searches = json.loads(archive.read("searches.json"))
    assert [(one["kind"], one["matched"], one["named_you"]) for one in searches] == [
        ("verify", False, True),
        ("search", True, False),
    ]
    (name,) = [one for one in archive.namelist() if one.startswith("templates/") and one.endswith(".json")]
    template = json.loads(archive.read(name))
    assert (template["model_id"], template["dimension"], template["scheme"]) == (CARD.model_id, CARD.dimension, "he")
    assert "L2" in template["normalisation"]
    numbers = np.load(io.BytesIO(archive.read(name.replace(".json", ".npy"))), allow_pickle=False)
    assert np.allclose(numbers, template["values"], atol=1e-7)
    assert np.abs(numbers - vector("anna", "1", CARD.model_id)).max() < 0.01
    (kept,) = [one for one in archive.namelist() if one.startswith("photos/")]
    assert archive.read(kept).endswith(photo("anna/1"))
    (own,) = json.loads(archive.read("requests.json"))
    assert own["reason"] == "I want to see all of it"
    everything = b"".join(archive.read(one) for one in archive.namelist())
    assert boris.encode() not in everything
    assert b"Boris Somebody" not in everything
    assert office.answered(asked, "fulfil").json()["state"] == "fulfilled"
    (exported,) = office.told(EntryKind.EXPORTED)
    assert exported["request"] == asked["id"]


def test_an_altered_package_is_refused(office: Office) -> None:
    anna = office.enrolled("anna")
    asked = office.asked(anna, "portability")
    content = office.call("GET", f"/v1/rights-requests/{asked['id']}/package").content
    assert verified(content, office.trust)
    archive = zipfile.ZipFile(io.BytesIO(content))
    whole = {name: archive.read(name) for name in archive.namelist()}
    without = {name: text for name, text in whole.items() if name != "README.txt"}
    altered = [
        whole | {"person.json": whole["person.json"].replace(b"Wilhelmine", b"Wilhelmina")},
        whole | {"more.txt": b"more"},
        whole | {"manifest.json": whole["manifest.json"].replace(b"2026-01-31", b"2025-01-31")},
        without,
        {name: text for name, text in whole.items() if name != "manifest.json"},
    ]
    for files in altered:
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as other:
            for name, text in files.items():
                other.writestr(name, text)
        with pytest.raises(ProofRejected):
            verified(made.getvalue(), office.trust)
    with pytest.raises(ProofRejected):
        verified(content[:-100], office.trust)


def test_rectification_puts_words_right_and_a_wrong_face_with_a_receipt(office: Office) -> None:
    anna = office.enrolled("anna")
    asked = office.asked(anna, "rectification", name="Wilhelmina Q.", attributes={"desk": "5"})
    assert (asked["name"], asked["attributes"]) == ("Wilhelmina Q.", {"desk": "5"})
    assert office.call("GET", f"/v1/persons/{anna}").json()["name"] == NAME
    done = office.answered(asked, "fulfil").json()
    assert (done["state"], done["outcome"]) == ("fulfilled", "put right")
    person = office.call("GET", f"/v1/persons/{anna}").json()
    assert (person["name"], person["attributes"]) == ("Wilhelmina Q.", {"desk": "5"})
    clerk = office.house.keys.authenticate(office.clerk).key_id
    facts = {"by": clerk, "collection": office.collection_id, "fields": "name,attributes"}
    assert office.told(EntryKind.RECTIFIED) == [facts]

    (old,) = office.call("GET", f"/v1/persons/{anna}/faces").json()["data"]
    files = {"file": ("b.jpg", photo("berta/1"), "image/jpeg")}
    replaced = office.call("POST", f"/v1/persons/{anna}/faces", files=files, data={"replaces": old["id"]})
    assert replaced.status_code == 201, replaced.text
    assert (office.searched("anna"), office.searched("berta")) == ([], [anna])
    address = replaced.headers["link"].split(">")[0][1:]
    receipt = office.call("GET", address)
    assert verified(receipt.content, office.trust).type == "moretta.erasure-certificate.v1"
    told = receipt.json()
    assert told["scope"].startswith("one template of a person who stays")
    assert {one["items_after"] for one in told["stores"]} == {0}
    assert told["negative_search"]["found"] == 0
    assert is_problem(
        office.call(
            "POST", "/v1/rights-requests", json={"person_id": anna, "right": "rectification"}, token=office.clerk
        ),
        422,
        "request.invalid",
    )


def test_erasure_is_certified_and_later_calls_name_the_certificate(office: Office) -> None:
    anna = office.enrolled("anna")
    office.searched("anna")
    asked = office.asked(anna, "erasure", reason=f"{NAME} objects")
    done = office.answered(asked, "fulfil").json()
    assert done["state"] == "fulfilled"
    certificate = office.call("GET", f"/v1/receipts/{done['certificate_id']}", token=office.clerk)
    assert certificate.json()["request_id"] == asked["id"]
    assert certificate.json()["requested_at"] == "2026-01-31T10:00:00Z"
    assert certificate.json()["backups"]["expire_at"] == "2026-03-02T10:00:00Z"
    assert office.searched("anna") == []
    problem = is_problem(office.call("GET", f"/v1/persons/{anna}"), 410, "person.erased")
    assert problem["certificate_id"] == done["certificate_id"]
    assert is_problem(office.call("DELETE", f"/v1/persons/{anna}"), 410, "person.erased")["certificate_id"]
    assert is_problem(office.call("GET", f"/v1/persons/{anna}/searches"), 410, "person.erased")
    kept = office.call("GET", f"/v1/rights-requests/{asked['id']}").json()
    assert (kept["reason"], kept["outcome"], kept["state"]) == ("", "", "fulfilled"), "what was sealed is gone"
    assert NAME.encode() not in office.stored()
    checked = office.call("POST", "/v1/receipts/verify", content=certificate.content)
    assert checked.json()["type"] == "moretta.erasure-certificate.v1"
    altered = certificate.content.replace(b'"revision":1', b'"revision":2')
    assert altered != certificate.content
    assert is_problem(office.call("POST", "/v1/receipts/verify", content=altered), 422, "proof.rejected")
    assert any(one.get("certificate") == done["certificate_id"] for one in office.told(EntryKind.ERASED))


def test_deleting_a_person_is_an_erasure_too(office: Office) -> None:
    anna = office.enrolled("anna")
    erased = office.call("DELETE", f"/v1/persons/{anna}")
    assert erased.status_code == 200
    told = erased.json()
    assert (told["faces"], told["photos"], told["waiting"]) == (1, 1, [])
    assert erased.headers["location"] == f"/v1/receipts/{told['certificate_id']}"
    assert office.call("GET", erased.headers["location"]).status_code == 200


@pytest.mark.parametrize(("right", "state"), [("restriction", "restricted"), ("objection", "objected")])
def test_restriction_and_objection_stop_at_once_and_are_lifted_with_a_recorded_reason(
    office: Office, right: str, state: str
) -> None:
    anna = office.enrolled("anna")
    assert office.searched("anna") == [anna]
    asked = office.asked(anna, right, reason="leave me alone")
    assert office.searched("anna") == [], "before anybody has looked at the request"
    files = {"file": ("a.jpg", photo("anna/2"), "image/jpeg")}
    assert is_problem(office.call("POST", f"/v1/persons/{anna}/verify", files=files), 423, "person.restricted")
    assert office.answered(asked, "fulfil").json()["state"] == "fulfilled"
    assert office.call("GET", f"/v1/persons/{anna}").json()["state"] == state
    without = office.call("PATCH", f"/v1/persons/{anna}", json={"state": "active"})
    assert is_problem(without, 422, "request.invalid")
    assert office.searched("anna") == []
    grounds = {"state": "active", "reason": "a court ordered the comparison"}
    assert office.call("PATCH", f"/v1/persons/{anna}", json=grounds).json()["state"] == "active"
    assert office.searched("anna") == [anna]
    assert [one["state"] for one in office.told(EntryKind.RESTRICTED)] == [state, "active"]
    assert "grounds" in office.told(EntryKind.RESTRICTED)[1]
    kept = office.call("GET", f"/v1/rights-requests/{asked['id']}").json()
    assert kept["reason"] == "a court ordered the comparison"
    assert b"a court ordered" not in office.stored()


def test_the_clock_runs_a_month_and_two_more_with_a_reason(office: Office) -> None:
    anna = office.enrolled("anna")
    asked = office.asked(anna, "access")
    assert (asked["state"], asked["due_at"], asked["late"]) == ("received", "2026-02-28T23:59:59Z", False)
    assert is_problem(office.answered(asked, "extend", reason=" "), 422, "request.invalid")
    extended = office.answered(asked, "extend", reason="forty requests at once").json()
    assert (extended["state"], extended["due_at"]) == ("extended", "2026-04-30T23:59:59Z")
    assert is_problem(office.answered(asked, "extend", reason="once more"), 422, "request.invalid")
    other = office.asked(anna, "portability")
    office.house.pass_time(5 * WEEK)
    late = office.call("GET", f"/v1/rights-requests/{other['id']}").json()
    assert late["late"] is True
    assert is_problem(office.answered(other, "extend", reason="too late for that"), 422, "request.invalid")
    refused = office.answered(other, "refuse", reason="manifestly unfounded").json()
    assert (refused["state"], refused["reason"]) == ("refused", "manifestly unfounded")
    for how in ("refuse", "extend"):
        assert is_problem(office.answered(other, how, reason="again and again"), 409, "conflict")
    assert is_problem(office.answered(other, "fulfil"), 409, "conflict")
    listed = office.call("GET", f"/v1/rights-requests?person_id={anna}&state=refused").json()["data"]
    assert [one["id"] for one in listed] == [other["id"]]


def test_every_outcome_waits_as_a_signed_message_until_it_is_delivered(office: Office) -> None:
    anna = office.enrolled("anna")
    asked = office.asked(anna, "access")
    office.answered(asked, "refuse", reason="manifestly unfounded")
    waiting = office.call("GET", "/v1/rights-notices", token=office.clerk).json()["data"]
    assert [(one["event"], one["request_id"]) for one in waiting] == [
        ("received", asked["id"]),
        ("refused", asked["id"]),
    ]
    for one in waiting:
        jws = parsed(one["jws"])
        assert is_signed_by(office.trust.keys[0], jws.message, jws.signature)
        told = json.loads(jws.payload)
        assert told["request_id"] == asked["id"]
        assert anna not in jws.payload.decode()
    number = waiting[0]["number"]
    for _ in range(2):
        assert office.call("POST", f"/v1/rights-notices/{number}/delivered").status_code == 204
    left = office.call("GET", "/v1/rights-notices").json()["data"]
    assert [one["number"] for one in left] == [waiting[1]["number"]]
    assert is_problem(office.call("POST", "/v1/rights-notices/999/delivered"), 404, "not_found")
    assert office.call("GET", "/v1/rights-notices", token=office.stranger).json()["data"] == []
    foreign = office.call("POST", f"/v1/rights-notices/{waiting[1]['number']}/delivered", token=office.stranger)
    assert is_problem(foreign, 404, "not_found")


def test_who_searched_me_is_told_page_by_page(office: Office) -> None:
    anna, boris = office.enrolled("anna"), office.enrolled("boris")
    office.house.now = utc_now()  # the stores note by the true clock since when somebody is compared
    office.searched("anna")
    office.searched("boris")
    files = {"file": ("a.jpg", photo("anna/2"), "image/jpeg")}
    office.call("POST", f"/v1/persons/{anna}/verify", files=files)
    first = office.call("GET", f"/v1/persons/{anna}/searches?limit=2", token=office.clerk).json()
    assert [(one["kind"], one["matched"]) for one in first["data"]] == [("verify", True), ("search", False)]
    rest = office.call("GET", f"/v1/persons/{anna}/searches?limit=2&before={first['next_before']}").json()
    assert [(one["kind"], one["matched"]) for one in rest["data"]] == [("search", True)]
    assert {one["caller"] for one in first["data"]} == {office.house.keys.authenticate(office.token).key_id}
    about_boris = office.call("GET", f"/v1/persons/{boris}/searches").json()["data"]
    assert [(one["kind"], one["matched"]) for one in about_boris] == [("search", True), ("search", False)]


def test_nobody_reaches_what_is_another_companys_or_beyond_their_scope(office: Office) -> None:
    anna = office.enrolled("anna")
    asked = office.asked(anna, "access")
    erased = office.call("DELETE", f"/v1/persons/{office.enrolled('boris')}").json()["certificate_id"]
    at = f"/v1/rights-requests/{asked['id']}"
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", at, {}),
        ("GET", f"{at}/package", {}),
        ("POST", f"{at}/extend", {"json": {"reason": "because of me"}}),
        ("POST", f"{at}/refuse", {"json": {"reason": "because of me"}}),
        ("POST", f"{at}/fulfil", {}),
        ("GET", f"/v1/persons/{anna}/searches", {}),
        ("GET", f"/v1/receipts/{erased}", {}),
        ("POST", "/v1/rights-requests", {"json": {"person_id": anna, "right": "access"}}),
    ]
    for method, url, given in calls:
        assert is_problem(office.call(method, url, token=office.stranger, **given), 404, "not_found"), url
        # A key that may search, and nothing else.
        refused = office.call(method, url, token=office.house.searcher, **given)
        assert is_problem(refused, 403, "key.scope_missing"), url
    assert office.call("GET", "/v1/rights-requests", token=office.stranger).json()["data"] == []
    assert office.call("GET", at).json()["state"] == "received"
    for odd in ("req_local_0", "per_local_0123456789abcdef01234567", "req_mars_0123456789abcdef01234567"):
        assert is_problem(office.call("GET", f"/v1/rights-requests/{odd}"), 404, "not_found")
        assert is_problem(office.call("GET", f"/v1/receipts/{odd}"), 404, "not_found")


def test_a_request_for_somebody_else_opens_no_package(office: Office) -> None:
    anna, boris = office.enrolled("anna"), office.enrolled("boris")
    asked, erasure = office.asked(anna, "access"), office.asked(boris, "erasure")
    answer = office.call("GET", f"/v1/rights-requests/{erasure['id']}/package")
    assert is_problem(answer, 422, "request.invalid")
    with pytest.raises(Exception, match="request of this person"):
        office.rights.package(COMPANY, boris, io.BytesIO(), request_id=asked["id"])


def test_an_answer_that_could_be_repeated_is_forgotten_with_the_person(office: Office) -> None:
    anna = office.enrolled("anna")
    files = {"file": ("a.jpg", photo("anna/2"), "image/jpeg")}
    url = f"/v1/collections/{office.collection_id}/search"

    def repeated() -> httpx.Response:
        return office.call("POST", url, files=files, headers={"Idempotency-Key": "k"})

    assert anna in repeated().text
    assert anna in repeated().text
    office.answered(office.asked(anna, "erasure"), "fulfil")
    assert anna not in repeated().text


def test_a_deleted_collection_is_a_job_that_tells_everybodys_certificate(office: Office) -> None:
    people = [office.enrolled(name) for name in ("anna", "boris")]
    url = f"/v1/collections/{office.collection_id}"
    for token, status, code in ((office.clerk, 403, "key.scope_missing"), (office.stranger, 404, "not_found")):
        is_problem(office.call("DELETE", url, token=token), status, code)
    taken = office.call("DELETE", url)
    assert taken.status_code == 202, taken.text
    at = taken.headers["location"]
    wait_until(lambda: not JobState(office.call("GET", at).json()["state"]).active)
    job = office.call("GET", at).json()
    assert job["state"] == "succeeded", job
    assert (job["progress"]["stage"], job["progress"]["frames_done"]) == ("erase", 2)
    result = job["result"]
    assert (result["persons"], result["waiting"], result["warnings"]) == (2, [], [])
    for certificate_id in result["certificates"]:
        document = office.call("GET", f"/v1/receipts/{certificate_id}", token=office.clerk).content
        assert verified(document, office.trust).type == "moretta.erasure-certificate.v1"
    is_problem(office.call("GET", url), 404, "not_found")
    for person_id in people:
        told = is_problem(office.call("GET", f"/v1/persons/{person_id}"), 410, "person.erased")
        assert any(one in told["detail"] for one in result["certificates"])
    assert NAME.encode() not in office.stored()
    again = office.call("DELETE", url).headers["location"]
    wait_until(lambda: not JobState(office.call("GET", again).json()["state"]).active)
    assert office.call("GET", again).json()["result"]["certificates"] == result["certificates"]


def test_a_hold_on_one_person_refuses_to_delete_the_collection(office: Office) -> None:
    office.enrolled("boris")
    anna, retention = office.enrolled("anna"), retention_over(office.place.means, office.rights)
    until = office.place.means.clock() + timedelta(days=30)
    retention.place_hold(COMPANY, anna, reason="case 7", placed_by="legal", until=until, recorded_by="cli")
    url = f"/v1/collections/{office.collection_id}"
    is_problem(office.call("DELETE", url), 423, "person.held")
    assert office.call("GET", url).json()["state"] == "active"
    assert office.searched("boris") != []
