"""Recordings of a talking face, with and without the opt-out marker, and a site watched in this process."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from sqlalchemy import Engine

from moretta.core.cameras import CameraSource, WatchReceipt, parse_source
from moretta.core.errors import BudgetExhausted, MorettaError
from moretta.core.site import PrivacyPlan, Site, View, Zone
from moretta.core.statistics import LiveFigures, Measure, Release
from moretta.settings import Settings
from moretta.vision.optout import marker
from moretta.wiring.cameras.camera import CameraTerms
from moretta.wiring.statistics import stores_of
from moretta.wiring.streams.process import watch_terms
from moretta.wiring.streams.watching import Listener, Watching

RATE = 5
WHOLE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
COMPANY = "co_" + "0" * 20


def face_recording(clip: Path, path: Path, *, seconds: int = 8, marked_from_s: float | None = None) -> Path:
    """The clip's face at the left of 640x480, `RATE` pictures a second; from a time on with the marker beside it."""
    badge = cv2.copyMakeBorder(marker(80), 4, 4, 4, 4, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    with av.open(str(clip)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt, stream.options = (
            640,
            480,
            "yuv420p",
            {"preset": "ultrafast", "crf": "18"},
        )
        number = 0
        for index, frame in enumerate(source.decode(video=0)):
            if number == seconds * RATE:
                break
            if index % 5:
                continue
            pixels = np.full((480, 640, 3), 90, np.uint8)
            shown = frame.to_ndarray(format="rgb24")
            pixels[: shown.shape[0], : shown.shape[1]] = shown
            if marked_from_s is not None and number >= marked_from_s * RATE:
                pixels[200 : 200 + badge.shape[0], 380 : 380 + badge.shape[1]] = badge
            target.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            number += 1
        target.mux(stream.encode(None))
    return path


def empty_recording(path: Path, *, seconds: int) -> Path:
    """Nobody, in 160x120, `RATE` pictures a second."""
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt, stream.options = 160, 120, "yuv420p", {"preset": "ultrafast"}
        for _ in range(seconds * RATE):
            target.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((120, 160, 3), 90, np.uint8), format="rgb24")))
        target.mux(stream.encode(None))
    return path


def exact_site(*cameras: str, measures: tuple[Measure, ...] = (Measure.VISITS,), name: str = "shop") -> Site:
    """A site whose noise is so small that one figure in ten thousand is off by one (epsilon 10, sensitivity 1)."""
    privacy = PrivacyPlan(10.0, 0.0, 10.0, 0.0, 1, weights=tuple((one, 1.0) for one in measures))
    return Site(name, tuple(View(camera, (Zone("all", WHOLE),)) for camera in cameras), privacy=privacy)


@dataclass
class Watched:
    """A site being watched in a thread, and what was told of it."""

    watching: Watching
    receipts: list[WatchReceipt]
    releases: list[Release]
    live: list[LiveFigures]
    exhausted: list[BudgetExhausted]
    lost: list[MorettaError]
    failure: BaseException | None = None

    def __enter__(self) -> "Watched":
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.watching.stop()
        self.join()

    def join(self, limit_s: float = 240) -> None:
        """Wait until it has ended."""
        self._thread.join(limit_s)
        assert not self._thread.is_alive()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            self.watching.run()
        except BaseException as error:
            self.failure = error


def watched(
    engine: Engine,
    settings: Settings,
    site: Site,
    sources: Mapping[str, str | Path | CameraSource],
    *,
    fast: bool = True,
    terms: CameraTerms | None = None,
) -> Watched:
    """That site, not yet begun."""
    receipts: list[WatchReceipt] = []
    releases: list[Release] = []
    live: list[LiveFigures] = []
    exhausted: list[BudgetExhausted] = []
    lost: list[MorettaError] = []
    listener = Listener(
        begun=receipts.append,
        released=releases.append,
        live=live.append,
        exhausted=exhausted.append,
        lost=lost.append,
    )
    parsed = {name: one if isinstance(one, CameraSource) else parse_source(str(one)) for name, one in sources.items()}
    watching = Watching(site, parsed, stores_of(engine, COMPANY), watch_terms(settings), terms, listener, fast=fast)
    return Watched(watching, receipts, releases, live, exhausted, lost)


def figures(release: Release, measure: Measure) -> dict[str, tuple[int, ...]]:
    """A measure's values by place."""
    return {table.place: table.values for table in release.tables if table.measure is measure}
