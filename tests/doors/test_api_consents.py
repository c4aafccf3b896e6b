"""Consent over HTTP, with a real region behind it: asked, given in each way, refused, withdrawn, proved."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_fakes import COMPANY as HOUSE_COMPANY
from api_fakes import House, is_problem
from tests.consent_rig import TEXT, Authenticator, Ed25519Subject
from tests.consents_place import SCAN, Desk, a_desk
from tests.recognition_rig import COMPANY, photo

from moretta.api.app import create_app
from moretta.core.consent_proof import key_to_jwk
from moretta.core.documents import Trust
from moretta.core.jws import from_base64url, to_base64url
from moretta.core.keys import Scope
from moretta.keys.signing import is_signed_by
from moretta.wiring.consent_receipts import receipt_verifier

CONSENTS, NOTICES = "/v1/consents", "/v1/notices"


class Counter:
    """A house whose consents and people are real, and a caller of each scope."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.house = desk, House()
        services = replace(self.house.services, people=desk.place.recognition, consents=desk.consents)
        self.house.app = create_app(services, self.house.log)
        self.manager = self.house.keys.create(COMPANY, [Scope.RIGHTS_MANAGE]).token
        self.writer = self.house.keys.create(COMPANY, [Scope.PERSONS_WRITE]).token
        self.stranger = self.house.keys.create(HOUSE_COMPANY, [Scope.ADMIN]).token

    def call(
        self, method: str, url: str, body: object = None, *, token: str | None = None, **given: Any
    ) -> httpx.Response:
        if body is not None:
            given["json"] = body
        return self.house.call(method, url, token=token or self.manager, **given)

    def of_collection(self, **more: object) -> dict[str, object]:
        desk = self.desk
        return {"collection_id": desk.collection.collection_id, "notice_sha256": desk.notice.sha256, **more}

    def recorded(self, **more: object) -> dict[str, Any]:
        made = self.call("POST", CONSENTS, self.of_collection(**more))
        assert made.status_code == 201, made.text
        assert made.headers["location"] == f"{CONSENTS}/{made.json()['id']}"
        found: dict[str, Any] = made.json()
        return found

    def on_paper(self, **more: object) -> dict[str, Any]:
        return self.recorded(paper={"evidence_sha256": SCAN}, **more)

    def challenge(self, **more: object) -> dict[str, Any]:
        made = self.call("POST", f"{CONSENTS}/challenges", self.of_collection(**more))
        assert made.status_code == 201, made.text
        found: dict[str, Any] = made.json()
        return found

    def signed(self, subject: Ed25519Subject, asked: dict[str, Any]) -> dict[str, object]:
        signature = to_base64url(subject.sign(from_base64url(asked["to_sign"])))
        return {"challenge_id": asked["id"], "jwk": key_to_jwk(subject.public_key), "signature": signature}


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    with a_desk(tmp_path / "place") as desk:
        yield Counter(desk)


def test_a_person_is_asked_consents_with_a_key_is_enrolled_and_withdraws(counter: Counter) -> None:
    asked = counter.challenge()
    assert asked["notice"]["text"] == TEXT
    assert json.loads(from_base64url(asked["to_sign"])) == asked["statement"]
    consent = counter.recorded(key=counter.signed(Ed25519Subject(), asked), age="adult")
    assert (consent["state"], consent["method"], consent["age"]) == ("given", "key", "adult")
    url = f"/v1/collections/{consent['collection_id']}/persons"
    files = [("photos", ("a.jpg", photo("erika/1"), "image/jpeg"))]
    without = counter.house.call("POST", url, token=counter.writer, files=files)
    is_problem(without, 403, "consent.required")
    assert without.json()["legal_ref"] == "GDPR Art. 9(2)(a)"
    enrolled = counter.house.call("POST", url, token=counter.writer, files=files, headers={"Consent-Id": consent["id"]})
    assert (enrolled.status_code, enrolled.json()["person_id"]) == (201, consent["person_id"]), enrolled.text
    ended = counter.call("POST", f"{CONSENTS}/{consent['id']}/withdraw").json()
    assert (ended["erased"], ended["pending"], ended["consent"]["state"]) == (True, None, "withdrawn")
    assert ended["consent"]["age"] is None
    gone = counter.house.call("GET", f"/v1/persons/{consent['person_id']}", token=counter.writer)
    is_problem(gone, 410, "person.erased")


