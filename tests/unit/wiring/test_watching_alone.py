"""A site is watched once, and each of its cameras too: what two sessions spend is not added up."""

from contextlib import AbstractContextManager, nullcontext

import pytest
from tests.watched_site import a_site

from moretta.core.cameras import parse_source
from moretta.core.errors import Conflict, RequestInvalid
from moretta.wiring.streams.process import WatchTerms
from moretta.wiring.streams.watching import Stores, Watching


def _watching(door: str, shelf: str, alone: type[AbstractContextManager[None]] | None = None) -> Watching:
    stores = Stores(None, None, (lambda _: alone()) if alone else nullcontext)  # type: ignore[arg-type]
    return Watching(a_site(), {"door": parse_source(door), "shelf": parse_source(shelf)}, stores, WatchTerms())


@pytest.mark.parametrize("source", ["rtsp://user:pw@10.0.0.7/one", "/dev/video0"])
def test_one_source_for_two_cameras_is_refused(source: str) -> None:
    with pytest.raises(RequestInvalid, match="of their own"):
        _watching(source, source)
    for camera in _watching(source, "rtsp://10.0.0.7/two").cameras:
        camera.stop()


@pytest.mark.parametrize(
    "other", ["rtsp://camera.shop/one", "rtsp://viewer:other@camera.shop/one", "rtsp://user:pw@Camera.Shop:554/one"]
)
def test_one_source_is_the_same_whoever_asks_for_it(other: str) -> None:
    with pytest.raises(RequestInvalid, match="of their own"):
        _watching("rtsp://user:pw@camera.shop/one", other)


class Taken(AbstractContextManager[None]):
    """Another process watches the site."""

    def __enter__(self) -> None:
        raise Conflict("being watched")

    def __exit__(self, *_: object) -> None:
        raise AssertionError


def test_a_site_that_is_watched_already_is_not_watched_again() -> None:
    watching = _watching("rtsp://10.0.0.7/one", "rtsp://10.0.0.7/two", Taken)
    with pytest.raises(Conflict, match="being watched"):
        watching.run()
    assert watching.pid is None
    assert all(camera.memory.fd < 0 for camera in watching.cameras)
