"""People's own pages in a real browser: a passkey signs, every right is used, every page is accessible and fits a phone."""

import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.browser.conftest import DESK, PHONE
from tests.recognition_rig import COMPANY
from tests.rights_rig import trust_of
from tests.subject_place import Home

from moretta.core.consent import ConsentMethod, ConsentState
from moretta.core.errors import PersonErased
from moretta.core.recognition import PersonState
from moretta.ledger.certificates import verify_certificate

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from tests.browser.pages import Visitor

# Where screenshots go, for whoever wants to look at them.
PICTURES = "MORETTA_SCREENSHOTS"
_TOO_WIDE = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
ADDRESSES = (
    "/me",
    "/me/consent",
    "/me/searches",
    "/me/rights",
    "/me/correct",
    "/me/object",
    "/me/erase",
    "/me/withdraw",
    "/me/photos",
    "/me/verify",
)


@pytest.fixture
def visitor(driver: "Chrome", home: Home) -> Iterator["Visitor"]:
    from tests.browser.pages import Visitor

    visitor = Visitor(driver, home)
    visitor.screen(DESK, dark=False)
    yield visitor
    driver.delete_all_cookies()


def test_a_passkey_signs_a_consent_and_withdrawing_takes_as_many_clicks(visitor: "Visitor", home: Home) -> None:
    anna = home.person("Anna Lund")
    visitor.enter(anna)
    assert visitor.path == "/me"
    visitor.go("/me/consent")
    visitor.clicks = 0
    visitor.click("Give my consent")
    visitor.click("Sign with a passkey")
    giving = visitor.clicks
    assert visitor.path == "/me/consent?done=given"
    assert "You consented" in visitor.text
    (consent,) = home.consents.consents(COMPANY, person_id=anna.person_id)
    assert (consent.state, consent.method) == (ConsentState.GIVEN, ConsentMethod.PASSKEY)
    visitor.clicks = 0
    visitor.click("Withdraw my consent")
    visitor.click("Withdraw and erase")
    assert visitor.clicks == giving
    assert visitor.heading == "You are erased"
    assert home.consents.consent(COMPANY, consent.consent_id).state is ConsentState.WITHDRAWN
    with pytest.raises(PersonErased):
        home.recognition.person(COMPANY, anna.person_id)


def test_a_person_uses_every_right_in_one_visit(visitor: "Visitor", home: Home, tmp_path: Path) -> None:
    anna = home.person("Anna Lund", photo=True, attributes=(("badge", "4711"),))
    home.place.found(home.collection.collection_id, "Anna Lund/2")
    visitor.enter(anna)
    visitor.click("Searches")
    assert "it matched you" in visitor.text
    visitor.click("My rights")
    saved = _downloaded(visitor, tmp_path, "Download my data", "*.zip")
    assert json.loads(zipfile.ZipFile(saved).read("person.json"))["name"] == "Anna Lund"
    visitor.click("Correct my data")
    visitor.write("Name", "Anna Berg")
    visitor.click("Correct my data")
    assert "Your data is corrected." in visitor.text
    assert home.recognition.person(COMPANY, anna.person_id).name == "Anna Berg"
    visitor.click("Stop comparing me")
    assert home.recognition.person(COMPANY, anna.person_id).state is PersonState.RESTRICTED
    visitor.click("Compare me again")
    assert home.recognition.person(COMPANY, anna.person_id).state is PersonState.ACTIVE
    visitor.click("Object")
    visitor.write("Why, if you want to say", "I would rather use the card")
    visitor.click("Object")
    assert home.recognition.person(COMPANY, anna.person_id).state is PersonState.OBJECTED
    visitor.click("Erase me")
    visitor.click("Erase me")
    assert visitor.heading == "You are erased"
    document = _downloaded(visitor, tmp_path, "Download the certificate", "*.json").read_bytes()
    assert verify_certificate(document, trust_of(home.place)).statements
    visitor.click("How to check it")
    visitor.click("Back to the certificate")
    visitor.click("Leave these pages")
    visitor.go("/me")
    assert visitor.heading == "Your visit is over"


