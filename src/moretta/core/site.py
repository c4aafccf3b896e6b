"""A watched site as its operator draws it: cameras, zones, lines, what is counted, and how much privacy is spent on it.

Belongs here: the frozen description and its checks. Does not belong here: reading the file (see `wiring.site_file`), any
measuring.

Places are fractions of a camera's picture: x from 0 (left) to 1 (right), y from 0 (top) to 1 (bottom), so that a camera that
changes its resolution keeps its zones.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from moretta.core.errors import RequestInvalid
from moretta.core.statistics import LIVE, LONGEST_VISIT_S, MEASURES, NEEDS_TARGET, TABLED, Measure, Subject

Point = tuple[float, float]

# A day has between 23 and 25 hours, which whole divisors of an hour and whole hours divide without a rest.
BUCKETS_S = (300, 600, 900, 1800, 3600)
# More zones a camera than a person can draw and read.
MOST_PLACES = 32
# Names of made-up sites begin with it, and of no others, so that made-up figures never stand among a real site's.
MADE_UP = "sim-"
_NAME_LENGTH = 48

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Zone:
    """An area: `polygon` of at least three points, in order; `least_stay_s` seconds make a passer a visit.

    `crowded_from`: with so many people in it at once, the zone is crowded.
    """

    name: str
    polygon: tuple[Point, ...]
    least_stay_s: float = 3.0
    crowded_from: int = 5

    def __post_init__(self) -> None:
        _named("zone", self.name)
        _inside(f"zone {self.name}", self.polygon)
        if len(self.polygon) < 3:
            raise RequestInvalid(f"zone {self.name}: expected a polygon of at least 3 points, got {len(self.polygon)}")
        if not 0 < self.least_stay_s <= 3600:
            raise RequestInvalid(
                f"zone {self.name}: expected least_stay_s between 0 and 3600 seconds, got {self.least_stay_s:g}"
            )
        if not 2 <= self.crowded_from <= 1000:
            raise RequestInvalid(
                f"zone {self.name}: expected crowded_from of 2 to 1000 people, got {self.crowded_from}"
            )


@dataclass(frozen=True, slots=True)
class Line:
    """A line whose crossings are counted; `forward` is from the left of `start` → `end` to its right, as seen on the
    picture."""

    name: str
    start: Point
    end: Point

    def __post_init__(self) -> None:
        _named("line", self.name)
        _inside(f"line {self.name}", (self.start, self.end))
        if self.start == self.end:
            raise RequestInvalid(f"line {self.name}: expected two different points")


@dataclass(frozen=True, slots=True)
class Target:
    """What people may look at. `at` is its place on the picture; None means beside the camera itself (a screen or shelf it sits
    on).

    `tolerance_deg` is how far gaze and head may point away from it and still count as attention.
    """

    name: str
    at: Point | None = None
    tolerance_deg: float = 20.0

    def __post_init__(self) -> None:
        _named("target", self.name)
        if self.at is not None:
            _inside(f"target {self.name}", (self.at,))
        if not 1 <= self.tolerance_deg <= 60:
            raise RequestInvalid(
                f"target {self.name}: expected tolerance_deg between 1 and 60, got {self.tolerance_deg:g}"
            )


@dataclass(frozen=True, slots=True)
class View:
    """What one camera of a site sees. `target` is None where attention is not measured."""

    camera: str
    zones: tuple[Zone, ...]
    lines: tuple[Line, ...] = ()
    target: Target | None = None

    def __post_init__(self) -> None:
        _named("camera", self.camera)
        if not self.zones:
            raise RequestInvalid(
                f"camera {self.camera}: expected at least one zone; `[[0,0],[1,0],[1,1],[0,1]]` is the whole picture"
            )
        for places in (self.zones, self.lines):
            names = [place.name for place in places]
            if len(set(names)) < len(names) or len(names) > MOST_PLACES:
                raise RequestInvalid(
                    f"camera {self.camera}: expected at most {MOST_PLACES} zones and lines, each of its own name"
                )


# What is released where a plan does not say: what one visit adds 1 to. Sums of seconds and pairs drown in their noise unless
# hundreds of people pass within a bucket (benchmarks/STATISTICS.md), and would take their share of epsilon from the others.
USUAL = (
    Measure.PASSERS,
    Measure.VISITS,
    Measure.DWELL,
    Measure.ATTENTION,
    Measure.FLOW,
    Measure.AGE,
    Measure.GENDER,
)


@dataclass(frozen=True, slots=True)
class PrivacyPlan:
    """What is spent on one site and day, for each visit: `bucket_epsilon` on the tables of a bucket, `live_epsilon` on live
    counters.

    `weights` say which share of `bucket_epsilon` each measure gets, `live_weights` that of `live_epsilon`; a measure that is
    not named is not released, and one that the site cannot measure gets no share (see `Site.epsilon_of`). `least_cell`: a noisy
    count below it is not shown. `most_zones`: a visit counts in the first so many zones it enters, of all the site's.
    """

    bucket_epsilon: float = 1.0
    live_epsilon: float = 1.0
    day_epsilon: float = 3.0
    least_cell: float = 10.0
    most_zones: int = 2
    weights: tuple[tuple[Measure, float], ...] = tuple((measure, 1.0) for measure in USUAL)
    live_weights: tuple[tuple[Measure, float], ...] = tuple((measure, 1.0) for measure in LIVE)

    def __post_init__(self) -> None:
        for name in ("bucket_epsilon", "live_epsilon", "day_epsilon"):
            # Above 10 the odds a single visit can be told by are over 20,000 to 1: no protection worth its name. Below .001 a
            # count has noise of a thousand and more: nothing worth paying for, and at last more than an interval is known of.
            if getattr(self, name) and not 0.001 <= getattr(self, name) <= 10:
                raise RequestInvalid(f"privacy.{name}: expected 0, or 0.001 to 10, got {getattr(self, name):g}")
        if self.bucket_epsilon + self.live_epsilon > self.day_epsilon * (1 + 1e-9):
            raise RequestInvalid(
                f"privacy: expected bucket_epsilon + live_epsilon to be at most day_epsilon ({self.day_epsilon:g}), got "
                f"{self.bucket_epsilon:g} + {self.live_epsilon:g}"
            )
        if not 0 <= self.least_cell <= 1000 or not 1 <= self.most_zones <= MOST_PLACES:
            raise RequestInvalid(f"privacy: expected least_cell of 0 to 1000 and most_zones of 1 to {MOST_PLACES}")
        for name, weights, known in (
            ("weights", self.weights, TABLED),
            ("live_weights", self.live_weights, LIVE),
        ):
            measures = [measure for measure, _ in weights]
            if not weights or len(set(measures)) < len(measures):
                raise RequestInvalid(f"privacy.{name}: expected at least one measure, each once")
            if any(not 0 < weight <= 1000 or measure not in known for measure, weight in weights):
                raise RequestInvalid(f"privacy.{name}: expected weights above 0 of some of: {', '.join(known)}")


@dataclass(frozen=True, slots=True)
class Alarms:
    """From which released (noisy) figures of the live counters somebody is called; None: never. Each is per zone.

    `crowding`: people in the zone at once; `loitering`: stays over `loitering_s` within an hour; `flow`: how many standard
    deviations an hour's crossings may differ from those of the same hour on other days.
    """

    crowding: float | None = None
    loitering: float | None = None
    loitering_s: float = 300.0
    flow: float | None = None

    def __post_init__(self) -> None:
        for name in ("crowding", "loitering", "flow", "loitering_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise RequestInvalid(f"alarms.{name}: expected a finite number above 0, got {value:g}")


@dataclass(frozen=True, slots=True)
class Site:
    """A watched site. `timezone` (IANA name) says when its days begin; `bucket_s` is the length of a time bucket in seconds."""

    name: str
    views: tuple[View, ...]
    timezone: str = "UTC"
    bucket_s: int = 3600
    privacy: PrivacyPlan = field(default_factory=PrivacyPlan)
    alarms: Alarms = field(default_factory=Alarms)

    def __post_init__(self) -> None:
        _named("site", self.name)
        if self.bucket_s not in BUCKETS_S:
            raise RequestInvalid(f"bucket_s: expected one of {', '.join(map(str, BUCKETS_S))}, got {self.bucket_s}")
        cameras = [view.camera for view in self.views]
        if not cameras or len(set(cameras)) < len(cameras):
            raise RequestInvalid("expected at least one camera, each of its own name")
        self._check_alarms()
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):
            raise RequestInvalid("timezone: expected an IANA name such as Europe/Rome or UTC") from None

    def _check_alarms(self) -> None:
        """An alarm that could never ring is a mistake."""
        for name, measure, released in (
            ("crowding", Measure.PRESENT, self.live_epsilon_of(Measure.PRESENT)),
            ("loitering", Measure.LONG_STAYS, self.live_epsilon_of(Measure.LONG_STAYS)),
            ("flow", Measure.FLOW, self.epsilon_of(Measure.FLOW)),
        ):
            if getattr(self.alarms, name) is not None and not released:
                raise RequestInvalid(f"alarms.{name}: expected {measure} to be released; give it a weight and a place")
        if self.alarms.loitering is not None and not self.alarms.loitering_s < LONGEST_VISIT_S:
            raise RequestInvalid(
                f"alarms.loitering_s: expected less than {LONGEST_VISIT_S:g} seconds, at which a stay is cut, got "
                f"{self.alarms.loitering_s:g}"
            )

    def view(self, camera: str) -> View | None:
        """What that camera sees; None for a camera that is not the site's."""
        return next((view for view in self.views if view.camera == camera), None)

    def places(self, subject: Subject) -> Iterator[str]:
        """The names of all places that have figures of their own, as `camera/zone` or `camera/line`."""
        for view in self.views:
            for place in view.zones if subject is Subject.ZONE else view.lines:
                yield f"{view.camera}/{place.name}"

    def places_of(self, measure: Measure) -> tuple[str, ...]:
        """The places that have figures of `measure`: all zones or lines; for attention, the zones of cameras with a target."""
        if measure in NEEDS_TARGET:
            return tuple(f"{view.camera}/{zone.name}" for view in self.views if view.target for zone in view.zones)
        return tuple(self.places(MEASURES[measure].subject))

    @property
    def made_up(self) -> bool:
        """Whether its people are made up, which its name says."""
        return self.name.startswith(MADE_UP)

    def as_made_up(self) -> "Site":
        """The site under the name of a made-up one."""
        return self if self.made_up else replace(self, name=f"{MADE_UP}{self.name}"[:_NAME_LENGTH].rstrip("-"))

    @property
    def bucket_epsilon(self) -> float:
        """What a bucket's tables spend; 0 where the plan names nothing that this site can measure."""
        return self.privacy.bucket_epsilon if any(map(self.epsilon_of, TABLED)) else 0.0

    @property
    def live_epsilon(self) -> float:
        """What a day's live counters spend; 0 where the plan names nothing that this site can measure."""
        return self.privacy.live_epsilon if any(map(self.live_epsilon_of, LIVE)) else 0.0

    def epsilon_of(self, measure: Measure) -> float:
        """What a bucket's tables of `measure`, of all places together, may spend; 0 where they are not released."""
        return self._share(measure, self.privacy.weights, self.privacy.bucket_epsilon)

    def live_epsilon_of(self, measure: Measure) -> float:
        """What a day's live counters of `measure`, of all places together, may spend; 0 where they are not released."""
        return self._share(measure, self.privacy.live_weights, self.privacy.live_epsilon)

    def sensitivity(self, measure: Measure) -> int:
        """The most by which one visit changes all figures of `measure` over the whole site (L1).

        A visit is before one camera, so it is in at most as many zones as that camera has.
        """
        terms = MEASURES[measure]
        if terms.subject is Subject.LINE:
            return terms.cap
        views = [view for view in self.views if view.target or measure not in NEEDS_TARGET]
        return terms.cap * min(self.privacy.most_zones, max((len(view.zones) for view in views), default=0))

    def day_bounds(self, day: date) -> tuple[datetime, datetime]:
        """The first moment of the site's `day` and that of the next, in UTC: 23 to 25 hours apart."""
        zone = ZoneInfo(self.timezone)
        first, last = (datetime(date_.year, date_.month, date_.day, tzinfo=zone) for date_ in (day, day + timedelta(1)))
        return first.astimezone(UTC), last.astimezone(UTC)

    def _share(self, measure: Measure, weights: tuple[tuple[Measure, float], ...], epsilon: float) -> float:
        released = {named: weight for named, weight in weights if self.places_of(named)}
        return epsilon * released[measure] / sum(released.values()) if measure in released else 0.0

    def day(self, time_s: float) -> date:
        """The site's own date at `time_s` (seconds since 1970 in UTC)."""
        return datetime.fromtimestamp(time_s, ZoneInfo(self.timezone)).date()

    def bucket(self, time_s: float) -> datetime:
        """The start, in UTC, of the bucket that holds `time_s`. Buckets never span two of the site's days."""
        local = datetime.fromtimestamp(time_s, ZoneInfo(self.timezone))
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
        passed = (local.astimezone(UTC) - midnight) // timedelta(seconds=self.bucket_s)
        return midnight + passed * timedelta(seconds=self.bucket_s)


def _named(kind: str, name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise RequestInvalid(f"{kind}: expected a name of 1 to 48 lower-case letters, digits and hyphens")


def _inside(what: str, points: tuple[Point, ...]) -> None:
    if any(not 0 <= value <= 1 for point in points for value in point):
        raise RequestInvalid(f"{what}: expected points as fractions of the picture, each x and y between 0 and 1")
