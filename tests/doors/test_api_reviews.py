"""The policy, reviews and approvals over HTTP, on a real region with a reader that is told whom it sees."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_fakes import COMPANY, House, is_problem
from tests.policies import CLOSED
from tests.recognition_rig import Place, opened, photo

from moretta.api.app import create_app
from moretta.core.keys import Scope
from moretta.core.policy import Action, Basis, Condition, Context, Controller, Policy, Purpose
from moretta.use_cases.guard import Guard
from moretta.use_cases.recognition import Recognition
from moretta.use_cases.review.facade import Approvals, Reviews

PUBLIC = Policy(
    Controller("The town", "privacy@town.example"),
    (
        Purpose(
            "missing persons",
            Basis.VITAL_INTERESTS,
            Condition.VITAL_INTERESTS,
            contexts=frozenset({Context.PUBLIC_SPACE}),
            actions=frozenset({Action.COLLECTION, Action.ENROL, Action.READ, Action.SEARCH}),
            retention_days=30,
            consent_required=False,
        ),
    ),
    "1",
)
APPROVAL = {
    "purpose": "missing persons",
    "approver": "the mayor's office",
    "reason": "assessment of 2025-01-31",
    "until": "2035-01-31T12:00:00Z",
}


@dataclass
class Town:
    """A service under a policy, with keys of those who take part."""

    house: House
    place: Place
    collection: str
    first: str
    second: str

    def call(self, method: str, url: str, token: str, **given: Any) -> httpx.Response:
        return self.house.call(method, url, token=token, **given)

    def search(self, *faces: str) -> httpx.Response:
        files = {"file": ("crowd.jpg", photo(*faces), "image/jpeg")}
        return self.call("POST", f"/v1/collections/{self.collection}/search", self.house.searcher, files=files)

    def approved(self) -> str:
        made = self.call("POST", "/v1/approvals", self.house.admin, json=APPROVAL)
        assert made.status_code == 201, made.text
        assert made.headers["location"] == f"/v1/approvals/{made.json()['id']}"
        return str(made.json()["id"])

    def pending(self) -> str:
        found = self.search("anna/2")
        assert found.status_code == 200, found.text
        assert [face["candidates"] for face in found.json()["faces"]] == [[]]
        return str(found.json()["pending"])


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with opened(tmp_path / "place", policy=PUBLIC) as place:
        house = House()
        guard = Guard(PUBLIC, lambda _: (place.region.approvals,), house.services.clock)
        means = replace(place.means, guard=guard, clock=house.services.clock)
        people = Recognition(means)
        services = replace(
            house.services,
            people=people,
            reviews=Reviews(means),
            approvals=Approvals(means),
            policy=PUBLIC,
        )
        house.app = create_app(services, house.log)
        collection = people.create_collection(COMPANY, "sought", "missing persons", retention_days=30)
        people.enrol(COMPANY, collection.collection_id, [place.fd("anna/1")])
        keys = [house.keys.create(COMPANY, [Scope.REVIEWS_DECIDE]).token for _ in range(2)]
        yield Town(house, place, collection.collection_id, *keys)


def test_the_policy_in_force_is_told_to_whoever_has_a_key(town: Town) -> None:
    told = town.call("GET", "/v1/policy", town.house.token).json()
    assert (told["sha256"], told["controller"]["name"]) == (PUBLIC.sha256, "The town")
    [purpose] = told["purposes"]
    assert (purpose["name"], purpose["basis"], purpose["contexts"]) == ("missing persons", "d", ["public_space"])
    is_problem(town.house.call("GET", "/v1/policy", token=None), 401, "key.invalid")


def test_a_refusal_names_the_rule_of_law_and_how_to_mend_it(town: Town) -> None:
    problem = is_problem(town.search("anna/2"), 403, "approval.required")
    assert problem["legal_ref"] == "GDPR Art. 35(3)(c)"
    assert "moretta approvals grant" in problem["detail"]
    pair = {name: (f"{name}.jpg", photo("anna/1"), "image/jpeg") for name in "ab"}
    assert (
        is_problem(
            town.call("POST", "/v1/compare", town.house.searcher, files=pair, headers={"Purpose": "missing persons"}),
            403,
            "policy.prohibited_use",
        )["legal_ref"]
        == "GDPR Art. 5(1)(b)"
    )
    body = {"name": "more", "purpose": "ads"}
    unknown = town.call("POST", "/v1/collections", town.house.writer, json=body)
    assert is_problem(unknown, 403, "purpose.unknown")["legal_ref"] == "GDPR Art. 5(1)(b)"
    body = {"name": "more", "purpose": "missing persons", "retention_days": 31}
    long = town.call("POST", "/v1/collections", town.house.writer, json=body)
    assert is_problem(long, 403, "retention.exceeded")["legal_ref"] == "GDPR Art. 5(1)(e)"


def test_a_remote_identification_takes_an_approval_and_two_keys_of_reviewers(town: Town) -> None:
    town.approved()
    review = town.pending()
    where = f"/v1/reviews/{review}"
    seen = town.call("GET", where, town.house.searcher).json()
    assert (seen["state"], seen["needed"], seen["confirmations"], seen["votes"]) == ("pending", 2, 0, [])
    assert seen["faces"][0]["candidates"] == []
    [listed] = town.call("GET", "/v1/reviews", town.first).json()["data"]
    [candidate] = listed["faces"][0]["candidates"]
    confirmed = town.call("POST", f"{where}/confirm", town.first).json()
    assert (confirmed["state"], confirmed["confirmations"]) == ("pending", 1)
    is_problem(town.call("POST", f"{where}/confirm", town.first), 403, "review.same_person")
    assert town.call("GET", where, town.house.searcher).json()["faces"][0]["candidates"] == []
    choices = {"choices": [{"face": 0, "person_id": candidate["person_id"]}]}
    done = town.call("POST", f"{where}/confirm", town.second, json=choices).json()
    assert (done["state"], len(done["votes"])) == ("confirmed", 2)
    told = town.call("GET", where, town.house.searcher).json()
    assert [one["person_id"] for one in told["faces"][0]["candidates"]] == [candidate["person_id"]]
    is_problem(town.call("POST", f"{where}/reject", town.house.admin), 409, "review.closed")


def test_only_reviewers_see_candidates_and_decide(town: Town) -> None:
    town.approved()
    review = town.pending()
    for method, url in (
        ("GET", "/v1/reviews"),
        ("POST", f"/v1/reviews/{review}/confirm"),
        ("POST", f"/v1/reviews/{review}/reject"),
    ):
        is_problem(town.call(method, url, town.house.searcher), 403, "key.scope_missing")
    is_problem(town.call("GET", f"/v1/reviews/{review}", town.house.writer), 403, "key.scope_missing")
    is_problem(town.call("GET", f"/v1/reviews/{review}", town.house.stranger), 404, "not_found")
    is_problem(town.call("POST", f"/v1/reviews/{review}/confirm", town.house.stranger), 404, "not_found")


def test_a_vote_sent_again_with_its_idempotency_key_is_one_vote(town: Town) -> None:
    town.approved()
    where, again = f"/v1/reviews/{town.pending()}", {"Idempotency-Key": "vote-1"}
    first = town.call("POST", f"{where}/confirm", town.first, headers=again)
    repeated = town.call("POST", f"{where}/confirm", town.first, headers=again)
    assert (first.status_code, repeated.status_code) == (200, 200)
    assert repeated.json() == first.json()
    assert "idempotency-replayed" not in first.headers
    assert repeated.headers["idempotency-replayed"] == "true"
    # Another reviewer's vote is not the repetition of the first one's, and neither is one on another proposal.
    is_problem(town.call("POST", f"{where}/confirm", town.second, headers=again), 409, "idempotency.mismatch")
    other = f"/v1/reviews/{town.pending()}"
    is_problem(town.call("POST", f"{other}/confirm", town.first, headers=again), 409, "idempotency.mismatch")
    done = [town.call("POST", f"{other}/reject", town.first, headers=again) for _ in range(2)]
    assert [one.json()["state"] for one in done] == ["rejected"] * 2
    assert done[1].headers["idempotency-replayed"] == "true"


def test_no_repetition_of_a_confirmation_names_somebody_who_was_erased(town: Town) -> None:
    town.approved()
    where, again = f"/v1/reviews/{town.pending()}", {"Idempotency-Key": "vote-1"}
    named = town.call("POST", f"{where}/confirm", town.first, headers=again).json()
    person = named["faces"][0]["candidates"][0]["person_id"]
    assert town.call("DELETE", f"/v1/persons/{person}", town.house.writer).status_code == 200
    repeated = town.call("POST", f"{where}/confirm", town.first, headers=again)
    assert person not in repeated.text


def test_an_approval_sent_again_with_its_idempotency_key_is_one_approval(town: Town) -> None:
    again = {"Idempotency-Key": "approval-1"}
    made = [town.call("POST", "/v1/approvals", town.house.admin, json=APPROVAL, headers=again) for _ in range(2)]
    assert [one.status_code for one in made] == [201, 201]
    assert made[0].json() == made[1].json()
    assert made[0].headers["location"] == made[1].headers["location"]
    assert len(town.call("GET", "/v1/approvals", town.house.admin).json()["data"]) == 1
    changed = APPROVAL | {"reason": "another"}
    refused = town.call("POST", "/v1/approvals", town.house.admin, json=changed, headers=again)
    is_problem(refused, 409, "idempotency.mismatch")
    where = f"{made[0].headers['location']}/revoke"
    revoked = [town.call("POST", where, town.house.admin, headers=again) for _ in range(2)]
    assert [one.status_code for one in revoked] == [200, 200]
    assert revoked[1].headers["idempotency-replayed"] == "true"


def test_a_rejected_match_names_nobody_any_more(town: Town) -> None:
    town.approved()
    where = f"/v1/reviews/{town.pending()}"
    done = town.call("POST", f"{where}/reject", town.first).json()
    assert (done["state"], done["faces"][0]["candidates"]) == ("rejected", [])
    assert [one["state"] for one in town.call("GET", "/v1/reviews?state=rejected", town.first).json()["data"]] == [
        "rejected"
    ]
    assert town.call("GET", "/v1/reviews", town.first).json() == {"data": [], "next_cursor": None}


@pytest.mark.parametrize(
    "body",
    [
        {"choices": []},
        {"choices": [{"face": -1, "person_id": "x"}]},
        {"choices": [{"face": 0, "person_id": "per_local_" + "0" * 24}]},
        {"choices": [{"face": 0}]},
        {"reviewer": "somebody else"},
    ],
)
def test_a_confirmation_of_another_form_or_of_nobody_proposed_is_refused(town: Town, body: dict[str, Any]) -> None:
    town.approved()
    where = f"/v1/reviews/{town.pending()}/confirm"
    is_problem(town.call("POST", where, town.first, json=body), 422, "request.invalid")


def test_approvals_are_recorded_listed_and_taken_back_by_administrators(town: Town) -> None:
    approval = town.approved()
    shown = town.call("GET", f"/v1/approvals/{approval}", town.house.admin).json()
    assert (shown["holds"], shown["approver"], shown["action"]) == (True, "the mayor's office", None)
    [listed] = town.call("GET", "/v1/approvals", town.house.admin).json()["data"]
    assert listed == shown
    for method, url in (
        ("GET", "/v1/approvals"),
        ("POST", "/v1/approvals"),
        ("POST", f"/v1/approvals/{approval}/revoke"),
    ):
        is_problem(town.call(method, url, town.first), 403, "key.scope_missing")
    is_problem(town.call("POST", f"/v1/approvals/{approval}/revoke", town.house.stranger), 404, "not_found")
    review = town.pending()
    revoked = town.call("POST", f"/v1/approvals/{approval}/revoke", town.house.admin).json()
    assert (revoked["holds"], revoked["revoked_by"] is not None) == (False, True)
    is_problem(town.call("POST", f"/v1/approvals/{approval}/revoke", town.house.admin), 409, "conflict")
    is_problem(town.search("anna/2"), 403, "approval.required")
    is_problem(town.call("POST", f"/v1/reviews/{review}/confirm", town.first), 403, "approval.required")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"until": "2035-01-31T12:00:00"}, 422, "request.invalid"),
        ({"until": "2001-01-31T12:00:00Z"}, 422, "request.invalid"),
        ({"reason": " "}, 422, "request.invalid"),
        ({"purpose": "ads"}, 403, "purpose.unknown"),
        ({"action": "conquer"}, 422, "request.invalid"),
        ({"collection_id": "col_local_" + "0" * 24}, 404, "not_found"),
    ],
)
def test_an_approval_that_says_too_little_is_refused(
    town: Town, change: dict[str, str], status: int, code: str
) -> None:
    is_problem(town.call("POST", "/v1/approvals", town.house.admin, json=APPROVAL | change), status, code)
    assert town.call("GET", "/v1/approvals", town.house.admin).json()["data"] == []


def test_expression_is_read_for_a_purpose_that_says_so() -> None:
    clinic = Policy(
        Controller("A clinic"),
        tuple(
            Purpose(name, Basis.CONSENT, contexts=frozenset({Context.CLINIC}), actions=frozenset({Action.EXPRESSION}))
            for name in ("pain", "sleep")
        ),
    )
    for policy, header, status in (
        (clinic, {"Purpose": "pain"}, 200),
        (clinic, {}, 403),
        (clinic, {"Purpose": "ads"}, 403),
        (CLOSED, {"Purpose": "pain"}, 403),
    ):
        house = House()
        house.app = create_app(replace(house.services, policy=policy), house.log)
        answer = house.call(
            "POST",
            "/v1/analyze?features=expression",
            content=b"media",
            headers={"Content-Type": "image/jpeg", **header},
        )
        assert answer.status_code == status, answer.text
