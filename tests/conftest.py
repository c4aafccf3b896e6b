"""What tests of every area share: installed model weights, the demonstration clip, and the development data."""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from moretta.vision.models import State, default_media_dir, default_models_dir, verify
from tests import memory
from tests.postgres_server import postgres_server  # noqa: F401 - a fixture


def pytest_configure() -> None:
    """Temporary folders of tests lie in memory, unless somebody said where (`--basetemp`, `PYTEST_DEBUG_TEMPROOT`)."""
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory.folder()))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Started in the background by a shell, which has interrupts ignored: tests of Ctrl-C need them.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test has an id of its own: of tests that share one, workers beside each other would run only one.

    pytest 9.2 makes ids from the function alone where schemathesis 4 makes one test for each operation of a document.
    """
    for item in items:
        operation = getattr(item, "operation_label", None)
        if operation is not None and operation not in item.nodeid:
            item._id = item.id.with_params(operation)  # type: ignore[attr-defined]
    shared = [nodeid for nodeid, times in Counter(item.nodeid for item in items).items() if times > 1]
    if shared:
        raise pytest.UsageError(f"expected an id of its own for each test; several share {', '.join(shared[:5])}")


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """The directory of installed model weights; a test that needs them fails, rather than skips, where they are not."""
    directory = default_models_dir(os.environ)
    optional = {"expression"}
    unfit = [found.name for found in verify(directory) if found.state is not State.OK and found.name not in optional]
    if unfit:
        pytest.fail(f"models not installed: {', '.join(unfit)}; run `moretta models install` (or `make setup`) first")
    return directory


@pytest.fixture(scope="session")
def talking_clip() -> Path:
    """The demonstration clip: a talking face (`moretta.vision.models.fetch_demo_clip` puts it there)."""
    given = os.environ.get("MORETTA_DEMO_CLIP")
    clip = Path(given) if given else default_media_dir(os.environ) / "franck.mp4"
    if not clip.is_file():
        beside = default_models_dir(os.environ).parent / "media" / "franck.mp4"
        if not beside.is_file():
            pytest.fail("the demonstration clip is not there: run `make setup`, or set MORETTA_DEMO_CLIP to its path")
        clip = beside
    return clip


@pytest.fixture(scope="session")
def dev_data() -> Path:
    """The labelled development data; tests that use it are marked `data` and skip where it is absent."""
    given = os.environ.get("MORETTA_DEV_DATA")
    folder = Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / "manifests").is_dir():
        pytest.skip("the labelled development data is not on this machine: set MORETTA_DEV_DATA to its folder")
    return folder