def test_the_pages_work_without_a_script(visitor: "Visitor", home: Home) -> None:
    anna = home.person("Anna Lund")
    visitor.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        made = home.link(anna)
        visitor.go(f"/me/start/{made.link.link_id}")
        visitor.driver.find_element("id", "code").send_keys(made.code)
        visitor.click("Open my pages")
        assert visitor.heading == "What is stored about you"
        visitor.go("/me/rights")
        visitor.click("Stop comparing me")
        assert home.recognition.person(COMPANY, anna.person_id).state is PersonState.RESTRICTED
        visitor.go("/me/consent")
        visitor.click("Give my consent")
        assert "runs none" in visitor.text
    finally:
        visitor.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_complained_of(visitor: "Visitor", home: Home) -> None:
    visitor.enter(home.person("Anna Lund", photo=True))
    visitor.driver.get_log("browser")
    for address in ADDRESSES:
        visitor.go(address)
        loaded = visitor.driver.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)")
        assert all(one.startswith(f"{home.origin}/me/") for one in loaded), loaded
        complaints = [one["message"] for one in visitor.driver.get_log("browser") if "favicon" not in one["message"]]
        assert complaints == []


def test_every_page_is_accessible_and_fits_its_screen(visitor: "Visitor", home: Home, axe: str) -> None:
    anna = home.person("Anna Lund", photo=True, attributes=(("badge", "4711"),))
    for number in range(2):
        home.place.found(home.collection.collection_id, f"Anna Lund/{number + 2}")
    home.place.found(home.collection.collection_id, "Zoe/1")
    visitor.go(f"/me/start/{home.link(anna).link.link_id}")
    _looked_at(visitor, axe, "start")
    visitor.go("/me")
    _looked_at(visitor, axe, "closed")
    visitor.enter(anna)
    visitor.go("/me/consent")
    _looked_at(visitor, axe, "asked")
    visitor.click("Give my consent")
    _looked_at(visitor, axe, "sign")
    visitor.click("Sign with a passkey")
    visitor.go("/me/rights")
    visitor.click("Stop comparing me")
    _looked_at(visitor, axe, "told")
    visitor.click("Compare me again")
    for address in ADDRESSES:
        visitor.go(address)
        _looked_at(visitor, axe, address.strip("/").replace("/", "-"))
    visitor.go("/me/erase")
    visitor.click("Erase me")
    _looked_at(visitor, axe, "erased")


def test_a_person_sees_their_own_photo(visitor: "Visitor", home: Home) -> None:
    visitor.enter(home.person("Anna Lund", photo=True))
    visitor.click("show them")
    width = "return document.querySelector('figure img').naturalWidth"
    assert visitor.driver.execute_script(width) == 160


def test_the_keyboard_alone_reaches_the_content_and_everything_in_it(visitor: "Visitor", home: Home) -> None:
    from selenium.webdriver.common.keys import Keys

    visitor.enter(home.person("Anna Lund"))
    visitor.go("/me/rights")
    body = visitor.driver.find_element("tag name", "body")
    body.send_keys(Keys.TAB)
    assert visitor.driver.switch_to.active_element.text == "Skip to the content"
    reached = []
    for _ in range(16):
        visitor.driver.switch_to.active_element.send_keys(Keys.TAB)
        focused = visitor.driver.switch_to.active_element
        reached.append(focused.text)
        outline = visitor.driver.execute_script("return getComputedStyle(arguments[0]).outlineStyle", focused)
        assert focused.tag_name == "body" or outline == "solid", focused.text
    for words in ("My data", "Download my data", "Stop comparing me", "Object", "Erase me", "Leave these pages"):
        assert words in reached


def _looked_at(visitor: "Visitor", axe: str, name: str) -> None:
    """On a phone and on a desk, light and dark: nothing wider than the screen, and no violation of axe-core's rules.

    A picture of each is kept where somebody asked for it.
    """
    driver = visitor.driver
    driver.execute_script(axe)
    for size in (PHONE, DESK):
        for dark in (False, True):
            seen = f"{name}-{size[0]}-{'dark' if dark else 'light'}"
            visitor.screen(size, dark=dark)
            wide = driver.execute_script(_TOO_WIDE)
            assert wide <= 0, f"{seen} is {wide} px wider than the screen"
            found = driver.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
            violations = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]
            assert violations == [], seen
            if folder := os.environ.get(PICTURES):
                visitor.picture(Path(folder) / f"{seen}.png")
    visitor.screen(DESK, dark=False)


def _downloaded(visitor: "Visitor", folder: Path, words: str, pattern: str) -> Path:
    """The file that a button saves."""
    from tests.browser.pages import waited

    visitor.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    visitor.found(words).click()
    waited(lambda: bool(list(folder.glob(pattern))) and not list(folder.glob("*.crdownload")))
    return next(iter(folder.glob(pattern)))
