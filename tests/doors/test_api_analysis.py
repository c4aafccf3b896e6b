"""What POST /v1/analyze and /v1/detect take and give."""

import hashlib
import json

import pytest
from api_fakes import COMPANY, MP4, PNG, House, an_analysis, is_problem
from pydantic import TypeAdapter

from moretta.core.analysis import DEFAULT_FEATURES, Analysis, Feature
from moretta.core.errors import MediaUnreadable, ModelMissing, TimeLimitExceeded, WorkerLost
from moretta.core.limits import MediaLimits
from moretta.core.ports import OnProgress
from moretta.core.values import Profile


def test_an_analysis_is_exactly_the_json_of_its_value() -> None:
    house = House()
    response = house.analyze()
    assert response.status_code == 200, response.text
    expected = an_analysis(len(PNG))
    assert response.json() == json.loads(TypeAdapter(Analysis).dump_json(expected))
    assert set(response.json()) == {"media", "faces", "trust", "voice", "models", "warnings", "profile"}


@pytest.mark.parametrize("part", ["file", "image", "photo"])
def test_the_worker_sees_the_bytes_of_the_form_part_unchanged(part: str) -> None:
    house = House()
    tricky = PNG + b"\r\n--not-the-boundary\r\n" * 2000
    response = house.call("POST", "/v1/analyze", files={part: ("x", tricky)})
    assert response.status_code == 200, response.text
    assert house.executor.digests == [hashlib.sha256(tricky).hexdigest()]


@pytest.mark.parametrize("kind", ["image/png", "video/mp4", "application/octet-stream", "image/svg+xml"])
def test_a_raw_body_is_taken_as_the_media(kind: str) -> None:
    house = House()
    response = house.call("POST", "/v1/analyze", content=PNG, headers={"Content-Type": kind})
    assert response.status_code == 200, response.text
    assert house.executor.digests == [hashlib.sha256(PNG).hexdigest()]


def test_features_and_profile_come_from_the_query_or_the_form_and_the_query_wins() -> None:
    house = House()
    house.analyze()
    house.analyze(url="/v1/analyze?features=pose,gaze&features=trust&profile=fast")
    house.analyze(data={"features": "quality", "profile": "fast"})
    house.analyze(url="/v1/analyze?features=pose", data={"features": "quality"})
    asked = [(request.features, request.profile) for request in house.executor.requests]
    assert asked == [
        (DEFAULT_FEATURES, Profile.ACCURATE),
        ({Feature.POSE, Feature.GAZE, Feature.TRUST}, Profile.FAST),
        ({Feature.QUALITY}, Profile.FAST),
        ({Feature.POSE}, Profile.ACCURATE),
    ]


def test_an_unknown_option_is_refused_and_what_is_expected_is_said() -> None:
    house = House()
    problem = is_problem(house.analyze(url="/v1/analyze?features=race"), 422, "request.invalid")
    assert problem["field_errors"][0]["field"] == "features"
    assert "pose" in problem["field_errors"][0]["detail"]
    assert "race" not in json.dumps(problem)
    is_problem(house.analyze(url="/v1/analyze?profile=slow"), 422, "request.invalid")
    is_problem(house.analyze(data={"profile": "slow"}), 422, "request.invalid")
    is_problem(house.analyze(data={"async": "perhaps"}), 422, "request.invalid")
    is_problem(house.analyze(data={"person_name": "x"}), 422, "request.invalid")
    assert house.executor.requests == []
    assert house.meter.records == []


def test_expression_needs_a_policy_and_the_refusal_names_the_law() -> None:
    refusing = House()
    for response in (
        refusing.analyze(url="/v1/analyze?features=expression"),
        refusing.analyze(data={"features": "pose,expression"}),
    ):
        assert is_problem(response, 403, "policy.prohibited_use")["legal_ref"] == "AI Act Art. 5(1)(f)"
    assert refusing.executor.requests == []
    allowing = House(allow_expression=True)
    assert allowing.analyze(url="/v1/analyze?features=expression").status_code == 200


def test_detection_measures_a_still_and_gives_no_score() -> None:
    house = House()
    response = house.analyze(url="/v1/detect")
    assert response.status_code == 200
    assert set(response.json()) == {"media", "faces", "models", "warnings"}
    assert house.executor.requests[0].features == {Feature.LANDMARKS, Feature.POSE, Feature.QUALITY}
    assert house.meter.records[0][:2] == ("/v1/detect", 200)


def test_detection_refuses_a_video_before_any_work() -> None:
    house = House()
    is_problem(house.analyze(MP4, "/v1/detect"), 415, "media.unsupported")
    assert house.executor.requests == []


@pytest.mark.parametrize(
    ("error", "status"), [(MediaUnreadable("broken"), 400), (TimeLimitExceeded("slow"), 422), (WorkerLost("gone"), 500)]
)
def test_an_item_that_reached_a_worker_is_counted_with_the_status_of_its_outcome(error: Exception, status: int) -> None:
    def fail(_: OnProgress | None) -> None:
        raise error

    house = House(fail)
    assert house.analyze().status_code == status
    key_id = house.keys.infos[house.token].key_id
    assert house.meter.records == [("/v1/analyze", status, COMPANY, 1, key_id)]


def test_what_no_worker_saw_is_not_counted() -> None:
    def fail(_: OnProgress | None) -> None:
        raise ModelMissing("install it")

    house = House(fail)
    is_problem(house.analyze(), 503, "model.missing")
    is_problem(house.analyze(b""), 400, "media.empty")
    assert house.meter.records == []


def test_no_result_leaves_that_could_not_be_counted() -> None:
    house = House()
    house.meter.broken = True
    response = house.analyze()
    problem = is_problem(response, 500, "internal")
    assert "secret-file-name" not in json.dumps(problem) + house.log.getvalue()


def test_the_limit_of_bytes_holds_for_form_and_raw_body_alike() -> None:
    house = House(limits=MediaLimits(bytes=1000))
    exact = house.call("POST", "/v1/analyze", content=b"x" * 1000, headers={"Content-Type": "image/png"})
    assert exact.status_code == 200
    over = house.call("POST", "/v1/analyze", content=b"x" * 1001, headers={"Content-Type": "image/png"})
    is_problem(over, 413, "media.too_large")
    is_problem(house.analyze(b"x" * 1001), 413, "media.too_large")
    is_problem(house.analyze(b"x" * 1_000_000), 413, "media.too_large")


def test_numbers_that_json_has_no_word_for_become_null() -> None:
    def odd(_: OnProgress | None) -> Analysis:
        analysis = an_analysis()
        media = analysis.media.__class__(**{**_fields(analysis.media), "duration_s": float("nan")})
        return Analysis(media, (), None, None, (), (), Profile.FAST)

    response = House(odd).analyze()
    assert response.json()["media"]["duration_s"] is None
    assert "NaN" not in response.text


def _fields(value: object) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__slots__}  # type: ignore[attr-defined]
