"""One session of a site in the watching process: cameras' eyes and the keeper of what they see.

Belongs here: which picture goes where, and what is due. Does not belong here: words on the wire, models, spending.
"""

from moretta.core.errors import NotFound
from moretta.core.statistics import LiveFigures, Release
from moretta.core.values import Pixels
from moretta.statistics.keeper import Keeper, Plan
from moretta.statistics.noise import Mechanism
from moretta.statistics.visits import Step, VisitMeter
from moretta.wiring.watching.looking import CameraEye, WatchInstruments
from moretta.wiring.watching.wire import Begin

# Whoever asks for a release asks within a few ticks: a live one a minute, and buckets of a day.
_MOST_PLANS = 200


class WatchSession:
    """All that is held of a site between pictures and releases; when its process ends it is gone."""

    def __init__(self, begun: Begin, instruments: WatchInstruments, mechanism: Mechanism) -> None:
        self._keeper = Keeper(begun.site, begun.session, mechanism, started_s=begun.started_s)
        views = begun.site.views
        self._eyes = {
            view.camera: CameraEye(
                view, VisitMeter(view, begun.site.alarms.loitering_s, number, len(views)), instruments
            )
            for number, view in enumerate(views)
        }
        self._plans: dict[str, Plan] = {}

    def look(self, camera: str, pixels: Pixels, time_s: float) -> None:
        """Take one picture. Raises `NotFound` for a camera that the site does not have."""
        eye = self._eyes.get(camera)
        if eye is None:
            raise NotFound("expected a camera of the site")
        self._count(eye.look(pixels, time_s))

    def tick(self, now_s: float, watched: float) -> tuple[Plan, ...]:
        """What is due."""
        return self._due(self._keeper.tick(now_s, watched))

    def close(self, now_s: float, watched: float) -> tuple[Plan, ...]:
        """End every visit; what is due then."""
        for eye in self._eyes.values():
            self._count(eye.finish())
        return self._due(self._keeper.close(now_s, watched))

    def make(self, release_id: str) -> Release | LiveFigures:
        """The release of a plan that was due. Raises `NotFound` where there is none of that id."""
        plan = self._plans.get(release_id)
        if plan is None:
            raise NotFound("expected a plan that is due; ask for what is due")
        return self._keeper.make(plan)

    def _due(self, plans: tuple[Plan, ...]) -> tuple[Plan, ...]:
        self._plans |= {plan.release_id: plan for plan in plans}
        while len(self._plans) > _MOST_PLANS:
            del self._plans[next(iter(self._plans))]
        return plans

    def _count(self, step: Step) -> None:
        for event in step.events:
            self._keeper.count(event)
        for visit in step.visits:
            self._keeper.finished(visit)
