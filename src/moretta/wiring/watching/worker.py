"""The watching process's side of its channel: loads what may be loaded, proves it, then looks.

Belongs here: what runs inside the confined process. It is called once before the kernel takes files and network away.
"""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import cv2
import numpy as np

from moretta.core.cameras import WatchReceipt
from moretta.core.errors import RequestInvalid
from moretta.core.ports import AttributeModel
from moretta.core.site import Line, Site, Target, View, Zone
from moretta.core.values import Face, Frame, Mesh, Pixels, TrackedFace, TrackId
from moretta.sandbox.slots import Picture, PictureMemory, picture_bytes
from moretta.settings import Settings
from moretta.statistics.noise import Mechanism, OpenDpLaplace
from moretta.vision.attributes import AgeModel, GenderModel
from moretta.vision.detect import CenterFaceDetector
from moretta.vision.landmarks import FaceMesh
from moretta.vision.sightings import Looks, sighting_of
from moretta.wiring.watching.looking import DETECTOR_SIDE, LEAST_SCORE, WatchInstruments, as_pixels
from moretta.wiring.watching.models import WatchingModels, require_blind
from moretta.wiring.watching.session import WatchSession
from moretta.wiring.watching.wire import Begin, Look, Tick, Word, adapter, answer, plans_json, request, split
from moretta.wiring.wire import parsed

Handler = Callable[..., bytes]
# Which of `age` and `gender` are released, separated by commas; others are not even loaded.
ATTRIBUTES = "MORETTA_WATCH_ATTRIBUTES"
# The site's, whose file must be read while files can be.
TIMEZONE = "MORETTA_WATCH_TIMEZONE"
_NOTHING = b"{}"
_SIDE = 160


def watching_handler() -> Handler:
    """The handler of a session's words, with the models loaded and every lazy import done.

    Raises:
        ModelMissing, ModelCorrupt: `moretta models install` mends it.
        ModelMismatch: this process could recognise somebody.
        ExtraMissing: OpenDP is not installed.
    """
    # Its threads wait for each other longer than they work on pictures of this size: 4.2 against 4.8 ms of a core to look for
    # markers in one of 640x480.
    cv2.setNumThreads(1)
    ZoneInfo(os.environ.get(TIMEZONE, "UTC"))  # kept by its module from here on
    wanted = frozenset(filter(None, os.environ.get(ATTRIBUTES, "").split(",")))
    models = WatchingModels(Settings().models_dir)
    detector = CenterFaceDetector(models.open("centerface"), LEAST_SCORE, DETECTOR_SIDE)
    mesh = FaceMesh(models.open("face-landmark"), models.open("iris-landmark"))
    attributes: list[AttributeModel] = []
    if "age" in wanted:
        attributes.append(AgeModel(models.open("age")))
    if "gender" in wanted:
        attributes.append(GenderModel(models.open("gender")))
    instruments = WatchInstruments(detector, mesh, tuple(attributes))
    mechanism = OpenDpLaplace()
    _rehearse(models, instruments, mechanism)
    require_blind(models.used)
    return _Bench(models, instruments, mechanism).handle


class _Bench:
    """Where one process does its work: one session, from the first word to the last."""

    def __init__(self, models: WatchingModels, instruments: WatchInstruments, mechanism: Mechanism) -> None:
        self._models, self._instruments, self._mechanism = models, instruments, mechanism
        self._session: WatchSession | None = None

    def handle(self, fd: int, raw: bytes, tell: object = None, output_fd: int | None = None) -> bytes:
        """The answer to one word."""
        word, body = split(raw)
        if word is Word.BEGIN:
            return self._begin(parsed(adapter(Begin), body))
        if self._session is None:
            raise RequestInvalid("expected a session to be begun first")
        match word:
            case Word.LOOK:
                look = parsed(adapter(Look), body)
                content = picture_bytes(fd, look.picture)
                self._session.look(
                    look.camera, as_pixels(content, look.picture.width, look.picture.height), look.time_s
                )
                return _NOTHING
            case Word.TICK:
                tick = parsed(adapter(Tick), body)
                return plans_json(self._session.tick(tick.now_s, tick.watched))
            case Word.CLOSE:
                tick = parsed(adapter(Tick), body)
                return plans_json(self._session.close(tick.now_s, tick.watched))
            case Word.MAKE:
                made = self._session.make(parsed(adapter(str), body))
                return answer(made)
        raise RequestInvalid("expected a word of a session")

    def _begin(self, begun: Begin) -> bytes:
        if self._session is not None:
            raise RequestInvalid("expected one session in the life of a watching process")
        # Once more, since something may have been imported after the start.
        require_blind(self._models.used)
        self._session = WatchSession(begun, self._instruments, self._mechanism)
        receipt = WatchReceipt(begun.site.name, begun.session, datetime.now(UTC), self._models.used, recognises=False)
        return answer(receipt)


def _rehearse(models: WatchingModels, instruments: WatchInstruments, mechanism: Mechanism) -> None:
    """Play a session with a made-up picture and a made-up face, so that nothing is left to be imported or opened."""
    square = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    view = View("rehearsal", (Zone("all", square),), (Line("line", (0.5, 0.0), (0.5, 1.0)),), Target("target"))
    bench = _Bench(models, instruments, mechanism)
    now_s = time.time()
    bench.handle(-1, request(Word.BEGIN, Begin(Site("rehearsal", (view,)), "rehearsal", now_s)))
    memory = PictureMemory.made()
    try:
        pixels = np.random.default_rng(0).integers(0, 256, (_SIDE, _SIDE, 3), np.uint8)
        memory.put(0, pixels.tobytes())
        look = Look("rehearsal", Picture(0, _SIDE, _SIDE), now_s)
        bench.handle(memory.fd, request(Word.LOOK, look))
    finally:
        memory.close()
    bench.handle(-1, request(Word.TICK, Tick(now_s + 60, 1.0)))
    for plan in adapter(tuple).validate_json(bench.handle(-1, request(Word.CLOSE, Tick(now_s + 120, 1.0)))):
        bench.handle(-1, request(Word.MAKE, str(plan["release_id"])))
    _rehearse_face(instruments, pixels, now_s)


def _rehearse_face(instruments: WatchInstruments, pixels: Pixels, now_s: float) -> None:
    """No detector finds a face in noise: one is put there by hand."""
    landmarks = np.array([[65, 70], [95, 70], [80, 85], [70, 105], [90, 105]], np.float32)
    face = Face(np.array([25, 25, 135, 135], np.float32), landmarks, 0.9)
    instruments.mesh.fit(pixels, face)
    angles, radii = np.linspace(0, 40 * np.pi, 468), np.linspace(5, 55, 468)
    spiral = np.stack([80 + radii * np.cos(angles), 80 + radii * np.sin(angles), np.zeros(468)], 1).astype(np.float32)
    frame = Frame(pixels, 0, 0)
    for presence in (0.0, 0.99):
        tracked = TrackedFace(TrackId(1), face, Mesh(spiral, presence, np.zeros((2, 5, 2), np.float32)), True)
        sighting_of(frame, tracked, TrackId(1), now_s, Looks(instruments.attributes))
        for model in instruments.attributes:
            model.estimate(pixels, tracked)
