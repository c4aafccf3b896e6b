"""The right to consent and to withdraw, through the API, on both kinds of database: asked, enrolled, found, withdrawn, gone.

Nothing is faked but faces and the door's own bookkeeping: passkey, log, erasure with its certificate, and the checks offline are
the real ones.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_fakes import House, is_problem
from tests.consent_rig import ORIGIN, TEXT, Authenticator
from tests.recognition_rig import COMPANY, Place, opened, photo
from tests.storage_rig import KINDS, a_database, stored_bytes

from moretta.api.app import create_app
from moretta.core.documents import Trust
from moretta.core.jws import from_base64url
from moretta.core.keys import Scope
from moretta.core.ledger import EntryKind
from moretta.core.policy import BUILT_IN
from moretta.keys.signing import is_signed_by
from moretta.settings import Settings
from moretta.storage.database import open_database
from moretta.wiring.consent import consents_of
from moretta.wiring.rights import rights_over
from moretta.wiring.verifying import verified

GUARDIAN, NAME = "stepgrandfather", "Wilhelmine Quastenflosser"


class Office:
    """The app over a place, and one caller who may do everything."""

    def __init__(self, place: Place) -> None:
        self.place, self.house = place, House()
        consents = consents_of(place.means, Settings(subject_origin=ORIGIN), rights_over(place.means))
        services = replace(self.house.services, people=place.recognition, consents=consents)
        self.house.app = create_app(services, self.house.log)
        self.token = self.house.keys.create(COMPANY, [Scope.ADMIN]).token
        self.trust = Trust([place.region.signing.signer().public_key], is_signed_by)

    def call(self, method: str, url: str, **given: Any) -> httpx.Response:
        return self.house.call(method, url, token=self.token, **given)

    def made(self, url: str, **body: object) -> dict[str, Any]:
        answer = self.call("POST", url, json=body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def searched(self, collection_id: str, face: str) -> list[list[str]]:
        files = {"file": ("a.jpg", photo(face), "image/jpeg")}
        found = self.call("POST", f"/v1/collections/{collection_id}/search", files=files)
        assert found.status_code == 200, found.text
        return [[one["person_id"] for one in face["candidates"]] for face in found.json()["faces"]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_person_consents_with_a_passkey_is_found_and_withdraws(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with a_database(kind, request, tmp_path) as database:
        url = None if database.server is None else str(database.where)
        with opened(tmp_path / "place", database=url, policy=BUILT_IN) as place:
            _consent_and_withdraw(Office(place))
        stored = b"".join(path.read_bytes() for path in (tmp_path / "place").rglob("*") if path.is_file())
        if url is not None:
            engine = open_database(url)
            stored += stored_bytes(engine)
            engine.dispose()
        assert TEXT.encode() in stored
        for word in (NAME, "Quastenflosser", GUARDIAN):
            assert word.encode() not in stored


def _consent_and_withdraw(office: Office) -> None:
    collection = office.made("/v1/collections", name="plant", purpose="door")["id"]
    notice = office.made("/v1/notices", collection_id=collection, language="en", controller="Example Ltd", text=TEXT)
    said = {"collection_id": collection, "notice_sha256": notice["sha256"]}
    asked = office.made("/v1/consents/challenges", **said)
    consent = office.made("/v1/consents", **said, passkey=_answered(asked), age="minor", guardian=GUARDIAN, name=NAME)
    photos = [("photos", ("a.jpg", photo("wilhelmine/1"), "image/jpeg"))]
    where = f"/v1/collections/{collection}/persons"
    is_problem(office.call("POST", where, files=photos), 403, "consent.required")
    enrolled = office.call("POST", where, files=photos, headers={"Consent-Id": consent["id"]})
    assert (enrolled.status_code, enrolled.json()["person_id"]) == (201, consent["person_id"])
    assert office.searched(collection, "wilhelmine/2") == [[consent["person_id"]]]

    receipt = office.call("GET", f"/v1/consents/{consent['id']}/receipt").content
    assert "the subject's passkey signed it" in verified(receipt, office.trust).statements
    declared = json.loads(from_base64url(json.loads(receipt)["jws"].split(".")[1]))["declaration"]
    assert (declared["age"], declared["guardian"]) == ("minor", GUARDIAN)

    ended = office.call("POST", f"/v1/consents/{consent['id']}/withdraw").json()
    assert (ended["erased"], ended["pending"]) == (True, None)
    assert office.searched(collection, "wilhelmine/2") == [[]]
    is_problem(office.call("GET", f"/v1/persons/{consent['person_id']}"), 410, "person.erased")
    is_problem(
        office.call("POST", where, files=photos, headers={"Consent-Id": consent["id"]}), 403, "consent.withdrawn"
    )
    end = office.call("GET", f"/v1/consents/{consent['id']}/receipt").content
    assert "withdrawn" in verified(end, office.trust).statements[0]
    # The receipt that the subject kept still proves what was agreed to.
    assert verified(receipt, office.trust)
    kinds = [one.entry.kind for one in office.place.region.log.entries(0, 100)]
    told = [kind for kind in kinds if kind in (EntryKind.CONSENT_GIVEN, EntryKind.CONSENT_WITHDRAWN, EntryKind.ERASED)]
    assert told == sorted(told, key=[EntryKind.CONSENT_GIVEN, EntryKind.CONSENT_WITHDRAWN, EntryKind.ERASED].index)
    assert set(told) == {EntryKind.CONSENT_GIVEN, EntryKind.CONSENT_WITHDRAWN, EntryKind.ERASED}


def _answered(asked: dict[str, Any]) -> dict[str, Any]:
    authenticator, options = Authenticator(), asked["passkey"]
    return {
        "challenge_id": asked["id"],
        "registration": json.loads(authenticator.create(json.dumps(options["registration"]))),
        "assertion": json.loads(authenticator.get(json.dumps(options["authentication"]))),
    }
