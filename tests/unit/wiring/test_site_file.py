"""The site file: what it can say, and that whatever else it says is refused with the key's name and never its source."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from moretta.core.errors import NotFound, RequestInvalid
from moretta.core.site import Site
from moretta.core.statistics import TABLED, Measure, Subject
from moretta.wiring import site_file
from moretta.wiring.site_file import MAX_BYTES, parse_site, plain_site, read_site

EXAMPLE = (
    re.split(r"\n(?=    name = )", site_file.__doc__ or "", maxsplit=1)[1].replace("\n    ", "\n").strip().encode()
)


def test_the_example_in_the_documentation_of_the_module_is_a_site() -> None:
    found = parse_site(EXAMPLE)
    site = found.site
    assert (site.name, site.timezone, site.bucket_s) == ("shop", "Europe/Rome", 3600)
    assert list(site.places(Subject.ZONE)) == ["door/entrance"]
    assert list(site.places(Subject.LINE)) == ["door/threshold"]
    assert found.sources == {"door": "rtsp://10.0.0.7/stream"}
    assert site.epsilon_of(Measure.VISITS) == pytest.approx(2 / 3)
    assert site.epsilon_of(Measure.AGE) == 0
    assert site.alarms.crowding == 30


def test_live_shares_and_when_a_zone_is_crowded_are_read() -> None:
    site = parse_site(
        b'name = "shop"\n[privacy.live_weights]\npresent = 3\npassers = 1\n[[cameras]]\nname = "door"\n[[cameras.zones]]\n'
        b'name = "a"\npolygon = [[0, 0], [1, 0], [1, 1]]\ncrowded_from = 12\n'
    ).site
    assert site.live_epsilon_of(Measure.PRESENT) == pytest.approx(0.75)
    assert site.live_epsilon_of(Measure.FLOW) == 0
    assert site.views[0].zones[0].crowded_from == 12


def test_a_camera_without_zones_has_its_whole_picture_as_one_and_needs_no_source() -> None:
    found = parse_site(b'name = "shop"\n[[cameras]]\nname = "door"')
    assert list(found.site.places(Subject.ZONE)) == ["door/all"]
    assert found.sources == {}
    assert sum(found.site.epsilon_of(measure) for measure in TABLED) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name = ", "TOML"),
        ('name = "shop"', "cameras"),
        ('name = "Shop!"\n[[cameras]]\nname = "door"', "site: expected a name"),
        ('name = "shop"\nspeed = 3\n[[cameras]]\nname = "door"', "speed"),
        ('name = "shop"\nbucket_minutes = 7\n[[cameras]]\nname = "door"', "bucket_s"),
        ('name = "shop"\ntimezone = "Mars/Olympus"\n[[cameras]]\nname = "door"', "timezone"),
        ('name = "shop"\n[[cameras]]\nname = "door"\n[[cameras]]\nname = "door"', "each of its own name"),
        (
            'name = "shop"\n[[cameras]]\nname = "door"\n[[cameras.zones]]\nname = "z"\npolygon = [[0, 0], [1, 1]]',
            "at least 3",
        ),
        (
            'name = "shop"\n[[cameras]]\nname = "door"\n[[cameras.zones]]\nname = "z"\npolygon = [[0, 0], [1, 1], [640, 1]]',
            "between 0 and 1",
        ),
        (
            'name = "shop"\n[[cameras]]\nname = "door"\n[[cameras.lines]]\nname = "l"\nstart = [0, 0]\nend = [0, 0]',
            "two different",
        ),
        ('name = "shop"\n[[cameras]]\nname = "door"\n[privacy]\nbucket_epsilon = 3', "day_epsilon"),
        ('name = "shop"\n[[cameras]]\nname = "door"\n[privacy]\nday_epsilon = 99', "day_epsilon"),
        ('name = "shop"\n[[cameras]]\nname = "door"\n[privacy.weights]\nfaces = 1', "weights"),
        ('name = "shop"\n[[cameras]]\nname = "door"\n[privacy.weights]\nvisits = 0', "weights"),
        ('name = "shop"\n[[cameras]]\nname = "door"\n[privacy.weights]\npresent = 1', "weights"),
        # Paid for, it would be an empty release.
        ('name = "shop"\n[[cameras]]\nname = "door"\n[privacy.weights]\nflow = 1', "flow needs a line"),
        ('name = "shop"\n[[cameras]]\nname = "door"\n[privacy.weights]\nattention = 1', "need a target"),
        ('name = "shop"\n[[cameras]]\nname = "door"\n[privacy.live_weights]\nflow = 1', "live_weights"),
        ('name = "shop"\n[[cameras]]\nname = "door"\n[alarms]\ncrowding = nan', "alarms.crowding"),
        ('name = "shop"\n[[cameras]]\nname = "door"\n[alarms]\nloitering = inf', "alarms.loitering"),
        ('name = "shop"\n[[cameras]]\nname = "door"\n[alarms]\nloitering_s = -inf', "alarms.loitering_s"),
        ('name = "shop"\n[[cameras]]\nname = "door"\n[alarms]\nflow = 0', "alarms.flow"),
        ('name = "shop"\n[[cameras]]\nname = "door"\n[alarms]\nloitering = 5\nloitering_s = 1800', "a stay is cut"),
    ],
)
def test_what_is_wrong_is_told_by_its_key(text: str, told: str) -> None:
    with pytest.raises(RequestInvalid, match=re.escape(told)):
        parse_site(text.encode())


def test_a_plan_for_tables_alone_may_name_no_live_figures_that_a_site_can_measure() -> None:
    site = parse_site(
        b'name = "shop"\n[privacy]\nlive_epsilon = 0\n[privacy.live_weights]\nflow = 1\n[[cameras]]\nname = "door"'
    ).site
    assert site.live_epsilon == 0 and site.bucket_epsilon == 1


def test_a_source_with_a_password_is_in_no_message() -> None:
    text = b'name = "shop"\n[[cameras]]\nname = "door"\nsource = ["rtsp://me:hunter2@camera"]'
    with pytest.raises(RequestInvalid) as caught:
        parse_site(text)
    assert "hunter2" not in f"{caught.value.detail}{caught.value.field_errors}"


def test_a_file_that_is_missing_or_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_site(tmp_path / "none.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(RequestInvalid, match="at most"):
        read_site(tmp_path / "large.toml")


def test_a_bucket_never_spans_two_days_of_the_site_and_days_with_a_changed_clock_are_whole() -> None:
    site = Site("shop", plain_site("shop", ["door"]).views, "Europe/Rome", 3600)
    night = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()  # clocks are set back at 01:00 UTC
    assert site.bucket(night) == datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    assert site.bucket(night + 3600) == datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
    starts = {site.bucket(hour * 3600.0 + datetime(2026, 10, 24, 22, tzinfo=UTC).timestamp()) for hour in range(25)}
    assert len(starts) == 25 and {site.day(start.timestamp()) for start in starts} == {site.day(night)}
    for minute in range(0, 48 * 60, 7):
        time_s = datetime(2026, 3, 28, tzinfo=UTC).timestamp() + minute * 60
        start = site.bucket(time_s).timestamp()
        assert 0 <= time_s - start < 3600 and site.day(start) == site.day(time_s)
