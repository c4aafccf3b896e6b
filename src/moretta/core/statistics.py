"""Anonymous statistics: what is counted of a visit, what leaves memory, and what that costs in privacy.

Belongs here: the values that cross layers, the bounds on what one visit may add, and the ports. Does not belong here: noise
(see `statistics`), SQL, drawing.

The unit of privacy is one visit: one track before one camera, of at most `LONGEST_VISIT_S`. Nobody is recognised, so a person
who comes back, or passes a second camera, is a new visit with a protection of its own. `Sighting`s and `Visit`s live in the
memory of the watching process only; a `Release` is the only form in which anything of them leaves it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Protocol

from moretta.core.values import TrackId

# A longer stay is cut into several visits, so that what one visit adds is bounded and its figures do not wait for its end.
LONGEST_VISIT_S = 1800.0
# Sums of seconds are clipped here: a longer stay counts as this long.
DWELL_CLIP_S = 300.0
# A visit is part of at most so many pairs of people close together, after Day, Li and Lyu's edge addition (SIGMOD 2016, section
# 4): so many is then the most by which a visit changes the number of pairs.
MOST_PAIRS = 3
# A visit crosses lines at most so often.
MOST_CROSSINGS = 2
# A visit is seen present by at most so many live ticks: as long as a stay is summed, at a tick a minute.
MOST_TICKS = 5

DWELL_EDGES_S = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0)
AGE_EDGES = (18, 30, 45, 60)


class Subject(StrEnum):
    """What a measure's figures are about."""

    ZONE = "zone"
    LINE = "line"


class Measure(StrEnum):
    """One thing that is measured for each place and time bucket."""

    PASSERS = "passers"
    VISITS = "visits"
    DWELL = "dwell"
    DWELL_TIME = "dwell-time"
    ATTENTION = "attention"
    ATTENTION_TIME = "attention-time"
    PROXIMITY = "proximity"
    CROWDING = "crowding"
    FLOW = "flow"
    AGE = "age"
    GENDER = "gender"
    PRESENT = "present"
    LONG_STAYS = "long-stays"


@dataclass(frozen=True, slots=True)
class MeasureTerms:
    """`cells`: the names of the figures; `cap`: the most that one visit adds to all cells of one place together (L1); `unit` of
    them.

    `title` explains the measure to a reader. A measure about lines caps a visit over all lines of the site; one about zones for
    each zone, and a visit is in at most `PrivacyPlan.most_zones` of those.
    """

    subject: Subject
    cells: tuple[str, ...]
    cap: int
    unit: str
    title: str


MEASURES: Mapping[Measure, MeasureTerms] = MappingProxyType(
    {
        Measure.PASSERS: MeasureTerms(Subject.ZONE, ("count",), 1, "people", "came into the zone"),
        Measure.VISITS: MeasureTerms(Subject.ZONE, ("count",), 1, "visits", "of at least the zone's least stay"),
        Measure.DWELL: MeasureTerms(
            Subject.ZONE,
            ("0-5", "5-15", "15-30", "30-60", "60-120", "120-300", "300+"),
            1,
            "people",
            "by seconds stayed",
        ),
        Measure.DWELL_TIME: MeasureTerms(
            Subject.ZONE, ("seconds",), int(DWELL_CLIP_S), "seconds", "stayed in all, each person for at most 300 s"
        ),
        Measure.ATTENTION: MeasureTerms(
            Subject.ZONE, ("count",), 1, "people", "looked at the target for at least a second"
        ),
        Measure.ATTENTION_TIME: MeasureTerms(
            Subject.ZONE,
            ("seconds",),
            int(DWELL_CLIP_S),
            "seconds",
            "looked at the target, each person for at most 300 s",
        ),
        Measure.PROXIMITY: MeasureTerms(
            Subject.ZONE, ("pairs",), MOST_PAIRS, "pairs", "stood close together for at least 5 s"
        ),
        Measure.CROWDING: MeasureTerms(
            Subject.ZONE, ("seconds",), int(DWELL_CLIP_S), "seconds", "in which the zone was crowded"
        ),
        Measure.FLOW: MeasureTerms(
            Subject.LINE, ("forward", "backward"), MOST_CROSSINGS, "crossings", "of the line, each way"
        ),
        Measure.AGE: MeasureTerms(
            Subject.ZONE, ("0-17", "18-29", "30-44", "45-59", "60+", "unknown"), 1, "people", "by estimated age band"
        ),
        Measure.GENDER: MeasureTerms(
            Subject.ZONE, ("female", "male", "unknown"), 1, "people", "by estimated gender, as models read faces"
        ),
        # What only live figures have.
        Measure.PRESENT: MeasureTerms(
            Subject.ZONE, ("count",), MOST_TICKS, "people", "are in the zone now, each person for the first 5 ticks"
        ),
        Measure.LONG_STAYS: MeasureTerms(
            Subject.ZONE, ("count",), 1, "people", "stayed longer than the loitering time"
        ),
    }
)
LIVE = (Measure.PASSERS, Measure.PRESENT, Measure.LONG_STAYS, Measure.FLOW)
# Where a camera has no target, nobody can be seen to look at it.
NEEDS_TARGET = (Measure.ATTENTION, Measure.ATTENTION_TIME)
TABLED = tuple(measure for measure in MEASURES if measure not in (Measure.PRESENT, Measure.LONG_STAYS))


