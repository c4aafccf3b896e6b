"""A real browser for tests: Debian's Chromium and its driver, without a screen and without a network but loopback.

Skipped with a reason where there is none; with MORETTA_REQUIRE_CHROMIUM=1 that is a failure.
"""

import os
import shutil
import socket
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.subject_place import Home, a_home

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

REQUIRE = "MORETTA_REQUIRE_CHROMIUM"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--metrics-recording-only",
    "--no-pings",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)
PHONE, DESK = (360, 740), (1280, 900)
Browsing = Callable[[], "Chrome"]


def missing(reason: str) -> None:
    """Skip, or fail where that must not be skipped."""
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(f"{REQUIRE}=1, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Chrome"]:
    """One browser with a fresh profile, and a passkey device in software that says yes."""
    browser, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or chromedriver is None:
        missing("there is no Chromium here: apt-get install chromium chromium-driver")
    selenium = pytest.importorskip("selenium", reason="pip install selenium") if not os.environ.get(REQUIRE) else None
    del selenium
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions

    options = ChromeOptions()
    options.binary_location = str(browser)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.add_experimental_option(
        "prefs",
        {
            "download.default_directory": str(tmp_path_factory.mktemp("downloads")),
            "download.prompt_for_download": False,
        },
    )
    started = Chrome(options=options, service=Service(str(chromedriver), log_output=subprocess.DEVNULL))
    started.set_page_load_timeout(30)
    device = VirtualAuthenticatorOptions(
        protocol=VirtualAuthenticatorOptions.Protocol.CTAP2,
        transport=VirtualAuthenticatorOptions.Transport.INTERNAL,
        has_resident_key=True,
        has_user_verification=True,
        is_user_verified=True,
        is_user_consenting=True,
    )
    started.add_virtual_authenticator(device)
    try:
        yield started
    finally:
        started.quit()


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core."""
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    if npm is None:
        missing("there is no npm here, which axe-core comes from")
    packed = subprocess.run(
        [str(npm), "pack", "axe-core@4", "--silent"], cwd=folder, capture_output=True, timeout=120, check=False
    )
    found = list(folder.glob("axe-core-*.tgz"))
    if packed.returncode or not found:
        missing("axe-core could not be fetched with npm pack")
    with tarfile.open(found[0]) as archive:
        script = archive.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """People's own pages at `http://localhost` and a port, which browsers take for safe."""
    listener = socket.create_server(("127.0.0.1", 0))
    origin = f"http://localhost:{listener.getsockname()[1]}"
    with a_home(tmp_path / "place", origin=origin, text=NOTICE) as home, home.served(listener):
        home.origin = origin
        yield home
    listener.close()


NOTICE = """# Your face at the door

Example Ltd keeps a template of your face to open the door of its plant in Canal Street for you, and for nothing else.

## What is kept

- numbers computed from one photo of your face (a template), encrypted under a key of your own
- your name and the number of your badge
- each time your template was compared: when and by which door

## For how long

90 days after you came through the door for the last time, or until you withdraw. Then you are erased, and you get a certificate.

## What if I refuse?

Nothing: use the key card instead. It opens the same doors.
"""
