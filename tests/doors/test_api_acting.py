"""Whatever is done about people, the log names who did it: the API key, or the person themself, and never another request's."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest
from api_fakes import wait_until
from tests.consents_place import SCAN
from tests.recognition_rig import COMPANY, photo
from whole_house import WholeHouse, a_whole_house

from moretta.api.app import create_app
from moretta.core.acting import act_as, acting, acting_as
from moretta.core.keys import Scope
from moretta.core.ledger import EntryKind, LogEntry
from moretta.use_cases.api_keys import ApiKeys
from moretta.use_cases.jobs import JobBoard, JobLimits

ACTORS = ("by", "caller", "made_by", "reviewer")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeHouse]:
    with a_whole_house(tmp_path_factory.mktemp("acting") / "place") as made:
        yield made


class Clerk:
    """A key of its own, and what the log told of it."""

    def __init__(self, whole: WholeHouse) -> None:
        self.whole = whole
        issued = whole.house.keys.create(COMPANY, [Scope.ADMIN])
        self.key_id, self.token = issued.info.key_id, issued.token
        self.begin = whole.office.place.region.log.size()

    def does(self, method: str, url: str, status: int = 200, **given: Any) -> httpx.Response:
        answer = self.whole.house.call(method, url, token=self.token, **given)
        assert answer.status_code == status, answer.text
        return answer

    def entries(self) -> list[LogEntry]:
        log = self.whole.office.place.region.log
        return [one.entry for one in log.entries(self.begin, 1000)]

    def told(self, *kinds: EntryKind) -> None:
        """The log told of such acts, and everything that it told since this clerk began was theirs."""
        found = self.entries()
        assert {entry.kind for entry in found} == set(kinds)
        for entry in found:
            named = {value for name, value in entry.facts if name in ACTORS}
            assert named == {self.key_id}, entry


@pytest.fixture
def clerk(whole: WholeHouse) -> Clerk:
    whole.refresh({"person_id"})
    return Clerk(whole)


def file_of(*faces: str) -> dict[str, tuple[str, bytes, str]]:
    return {"file": ("a.jpg", photo(*faces), "image/jpeg")}


def enrolled(clerk: Clerk, name: str, **given: Any) -> str:
    url = f"/v1/collections/{clerk.whole.office.collection_id}/persons"
    return str(clerk.does("POST", url, 201, files=file_of(f"{name}/1"), **given).json()["person_id"])


def test_who_enrolled_added_faces_and_deleted_one(clerk: Clerk) -> None:
    person = enrolled(clerk, "ann")
    faces = f"/v1/persons/{person}/faces"
    clerk.does("POST", faces, 201, files=file_of("ann/2"))
    listed = clerk.does("GET", faces).json()["data"]
    clerk.does("DELETE", f"{faces}/{listed[0]['id']}")
    clerk.told(EntryKind.ENROLLED, EntryKind.FACE_REMOVED)


def test_who_imported_and_exported_and_gave_a_new_key_in_a_job(clerk: Clerk) -> None:
    where = f"/v1/collections/{clerk.whole.office.collection_id}"
    manifest = ("list.csv", b"name,person\nBea,bea\n", "text/csv")
    files = [("file", file_of("bea/1")["file"]), ("manifest", manifest)]
    finished(clerk, clerk.does("POST", f"{where}/import", 202, files=files, data={"source": "the old list"}))
    clerk.does("GET", f"{where}/export")
    finished(clerk, clerk.does("POST", f"{where}/reissue", 202, json={"renew": "key"}))
    clerk.told(EntryKind.ENROLLED, EntryKind.EXPORTED, EntryKind.KEY_CHANGED)


def finished(clerk: Clerk, answer: httpx.Response) -> None:
    where = answer.headers["location"]
    wait_until(lambda: clerk.does("GET", where).json()["state"] in {"succeeded", "failed"})
    assert clerk.does("GET", where).json()["state"] == "succeeded"


def test_who_recorded_a_consent_on_paper_and_who_withdrew_it_and_so_erased(clerk: Clerk) -> None:
    office = clerk.whole.office
    body = {
        "collection_id": office.collection_id,
        "notice_sha256": office.notice.sha256,
        "decision": "given",
        "age": "adult",
        "paper": {"evidence_sha256": SCAN},
    }
    made = clerk.does("POST", "/v1/consents", 201, json=body).json()
    refused = {name: body[name] for name in ("collection_id", "notice_sha256")} | {"decision": "refused"}
    clerk.does("POST", "/v1/consents", 201, json=refused)
    clerk.does("POST", f"/v1/consents/{made['id']}/withdraw")
    told = {entry.kind for entry in clerk.entries()}
    assert {EntryKind.CONSENT_GIVEN, EntryKind.CONSENT_REFUSED, EntryKind.CONSENT_WITHDRAWN, EntryKind.ERASED} <= told
    clerk.told(*told)


def test_who_rectified_restricted_and_permitted_again(clerk: Clerk) -> None:
    person = clerk.whole.ids["person_id"]
    clerk.does("PATCH", f"/v1/persons/{person}", json={"name": "Anna"})
    clerk.does("PATCH", f"/v1/persons/{person}", json={"state": "restricted"})
    clerk.does("PATCH", f"/v1/persons/{person}", json={"state": "active", "reason": "settled with her"})
    clerk.told(EntryKind.RECTIFIED, EntryKind.RESTRICTED)


def test_who_objected_for_a_person_handed_out_their_data_and_erased_them(clerk: Clerk) -> None:
    person = clerk.whole.ids["person_id"]
    asked = [
        clerk.does("POST", "/v1/rights-requests", 201, json={"person_id": person, "right": right}).json()["id"]
        for right in ("objection", "access", "erasure")
    ]
    clerk.does("GET", f"/v1/rights-requests/{asked[1]}/package")
    clerk.does("POST", f"/v1/rights-requests/{asked[2]}/fulfil")
    told = {entry.kind for entry in clerk.entries()}
    assert {EntryKind.REQUEST, EntryKind.RESTRICTED, EntryKind.EXPORTED, EntryKind.ERASED} <= told
    clerk.told(*told)


def test_who_held_and_who_released(clerk: Clerk) -> None:
    whole = clerk.whole
    hold = {"person_id": whole.ids["person_id"], "reason": "case 7", "placed_by": "counsel", "until": whole.later()}
    made = clerk.does("POST", "/v1/holds", 201, json=hold).json()
    clerk.does("POST", f"/v1/holds/{made['id']}/release", json={"reason": "settled"})
    clerk.told(*{entry.kind for entry in clerk.entries()} | {EntryKind.HELD})


def test_who_approved_and_who_took_it_back(clerk: Clerk) -> None:
    body = {"purpose": "access", "approver": "the office", "reason": "assessed", "until": clerk.whole.later()}
    made = clerk.does("POST", "/v1/approvals", 201, json=body).json()
    clerk.does("POST", f"/v1/approvals/{made['id']}/revoke")
    clerk.told(EntryKind.APPROVED)


def test_who_changed_a_collection_its_notice_and_its_retention(clerk: Clerk) -> None:
    body = {"name": "back door", "purpose": "access", "retention_days": 30}
    made = clerk.does("POST", "/v1/collections", 201, json=body).json()["id"]
    clerk.does("PATCH", f"/v1/collections/{made}", json={"name": "side door"})
    clerk.does("PUT", f"/v1/collections/{made}/retention", json={"photo_days": 7})
    notice = {"collection_id": made, "language": "en", "controller": "Example Ltd", "text": "# Your face\n"}
    clerk.does("POST", "/v1/notices", 201, json=notice)
    clerk.told(EntryKind.COLLECTION_CHANGED, EntryKind.RETENTION, EntryKind.NOTICE_CHANGED)


def test_who_recorded_an_incident_and_made_a_link_to_a_persons_pages(clerk: Clerk) -> None:
    clerk.does("POST", "/v1/incidents", 201, json={"what": "a laptop was lost", "kinds": ["confidentiality"]})
    clerk.does("POST", f"/v1/persons/{clerk.whole.ids['person_id']}/subject-links", 201, json={})
    clerk.told(EntryKind.BREACH, EntryKind.SUBJECT_LINK)


def test_a_person_is_told_of_the_enrolment_that_found_them_alike(clerk: Clerk) -> None:
    first = enrolled(clerk, "cleo")
    stranger = enrolled(clerk, "dora")
    before = clerk.does("GET", f"/v1/persons/{first}/searches").json()["data"]
    url = f"/v1/collections/{clerk.whole.office.collection_id}/persons"
    clerk.does("POST", url, 201, files=file_of("cleo/2"))
    about = {one: clerk.does("GET", f"/v1/persons/{one}/searches").json()["data"] for one in (first, stranger)}
    [new, *rest] = about[first]
    assert (rest, new["purpose"], new["caller"], new["matched"]) == (before, "duplicate check", clerk.key_id, True)
    assert new["kind"] == "search"
    assert [one["matched"] for one in about[stranger] if one["purpose"] == "duplicate check"] == [False]
    clerk.told(EntryKind.ENROLLED, EntryKind.SEARCHED)


def test_an_enrolment_that_finds_nobody_alike_tells_nobody_of_a_search(clerk: Clerk) -> None:
    enrolled(clerk, "emil")
    clerk.told(EntryKind.ENROLLED)


def test_keys_made_and_revoked_over_the_api_name_the_key_that_did_it(
    whole: WholeHouse, clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    region = whole.office.place.region
    app = create_app(replace(whole.house.services, keys=ApiKeys(whole.house.keys, region.log.append)), whole.house.log)
    monkeypatch.setattr(whole.house, "app", app)
    made = clerk.does("POST", "/v1/keys", 201, json={"scopes": ["media:analyze"]}).json()
    key_id = made["key"]["key_id"]
    clerk.does("DELETE", f"/v1/keys/{key_id}")
    clerk.told(EntryKind.KEY_CHANGED)
    assert [dict(entry.facts)["key"] for entry in clerk.entries()] == [key_id, key_id]
    assert not any(made["token"].rpartition("_")[2] in str(entry.facts) for entry in clerk.entries())


def test_requests_at_the_same_time_are_each_their_own_keys(whole: WholeHouse) -> None:
    clerks = [Clerk(whole) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda number: enrolled(clerks[number], f"together{number}"), range(4)))
    named = [dict(entry.facts)["by"] for entry in clerks[0].entries()]
    assert sorted(named) == sorted(one.key_id for one in clerks)
    assert len(set(made)) == 4


def test_a_job_acts_for_whoever_began_it_and_a_thread_of_nobodys_for_nobody() -> None:
    board, seen, done = JobBoard(JobLimits(threads=1)), [], threading.Event()

    def work(_: object) -> Any:
        seen.append(acting())
        done.set()

    with acting_as("key1"):
        board.submit(COMPANY, "/v1/import", work, lambda: None)
    assert done.wait(10)
    alone = threading.Thread(target=lambda: (act_as("other"), seen.append(acting())))
    alone.start()
    alone.join()
    housekeeping = threading.Thread(target=lambda: seen.append(acting()))
    housekeeping.start()
    housekeeping.join()
    board.close()
    assert seen == ["key1", "other", ""]
    assert acting() == ""