@dataclass(frozen=True, slots=True)
class Sighting:
    """One tracked face in one analysed frame of one camera; never leaves the watching process.

    `x, y` is the face's middle and `size` its height, as fractions of the picture's width and height. `yaw` and `pitch` in
    degrees (see `Pose`); `gaze_x`, `gaze_y` in half eye widths (see `Gaze`) or None; `age` in years and `female` as a
    probability, or None where not (yet) estimated.
    """

    track_id: TrackId
    time_s: float
    x: float
    y: float
    size: float
    yaw: float
    pitch: float
    gaze_x: float | None = None
    gaze_y: float | None = None
    age: float | None = None
    female: float | None = None


@dataclass(frozen=True, slots=True)
class Stay:
    """One visit's time in one zone: when it first came in (seconds since 1970), seconds stayed and attentive, unclipped."""

    zone: str
    entered_s: float
    dwell_s: float
    attention_s: float
    is_visit: bool


@dataclass(frozen=True, slots=True)
class Visit:
    """All that is kept of one track when it ends; `stays` in the order of entering, `crossings` as (line, forward) in order of
    time.

    Places are named as `camera/zone` and `camera/line`. `start_s`, `end_s` are seconds since 1970 in UTC. `companions` are
    those it stood close to: (zone, the other's visit_id, since when). `visit_id` is a number that counts up within the session.
    Never leaves the watching process.
    """

    visit_id: int
    camera: str
    start_s: float
    end_s: float
    stays: tuple[Stay, ...]
    crossings: tuple[tuple[str, bool], ...] = ()
    companions: tuple[tuple[str, int, float], ...] = ()
    age: float | None = None
    female: float | None = None


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """What a visit adds to a live counter at the moment it happens: `step` (1 or -1) to `cell` of `measure` at `place`.

    Caps are not yet enforced; `visit_id` is what they are enforced by. Never leaves the watching process.
    """

    visit_id: int
    time_s: float
    measure: Measure
    place: str
    cell: int = 0
    step: int = 1


@dataclass(frozen=True, slots=True)
class Table:
    """One released table: the noisy `values` of `MEASURES[measure].cells` at `place`, and how far they may be from the truth.

    `scale` is that of the discrete Laplace noise on each cell; `half_width` is so that the true value (after clipping and caps)
    lies within value ± half_width with probability `confidence`, each cell by itself.
    """

    place: str
    measure: Measure
    values: tuple[int, ...]
    scale: float
    half_width: float
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class Release:
    """What leaves memory at once. `epsilon` was spent on it beforehand; `covered_s` are the seconds of the bucket that were
    watched.

    A noisy figure below `least_cell` people is not shown (`core.intervals.shown`), but counts in sums, which stay unbiased.
    `partition` names the visits that it is about: those of one watching session that ended in one bucket.
    """

    release_id: str
    site: str
    day: date
    bucket: datetime
    bucket_s: int
    partition: str
    mechanism: str
    epsilon: float
    tables: tuple[Table, ...]
    covered_s: float
    least_cell: float = 10.0


