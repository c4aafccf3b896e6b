"""`moretta stats` as an operator meets it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from command_line import Moretta

from moretta.cli.simulate import example_site
from moretta.core.errors import RequestInvalid
from moretta.core.statistics import Charge, LiveFigures, Measure, Release, Table
from moretta.settings import Settings
from moretta.storage.statistics.budgets import SqlBudgetStore
from moretta.storage.statistics.releases import SqlReleaseStore
from moretta.wiring.service import opened
from moretta.wiring.simulating import simulate
from moretta.wiring.statistics import stores_of

FIRST = datetime(2026, 1, 31, 8, tzinfo=UTC)
SPAN = ("--from", "2026-01-31", "--to", "2026-02-01")


@pytest.fixture
def released(moretta: Moretta) -> None:
    with opened(Settings()) as deployment:
        store = SqlReleaseStore(deployment.engine, deployment.company_id)
        for hour, visits in enumerate((120, 3)):
            bucket = FIRST + timedelta(hours=hour)
            tables = (
                Table("door/all", Measure.VISITS, (visits,), 2.0, 6.0),
                Table("door/all", Measure.GENDER, (50, 60, 10), 2.0, 6.0),
            )
            store.keep(
                Release(f"r{hour}", "shop", bucket.date(), bucket, 3600, f"s/{hour}", "laplace", 1.0, tables, 3600.0)
            )
        store.keep_live(
            LiveFigures("shop", FIRST.date(), FIRST, "s", (Table("door/all", Measure.PASSERS, (230,), 9.0, 30.0),))
        )
        today = datetime.now(UTC).date()
        SqlBudgetStore(deployment.engine, deployment.company_id).spend(Charge("shop", today, "s", 0.5, "live"), 2.0)


def test_a_measure_is_shown_with_its_intervals_and_what_they_mean(moretta: Moretta, released: None) -> None:
    told = moretta("stats", "show", "shop", "visits", *SPAN)
    assert told.status == 0
    assert "2026-01-31T08:00:00Z  door/all  120 (114 to 126)" in told.out
    assert "2026-01-31T09:00:00Z  door/all  –" in told.out
    assert "95% confidence" in told.out


def test_as_json_each_point_is_a_line(moretta: Moretta, released: None) -> None:
    lines = [
        json.loads(line)
        for line in moretta("stats", "show", "shop", "gender", *SPAN, "--step", "all", "--json").out.splitlines()
    ]
    (point,) = lines
    assert [figure["value"] for figure in point["figures"]] == [100, 120, 20]
    assert sum(figure["share"] for figure in point["figures"]) == pytest.approx(1.0)


def test_live_figures_sites_and_budgets_are_told(moretta: Moretta, released: None) -> None:
    assert moretta("stats", "sites").out == "shop\n"
    assert "230 (200 to 260)" in moretta("stats", "live", "shop").out
    assert json.loads(moretta("stats", "live", "shop", "--json").out)["figures"][0]["high"] == 260
    (budget,) = (json.loads(line) for line in moretta("stats", "budgets", "--json").out.splitlines())
    assert (budget["site"], budget["limit"], budget["spent"], budget["left"]) == ("shop", 2.0, 0.5, 1.5)
    assert "1.5" in moretta("stats", "budgets", "shop").out


def test_an_export_goes_to_a_file_or_into_a_pipe(moretta: Moretta, released: None, tmp_path: Path) -> None:
    assert (
        moretta("stats", "export", "shop", *SPAN)
        .out.splitlines()[1]
        .startswith("shop,door/all,visits,visits,count,2026-01-31T08")
    )
    file = tmp_path / "shop.parquet"
    assert moretta("stats", "export", "shop", *SPAN, "--format", "parquet", "--out", file).status == 0
    assert file.read_bytes()[:4] == b"PAR1"
    assert 'moretta_statistics{site="shop"' in moretta("stats", "export", "shop", *SPAN, "--format", "prometheus").out


def test_an_unknown_site_and_a_live_measure_are_told_what_was_expected(moretta: Moretta, released: None) -> None:
    told = moretta("stats", "show", "hall", "visits", *SPAN)
    assert told.status == 66 and "nothing was released of it yet" in told.err
    told = moretta("stats", "show", "shop", "present", *SPAN)
    assert told.status == 64 and "live counter" in told.err


def test_a_made_up_crowd_stands_under_no_real_name(moretta: Moretta) -> None:
    with opened(Settings()) as deployment:
        stores = stores_of(deployment.engine, deployment.company_id)
        made = simulate(example_site(), stores.budgets, stores.releases, start_s=0.0, end_s=60.0, people_per_hour=1)
        with pytest.raises(RequestInvalid, match="sim-"):
            next(made)
    assert moretta("stats", "sites").out == ""


def test_a_made_up_crowd_fills_a_site_of_its_own_name_and_spends_its_budget(moretta: Moretta, tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text('name = "hall"\nbucket_minutes = 5\n[[cameras]]\nname = "door"\n[privacy.weights]\npassers = 1\n')
    told = moretta("simulate", file, "--hours", 0.3, "--people-per-hour", 3000)
    assert told.status == 0 and "releases of sim-hall" in told.out
    assert moretta("stats", "sites").out == "sim-hall\n"
    (budget,) = (
        json.loads(line)
        for line in moretta("stats", "budgets", "sim-hall", "--days", 2, "--json").out.splitlines()[-1:]
    )
    assert budget["spent"] == 2.0
    lines = [json.loads(line) for line in moretta("stats", "show", "sim-hall", "passers", "--json").out.splitlines()]
    assert len(lines) >= 4 and all(line["place"] == "door/all" for line in lines)
    # A busy hour has 3,000 people, the scale of the noise is 1: a quiet one of the day still has over a hundred an hour.
    assert any(line["figures"][0]["value"] for line in lines)
