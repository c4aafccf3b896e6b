"""A site being watched: pictures to the watching process, plans to the budget, releases to the store, until it is stopped.

Belongs here: the loop and what it does when something dies. Does not belong here: how cameras are read, how figures are made.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace

from moretta.core.cameras import RECORDED, CameraHealth, CameraSource, WatchReceipt
from moretta.core.errors import BudgetExhausted, MorettaError, RequestInvalid, StorageUnusable
from moretta.core.site import MADE_UP, Site
from moretta.core.statistics import Alarm, BudgetStore, DayBudget, LiveFigures, Release, ReleaseStore
from moretta.statistics.keeper import Plan, Purpose
from moretta.use_cases.statistics import AlarmWatch
from moretta.wiring.cameras.camera import Camera, CameraTerms, Waiting
from moretta.wiring.releasing import Outcome, release_due
from moretta.wiring.streams.process import WatchingProcess, WatchTerms
from moretta.wiring.watching.wire import Look

# How often the keeper is asked what is due: fine enough for live counters that tick every minute.
TICK_S = 1.0
# Of recordings that are read faster than time passes: as often as costs nothing.
FAST_TICK_S = 10.0
# A camera counts as watching where it gave a picture within this.
_WATCHED_S = 5.0
# Between two attempts to start a watching process that dies at once.
_AGAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Stores:
    """Where a site's budget and releases are kept. `alone`: holds a site, by its name, against other watchers, or raises."""

    budgets: BudgetStore
    releases: ReleaseStore
    alone: Callable[[str], AbstractContextManager[None]]


@dataclass
class Listener:
    """Who is told what happens; each is called in the watching thread and must be quick."""

    begun: Callable[[WatchReceipt], None] = lambda _: None
    released: Callable[[Release], None] = lambda _: None
    live: Callable[[LiveFigures], None] = lambda _: None
    exhausted: Callable[[BudgetExhausted], None] = lambda _: None
    lost: Callable[[MorettaError], None] = lambda _: None
    budget: Callable[[DayBudget], None] = lambda _: None
    alarm: Callable[[Alarm], None] = lambda _: None


def require_real(site: Site) -> None:
    """Raises `RequestInvalid` for a site that is named as only made-up ones are."""
    if site.made_up:
        raise RequestInvalid(
            f"expected the name of a real site; only made-up ones, of `moretta simulate`, begin with {MADE_UP}"
        )


