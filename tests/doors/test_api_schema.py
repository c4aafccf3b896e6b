"""The OpenAPI document is true: whatever is thrown at the app, its answers are those that the document promises."""

import jsonschema_rs
import schemathesis
from api_fakes import COMPANY, House
from hypothesis import HealthCheck, Phase, settings
from pydantic import TypeAdapter
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from moretta.api.people_schemas import CollectionView, ComparisonView, Enrolment, SearchView, VerificationView
from moretta.api.problems import Problem
from moretta.api.schemas import analysis_schema
from moretta.core.analysis import Analysis


@schemathesis.serializer("video/mp4", "video/webm", "video/quicktime")
def as_it_is(_: schemathesis.SerializationContext, value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


house = House()
schema = schemathesis.openapi.from_asgi("/openapi.json", house.app)


@schema.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_document_promises(case: schemathesis.Case) -> None:
    house.people.hold_examples(COMPANY)  # What one call erased, the next one finds again.
    case.call_and_validate(
        headers={"x-api-key": house.admin},
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_headers_conformance,
            response_schema_conformance,
        ],
    )


def test_every_operation_has_an_id_a_summary_and_says_how_to_authenticate() -> None:
    document = house.app.openapi()
    open_paths = (
        "/",
        "/healthz",
        "/readyz",
        "/metrics",
        "/v1/whitepaper",
        "/v1/schemas/analysis",
        "/v1/photos/{token}",
        "/problems/{code}",
    )
    ids = []
    for path, methods in document["paths"].items():
        for operation in methods.values():
            ids.append(operation["operationId"])
            assert operation["summary"]
            assert bool(operation.get("security")) is (path not in open_paths)
    assert len(ids) == len(set(ids))
    assert {"multipart/form-data", "application/octet-stream", "video/mp4"} <= set(
        document["paths"]["/v1/analyze"]["post"]["requestBody"]["content"]
    )


def test_every_call_of_recognition_has_an_example_that_its_type_takes() -> None:
    document = house.app.openapi()
    for path, kind in (
        ("/v1/collections", CollectionView),
        ("/v1/collections/{collection_id}/persons", Enrolment),
        ("/v1/collections/{collection_id}/search", SearchView),
        ("/v1/persons/{person_id}/verify", VerificationView),
        ("/v1/compare", ComparisonView),
    ):
        answers = document["paths"][path]["post"]["responses"]
        answer = answers["201"] if "201" in answers else answers["200"]
        TypeAdapter(kind).validate_python(answer["content"]["application/json"]["example"])
    refusals = document["paths"]["/v1/collections/{collection_id}/persons"]["post"]["responses"]["422"]
    assert {"face.not_found", "face.multiple", "quality.too_low"} <= set(
        refusals["content"]["application/problem+json"]["examples"]
    )


def test_the_examples_of_the_document_are_what_the_types_say() -> None:
    answers = house.app.openapi()["paths"]["/v1/analyze"]["post"]["responses"]
    example = answers["200"]["content"]["application/json"]["example"]
    TypeAdapter(Analysis).validate_python(example)
    jsonschema_rs.validator_for(analysis_schema()).validate(example)
    refusals = answers["413"]["content"]["application/problem+json"]["examples"]
    assert {"media.too_large", "media.dimensions_too_large"} <= set(refusals)
    assert Problem.model_validate(refusals["media.too_large"]["value"]).status == 413
