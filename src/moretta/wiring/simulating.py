"""A site with a made-up crowd: everything but cameras is real, the noise, the budget and the store among it.

Belongs here: the crowd's sightings through visits, keeper and releases. Does not belong here: the crowd itself
(`statistics.simulation`).
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from moretta.core.errors import RequestInvalid
from moretta.core.site import MADE_UP, Site
from moretta.core.statistics import BudgetStore, ReleaseStore
from moretta.statistics.keeper import Keeper
from moretta.statistics.noise import OpenDpLaplace
from moretta.statistics.simulation import Crowd
from moretta.statistics.visits import Step, VisitMeter
from moretta.use_cases.statistics import AlarmWatch
from moretta.wiring.releasing import Outcome, release_due

# As `vision` would see them: 640x480.
_ASPECT = 4 / 3
# How often, in seconds of the crowd's time, the keeper is asked what is due.
_ASKED_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Told:
    """How far the simulation is: seconds of the crowd's time, visits so far (the true number: nobody's privacy is at stake)."""

    time_s: float
    visits: int
    outcomes: tuple[Outcome, ...]


def simulate(
    site: Site,
    budgets: BudgetStore,
    releases: ReleaseStore,
    *,
    start_s: float,
    end_s: float,
    people_per_hour: float,
    seed: int = 0,
) -> Iterator[Told]:
    """Watch the crowd from `start_s` to `end_s` (seconds since 1970), as fast as it goes; a word for each release.

    Raises:
        ExtraMissing: OpenDP is not installed.
        RequestInvalid: a site that is not named as a made-up one (see `Site.as_made_up`).
    """
    if not site.made_up:
        raise RequestInvalid(f"expected a site whose name begins with {MADE_UP}: its figures are of nobody")
    keeper = Keeper(site, f"sim-{secrets.token_hex(8)}", OpenDpLaplace(), started_s=start_s)
    views = site.views
    meters = {
        view.camera: VisitMeter(view, site.alarms.loitering_s, number, len(views)) for number, view in enumerate(views)
    }
    watch = AlarmWatch(site, releases)
    visits, asked_s = 0, start_s
    for scene in Crowd(site, people_per_hour, seed).scenes(start_s, end_s):
        visits += _count(keeper, meters[scene.camera].observe(scene.time_s, scene.sightings, _ASPECT))
        if scene.time_s - asked_s >= _ASKED_EVERY_S:
            asked_s = scene.time_s
            outcomes = release_due(
                keeper.tick(asked_s), keeper.make, budgets, releases, site.privacy.day_epsilon, watch
            )
            if outcomes:
                yield Told(asked_s, visits, tuple(outcomes))
    visits += sum(_count(keeper, meter.finish()) for meter in meters.values())
    outcomes = release_due(keeper.close(end_s), keeper.make, budgets, releases, site.privacy.day_epsilon, watch)
    yield Told(end_s, visits, tuple(outcomes))


def _count(keeper: Keeper, step: Step) -> int:
    for event in step.events:
        keeper.count(event)
    for visit in step.visits:
        keeper.finished(visit)
    return len(step.visits)