class ReleasedTable(NamedTuple):
    """What readers need of a released table and its release, as they have it; a plain tuple, since a query reads thousands."""

    bucket: datetime
    day: date
    place: str
    values: Sequence[int]
    scale: float
    half_width: float
    confidence: float
    covered_s: float
    least_cell: float


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """The live figures after one tick: each place's noisy running total of the day, from a binary tree of partial sums; of
    `Measure.PRESENT`, how many are there at the tick."""

    site: str
    day: date
    time: datetime
    partition: str
    tables: tuple[Table, ...]


class AlarmKind(StrEnum):
    """Why somebody is called."""

    CROWDING = "crowding"
    LOITERING = "loitering"
    FLOW = "flow"


@dataclass(frozen=True, slots=True)
class Alarm:
    """A released figure went over what the site's operator set. `value` is the noisy figure; nothing is about one person."""

    site: str
    time: datetime
    kind: AlarmKind
    place: str
    value: int
    threshold: float


RECORDED_SESSION = "wr_"


@dataclass(frozen=True, slots=True)
class Charge:
    """What is spent before noise is drawn. `partition` None: on all visits of the day; otherwise on those of that partition
    only.

    Partitions are `session` (the live counters of one watching session) or `session/bucket`. Names of sessions that watch a
    recording begin with `RECORDED_SESSION`. How charges add up is said in `core.accounting.spent`.
    """

    site: str
    day: date
    partition: str | None
    epsilon: float
    purpose: str


@dataclass(frozen=True, slots=True)
class DayBudget:
    """A site's budget of one day: the limit set when it was first spent from, and the most spent on any one visit so far."""

    site: str
    day: date
    limit: float
    spent: float

    @property
    def left(self) -> float:
        """What may still be spent on the visit on which most was spent."""
        return max(0.0, self.limit - self.spent)


class BudgetStore(Protocol):
    """Durable budgets. What is spent is never given back."""

    def spend(self, charge: Charge, limit: float) -> DayBudget:
        """Record `charge` durably before returning. The day's limit is that of its first charge, or `limit` where that is
        lower.

        Raises:
            BudgetExhausted: the charge would exceed the limit; nothing was recorded.
        """

    def budget(self, site: str, day: date) -> DayBudget | None:
        """The day's budget; None where nothing was spent."""

    def budgets(self, site: str | None, first: date, last: date) -> Sequence[DayBudget]:
        """The budgets of days first..last in order of site and day; of all sites where `site` is None."""


class ReleaseStore(Protocol):
    """Released statistics. A release is never changed and never made twice."""

    def keep(self, release: Release) -> Release:
        """Store it durably; where one of the same id is stored already, that one is returned and nothing changes."""

    def sites(self) -> Sequence[str]:
        """The names of all sites of which anything was released, sorted."""

    def release(self, release_id: str) -> Release | None:
        """The stored release of that id."""

    def tables(self, site: str, measure: Measure, first: datetime, last: datetime) -> Sequence[ReleasedTable]:
        """All tables of `measure` whose bucket starts in [first, last), in order of bucket and release."""

    def keep_live(self, figures: LiveFigures) -> None:
        """Replace the session's last live figures of that day."""

    def keep_alarm(self, alarm: Alarm) -> None:
        """Store it durably; the same one again changes nothing."""

    def alarms(self, site: str, first: datetime, last: datetime) -> Sequence[Alarm]:
        """The alarms of [first, last), the newest first."""

    def live(self, site: str) -> Sequence[LiveFigures]:
        """The last live figures of each session of the site's last day."""