def test_a_passkey_is_made_and_signs_in_one_go(counter: Counter) -> None:
    asked, authenticator = counter.challenge(), Authenticator()
    options = asked["passkey"]
    answer = {
        "challenge_id": asked["id"],
        "registration": json.loads(authenticator.create(json.dumps(options["registration"]))),
        "assertion": json.loads(authenticator.get(json.dumps(options["authentication"]))),
    }
    consent = counter.recorded(passkey=answer)
    assert consent["method"] == "passkey"
    again = counter.challenge(person_id=consent["person_id"])
    assert again["passkey"]["registration"] is None
    is_problem(counter.call("POST", CONSENTS, counter.of_collection(passkey=answer)), 409, "consent.challenge_used")


def test_the_receipt_over_http_verifies_offline(counter: Counter) -> None:
    consent = counter.on_paper(guardian="mother", age="minor")
    receipt = counter.call("GET", f"{CONSENTS}/{consent['id']}/receipt")
    key = counter.desk.place.region.signing.signer().public_key
    verified = receipt_verifier()(receipt.content, Trust([key], is_signed_by))
    assert consent["id"] in verified.statements[0]
    counter.call("POST", f"{CONSENTS}/{consent['id']}/withdraw")
    assert counter.call("GET", f"{CONSENTS}/{consent['id']}/receipt").json()["event"] == "withdrawn"
    is_problem(counter.call("GET", f"{CONSENTS}/{consent['id']}/receipt?event=given"), 410, "person.erased")


def test_each_refusal_of_a_proof_has_its_status_and_code(counter: Counter) -> None:
    subject, asked = Ed25519Subject(), counter.challenge()
    forged = {**counter.signed(subject, asked), "signature": to_base64url(bytes(64))}
    is_problem(counter.call("POST", CONSENTS, counter.of_collection(key=forged)), 403, "consent.signature_invalid")
    consent = counter.recorded(key=counter.signed(subject, asked))
    stranger = counter.signed(Ed25519Subject(), counter.challenge(person_id=consent["person_id"]))
    wrong = counter.of_collection(key=stranger, person_id=consent["person_id"])
    is_problem(counter.call("POST", CONSENTS, wrong), 403, "consent.wrong_subject")
    other = counter.of_collection(paper={"evidence_sha256": SCAN}) | {"notice_sha256": "00" * 32}
    is_problem(counter.call("POST", CONSENTS, other), 409, "consent.notice_changed")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"paper": {"evidence_sha256": "abc"}},
        {"paper": {"evidence_sha256": SCAN}, "key": {"challenge_id": "x", "jwk": {}, "signature": ""}},
        {"key": {"challenge_id": "x", "jwk": {"kty": "RSA"}, "signature": ""}},
        {"key": {"challenge_id": "x", "jwk": {}, "signature": "!"}},
        {"paper": {"evidence_sha256": SCAN}, "age": "old"},
        {"paper": {"evidence_sha256": SCAN}, "expires_at": "2020-01-01T00:00:00Z"},
        {"paper": {"evidence_sha256": SCAN}, "expires_at": "2099-01-01T00:00:00"},
        {"paper": {"evidence_sha256": SCAN}, "guardian": "a\nb"},
        {"decision": "refused", "name": "Erika"},
        {"decision": "maybe"},
    ],
)
def test_a_body_that_does_not_fit_is_refused_and_keeps_nothing(counter: Counter, body: dict[str, object]) -> None:
    is_problem(counter.call("POST", CONSENTS, counter.of_collection(**body)), 422, "request.invalid")
    assert counter.call("GET", CONSENTS).json()["data"] == []


def test_a_refusal_is_recorded_and_cannot_be_withdrawn(counter: Counter) -> None:
    refusal = counter.recorded(decision="refused")
    assert (refusal["state"], refusal["person_id"], refusal["method"]) == ("refused", None, "none")
    is_problem(counter.call("POST", f"{CONSENTS}/{refusal['id']}/withdraw"), 409, "conflict")


def test_a_person_withdraws_everything_in_one_call(counter: Counter) -> None:
    consent = counter.on_paper()
    counter.on_paper(person_id=consent["person_id"])
    ended = counter.call("POST", f"/v1/persons/{consent['person_id']}/consents/withdraw").json()["data"]
    assert [(one["erased"], one["consent"]["state"]) for one in ended] == [(True, "withdrawn")] * 2


