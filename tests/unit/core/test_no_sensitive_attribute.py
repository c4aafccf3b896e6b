"""There is no classifier of an attribute of GDPR Article 9, and no place to plug one in."""

from dataclasses import fields

import pytest

from moretta.core.analysis import Attributes, FaceReport, Feature

EXPECTED = {
    "age_years",
    "age_spread_years",
    "gender",
    "gender_probability",
    "expression",
    "expression_probability",
}


def test_an_attribute_model_can_say_age_gender_and_expression_and_nothing_else() -> None:
    assert {field.name for field in fields(Attributes)} == EXPECTED
    with pytest.raises(TypeError):
        Attributes(race="x")  # type: ignore[call-arg]


def test_no_result_has_an_open_place_for_a_further_attribute() -> None:
    for kind in (FaceReport, Attributes):
        assert not any("dict" in str(field.type) or "Any" in str(field.type) for field in fields(kind)), kind


def test_no_feature_asks_for_a_sensitive_attribute() -> None:
    assert set(Feature) & {"race", "ethnicity", "religion", "health", "orientation", "politics"} == set()
    assert {"age", "gender", "expression"} < set(Feature)


def test_expression_is_not_among_the_default_features_nor_age_nor_gender() -> None:
    from moretta.core.analysis import DEFAULT_FEATURES

    assert not {Feature.EXPRESSION, Feature.AGE, Feature.GENDER, Feature.POSTURE} & DEFAULT_FEATURES
