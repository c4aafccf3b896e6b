"""What the door takes from a watching process: each table of the site once, noisy enough, and no word beside them."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.noises import NoNoise
from tests.watched_site import MIDNIGHT_S, a_site

from moretta.core.errors import WorkerLost
from moretta.core.statistics import LiveFigures, Measure, Release, Table
from moretta.statistics.keeper import Keeper, Plan, Purpose
from moretta.wiring.watching.wire import answer, parse_made

SITE = a_site()


def _made(purpose: Purpose) -> tuple[Plan, Release | LiveFigures]:
    keeper = Keeper(SITE, "ws_1", NoNoise(), started_s=MIDNIGHT_S)
    (plan,) = (plan for plan in keeper.tick(MIDNIGHT_S + 3700) if plan.purpose is purpose)
    return plan, keeper.make(plan)


@pytest.mark.parametrize("purpose", Purpose)
def test_what_a_keeper_makes_is_taken_as_it_is(purpose: Purpose) -> None:
    plan, made = _made(purpose)
    assert parse_made(answer(made), plan, SITE) == made


def _tables(change: Callable[[tuple[Table, ...]], tuple[Table, ...]]) -> Callable[[Release], Release]:
    return lambda release: replace(release, tables=change(release.tables))


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda release: replace(release, mechanism="a person came at noon"), id="words as mechanism"),
        pytest.param(lambda release: replace(release, partition="ws_1/other"), id="other visits than were paid for"),
        pytest.param(lambda release: replace(release, epsilon=0.5), id="another epsilon than was paid"),
        pytest.param(lambda release: replace(release, least_cell=0.0), id="another least cell"),
        pytest.param(_tables(lambda tables: (*tables, tables[0])), id="a table twice"),
        pytest.param(_tables(lambda tables: tables[1:]), id="a table less"),
        pytest.param(_tables(lambda tables: (replace(tables[0], scale=1.0), *tables[1:])), id="too little noise"),
        pytest.param(
            _tables(lambda tables: (replace(tables[0], measure=Measure.PRESENT), *tables[1:])), id="a counter"
        ),
        pytest.param(_tables(lambda tables: (replace(tables[0], place="door/x"), *tables[1:])), id="no place of it"),
    ],
)
def test_a_release_that_says_anything_else_is_dropped(changed: Callable[[Release], Release]) -> None:
    plan, made = _made(Purpose.TABLES)
    assert isinstance(made, Release)
    with pytest.raises(WorkerLost):
        parse_made(answer(changed(made)), plan, SITE)


def test_live_figures_of_another_session_or_with_a_table_twice_are_dropped() -> None:
    plan, made = _made(Purpose.LIVE)
    assert isinstance(made, LiveFigures)
    for changed in (replace(made, partition="somebody"), replace(made, tables=(*made.tables, made.tables[0]))):
        with pytest.raises(WorkerLost):
            parse_made(answer(changed), plan, SITE)


@pytest.mark.parametrize("number", range(4))
def test_live_figures_with_the_noise_of_a_single_release_are_dropped(number: int) -> None:
    plan, made = _made(Purpose.LIVE)
    table = made.tables[number * 4]
    # A running total of a day of 1440 ticks is in 12 noisy sums; who is present is in none but its own.
    sums = 1 if table.measure is Measure.PRESENT else 12
    least = sums * SITE.sensitivity(table.measure) / SITE.live_epsilon_of(table.measure)
    for scale, taken in ((least, True), (least * 0.99, False)):
        changed = replace(made, tables=tuple(replace(one, scale=scale) if one is table else one for one in made.tables))
        if taken:
            assert parse_made(answer(changed), plan, SITE) == changed
        else:
            with pytest.raises(WorkerLost):
                parse_made(answer(changed), plan, SITE)
