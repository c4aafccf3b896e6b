"""Everything that goes wrong is an RFC 9457 problem that explains itself and gives nothing away."""

import json
from pathlib import Path

import pytest
from api_fakes import PNG, House, is_problem

from moretta.api.problems import error_classes
from moretta.core.analysis import Analysis
from moretta.core.errors import MorettaError
from moretta.core.ports import OnProgress


def test_an_unknown_address_is_a_problem() -> None:
    is_problem(House().call("GET", "/nowhere"), 404, "not_found")


def test_a_wrong_method_is_a_problem_that_lists_the_right_ones() -> None:
    response = House().call("PUT", "/v1/jobs/x")
    is_problem(response, 405, "method.not_allowed")
    assert response.headers["allow"] == "DELETE, GET, HEAD, OPTIONS"


def test_options_lists_the_methods_and_offers_no_other_origin_anything() -> None:
    response = House().call("OPTIONS", "/v1/analyze", headers={"Origin": "https://elsewhere.example"})
    assert (response.status_code, response.headers["allow"]) == (204, "OPTIONS, POST")
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_head_is_get_without_a_body() -> None:
    house = House()
    head, get = house.call("HEAD", "/healthz"), house.call("GET", "/healthz")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


def test_an_unforeseen_error_tells_the_caller_nothing_and_the_log_its_type_only() -> None:
    def fail(_: OnProgress | None) -> Analysis:
        raise ZeroDivisionError("/home/jane/holiday.png")

    house = House(fail)
    response = house.analyze()
    is_problem(response, 500, "internal")
    told = response.text + house.log.getvalue()
    assert "holiday" not in told
    assert "Traceback" not in told
    assert '"kind": "ZeroDivisionError"' in told
    assert house.meter.records[0][1] == 500


@pytest.mark.parametrize(
    ("kind", "body", "status", "code"),
    [
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc',
            400,
            "cut",
        ),
        ("multipart/form-data; boundary=b", b"--b\r\nbroken header\r\n\r\n", 400, ""),
        ("multipart/form-data; boundary=b", b"rubbish", 400, ""),
        ("multipart/form-data; boundary=b", b"", 400, ""),
        ("multipart/form-data; boundary=" + "b" * 300, b"--b", 400, ""),
        ("multipart/form-data", b"--b", 400, "boundary"),
        ("multipart/form-data; boundary=b", b"--b--\r\n", 422, "no media"),
        ("text/plain", b"abc", 415, "multipart"),
        ("application/json", b"{}", 415, ""),
        ("", b"abc", 415, ""),
    ],
)
def test_a_body_that_is_no_upload_is_refused_clearly(kind: str, body: bytes, status: int, code: str) -> None:
    house = House()
    response = house.call("POST", "/v1/analyze", content=body, headers={"Content-Type": kind})
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert code in response.json()["detail"]
    assert house.executor.requests == []


def test_several_media_items_or_endless_fields_in_one_form_are_refused() -> None:
    house = House()
    two = [("file", ("a", PNG)), ("image", ("b", PNG))]
    is_problem(house.call("POST", "/v1/analyze", files=two), 422, "request.invalid")
    is_problem(house.analyze(data={"features": "x" * 20_000}), 422, "request.invalid")
    many = [("features", (None, "pose"))] * 40
    is_problem(house.call("POST", "/v1/analyze", files=many), 422, "request.invalid")


def test_a_compressed_body_is_refused() -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "image/png"}
    is_problem(House().call("POST", "/v1/analyze", content=PNG, headers=headers), 415, "media.unsupported")


@pytest.mark.parametrize("store", ["photo", "template", "1"])
def test_a_caller_who_wants_something_stored_learns_that_nothing_is(store: str) -> None:
    house = House()
    is_problem(house.analyze(headers={"Store": store}), 403, "policy.prohibited_use")
    is_problem(house.analyze(data={"store": store}), 403, "policy.prohibited_use")
    assert house.analyze(headers={"Store": "none", "Purpose": "research"}).status_code == 200
    is_problem(house.analyze(headers={"Store": "forever"}), 422, "request.invalid")


def test_every_problem_has_a_page_that_explains_it() -> None:
    house = House()
    codes = {kind.code for kind in error_classes() if kind.__module__.startswith("moretta.")}
    assert len(codes) > 25
    for code in codes:
        page = house.call("GET", f"/problems/{code}", token=None)
        assert page.status_code == 200
        assert f"<dd>{code}</dd>" in page.text
    is_problem(house.call("GET", "/problems/none.such", token=None), 404, "not_found")


def test_a_code_is_shared_only_within_a_family_of_errors() -> None:
    classes = [kind for kind in error_classes() if kind.__module__.startswith("moretta.")]
    for kind in classes:
        assert kind.__doc__
        assert 400 <= kind.status < 600
        for other in classes:
            assert other.code != kind.code or _head(other) is _head(kind)


def _head(kind: type[MorettaError]) -> type[MorettaError]:
    """The first of the error's ancestors that has its code: whoever catches it catches the family."""
    return [base for base in kind.__mro__ if getattr(base, "code", None) == kind.code][-1]


def test_every_answer_has_security_headers_and_loads_nothing_from_elsewhere() -> None:
    house = House()
    for url in ("/", "/nowhere", "/openapi.json", "/problems/internal"):
        response = house.call("GET", url)
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert response.headers["x-request-id"]
    for url in ("/docs", "/redoc"):
        is_problem(house.call("GET", url), 404, "not_found")


def test_the_schema_of_an_analysis_is_published() -> None:
    schema = House().call("GET", "/v1/schemas/analysis", token=None).json()
    assert schema["$schema"].endswith("2020-12/schema")
    assert set(schema["required"]) == {"media", "faces", "trust", "voice", "models", "warnings", "profile"}


def test_no_error_text_of_the_door_names_a_file() -> None:
    house = House()
    name = "Jane Doe.png"
    answers = [
        house.call("POST", "/v1/analyze", files={"file": (name, b"")}),
        house.call("POST", "/v1/analyze", files={name: (name, PNG)}),
        house.call("POST", "/v1/analyze", data={name: name}, files={"file": (name, PNG)}),
    ]
    assert all(response.status_code >= 400 for response in answers)
    assert "Jane" not in json.dumps([response.text for response in answers]) + house.log.getvalue()
    assert not Path(name).exists()