def test_consents_are_listed_in_pages_by_collection_and_person(counter: Counter) -> None:
    made = sorted(counter.on_paper()["id"] for _ in range(3))
    first = counter.call("GET", f"{CONSENTS}?limit=2").json()
    rest = counter.call("GET", f"{CONSENTS}?limit=2&cursor={first['next_cursor']}").json()
    assert [one["id"] for one in first["data"] + rest["data"]] == made
    assert rest["next_cursor"] is None
    one = counter.call("GET", f"{CONSENTS}/{made[0]}").json()
    mine = counter.call("GET", f"{CONSENTS}?person_id={one['person_id']}").json()["data"]
    assert mine == [one]
    collection_id = counter.desk.collection.collection_id
    assert len(counter.call("GET", f"{CONSENTS}?collection_id={collection_id}").json()["data"]) == 3
    is_problem(counter.call("GET", f"{CONSENTS}?cursor=x"), 422, "request.invalid")


def test_the_same_request_sent_twice_records_one_consent(counter: Counter) -> None:
    headers = {"Idempotency-Key": "5f0c5bf2"}
    body = counter.of_collection(paper={"evidence_sha256": SCAN})
    first, second = (counter.call("POST", CONSENTS, body, headers=headers) for _ in range(2))
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert len(counter.call("GET", CONSENTS).json()["data"]) == 1
    other = counter.call("POST", CONSENTS, {**body, "age": "adult"}, headers=headers)
    is_problem(other, 409, "idempotency.mismatch")
    # An answer that tells of somebody who withdrew is not repeated: the request is a new one.
    counter.call("POST", f"{CONSENTS}/{first.json()['id']}/withdraw")
    assert counter.call("POST", CONSENTS, body, headers=headers).json()["id"] != first.json()["id"]


def test_notices_are_added_listed_and_looked_at(counter: Counter) -> None:
    body = {"collection_id": counter.desk.collection.collection_id, "language": "de", "controller": "Beispiel GmbH"}
    made = counter.call("POST", NOTICES, {**body, "text": "# Ihr Gesicht\n"})
    assert (made.status_code, made.json()["version"]) == (201, 1)
    newer = counter.call("POST", NOTICES, {**body, "text": "# Ihr Gesicht, neu\n"}).json()
    assert (newer["id"], newer["version"]) == (made.json()["id"], 2)
    assert counter.call("GET", made.headers["location"]).json() == made.json()
    assert counter.call("GET", f"{NOTICES}/{newer['id']}", token=counter.writer).json() == newer
    listed = counter.call("GET", f"{NOTICES}?collection_id={body['collection_id']}").json()["data"]
    assert sorted(one["language"] for one in listed) == ["de", "en"]
    for wrong in ({"language": "x y"}, {"controller": ""}, {"text": " "}):
        is_problem(counter.call("POST", NOTICES, {**body, "text": "x", **wrong}), 422, "request.invalid")


def test_another_companys_consents_and_notices_are_not_there(counter: Counter) -> None:
    consent, asked = counter.on_paper(), counter.challenge()
    stranger = counter.stranger
    for url in (
        f"{CONSENTS}/{consent['id']}",
        f"{CONSENTS}/{consent['id']}/receipt",
        f"{NOTICES}/{asked['notice']['id']}",
    ):
        is_problem(counter.call("GET", url, token=stranger), 404, "not_found")
    for url in (f"{CONSENTS}/{consent['id']}/withdraw", f"/v1/persons/{consent['person_id']}/consents/withdraw"):
        is_problem(counter.call("POST", url, token=stranger), 404, "not_found")
    bodies = [
        (CONSENTS, counter.of_collection(paper={"evidence_sha256": SCAN})),
        (f"{CONSENTS}/challenges", counter.of_collection()),
    ]
    for url, body in bodies:
        is_problem(counter.call("POST", url, body, token=stranger), 404, "not_found")
    for url in (CONSENTS, NOTICES, f"{CONSENTS}?collection_id={consent['collection_id']}"):
        assert counter.call("GET", url, token=stranger).json()["data"] == []
    assert counter.call("GET", f"{CONSENTS}/{consent['id']}").json()["state"] == "given"


def test_consents_need_the_scope_of_rights(counter: Counter) -> None:
    body = counter.of_collection(paper={"evidence_sha256": SCAN})
    for method, url, given in (
        ("POST", CONSENTS, body),
        ("GET", CONSENTS, None),
        ("POST", f"{CONSENTS}/challenges", counter.of_collection()),
        ("POST", NOTICES, {}),
        ("POST", "/v1/consents/con_local_0123456789abcdef01234567/withdraw", None),
    ):
        is_problem(counter.call(method, url, given, token=counter.writer), 403, "key.scope_missing")
