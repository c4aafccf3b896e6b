"""A token of SoftHSM for tests: made once in a temporary folder, and shared, since a process loads the library once."""

import atexit
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

from moretta.keys.token import Token
from tests import memory

_PLACES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/*/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm.so")


def softhsm_token() -> Token:
    """The token; skips the test where SoftHSM is not installed, and fails it where it must be."""
    found = [path for place in _PLACES for path in sorted(Path("/").glob(place.removeprefix("/")))]
    if not found or shutil.which("softhsm2-util") is None:
        if os.environ.get("MORETTA_REQUIRE_SOFTHSM") == "1":
            pytest.fail("SoftHSM is required here and not installed: install Debian's package softhsm2")
        pytest.skip("SoftHSM is not installed: install Debian's package softhsm2 to run the tests of PKCS#11")
    return _made(found[0])


@cache
def _made(module: Path) -> Token:
    folder = Path(tempfile.mkdtemp(prefix="softhsm-", dir=memory.folder()))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    # The library reads it from the environment when a process first loads it; processes that tests start inherit it.
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    pins = ["--pin", "test-pin", "--so-pin", "test-so-pin"]
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "moretta-tests", *pins], check=True, capture_output=True
    )
    pin_file = folder / "pin"
    pin_file.touch(mode=0o600)
    pin_file.write_text("test-pin\n")
    return Token(module, "moretta-tests", pin_file)
