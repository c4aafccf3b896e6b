"""A small site with everything a site can have, and visits to it, for tests of statistics."""

from moretta.core.site import Line, PrivacyPlan, Site, Target, View, Zone
from moretta.core.statistics import TABLED, Stay, Visit

WHOLE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
# Midnight in UTC, a Monday.
MIDNIGHT_S = 1_700_438_400.0


def a_site(privacy: PrivacyPlan | None = None, bucket_s: int = 3600, timezone: str = "UTC") -> Site:
    """Two cameras: `door` with three zones, two lines and a target, `shelf` with one zone and no target."""
    door = View(
        "door",
        tuple(Zone(name, WHOLE, crowded_from=2) for name in ("a", "b", "c")),
        (Line("in", (0, 0), (1, 1)), Line("out", (0, 1), (1, 0))),
        Target("screen"),
    )
    shelf = View("shelf", (Zone("all", WHOLE, crowded_from=3),), (Line("aisle", (0, 0), (1, 1)),))
    every = PrivacyPlan(weights=tuple((measure, 1.0) for measure in TABLED))
    return Site("shop", (door, shelf), timezone, bucket_s, privacy or every)


def a_visit(
    visit_id: int,
    *,
    end_s: float = MIDNIGHT_S + 600.0,
    zones: tuple[str, ...] = ("door/a",),
    dwell_s: float = 40.0,
    attention_s: float = 5.0,
    crossings: tuple[tuple[str, bool], ...] = (),
    companions: tuple[tuple[str, int, float], ...] = (),
    age: float | None = 35.0,
    female: float | None = 0.9,
) -> Visit:
    start_s = end_s - dwell_s
    stays = tuple(Stay(zone, start_s, dwell_s, attention_s, dwell_s >= 3) for zone in zones)
    return Visit(visit_id, zones[0].split("/")[0], start_s, end_s, stays, crossings, companions, age, female)
