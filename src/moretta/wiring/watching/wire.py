"""The words between the door and a watching process, strictly checked on both sides.

Belongs here: the shapes. What the process may answer is a `WatchReceipt`, plans, a `Release` or `LiveFigures`; there is no
word in which it could tell of a person, a visit or a picture.
"""

import math
import re
from collections.abc import Container
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

from moretta.core.cameras import WatchReceipt
from moretta.core.errors import RequestInvalid, WorkerLost
from moretta.core.site import Site
from moretta.core.statistics import LIVE, MEASURES, TABLED, Charge, LiveFigures, Measure, Release, Table
from moretta.sandbox.slots import Picture
from moretta.statistics.continual import levels
from moretta.statistics.keeper import TICK_S, Plan, Purpose, ticks_of
from moretta.wiring.wire import not_a_result, parsed

T = TypeVar("T")
MOST_PLANS = 64
# What a figure stays under, by far: noise of the greatest scale (`core.intervals`: 1e12) is beyond it with a probability of
# 1e-15. A year of sums of such figures is still of 64 bits.
_MOST_VALUE = 2**45
# A mechanism and the version of its library: "discrete-laplace/opendp-0.14.1".
_MECHANISM = re.compile(r"[a-z0-9.+/-]{1,64}")
_ROUNDING = 1e-9


class Word(StrEnum):
    """What is asked: to begin a session, to look at a picture, what is due, to make a release, and to end the session."""

    BEGIN = "begin"
    LOOK = "look"
    TICK = "tick"
    MAKE = "make"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Begin:
    """A session of `site` under the random id `session`, from `started_s` (seconds since 1970) on."""

    site: Site
    session: str
    started_s: float


@dataclass(frozen=True, slots=True)
class Look:
    """A picture of `camera`, taken at `time_s`; its memory comes with it."""

    camera: str
    picture: Picture
    time_s: float


@dataclass(frozen=True, slots=True)
class Tick:
    """The present time, and the share of the site's cameras that gave pictures since the last tick."""

    now_s: float
    watched: float


class _Adapters:
    """One `TypeAdapter` a kind, made once."""

    def __init__(self) -> None:
        self._made: dict[type, TypeAdapter[Any]] = {}

    def __call__(self, kind: type[T]) -> TypeAdapter[T]:
        if kind not in self._made:
            self._made[kind] = TypeAdapter(kind)
        return self._made[kind]


adapter = _Adapters()


def request(word: Word, body: Begin | Look | Tick | str) -> bytes:
    """A request of that word."""
    return word.encode() + b"\n" + adapter(type(body)).dump_json(body)


def split(raw: bytes) -> tuple[Word, bytes]:
    """Word and body. Raises `RequestInvalid` where there is no such word."""
    word, _, body = raw.partition(b"\n")
    try:
        return Word(word.decode("ascii")), body
    except ValueError:
        raise RequestInvalid("expected a word that a watching process knows") from None


def answer(body: WatchReceipt | Release | LiveFigures) -> bytes:
    """An answer."""
    return adapter(type(body)).dump_json(body)


def plans_json(plans: tuple[Plan, ...]) -> bytes:
    """What is due."""
    return _plans().dump_json(plans[:MOST_PLANS])


def parse_receipt(raw: bytes, begun: Begin) -> WatchReceipt:
    """The receipt of the session that was begun. Raises `WorkerLost`: something else."""
    receipt = parsed(adapter(WatchReceipt), raw)
    if receipt.session != begun.session or receipt.site != begun.site.name or receipt.recognises:
        raise not_a_result()
    return receipt


def parse_plans(raw: bytes, begun: Begin, paid: Container[date] = ()) -> tuple[Plan, ...]:
    """What is due of the session that was begun.

    Args:
        paid: the days whose live figures this session has paid for; of others, a plan without a charge is refused.
    Raises:
        WorkerLost: something else, charges that it does not have, or none for what nobody paid for.
    """
    plans = parsed(_plans(), raw)
    if len(plans) > MOST_PLANS or not all(_fits(plan, begun) for plan in plans):
        raise not_a_result()
    if any(plan.charge is None and plan.day not in paid for plan in plans):
        raise WorkerLost(
            "the watching process asked to release live figures of a day that nobody paid for; it was ended"
        )
    return plans


