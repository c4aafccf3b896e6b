"""POST /v1/redactions with persons: who may name them, what is asked of the worker, and that outputs end with who is in them."""

from dataclasses import replace

import pytest
from api_fakes import COMPANY, House, is_problem
from people_fakes import photo_of
from people_rig import a_collection, a_person

from moretta.api.app import create_app
from moretta.core.errors import PolicyProhibited, RateLimited
from moretta.core.keys import Scope as KeyScope
from moretta.core.recognition import PersonState
from moretta.core.redaction import Scope

URL = "/v1/redactions"
CROWD = photo_of("ben", "ann")


@pytest.fixture
def house() -> House:
    house = House()
    house.token = house.keys.create(COMPANY, [KeyScope.MEDIA_ANALYZE, KeyScope.SEARCH_RUN]).token
    return house


@pytest.fixture
def ann(house: House) -> str:
    return a_person(house, a_collection(house), "ann")


def codes(body: dict[str, object]) -> list[str]:
    redaction = body["redaction"]
    assert isinstance(redaction, dict)
    return [notice["code"] for notice in redaction["warnings"]]


@pytest.mark.parametrize(("field", "visible"), [("except_persons", 2), ("only_persons", 1)])
def test_tracks_of_persons_are_looked_for_and_named_to_the_worker(
    house: House, ann: str, field: str, visible: int
) -> None:
    body = house.analyze(CROWD, f"{URL}?{field}={ann}").json()
    (request,) = house.redacter.requests
    assert (request.scope, request.tracks, request.tracking) == (Scope.ALL_BUT, {visible}, "f" * 64)
    assert codes(body) == []
    assert house.people.callers == [house.keys.infos[house.token].key_id]
    assert house.analyze(CROWD, URL, data={field: f" {ann} "}).status_code == 200
    assert house.redacter.requests[1].tracks == {visible}
    assert [record[0] for record in house.meter.records if record[0] == URL] == [URL, URL], "one item each"


def test_everybody_is_hidden_where_nobody_may_be_compared(house: House, ann: str) -> None:
    house.people.update_person(COMPANY, ann, state=PersonState.RESTRICTED)
    for field in ("except_persons", "only_persons"):
        body = house.analyze(CROWD, f"{URL}?{field}={ann}").json()
        request = house.redacter.requests[-1]
        assert (request.scope, request.tracks) == (Scope.ALL, frozenset())
        assert codes(body) == ["redaction.person_not_compared"]
        assert ann not in str(body)


def test_who_is_not_found_is_told_without_being_named(house: House, ann: str) -> None:
    ben = a_person(house, a_collection(house), "ben")
    body = house.analyze(photo_of("ann"), f"{URL}?except_persons={ann},{ben}").json()
    assert codes(body) == ["redaction.person_not_found"]
    assert body["redaction"]["warnings"][0]["detail"].startswith("1 of 2 persons")
    assert ann not in str(body)
    assert ben not in str(body)


def test_persons_need_a_key_that_may_search(house: House, ann: str) -> None:
    may_analyze = house.keys.create(COMPANY, [KeyScope.MEDIA_ANALYZE]).token
    for field in ("except_persons", "only_persons"):
        is_problem(house.analyze(CROWD, f"{URL}?{field}={ann}", token=may_analyze), 403, "key.scope_missing")
        problem = house.analyze(CROWD, URL, data={field: ann}, token=may_analyze)
        is_problem(problem, 403, "key.scope_missing")
        is_problem(house.analyze(CROWD, f"{URL}?{field}={ann}", token=house.searcher), 403, "key.scope_missing")
    assert house.redacter.requests == []
    assert house.people.callers == []


@pytest.mark.parametrize(
    "wrong",
    [
        "except_persons=",
        "only_persons=a,,b",
        "except_persons=a&only_persons=b",
        "except_persons=a&except=1",
        "only_persons=a&only=1",
        "except_persons=a&tracks=1",
        "except_persons=" + ",".join(f"per_{number}" for number in range(21)),
    ],
)
def test_persons_that_contradict_something_are_refused_before_any_work(house: House, wrong: str) -> None:
    is_problem(house.analyze(CROWD, f"{URL}?{wrong}"), 422, "request.invalid")
    assert house.redacter.requests == []
    assert house.people.callers == []


def test_another_company_s_person_is_not_there(house: House, ann: str) -> None:
    is_problem(house.analyze(CROWD, f"{URL}?except_persons={ann}", token=house.stranger), 404, "not_found")
    assert house.redacter.requests == []


def test_a_policy_that_does_not_allow_it_is_told_and_not_counted(house: House, ann: str) -> None:
    house.people.fails["recognise_tracks"] = PolicyProhibited("expected an action that the purpose allows")
    is_problem(house.analyze(CROWD, f"{URL}?except_persons={ann}"), 403, "policy.prohibited_use")
    house.people.fails["recognise_tracks"] = RateLimited("slower", retry_after_s=3.0)
    is_problem(house.analyze(CROWD, f"{URL}?except_persons={ann}"), 429, "rate.limited")
    assert house.redacter.requests == []
    assert all(record[:2] != (URL, 403) for record in house.meter.records)


def test_a_repetition_with_other_persons_is_another_call(house: House, ann: str) -> None:
    ben = a_person(house, a_collection(house), "ben")
    headers = {"Idempotency-Key": "abc"}
    address = f"{URL}?except_persons={ann}"
    one, other = (house.analyze(CROWD, address, headers=headers) for _ in range(2))
    assert one.json() == other.json()
    for different in (f"except_persons={ben}", f"only_persons={ann}"):
        is_problem(house.analyze(CROWD, f"{URL}?{different}", headers=headers), 409, "idempotency.mismatch")


def test_outputs_that_show_a_person_end_with_their_erasure(house: House, ann: str) -> None:
    class Erasing:
        """Keeps what is called when somebody is erased."""

        def forgetting(self, forget: object) -> None:
            self.forget = forget

    rights = Erasing()
    house.app = create_app(replace(house.services, rights=rights), house.log)  # type: ignore[arg-type]
    shown = house.analyze(CROWD, f"{URL}?except_persons={ann}").json()
    hidden = house.analyze(CROWD, URL).json()
    assert rights.forget("co_" + "c" * 20, ann) == 0  # type: ignore[operator]
    assert house.call("GET", shown["media"]).status_code == 200
    assert rights.forget(COMPANY, ann) == 1  # type: ignore[operator]
    is_problem(house.call("GET", shown["media"]), 404, "not_found")
    assert house.call("GET", hidden["media"]).status_code == 200
