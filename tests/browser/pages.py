"""A person at their own pages, as a browser drives them."""

import io
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from tests.subject_place import Home

from moretta.core.recognition import Person


class Visitor:
    """Whoever sits before the browser; each click waits for the page that follows."""

    def __init__(self, driver: Chrome, home: Home) -> None:
        self.driver, self.home = driver, home
        self.clicks = 0

    def enter(self, person: Person) -> None:
        made = self.home.link(person)
        self.go(f"/me/start/{made.link.link_id}/{made.code}")
        self.click("Open my pages")

    def go(self, address: str) -> None:
        self.driver.get(self.home.origin + address)

    @property
    def path(self) -> str:
        return str(self.driver.current_url).removeprefix(self.home.origin)

    @property
    def text(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "body").text

    @property
    def heading(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "h1").text

    def click(self, words: str) -> None:
        """Click the button or link that says so, and wait until another page is there."""
        before = self.driver.find_element(By.TAG_NAME, "html")
        self.clicks += 1
        self.found(words).click()
        waited(lambda: _is_gone(before))
        waited(lambda: self.driver.execute_script("return document.readyState") == "complete")

    def found(self, words: str) -> WebElement:
        main = f'//main//*[self::button or self::a][normalize-space()="{words}"]'
        anywhere = f'//*[self::button or self::a][normalize-space()="{words}"]'
        return (self.driver.find_elements(By.XPATH, main) or self.driver.find_elements(By.XPATH, anywhere))[0]

    def write(self, label: str, words: str) -> None:
        field = self.driver.find_element(By.XPATH, f'//label[normalize-space()="{label}"]')
        control = self.driver.find_element(By.ID, field.get_attribute("for") or "")
        control.clear()
        control.send_keys(words)

    def screen(self, size: tuple[int, int], *, dark: bool) -> None:
        """The size of the page as the person sees it, and what they like."""
        width, height = size
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def picture(self, path: Path) -> None:
        """The whole page, from top to bottom."""
        import base64

        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True})
        Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("P", palette=Image.Palette.ADAPTIVE).save(
            path, optimize=True
        )


def waited(holds: Callable[[], bool], timeout_s: float = 15.0) -> None:
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def _is_gone(element: WebElement) -> bool:
    from selenium.common.exceptions import StaleElementReferenceException

    try:
        element.is_enabled()
    except StaleElementReferenceException:
        return True
    return False
