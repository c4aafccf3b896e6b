"""The split between what is fitted on and what is reported on."""

import pytest

from moretta.evaluation.split import FIT_CLIPS, REPORT_CLIPS, part_of, person_key


def test_no_clip_is_fitted_on_and_reported_on() -> None:
    assert not FIT_CLIPS & REPORT_CLIPS
    assert {part_of(clip) for clip in FIT_CLIPS} == {"fit"}
    assert {part_of(clip) for clip in REPORT_CLIPS} == {"report"}


def test_the_sides_of_known_names_never_move() -> None:
    # Written down from the first release: a change would put fitted people among the reported ones.
    sides = {name: part_of(f"lfw/{name}") for name in ("A_Person", "B_Person", "C_Person", "D_Person")}
    assert sides == {"A_Person": "fit", "B_Person": "fit", "C_Person": "fit", "D_Person": "report"}


def test_about_three_keys_of_four_are_fitted_on() -> None:
    # 4 standard deviations of a binomial draw of 4,000: a false alarm in fewer than 1 of 10,000 rules.
    fitted = sum(part_of(f"people/{i}") == "fit" for i in range(4000))
    assert abs(fitted - 3000) < 4 * (4000 * 0.75 * 0.25) ** 0.5


def test_all_pictures_of_a_person_share_a_key() -> None:
    assert person_key("lfw/A_B/A_B_0001.jpg") == person_key("lfw/A_B/A_B_0002.jpg") == "lfw/A_B"


def test_a_path_without_a_person_is_refused() -> None:
    with pytest.raises(ValueError, match="set/person/picture"):
        person_key("talking/d0.mp4")
