"""The page of statistics in a real browser: signing in, charts, places and times, and that it renews itself."""

import base64
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine
from tests.browser.conftest import DESK, PHONE
from tests.doors.api_fakes import COMPANY, House

from moretta.api.app import create_app
from moretta.cli.simulate import example_site
from moretta.core.keys import Scope
from moretta.core.statistics import LiveFigures, Measure, Table
from moretta.pages.statistics import StatisticsPageMaker
from moretta.storage.database import open_database
from moretta.storage.statistics.budgets import SqlBudgetStore
from moretta.storage.statistics.releases import SqlReleaseStore
from moretta.wiring.simulating import simulate
from moretta.wiring.statistics import statistics_over

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

PICTURES = "MORETTA_SCREENSHOTS"


class Shop:
    """A shop that a made-up crowd passed, its page served, and a browser that is signed in."""

    def __init__(self, driver: "Chrome", engine: Engine) -> None:
        self.driver, self.releases = driver, SqlReleaseStore(engine, COMPANY)
        self.house = House()
        self.house.services = replace(self.house.services, statistics=partial(statistics_over, engine))
        self.house.app = create_app(self.house.services, self.house.log, statistics_maker=StatisticsPageMaker())
        end_s = self.house.now.timestamp() + 600
        told = simulate(
            example_site().as_made_up(),
            SqlBudgetStore(engine, COMPANY),
            self.releases,
            start_s=end_s - 5400,
            end_s=end_s,
            people_per_hour=700,
        )
        assert list(told)[-1].visits > 200
        self.origin = ""

    def sign_in(self, token: str) -> None:
        words = base64.b64encode(f"reader:{token}".encode()).decode()
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {"Authorization": f"Basic {words}"}})

    def go(self, query: str = "") -> None:
        self.driver.get(f"{self.origin}/statistics{query}")

    @property
    def text(self) -> str:
        return str(self.driver.find_element("tag name", "body").text)


@pytest.fixture
def shop(driver: "Chrome", tmp_path: Path) -> Iterator[Shop]:
    engine = open_database(tmp_path / "moretta.db")
    shop = Shop(driver, engine)
    with shop.house.served() as origin:
        shop.origin = origin
        shop.house.now += timedelta(minutes=15)
        shop.sign_in(shop.house.keys.create(COMPANY, [Scope.STATS_READ]).token)
        yield shop
        driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {}})
        driver.get("about:blank")
    engine.dispose()


def test_charts_with_intervals_are_seen_and_places_and_times_can_be_chosen(shop: Shop, axe: str) -> None:
    shop.go()
    assert "Today, live" in shop.text and "Privacy budget" in shop.text and "2 of 3 spent" in shop.text
    headings = [one.text for one in shop.driver.find_elements("tag name", "h2")]
    for wanted in (
        "People came into the zone",
        "People by seconds stayed",
        "People looked at the target for at least a second",
    ):
        assert wanted in headings
    assert len(shop.driver.find_elements("css selector", "svg.chart .interval")) >= 4
    _looked_at(shop.driver, axe)
    shop.driver.find_element("link text", "door/threshold").click()
    assert "Crossings of the line, each way, forward" in shop.text
    shop.driver.find_element("link text", "Week").click()
    assert "place=door/threshold" in shop.driver.current_url and "span=week" in shop.driver.current_url


def present(shop: Shop) -> int:
    found = re.search(r"are in the zone now[^\n]*\n(\d+)", shop.text)
    assert found is not None
    return int(found[1])


def test_the_page_renews_its_figures_by_itself_and_loads_nothing_from_elsewhere(shop: Shop) -> None:
    shop.go()
    shop.driver.get_log("browser")
    table = Table("door/entrance", Measure.PRESENT, (4321,), 2.0, 6.0)
    shop.releases.keep_live(LiveFigures("sim-shop", shop.house.now.date(), shop.house.now, "another", (table,)))
    assert present(shop) < 1000
    shop.driver.set_script_timeout(10)
    shop.driver.execute_async_script("renew().then(arguments[arguments.length - 1])")
    # The crowd's own session adds its noise, of scale 40: beyond 800 once in 10^8.
    assert abs(present(shop) - 4321) < 1000
    loaded = shop.driver.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert loaded and all(one.startswith(shop.origin + "/statistics") for one in loaded)
    assert [one["message"] for one in shop.driver.get_log("browser") if "favicon" not in one["message"]] == []


def test_without_a_script_the_page_says_the_same(shop: Shop) -> None:
    shop.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        shop.go()
        assert "People by estimated age band" in shop.text
    finally:
        shop.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_without_a_key_that_may_read_statistics_nothing_is_shown(shop: Shop) -> None:
    shop.sign_in(shop.house.token)
    shop.go()
    assert "door/entrance" not in shop.driver.page_source
    shop.sign_in("mk_" + "0" * 60)
    shop.go()
    assert "door/entrance" not in shop.driver.page_source


def _looked_at(driver: "Chrome", axe: str) -> None:
    """On a phone and on a desk, light and dark: nothing wider than the screen, and no violation of axe-core's rules."""
    driver.execute_script(axe)
    for width, height in (PHONE, DESK):
        for scheme in ("dark", "light"):
            metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            liked = {"name": "prefers-color-scheme", "value": scheme}
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [liked]})
            wide = driver.execute_script(
                "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert wide <= 0, f"{wide} px wider than {width}"
            found = driver.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
            assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []
            if folder := os.environ.get(PICTURES):
                shot = driver.execute_cdp_cmd(
                    "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True}
                )
                (Path(folder) / f"statistics-{width}-{scheme}.png").write_bytes(base64.b64decode(shot["data"]))
