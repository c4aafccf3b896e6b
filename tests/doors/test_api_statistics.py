"""Anonymous statistics through the API: what is read, with which interval, what is left out, and by whom."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from api_fakes import COMPANY, House, is_problem
from sqlalchemy import Engine

from moretta.api.app import create_app
from moretta.core.keys import Scope
from moretta.core.statistics import Alarm, AlarmKind, Charge, LiveFigures, Measure, Release, Table
from moretta.storage.database import open_database
from moretta.storage.statistics.budgets import SqlBudgetStore
from moretta.storage.statistics.releases import SqlReleaseStore
from moretta.use_cases.statistics.export import COLUMNS, rows
from moretta.wiring.statistics import parquet, statistics_over

FIRST = datetime(2025, 1, 31, 8, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(tmp_path / "moretta.db")
    yield engine
    engine.dispose()


@pytest.fixture
def house(engine: Engine) -> House:
    made = House()
    made.services = replace(made.services, statistics=partial(statistics_over, engine))
    made.app = create_app(made.services, made.log)
    return made


def a_release(hour: int, visits: int, partition: str = "s", bands: tuple[int, ...] = (2, 30, 40, 20, 10, 0)) -> Release:
    bucket = FIRST + timedelta(hours=hour)
    tables = (
        Table("door/all", Measure.VISITS, (visits,), 2.0, 6.0),
        Table("door/all", Measure.AGE, bands, 2.0, 6.0),
        Table("door/middle", Measure.FLOW, (visits, visits - 2), 4.0, 12.0),
    )
    return Release(
        f"{partition}-{hour}",
        "shop",
        bucket.date(),
        bucket,
        3600,
        f"{partition}/{hour}",
        "laplace",
        1.0,
        tables,
        3600.0,
    )


@pytest.fixture
def reader(house: House, engine: Engine) -> str:
    store = SqlReleaseStore(engine, COMPANY)
    for release in (a_release(0, 120), a_release(1, 8), a_release(2, 60), a_release(2, 50, "t")):
        store.keep(release)
    for partition, value, present in (("s", 230, 5), ("t", 50, -3)):
        tables = (
            Table("door/all", Measure.PASSERS, (value,), 9.0, 30.0),
            Table("door/all", Measure.PRESENT, (present,), 9.0, 30.0),
        )
        time = FIRST + timedelta(hours=3, minutes=50 if partition == "t" else 0)
        store.keep_live(LiveFigures("shop", FIRST.date(), time, partition, tables))
    budgets = SqlBudgetStore(engine, COMPANY)
    budgets.spend(Charge("shop", FIRST.date(), "s", 1.0, "live"), 2.0)
    budgets.spend(Charge("shop", FIRST.date(), "s/0", 0.5, "tables"), 2.0)
    return house.keys.create(COMPANY, [Scope.STATS_READ]).token


def get(house: House, path: str, token: str) -> dict[str, Any]:
    answer = house.call("GET", path, token=token)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_every_figure_has_its_interval_and_one_too_small_is_left_out(house: House, reader: str) -> None:
    found = get(house, "/v1/stats/visits?site=shop", reader)
    assert (found["unit"], found["confidence"]) == ("visits", 0.95)
    figures = [point["figures"][0] for point in found["points"]]
    assert figures[0] == {"cell": "count", "value": 120, "low": 114, "high": 126, "share": None}
    assert figures[1] == {"cell": "count", "value": None, "low": None, "high": None, "share": None}
    # Two sessions of one hour: their figures add up, and the interval is that of the sum, narrower than the sum of both.
    assert figures[2]["value"] == 110 and 6 < 110 - figures[2]["low"] < 12
    assert [point["covered_s"] for point in found["points"]] == [3600.0, 3600.0, 7200.0]


def test_sums_over_a_day_count_the_small_figures_too(house: House, reader: str) -> None:
    found = get(house, "/v1/stats/visits?site=shop&step=all", reader)
    assert [point["figures"][0]["value"] for point in found["points"]] == [238]
    assert get(house, "/v1/stats/visits?site=shop&step=day", reader)["points"][0]["start"] == "2025-01-31T00:00:00Z"


def test_parts_of_a_whole_have_shares(house: House, reader: str) -> None:
    figures = get(house, "/v1/stats/age?site=shop&step=all", reader)["points"][0]["figures"]
    assert figures[1]["share"] == pytest.approx(30 / 102)
    assert figures[0]["value"] is None and figures[0]["share"] is None


def test_live_totals_add_up_over_sessions_but_only_one_that_goes_on_tells_who_is_present(
    house: House, reader: str
) -> None:
    found = {row["measure"]: row["figures"][0] for row in get(house, "/v1/stats/live?site=shop", reader)["data"]}
    assert found["passers"]["value"] == 280
    assert found["present"] == {"cell": "count", "value": 0, "low": 0, "high": 27, "share": None}


def test_budgets_tell_what_is_left(house: House, reader: str) -> None:
    found = get(house, "/v1/privacy/budgets", reader)["data"]
    assert found == [{"site": "shop", "day": "2025-01-31", "limit": 2.0, "spent": 1.5, "left": 0.5}]
    assert get(house, "/v1/privacy/budgets?site=hall", reader)["data"] == []


def test_the_same_figures_leave_as_csv_parquet_and_for_prometheus(house: House, reader: str, engine: Engine) -> None:
    text = house.call("GET", "/v1/stats/export?site=shop", token=reader)
    assert text.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(text.text)))
    visits = [line for line in lines if line["measure"] == "visits"]
    assert [line["value"] for line in visits] == ["120", "", "110"]
    assert (visits[0]["low"], visits[0]["high"], visits[0]["start"]) == ("114", "126", "2025-01-31T08:00:00Z")
    metrics = house.call("GET", "/v1/stats/export?site=shop&format=prometheus", token=reader).text
    at = 'site="shop",place="door/all",measure="visits",cell="count",kind="bucket"'
    assert f'moretta_statistics{{{at},bound="value"}} 110' in metrics
    assert 'measure="passers",cell="count",kind="live",bound="value"} 280' in metrics
    from pyarrow.parquet import read_table

    statistics = statistics_over(engine, COMPANY)
    exported = list(rows(statistics, "shop", FIRST, FIRST + timedelta(days=1)))
    table = read_table(io.BytesIO(parquet(exported)))
    assert tuple(table.column_names) == COLUMNS
    assert [tuple(row.values()) for row in table.to_pylist()] == exported
    assert read_table(io.BytesIO(parquet([]))).num_rows == 0


def test_alarms_are_listed_the_newest_first(house: House, reader: str, engine: Engine) -> None:
    store = SqlReleaseStore(engine, COMPANY)
    for minutes in (5, 30, 30):
        store.keep_alarm(
            Alarm("shop", FIRST + timedelta(minutes=minutes), AlarmKind.CROWDING, "door/all", 70 + minutes, 50.0)
        )
    found = get(house, "/v1/stats/alarms?site=shop", reader)["data"]
    assert [(one["time"], one["kind"], one["value"]) for one in found] == [
        ("2025-01-31T08:30:00Z", "crowding", 100),
        ("2025-01-31T08:05:00Z", "crowding", 75),
    ]
    is_problem(house.call("GET", "/v1/stats/alarms?site=shop", token=house.stranger), 404, "not_found")


def test_reading_spends_nothing(house: House, reader: str, engine: Engine) -> None:
    before = SqlBudgetStore(engine, COMPANY).budget("shop", FIRST.date())
    for _ in range(5):
        get(house, "/v1/stats/visits?site=shop", reader)
        get(house, "/v1/stats/live?site=shop", reader)
    assert SqlBudgetStore(engine, COMPANY).budget("shop", FIRST.date()) == before


def test_sites_are_those_of_the_company_and_another_one_sees_nothing(house: House, reader: str) -> None:
    assert get(house, "/v1/stats", reader) == {"data": [{"site": "shop"}]}
    assert get(house, "/v1/stats", house.stranger) == {"data": []}
    is_problem(house.call("GET", "/v1/stats/visits?site=shop", token=house.stranger), 404, "not_found")
    is_problem(house.call("GET", "/v1/stats/live?site=shop", token=house.stranger), 404, "not_found")


def test_a_key_that_may_only_analyse_reads_no_statistics(house: House, reader: str) -> None:
    for path in (
        "/v1/stats",
        "/v1/stats/visits?site=shop",
        "/v1/stats/live?site=shop",
        "/v1/stats/export?site=shop",
        "/v1/privacy/budgets",
    ):
        is_problem(house.call("GET", path, token=house.token), 403, "key.scope_missing")


@pytest.mark.parametrize(
    "query",
    [
        "faces?site=shop",
        "present?site=shop",
        "visits",
        "visits?site=shop&from=2025-02-01T00:00:00Z",
        "visits?site=shop&step=year",
        "visits?site=shop&from=2020-01-01T00:00:00Z",
    ],
)
def test_a_wrong_question_is_told_what_was_expected(house: House, reader: str, query: str) -> None:
    is_problem(house.call("GET", f"/v1/stats/{query}", token=reader), 422, "request.invalid")
