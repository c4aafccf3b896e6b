"""The API over a real region: all that is done about people is there, and so is one of each kind of thing that has an id."""

import io
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from api_fakes import House
from fastapi import FastAPI
from tests.consents_place import SCAN
from tests.governance_rig import ORIGIN, Office, an_office
from tests.recognition_rig import COMPANY, photo

from moretta.api.app import create_app
from moretta.api.services import Governance
from moretta.core.clock import to_second
from moretta.core.documents import Trust
from moretta.core.keys import Scope
from moretta.keys.passkeys import WebAuthnPasskeys
from moretta.keys.signing import is_signed_by
from moretta.keys.subjects import SubjectKeyCheck
from moretta.ledger.proofs import proof_of
from moretta.pages.subject import SubjectPageMaker
from moretta.use_cases.consent.facade import Consents
from moretta.use_cases.consent.means import ConsentMeans
from moretta.use_cases.review.facade import Approvals, Reviews
from moretta.use_cases.subject import OwnPages
from moretta.use_cases.subject.means import SubjectMeans
from moretta.use_cases.subject.rights import RightsOfOne
from moretta.wiring.rights import rights_over
from moretta.wiring.verifying import verified

# What is made anew where a call has used it up: by the id's name in addresses and bodies, where it is looked at.
_WHERE = {
    "review_id": ("/v1/reviews/{}", "state", "pending"),
    "approval_id": ("/v1/approvals/{}", "holds", True),
    "consent_id": ("/v1/consents/{}", "state", "given"),
    "hold_id": ("/v1/holds/{}", "holds", True),
    "request_id": ("/v1/rights-requests/{}", "state", "received"),
    "incident_id": ("/v1/incidents/{}", "closed_at", None),
}

# What is there; the other facades have tests of their own.
FACADES = ("reviews", "approvals", "consents", "governance", "subjects", "rights", "verify", "log")


@dataclass
class WholeHouse:
    """The app, its administrator, and the ids of what is there."""

    house: House
    office: Office
    token: str
    ids: dict[str, str] = field(default_factory=dict)
    made: int = 0
    turns: int = 0

    def turn(self) -> bool:
        """Yes every other time."""
        self.turns += 1
        return self.turns % 2 == 1

    def call(self, method: str, url: str, **given: Any) -> httpx.Response:
        return self.house.call(method, url, token=self.token, **given)

    def refresh(self, names: Collection[str]) -> None:
        """Let there be, under each of these ids, something that can still be acted on; what is a person's goes with them."""
        if not self._is_there("/v1/persons/{}", "person_id", "state", "active"):
            self.ids["person_id"] = self._person()
            for name in ("consent_id", "request_id"):
                self.ids.pop(name, None)
        for name in sorted(_WHERE.keys() & set(names)):
            where, part, value = _WHERE[name]
            if not self._is_there(where, name, part, value):
                self.ids[name] = getattr(self, f"_new_{name.removesuffix('_id')}")()

    def a_collection(self) -> str:
        """One more, which may be deleted."""
        return self.office.place.recognition.create_collection(
            COMPANY, "spare", "access", retention_days=60
        ).collection_id

    def _is_there(self, where: str, name: str, part: str, value: object) -> bool:
        if name not in self.ids:
            return False
        found = self.call("GET", where.format(self.ids[name]))
        return found.status_code == 200 and found.json()[part] == value

    def _person(self) -> str:
        self.made += 1
        return self.office.place.enrolled(self.office.collection_id, f"p{self.made}").person_id

    def _post(self, url: str, body: dict[str, object]) -> str:
        made = self.call("POST", url, json=body)
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    def later(self) -> str:
        """A month from now, as bodies say it."""
        return to_second(self.office.clock() + timedelta(days=30))

    def _new_review(self) -> str:
        files = {"file": ("a.jpg", photo(f"p{self.made}/2"), "image/jpeg")}
        found = self.call("POST", f"/v1/collections/{self.office.collection_id}/search", files=files)
        assert found.json()["pending"], found.text
        return str(found.json()["pending"])

    def _new_approval(self) -> str:
        body = {"purpose": "access", "approver": "the office", "reason": "assessed", "until": self.later()}
        return self._post("/v1/approvals", {**body})

    def _new_consent(self) -> str:
        return self._post(
            "/v1/consents",
            {
                "collection_id": self.office.collection_id,
                "notice_sha256": self.office.notice.sha256,
                "person_id": self.ids["person_id"],
                "decision": "given",
                "age": "adult",
                "paper": {"evidence_sha256": SCAN},
            },
        )

    def _new_hold(self) -> str:
        body = {"person_id": self._person(), "reason": "case 7", "placed_by": "counsel", "until": self.later()}
        return self._post("/v1/holds", {**body})

    def _new_request(self) -> str:
        return self._post("/v1/rights-requests", {"person_id": self.ids["person_id"], "right": "access"})

    def _new_incident(self) -> str:
        return self._post("/v1/incidents", {"what": "a laptop was lost", "kinds": ["confidentiality"]})


@contextmanager
def a_whole_house(root: Path) -> Iterator[WholeHouse]:
    """Those facades behind one door."""
    with an_office(root) as office:
        means, region, house = office.means, office.place.region, House()
        rights = rights_over(means, backup_days=30)
        passkeys = WebAuthnPasskeys(ORIGIN, "Example Ltd")
        consents = Consents(ConsentMeans(means, SubjectKeyCheck(), passkeys, rights, proof_of))
        trust = Trust([region.signing.signer().public_key], is_signed_by)

        services = replace(
            house.services,
            people=office.place.recognition,
            clock=office.clock,
            log=lambda name: means.region(name).log,
            reviews=Reviews(means),
            approvals=Approvals(means),
            consents=consents,
            governance=Governance(office.retention, office.incidents, office.documents),
            subjects=OwnPages(SubjectMeans(means, consents, RightsOfOne(means, rights))),
            subject_origin=ORIGIN,
            rights=rights,
            verify=lambda content: verified(content, trust),
        )
        house.app = create_app(services, house.log, SubjectPageMaker())
        whole = WholeHouse(house, office, house.keys.create(COMPANY, [Scope.ADMIN]).token)
        whole.ids |= {"collection_id": office.collection_id, "notice_id": office.notice.notice_id}
        whole.ids["notice_sha256"] = office.notice.sha256
        whole.ids["certificate_id"] = rights.erase(COMPANY, whole._person()).certificate.certificate_id
        yield whole


class Nobody:
    """Stands for a facade while the document is made, when nothing is asked of it."""

    def __getattr__(self, name: str) -> "Nobody":
        return Nobody()

    def __call__(self, *_: object) -> "Nobody":
        return self


def that_describes_itself(facades: Collection[str] | None = None) -> FastAPI:
    """The app with the addresses of these facades of `Services` (left out: of all), and nothing behind them."""
    nobody: Any = Nobody()
    services = House().services
    all_of_them = [one.name for one in fields(services) if getattr(services, one.name) is None]
    wanted = dict.fromkeys(all_of_them if facades is None else facades, nobody)
    return create_app(replace(services, **{**wanted, "subject_origin": None}), io.StringIO(), nobody)
