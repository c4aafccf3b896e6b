"""A worker's handler with every installed model and every decoder: what the confinement must leave working."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from moretta.core.limits import MediaLimits
from moretta.core.values import Frame, Pixels
from moretta.vision.antispoof import FaceAntiSpoofing
from moretta.vision.attributes import AgeModel, GenderModel
from moretta.vision.decode import DecodeOptions, open_media, warm_up
from moretta.vision.detect import CenterFaceDetector
from moretta.vision.embed import MobileFaceNetEmbedder
from moretta.vision.landmarks import FaceMesh
from moretta.vision.models import load
from moretta.vision.posture import BlazePosture
from moretta.vision.sessions import LiteRtSession, OnnxSession, open_session
from moretta.vision.track import FaceTracker

MOST_FRAMES = 12


def handler() -> Callable[[int, bytes, Callable[[bytes], None]], bytes]:
    models = Path(os.environ["MORETTA_MODELS_DIR"])

    def session(name: str) -> OnnxSession | LiteRtSession:
        return open_session(load(name, models).path)

    detector = CenterFaceDetector(session("centerface"), long_side=320)
    mesh = FaceMesh(session("face-landmark"), session("iris-landmark"))
    embedder = MobileFaceNetEmbedder(session("mobilefacenet"), "0" * 64)
    spoof = FaceAntiSpoofing(session("face-antispoofing"))
    attributes = (AgeModel(session("age")), GenderModel(session("gender")))
    posture = BlazePosture(session("pose-detection"), session("pose-landmark"))
    warm_up()

    def measure(pixels: Pixels, tracker: FaceTracker, found: list[object], index: int, time_ns: int) -> None:
        for tracked in tracker.update(Frame(pixels, index, time_ns)):
            found.append(tracked.track_id)
            found.append([round(float(edge), 2) for edge in tracked.face.box])
            found.append(round(float(embedder.embed(pixels, tracked.face.landmarks).vector[0]), 4))
            found.append(round(spoof.score(pixels, tracked), 4))
            found.append([repr(model.estimate(pixels, tracked)) for model in attributes])
            found.append(repr(posture.estimate(pixels, tracked.face)))

    def handle(media_fd: int, _request: bytes, progress: Callable[[bytes], None]) -> bytes:
        reader = open_media(media_fd, MediaLimits(), DecodeOptions())
        tracker = FaceTracker(detector, mesh, detect_every=5)
        found: list[object] = []
        for frame in reader.frames():
            if frame.index == MOST_FRAMES:
                break
            measure(np.array(frame.pixels), tracker, found, frame.index, frame.time_ns)
            progress(str(frame.index).encode())
        loudest = [
            round(float(np.abs(block.samples).max()), 3) for block, _ in zip(reader.audio(), range(2), strict=False)
        ]
        info = reader.info
        reader.close()
        answer = {"format": info.format, "size": [info.width, info.height], "loudest": loudest, "found": found}
        return json.dumps(answer).encode()

    return handle
