"""Two streams that differ by one visit, released many times over through a `Keeper`, as one would who wants to tell them apart.

The visit does the most of everything that it may, and the scores are the best there are: whoever guesses knows all others.
"""

from collections.abc import Sequence

from moretta.core.site import Line, PrivacyPlan, Site, Target, View, Zone
from moretta.core.statistics import MEASURES, LiveEvent, LiveFigures, Measure, Release, Visit
from moretta.statistics.audit import LowerBound, likelihood_score, lower_bound
from moretta.statistics.keeper import Keeper, Purpose
from moretta.statistics.noise import Mechanism
from moretta.statistics.tables import flattened, tables_of
from tests.watched_site import MIDNIGHT_S, WHOLE, a_visit

DAY_S = 86_400.0
# A sound mechanism that adds exactly the noise it claims exceeds the claim in at most one of so many audits.
AUDITS_A_FALSE_ALARM = 10_000
CONFIDENCE = 1 - 1 / AUDITS_A_FALSE_ALARM


def bucket_bound(mechanism: Mechanism, measures: Sequence[Measure], trials: int, zones: int = 2) -> LowerBound:
    """The lower bound on what one bucket's release of these measures costs, `trials` times each stream. It claims 1."""
    site = _site(PrivacyPlan(most_zones=zones, weights=tuple((measure, 1.0) for measure in measures)), zones)
    others, one_more = _visits(zones, crowded=Measure.CROWDING in measures)
    streams = ([*others, one_more], others)
    truths = [_flat(site, measures, stream) for stream in streams]
    scores = [[_bucket_score(site, mechanism, stream, measures, truths) for _ in range(trials)] for stream in streams]
    return lower_bound(*scores, confidence=CONFIDENCE)


def live_bound(mechanism: Mechanism, measure: Measure, trials: int, ticks: int) -> LowerBound:
    """The lower bound on what a day's live figures of `measure` cost, at so many ticks a day. They claim 1."""
    privacy = PrivacyPlan(bucket_epsilon=0, most_zones=1, live_weights=((measure, 1.0),))
    site = _site(privacy, 1)
    place = site.places_of(measure)[0]
    events = [LiveEvent(7, MIDNIGHT_S, measure, place)] * (2 if measure is Measure.FLOW else 1)
    scores = [
        [_live_score(_live_figures(site, mechanism, stream, ticks), measure) for _ in range(trials)]
        for stream in (events, [])
    ]
    return lower_bound(*scores, confidence=CONFIDENCE)


def _site(privacy: PrivacyPlan, zones: int) -> Site:
    door = View(
        "door",
        tuple(Zone(name, WHOLE, crowded_from=2) for name in "abc"[:zones]),
        (Line("in", (0, 0), (1, 1)),),
        Target("screen"),
    )
    return Site("shop", (door,), privacy=privacy)


def _visits(zones: int, *, crowded: bool) -> tuple[list[Visit], Visit]:
    """Three others, with whom the one more stands in three pairs; where crowds count, one other, so that it makes the crowd."""
    places = tuple(f"door/{name}" for name in "abc"[:zones])
    others = [a_visit(number, zones=places, dwell_s=300.0) for number in range(1 if crowded else 3)]
    one_more = a_visit(
        7,
        zones=places,
        dwell_s=300.0,
        attention_s=300.0,
        crossings=(("door/in", True), ("door/in", True)),
        companions=tuple((place, other.visit_id, MIDNIGHT_S) for other in others for place in places),
    )
    return others, one_more


def _flat(site: Site, measures: Sequence[Measure], stream: Sequence[Visit]) -> list[int]:
    tables = tables_of(site, stream)
    return [value for measure in measures for value in flattened(site, measure, tables)]


def _bucket_score(
    site: Site,
    mechanism: Mechanism,
    stream: Sequence[Visit],
    measures: Sequence[Measure],
    truths: Sequence[Sequence[int]],
) -> float:
    keeper = Keeper(site, "audit", mechanism, started_s=MIDNIGHT_S)
    for visit in stream:
        keeper.finished(visit)
    plan = next(plan for plan in keeper.tick(MIDNIGHT_S + 3700) if plan.purpose is Purpose.TABLES)
    release = keeper.make(plan)
    assert isinstance(release, Release)
    own = {measure: [table for table in release.tables if table.measure is measure] for measure in measures}
    values = [value for measure in measures for table in own[measure] for value in table.values]
    scales = [
        table.scale for measure in measures for table in own[measure] for _ in range(len(MEASURES[measure].cells))
    ]
    return likelihood_score(values, scales, *truths)


def _live_figures(site: Site, mechanism: Mechanism, events: Sequence[LiveEvent], ticks: int) -> list[tuple[int, float]]:
    """The first cell's figure at each tick of the day, and the scale that it claims."""
    tick_s = DAY_S / ticks
    keeper = Keeper(site, "audit", mechanism, started_s=MIDNIGHT_S, tick_s=tick_s)
    for event in events:
        keeper.count(event)
    figures = []
    for tick in range(ticks):
        (plan,) = keeper.tick(MIDNIGHT_S + tick * tick_s)
        made = keeper.make(plan)
        assert isinstance(made, LiveFigures)
        figures.append((made.tables[0].values[0], made.tables[0].scale))
    return figures


def _live_score(figures: Sequence[tuple[int, float]], measure: Measure) -> float:
    """A total after t steps less the one after t without its last binary one is the noisy node that step t closed."""
    totals = [0, *(value for value, _ in figures)]
    scale = figures[0][1]
    steps = range(1, len(totals))
    if measure is Measure.PRESENT:
        nodes, held = totals[1:], [int(step <= MEASURES[measure].cap) for step in steps]
    else:
        nodes = [totals[step] - totals[step - (step & -step)] for step in steps]
        held = [MEASURES[measure].cap * int(step & -step == step) for step in steps]
    return likelihood_score(nodes, [scale] * len(nodes), held, [0] * len(nodes))
