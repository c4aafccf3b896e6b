"""What the stores of budgets and releases must do, in both kinds of database, also where the process dies."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine
from tests.storage_rig import COMPANY, OTHER_COMPANY

from moretta.core.errors import BudgetExhausted, RequestInvalid
from moretta.core.statistics import Charge, LiveFigures, Measure, Release, Table
from moretta.storage.statistics.budgets import SqlBudgetStore
from moretta.storage.statistics.releases import SqlReleaseStore

DAY = date(2026, 11, 25)
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


class Killed(Exception):
    """The process ends here."""


def dies_at(wanted: str) -> Callable[[str], None]:
    def checkpoint(step: str) -> None:
        if step == wanted:
            raise Killed

    return checkpoint


@pytest.fixture
def budgets(engine: Engine) -> SqlBudgetStore:
    return SqlBudgetStore(engine, COMPANY)


@pytest.fixture
def releases(engine: Engine) -> SqlReleaseStore:
    return SqlReleaseStore(engine, COMPANY)


def a_charge(partition: str | None, epsilon: float = 0.5, day: date = DAY) -> Charge:
    return Charge("shop", day, partition, epsilon, "tables")


def a_release(number: int = 0, tables: tuple[Table, ...] | None = None) -> Release:
    bucket = NOON + timedelta(hours=number)
    made = (
        Table("door/all", Measure.VISITS, (31 + number,), 2.0, 6.0),
        Table("door/left", Measure.VISITS, (-2,), 2.0, 6.0),
        Table("door/middle", Measure.FLOW, (12, 9), 4.0, 12.5, 0.9),
    )
    return Release(
        f"r{number}",
        "shop",
        DAY,
        bucket,
        3600,
        f"s/{number}",
        "laplace",
        1.0,
        made if tables is None else tables,
        3590.5,
        7.0,
    )


def test_what_is_spent_on_disjoint_visits_does_not_add_up_and_on_the_same_ones_does(budgets: SqlBudgetStore) -> None:
    assert budgets.spend(a_charge("s"), 2.0).spent == 0.5
    assert budgets.spend(a_charge("s/12"), 2.0).spent == 1.0
    assert budgets.spend(a_charge("s/13"), 2.0).spent == 1.0
    assert budgets.spend(a_charge("t/14", 0.75), 2.0).spent == 1.25
    assert budgets.spend(a_charge("t/13", 0.75), 2.0).spent == 1.75
    found = budgets.spend(a_charge(None, 0.125), 2.0)
    assert (found.spent, found.left, found.limit) == (1.875, 0.125, 2.0)
    assert budgets.budget("shop", DAY) == found


def test_an_exhausted_budget_is_a_clear_answer_and_nothing_is_recorded(budgets: SqlBudgetStore) -> None:
    with pytest.raises(BudgetExhausted, match=r"0\.5 of 0\.5 is left"):
        budgets.spend(a_charge("s", 0.6), 0.5)
    assert budgets.budget("shop", DAY) is None
    budgets.spend(a_charge("s", 0.5), 0.5)
    with pytest.raises(BudgetExhausted) as caught:
        budgets.spend(a_charge("s/12", 0.01), 0.5)
    assert "0 of 0.5 is left" in caught.value.detail and caught.value.code == "dp.budget_exhausted"
    assert budgets.budget("shop", DAY).spent == 0.5  # type: ignore[union-attr]
    assert budgets.spend(a_charge("s", 0.5, DAY + timedelta(days=1)), 0.5).left == 0


def test_ten_tenths_are_the_whole(budgets: SqlBudgetStore) -> None:
    for _ in range(10):
        budgets.spend(a_charge("s", 0.1), 1.0)
    with pytest.raises(BudgetExhausted):
        budgets.spend(a_charge("s", 1e-6), 1.0)


def test_a_days_limit_can_be_lowered_but_not_raised(budgets: SqlBudgetStore) -> None:
    budgets.spend(a_charge("s"), 1.0)
    assert budgets.spend(a_charge("s", 0.25), 5.0).limit == 1.0
    assert budgets.spend(a_charge("s", 0.05), 0.8).limit == 0.8
    with pytest.raises(BudgetExhausted):
        budgets.spend(a_charge("s", 0.1), 1.0)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, float("nan")])
def test_a_charge_that_would_give_budget_back_is_refused(budgets: SqlBudgetStore, epsilon: float) -> None:
    with pytest.raises(RequestInvalid):
        budgets.spend(a_charge("s", epsilon), 1.0)


@pytest.mark.parametrize("limit", [float("nan"), float("inf"), -1.0])
def test_a_limit_that_nothing_exceeds_is_refused(budgets: SqlBudgetStore, limit: float) -> None:
    with pytest.raises(RequestInvalid, match="finite limit"):
        budgets.spend(a_charge("s", 100.0), limit)
    assert budgets.budget("shop", DAY) is None


@pytest.mark.parametrize("partition", ["", "/12"])
def test_a_partition_without_a_session_is_refused(budgets: SqlBudgetStore, partition: str) -> None:
    """Otherwise it would be checked as visits of their own, and counted as all visits ever after."""
    budgets.spend(a_charge("s", 1.0), 1.0)
    with pytest.raises(RequestInvalid, match="session"):
        budgets.spend(a_charge(partition, 1.0), 1.0)


def test_many_at_once_never_spend_more_than_there_is(engine: Engine) -> None:
    def spends(_: int) -> bool:
        try:
            SqlBudgetStore(engine, COMPANY).spend(a_charge("s", 0.25), 1.0)
        except BudgetExhausted:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(spends, range(12))) == 4
    assert SqlBudgetStore(engine, COMPANY).budget("shop", DAY).spent == 1.0  # type: ignore[union-attr]


def test_what_a_process_spent_before_it_died_is_spent(engine: Engine, budgets: SqlBudgetStore) -> None:
    for wanted, spent in (("spend:before-commit", None), ("spend:after-commit", 0.5)):
        with pytest.raises(Killed):
            SqlBudgetStore(engine, COMPANY, checkpoint=dies_at(wanted)).spend(a_charge("s"), 1.0)
        found = budgets.budget("shop", DAY)
        assert (found.spent if found is not None else None) == spent


def test_budgets_of_several_sites_and_days_are_listed_in_order_and_each_company_has_its_own(
    engine: Engine, budgets: SqlBudgetStore
) -> None:
    for site in ("shop", "hall"):
        for days in (1, 0, 5):
            budgets.spend(Charge(site, DAY + timedelta(days=days), "s", 0.5, "live"), 1.0)
    listed = [(one.site, one.day - DAY) for one in budgets.budgets(None, DAY, DAY + timedelta(days=2))]
    assert listed == [(site, timedelta(days=days)) for site in ("hall", "shop") for days in (0, 1)]
    assert len(budgets.budgets("shop", DAY, DAY + timedelta(days=9))) == 3
    others = SqlBudgetStore(engine, OTHER_COMPANY)
    assert others.budgets(None, DAY, DAY) == []
    assert others.spend(a_charge("s", 1.0), 1.0).spent == 1.0


def test_a_kept_release_is_found_again_as_it_was(releases: SqlReleaseStore) -> None:
    for release in (a_release(), a_release(1, ())):
        assert releases.keep(release) == release
        found = releases.release(release.release_id)
        assert found is not None
        assert replace(found, tables=()) == replace(release, tables=())
        assert sorted(map(str, found.tables)) == sorted(map(str, release.tables))
    assert releases.release("unknown") is None
    assert releases.sites() == ["shop"]


def test_a_release_that_is_kept_again_is_the_stored_one(releases: SqlReleaseStore) -> None:
    releases.keep(a_release())
    again = a_release(
        tables=(Table("door/all", Measure.VISITS, (99,), 2.0, 6.0), Table("door/all", Measure.AGE, (1,) * 6, 2.0, 6.0))
    )
    stored = releases.keep(again)
    assert stored == releases.release("r0")
    assert [table.values for table in stored.tables if table.measure is Measure.VISITS] == [(31,), (-2,)]


def test_tables_of_a_measure_are_those_of_the_buckets_asked_for_in_order(
    engine: Engine, releases: SqlReleaseStore
) -> None:
    for number in (2, 0, 1, 3):
        releases.keep(a_release(number))
    found = releases.tables("shop", Measure.VISITS, NOON, NOON + timedelta(hours=3))
    assert [(table.bucket.hour, table.place, tuple(table.values)) for table in found] == [
        (12, "door/all", (31,)),
        (12, "door/left", (-2,)),
        (13, "door/all", (32,)),
        (13, "door/left", (-2,)),
        (14, "door/all", (33,)),
        (14, "door/left", (-2,)),
    ]
    assert {(table.day, table.covered_s, table.least_cell) for table in found} == {(DAY, 3590.5, 7.0)}
    assert {(table.scale, table.half_width, table.confidence) for table in found} == {(2.0, 6.0, 0.95)}
    assert releases.tables("shop", Measure.AGE, NOON, NOON + timedelta(hours=3)) == []
    assert releases.tables("hall", Measure.VISITS, NOON, NOON + timedelta(hours=3)) == []
    assert SqlReleaseStore(engine, OTHER_COMPANY).tables("shop", Measure.VISITS, NOON, NOON + timedelta(hours=3)) == []


def test_a_release_is_kept_as_a_whole_or_not_at_all(engine: Engine, releases: SqlReleaseStore) -> None:
    for wanted, kept in (("keep:before-commit", False), ("keep:after-commit", True)):
        with pytest.raises(Killed):
            SqlReleaseStore(engine, COMPANY, dies_at(wanted)).keep(a_release())
        assert (releases.release("r0") is not None) is kept


def test_live_figures_replace_those_of_their_session_and_only_the_last_day_is_live(releases: SqlReleaseStore) -> None:
    def figures(day: date, partition: str, value: int) -> LiveFigures:
        return LiveFigures("shop", day, NOON, partition, (Table("door/all", Measure.PRESENT, (value,), 9.0, 30.0),))

    assert releases.live("shop") == []
    releases.keep_live(figures(DAY - timedelta(days=1), "s", 1))
    for partition, value in (("t", 2), ("s", 3), ("t", 4)):
        releases.keep_live(figures(DAY, partition, value))
    assert releases.live("shop") == [figures(DAY, "s", 3), figures(DAY, "t", 4)]
