"""What a site's measures may spend, what one visit may change, and how long its days are."""

from datetime import date

import pytest
from tests.watched_site import WHOLE, a_site

from moretta.core.errors import RequestInvalid
from moretta.core.site import PrivacyPlan, Site, View, Zone
from moretta.core.statistics import LIVE, TABLED, Measure

BARE = Site("bare", (View("door", (Zone("all", WHOLE),)),))


@pytest.mark.parametrize("site", [a_site(), BARE], ids=["whole", "bare"])
def test_the_measures_that_a_site_can_make_share_all_of_epsilon(site: Site) -> None:
    assert sum(map(site.epsilon_of, TABLED)) == pytest.approx(site.privacy.bucket_epsilon)
    assert sum(map(site.live_epsilon_of, LIVE)) == pytest.approx(site.privacy.live_epsilon)


@pytest.mark.parametrize("measure", [Measure.ATTENTION, Measure.ATTENTION_TIME, Measure.FLOW])
def test_what_a_site_cannot_measure_spends_nothing(measure: Measure) -> None:
    assert BARE.places_of(measure) == ()
    assert BARE.epsilon_of(measure) == 0


def test_attention_is_of_zones_of_cameras_with_a_target_only() -> None:
    assert a_site().places_of(Measure.ATTENTION) == ("door/a", "door/b", "door/c")


@pytest.mark.parametrize(
    ("measure", "sensitivity"),
    [(Measure.PASSERS, 2), (Measure.DWELL_TIME, 600), (Measure.PROXIMITY, 6), (Measure.FLOW, 2), (Measure.PRESENT, 10)],
)
def test_the_sensitivity_is_the_cap_of_the_zones_in_which_a_visit_may_count(measure: Measure, sensitivity: int) -> None:
    assert a_site().sensitivity(measure) == sensitivity


def test_a_made_up_site_says_so_in_its_name_which_stays_a_name() -> None:
    assert BARE.as_made_up().name == "sim-bare" and BARE.as_made_up().as_made_up() == BARE.as_made_up()
    assert BARE.as_made_up().made_up and not BARE.made_up
    longest = Site("a" * 43 + "-bcde", BARE.views).as_made_up()
    assert longest.name == "sim-" + "a" * 43


def test_a_camera_with_one_zone_needs_no_noise_for_two() -> None:
    assert BARE.sensitivity(Measure.PASSERS) == 1


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 7, 1), 24), (date(2026, 10, 25), 25)])
def test_a_day_is_as_long_as_the_clocks_make_it(day: date, hours: int) -> None:
    first, last = a_site(timezone="Europe/Rome").day_bounds(day)
    assert (last - first).total_seconds() == hours * 3600


@pytest.mark.parametrize(
    "weights",
    [
        {"weights": ((Measure.PRESENT, 1.0),)},
        {"live_weights": ((Measure.AGE, 1.0),)},
        {"live_weights": ()},
        {"weights": ((Measure.AGE, 1.0), (Measure.AGE, 2.0))},
        {"weights": ((Measure.AGE, float("nan")),)},
    ],
)
def test_weights_that_make_no_plan_are_refused(weights: dict[str, tuple[tuple[Measure, float], ...]]) -> None:
    with pytest.raises(RequestInvalid, match="weights"):
        PrivacyPlan(**weights)


@pytest.mark.parametrize("people", [1, 0, -5, 1001])
def test_a_crowd_is_of_two_at_least(people: int) -> None:
    with pytest.raises(RequestInvalid, match="crowded_from"):
        Zone("a", WHOLE, crowded_from=people)


@pytest.mark.parametrize("epsilon", [-1.0, 1e-9, 10.5, float("nan"), float("inf")])
def test_an_epsilon_that_protects_nobody_or_tells_nothing_is_refused(epsilon: float) -> None:
    with pytest.raises(RequestInvalid, match="bucket_epsilon: expected 0, or 0"):
        PrivacyPlan(bucket_epsilon=epsilon, day_epsilon=10)