def parse_made(raw: bytes, plan: Plan, site: Site) -> Release | LiveFigures:
    """What was made of `plan`: each table of the site once, with no less noise than the site says, and no other word.

    Raises:
        WorkerLost: something else, or of another plan.
    """
    made = _live(raw, plan) if plan.purpose is Purpose.LIVE else _tables(raw, plan, site)
    measures, epsilon_of = (LIVE, site.live_epsilon_of) if plan.purpose is Purpose.LIVE else (TABLED, site.epsilon_of)
    epsilons = {measure: epsilon_of(measure) for measure in measures if epsilon_of(measure)}
    expected = [(measure, place) for measure in epsilons for place in site.places_of(measure)]
    whole = sorted((table.measure, table.place) for table in made.tables) == sorted(expected)
    if not whole or not all(
        _sound(table, _sensitivity(site, plan, table.measure) / epsilons[table.measure]) for table in made.tables
    ):
        raise not_a_result()
    if made.site != site.name or made.day != plan.day:
        raise not_a_result()
    return made


def _live(raw: bytes, plan: Plan) -> LiveFigures:
    made = parsed(adapter(LiveFigures), raw)
    if made.time != plan.time or not plan.release_id.startswith(f"{made.partition}-live-"):
        raise not_a_result()
    return made


def _tables(raw: bytes, plan: Plan, site: Site) -> Release:
    made = parsed(adapter(Release), raw)
    charge = plan.charge
    fits = made.release_id == plan.release_id and made.bucket == plan.time and made.bucket_s == site.bucket_s
    paid = charge is not None and made.partition == charge.partition and made.epsilon == charge.epsilon
    said = made.least_cell == site.privacy.least_cell and _MECHANISM.fullmatch(made.mechanism) is not None
    if not (fits and paid and said) or not 0 <= made.covered_s <= made.bucket_s:
        raise not_a_result()
    return made


def _fits(plan: Plan, begun: Begin) -> bool:
    """Whether a plan is one that this session's keeper makes: of a bucket or tick of the site, its charge what the site says, on
    its own visits."""
    bounds = _bounds(begun.site, plan)
    if bounds is None:
        return False
    charge = _charge_of(plan, begun)
    if plan.purpose is Purpose.LIVE:
        number, rest = divmod((plan.time - bounds[0]).total_seconds(), TICK_S)
        named = plan.release_id == f"{begun.session}-live-{plan.day:%Y%m%d}-{number:.0f}"
        return charge.epsilon > 0 and plan.charge in (None, charge) and not rest and named
    whole = plan.time == begun.site.bucket(plan.time.timestamp())
    named = plan.release_id == f"{begun.session}-{plan.time:%Y%m%dT%H%M%SZ}"
    return charge.epsilon > 0 and plan.charge == charge and whole and named


def _charge_of(plan: Plan, begun: Begin) -> Charge:
    site = begun.site
    if plan.purpose is Purpose.LIVE:
        return Charge(site.name, plan.day, begun.session, site.live_epsilon, str(Purpose.LIVE))
    partition = f"{begun.session}/{plan.time:%Y%m%dT%H%M%SZ}"
    return Charge(site.name, plan.day, partition, site.bucket_epsilon, str(Purpose.TABLES))


def _bounds(site: Site, plan: Plan) -> tuple[datetime, datetime] | None:
    """When the plan's day begins and ends; None where its time is not of that day."""
    if plan.time.tzinfo is None:
        return None
    try:
        first, last = site.day_bounds(plan.day)
    except (OverflowError, ValueError):
        return None
    return (first, last) if first <= plan.time < last else None


def _sensitivity(site: Site, plan: Plan, measure: Measure) -> int:
    """What the noise on each figure is for: of a running total, one visit in every noisy sum of the tree that it is in."""
    total = plan.purpose is Purpose.LIVE and measure is not Measure.PRESENT
    return site.sensitivity(measure) * (levels(ticks_of(site, plan.day)) if total else 1)


def _sound(table: Table, least_scale: float) -> bool:
    cells = len(MEASURES[table.measure].cells)
    numbers = (table.scale, table.half_width, table.confidence)
    return (
        len(table.values) == cells
        and table.scale >= least_scale * (1 - _ROUNDING)
        and all(abs(value) < _MOST_VALUE for value in table.values)
        and all(math.isfinite(number) and number >= 0 for number in numbers)
    )


@cache
def _plans() -> TypeAdapter[tuple[Plan, ...]]:
    return TypeAdapter(tuple[Plan, ...])
