"""What is due is released once, whatever the database does meanwhile, and paid for once."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
from sqlalchemy import Engine
from tests.watching_rig import COMPANY, exact_site

from moretta.core.cameras import parse_source
from moretta.core.errors import MorettaError, StorageUnusable, TimeLimitExceeded, WorkerLost
from moretta.core.statistics import LiveFigures, Release
from moretta.statistics.keeper import Keeper, Plan
from moretta.storage.database import open_database
from moretta.storage.statistics.budgets import SqlBudgetStore
from moretta.storage.statistics.releases import SqlReleaseStore
from moretta.wiring.streams.process import WatchTerms
from moretta.wiring.streams.watching import Listener, Stores, Watching

NOON_S = 1_700_481_600.0


class Still:
    """A mechanism that adds nothing."""

    name, scale = "none", 1.0

    def measurement(self, sensitivity: int, epsilon: float) -> "Still":
        return self

    def release(self, values: Sequence[int]) -> tuple[int, ...]:
        return tuple(values)


class Process:
    """A watching process whose keeper is in this one."""

    def __init__(self, site: object) -> None:
        self.keeper = Keeper(exact_site("door"), "ws_1", Still(), started_s=NOON_S)
        self.asked: list[str] = []

    def make(self, plan: Plan) -> Release | LiveFigures:
        self.asked.append(plan.release_id)
        return self.keeper.make(plan)

    def close(self) -> None:
        pass


class Failing:
    """Fails so many times at a checkpoint."""

    def __init__(self, at: str, times: int) -> None:
        self._at, self.left = at, times

    def __call__(self, passed: str) -> None:
        if passed == self._at and self.left:
            self.left -= 1
            raise StorageUnusable("the disk is full")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_database(tmp_path / "moretta.db")
    yield made
    made.dispose()


@pytest.mark.parametrize(
    ("at", "charges"),
    [("spend:before-commit", 1), ("spend:after-commit", 2), ("keep:before-commit", 1), ("keep:after-commit", 1)],
)
def test_a_database_that_fails_for_a_moment_delays_a_release_and_loses_none(
    engine: Engine, at: str, charges: int
) -> None:
    failing = Failing(at, 2 if charges == 1 else 1)
    stores = Stores(
        SqlBudgetStore(engine, COMPANY, checkpoint=failing),
        SqlReleaseStore(engine, COMPANY, failing),
        lambda _: nullcontext(),
    )
    lost: list[MorettaError] = []
    released: list[Release] = []
    site = exact_site("door")
    watching = Watching(
        site,
        {"door": parse_source("rtsp://10.0.0.7/x")},
        stores,
        WatchTerms(),
        listener=Listener(lost=lost.append, released=released.append),
    )
    process = Process(site)
    watching._process = process  # type: ignore[assignment]
    plans = process.keeper.close(NOON_S + 60)
    try:
        for _ in range(4):
            watching._release(tuple(plan for plan in plans if not released))
    finally:
        watching.close()
    if charges == 2:
        # It was paid for and then failed: the second payment is over the day's budget, and that is the answer.
        assert released == [] and [error.code for error in lost] == ["storage.unusable"]
        return
    assert len(released) == 1 and len(lost) == 2
    budget = SqlBudgetStore(engine, COMPANY).budget("shop", plans[0].day)
    assert budget is not None and budget.spent == 10.0
    assert SqlReleaseStore(engine, COMPANY).release(released[0].release_id) is not None


class Ending:
    """A watching process that answers with an error."""

    def __init__(self, error: MorettaError) -> None:
        self._error, self.closed = error, False

    def tick(self, now_s: float, watched: float) -> tuple[Plan, ...]:
        raise self._error

    finish = tick

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("error", [WorkerLost("died"), TimeLimitExceeded("slow"), MorettaError("nobody foresaw it")])
@pytest.mark.parametrize("when", ["while watching", "at the end"])
def test_whatever_a_watching_process_fails_with_ends_its_session_and_not_the_watch(
    engine: Engine, error: MorettaError, when: str
) -> None:
    lost: list[MorettaError] = []
    watching = Watching(
        exact_site("door"),
        {"door": parse_source("rtsp://10.0.0.7/x")},
        Stores(SqlBudgetStore(engine, COMPANY), SqlReleaseStore(engine, COMPANY), lambda _: nullcontext()),
        WatchTerms(),
        listener=Listener(lost=lost.append),
    )
    process = Ending(error)
    watching._process, watching._ticked_s = process, 0.0  # type: ignore[assignment]
    try:
        watching._step() if when == "while watching" else watching._finish()
    finally:
        watching.close()
    assert lost == [error] and process.closed and watching.pid is None
