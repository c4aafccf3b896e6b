"""The OpenAPI document is true of what the fakes do not stand for: consent, rights, reviews, governance and the log, for real."""

from collections.abc import Iterator

import pytest
import schemathesis
from api_fakes import House
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.types import Receive, Scope, Send
from whole_house import FACADES, WholeHouse, a_whole_house, that_describes_itself

METHODS = {"get", "put", "post", "delete", "patch"}


class Switch:
    """An ASGI app that is another one: what only describes itself while tests are collected, the real one while they run."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


with_fakes = House().app.openapi()["paths"]
switch = Switch(that_describes_itself(FACADES))
schema = schemathesis.openapi.from_asgi("/openapi.json", switch).exclude(
    lambda context: context.operation.method.lower() in with_fakes.get(context.operation.path, {})
)
tried: set[tuple[str, str, int]] = set()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeHouse]:
    with a_whole_house(tmp_path_factory.mktemp("whole") / "place") as made:
        switch.app = made.house.app
        yield made


@schema.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_document_promises(case: schemathesis.Case, whole: WholeHouse) -> None:
    names = set(case.path_parameters or {}) | (set(case.body) if isinstance(case.body, dict) else set())
    whole.refresh(names)
    if whole.turn():
        deletes = case.operation.method.lower() == "delete"
        ids = whole.ids | ({"collection_id": whole.a_collection()} if deletes else {})
        _name_what_is_there(case, ids)
    answer = case.call_and_validate(
        headers={"x-api-key": whole.token},
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_headers_conformance,
            response_schema_conformance,
        ],
    )
    tried.add((case.operation.method.lower(), case.operation.path, answer.status_code))


def _name_what_is_there(case: schemathesis.Case, ids: dict[str, str]) -> None:
    """Where the call names something, let it be something that is there: chance alone never would."""
    for given in (case.path_parameters, case.body):
        if isinstance(given, dict):
            given.update({name: ids[name] for name in given if name in ids})


def test_the_calls_that_were_tried_were_answered_as_well_as_refused(whole: WholeHouse) -> None:
    answered = {path for _, path, status in tried if status < 300}
    assert {
        "/v1/reviews",
        "/v1/reviews/{review_id}/reject",
        "/v1/approvals",
        "/v1/approvals/{approval_id}/revoke",
        "/v1/consents/{consent_id}/withdraw",
        "/v1/rights-requests/{request_id}/fulfil",
        "/v1/holds/{hold_id}",
        "/v1/incidents/{incident_id}",
        "/v1/log/checkpoint",
    } <= answered


def test_every_operation_of_the_document_is_tried_here_or_with_the_fakes(whole: WholeHouse) -> None:
    document = whole.house.app.openapi()
    for path, operations in document["paths"].items():
        for method in METHODS & set(operations):
            here = any((one[0], one[1]) == (method, path) for one in tried)
            assert here is (method not in with_fakes.get(path, {})), (method, path)


def test_every_operation_of_the_whole_document_has_an_id_and_a_summary_and_every_schema_one_name(
    whole: WholeHouse,
) -> None:
    document = whole.house.app.openapi()
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)
    assert all(one["summary"] for one in operations)
    # Two models of one name would be told apart by their modules.
    assert [name for name in document["components"]["schemas"] if "__" in name] == []