class Watching:
    """Watches a site from `run` until `stop`, or until recordings have ended.

    Args:
        sources: of each camera of the site, by its name.
        fast: read recordings as fast as they are analysed; time is then that of the recordings, from now on.
    Raises:
        RequestInvalid: a camera without a source, a source without a camera, `fast` with something that is no recording, or
            a site under the name of a made-up one.
    """

    def __init__(
        self,
        site: Site,
        sources: Mapping[str, CameraSource],
        stores: Stores,
        watch_terms: WatchTerms,
        camera_terms: CameraTerms | None = None,
        listener: Listener | None = None,
        *,
        fast: bool = False,
    ) -> None:
        require_real(site)
        names = {view.camera for view in site.views}
        if set(sources) != names:
            missing = ", ".join(sorted(names - set(sources))) or "none"
            raise RequestInvalid(f"expected a source for each camera of the site and no other; without one: {missing}")
        if fast and any(source.kind not in RECORDED for source in sources.values()):
            raise RequestInvalid("expected files or folders to be read fast, got a camera that goes on as time passes")
        going_on = [_pictures_of(source) for source in sources.values() if source.kind not in RECORDED]
        if len(set(going_on)) < len(going_on):
            # Each would count the same people against one budget.
            raise RequestInvalid("expected cameras that each have a source of their own, got one source twice")
        self._site, self._stores, self._watch_terms = site, stores, watch_terms
        self._listener, self._fast = listener or Listener(), fast
        self._recorded = len(going_on) < len(sources)
        terms = camera_terms or CameraTerms(mode=watch_terms.mode, paced=not fast)
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._started_s = time.time()
        self._now_s = self._ticked_s = self._started_s
        self._seen_s: dict[str, float] = {}
        self._refused: set[str] = set()
        self._process: WatchingProcess | None = None
        self._alarms = AlarmWatch(site, stores.releases)
        self._owed: list[Plan] = []
        self.cameras = tuple(
            Camera(view.camera, sources[view.camera], terms, self._news.set, origin_s=self._started_s)
            for view in site.views
        )

    @property
    def receipt(self) -> WatchReceipt | None:
        """Of the session under way; None before the first has begun, and between two."""
        process = self._process
        return None if process is None else process.receipt

    @property
    def pid(self) -> int | None:
        """The watching process's id; None while there is none."""
        process = self._process
        return None if process is None else process.pid

    def health(self) -> tuple[CameraHealth, ...]:
        """How the cameras do. Any thread may ask."""
        return tuple(camera.health for camera in self.cameras)

    def stop(self) -> None:
        """End in order: visits are finished and the bucket under way is released. Returns at once. Any thread may call this."""
        self._stopping.set()
        self._news.set()

    def run(self) -> None:
        """Watch.

        Raises:
            Conflict: the site is being watched already; nothing was started.
            MorettaError: the first watching process could not be started; one that dies later is replaced.
        """
        try:
            with self._stores.alone(self._site.name):
                self._run()
        finally:
            # Also of cameras that were never started.
            for camera in self.cameras:
                camera.stop()

    def _run(self) -> None:
        try:
            self._begin()
            for camera in self.cameras:
                camera.start()
            while not self._stopping.is_set() and not self._all_read():
                self._again() if self._process is None else self._step()
            self._finish()
        finally:
            self.close()

    def close(self) -> None:
        """Give everything back at once; `run` does so at its end. Idempotent."""
        for camera in self.cameras:
            camera.stop()
        self._end_process()

    def _begin(self) -> None:
        self._process = WatchingProcess(self._site, self._watch_terms, self._now_s, self._recorded)
        self._alarms = AlarmWatch(self._site, self._stores.releases)
        self._owed = []
        self._refused = {key for key in self._refused if key.startswith("live ")}
        self._listener.begun(self._process.receipt)

    def _again(self) -> None:
        """Another session: what the lost process held is gone, cameras go on."""
        try:
            self._begin()
        except MorettaError as error:
            self._listener.lost(error)
            self._stopping.wait(_AGAIN_S)

    def _step(self) -> None:
        """One picture, or a moment without one; then what is due."""
        self._news.clear()
        camera = self._next_camera()
        try:
            taken = camera.take() if camera is not None else None
            if camera is None or taken is None:
                self._news.wait(0.05 if self._fast else 0.2)
            else:
                self._look(camera, taken)
            self._keep_time()
        except MorettaError as error:
            # It died, took too long or met something that nobody foresaw: one picture must not end all watching.
            self._lost(error)

    def _look(self, camera: Camera, taken: Waiting) -> None:
        assert self._process is not None  # noqa: S101 - `run` looked
        try:
            self._process.look(camera.name, camera.memory.fd, Look(camera.name, taken.picture, taken.time_s))
        finally:
            camera.done(taken)
        self._seen_s[camera.name] = taken.time_s
        if self._fast:
            self._now_s = max(self._now_s, taken.time_s)

    def _next_camera(self) -> Camera | None:
        """Whose picture is next: the oldest that waits. Read fast, all that still read must have one: no camera runs ahead."""
        waiting = [(camera, found) for camera in self.cameras if (found := camera.waiting()) is not None]
        if self._fast and any(not camera.ended and camera.waiting() is None for camera in self.cameras):
            return None
        return min(waiting, key=lambda pair: pair[1].time_s)[0] if waiting else None

    def _keep_time(self) -> None:
        if not self._fast:
            self._now_s = max(self._now_s, time.time())
        for camera in self.cameras:
            camera.watch_stall()
        if self._now_s - self._ticked_s < (FAST_TICK_S if self._fast else TICK_S):
            return
        watched = self._watched()
        self._ticked_s = self._now_s
        assert self._process is not None  # noqa: S101 - `run` looked
        self._release(self._process.tick(self._now_s, watched))

    def _watched(self) -> float:
        since = min(self._ticked_s, self._now_s - _WATCHED_S)
        return sum(seen >= since for seen in self._seen_s.values()) / len(self.cameras)

    def _release(self, plans: tuple[Plan, ...]) -> None:
        """Spend, make, keep; then tell. A charge that was refused is not tried again that day, a bucket's only once."""
        for plan in (*self._owed, *(one for one in plans if one not in self._owed)):
            if plan.charge is not None and self._key(plan) in self._refused:
                continue
            self._release_one(plan)

    def _release_one(self, plan: Plan) -> None:
        """Where the database fails, what is due is due again; what was made already is only kept then, and not paid for twice."""
        assert self._process is not None  # noqa: S101 - `run` looked
        process, owed = self._process, plan in self._owed
        made: list[Release | LiveFigures] = []

        def make(_: Plan) -> Release | LiveFigures:
            made.append(process.make(plan))
            return made[-1]

        due = replace(plan, charge=None) if owed else plan
        stores, limit = self._stores, self._site.privacy.day_epsilon
        try:
            (outcome,) = release_due([due], make, stores.budgets, stores.releases, limit, self._alarms)
        except StorageUnusable as error:
            if made and not owed and plan.purpose is Purpose.TABLES:
                self._owed.append(plan)
            self._listener.lost(error)
            return
        if owed:
            self._owed.remove(plan)
        self._tell(outcome)

    def _tell(self, outcome: Outcome) -> None:
        plan = outcome.plan
        if outcome.refused is not None:
            self._refused.add(self._key(plan))
            self._listener.exhausted(outcome.refused)
        elif plan.charge is not None:
            with suppress(StorageUnusable):
                left = self._stores.budgets.budget(self._site.name, plan.day)
                if left is not None:
                    self._listener.budget(left)
        if isinstance(outcome.made, Release):
            self._listener.released(outcome.made)
        elif outcome.made is not None:
            self._listener.live(outcome.made)
        for alarm in outcome.alarms:
            self._listener.alarm(alarm)

    def _key(self, plan: Plan) -> str:
        """What a refusal holds for: all live ticks of a day, or one bucket."""
        return f"live {plan.day}" if plan.purpose is Purpose.LIVE else plan.release_id

    def _finish(self) -> None:
        """End every visit and release what there is, the bucket under way included."""
        if self._process is None:
            return
        if not self._fast:
            self._now_s = max(self._now_s, time.time())
        try:
            self._release(self._process.finish(self._now_s, self._watched()))
        except MorettaError as error:
            self._lost(error)

    def _lost(self, error: MorettaError) -> None:
        self._end_process()
        self._listener.lost(error)

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.close()

    def _all_read(self) -> bool:
        return all(camera.ended and camera.waiting() is None for camera in self.cameras)


def _pictures_of(source: CameraSource) -> CameraSource:
    """The source as far as it says which pictures come: whoever asks for them, and however its host is spelt (RFC 4343)."""
    return replace(source, host=source.host.lower(), user="", password="")
