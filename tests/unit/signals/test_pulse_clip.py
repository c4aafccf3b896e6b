"""The pulse of a real face, where the development data is at hand."""

from pathlib import Path

import pytest

from moretta.core.values import Frame
from moretta.signals.pulse import PulseMeter
from moretta.vision.detect import CenterFaceDetector
from moretta.vision.landmarks import FaceMesh
from moretta.vision.observe import observe
from moretta.vision.sessions import open_session
from moretta.vision.track import FaceTracker


@pytest.mark.data
@pytest.mark.models
def test_the_clip_of_about_54_beats_a_minute_gives_that_rate(models_dir: Path, dev_data: Path) -> None:
    import av

    clip = next(iter(dev_data.rglob("rppg_face/*.mp4")), None)
    if clip is None:
        pytest.skip("the development data holds no rppg_face clip")
    mesh = FaceMesh(
        open_session(models_dir / "face-landmark.tflite"), open_session(models_dir / "iris-landmark.tflite")
    )
    detector = CenterFaceDetector(open_session(models_dir / "centerface.onnx"), long_side=320)
    tracker, meter = FaceTracker(detector, mesh, iris_every=100), PulseMeter()
    with av.open(str(clip)) as container:
        for index, picture in enumerate(container.decode(video=0)):
            frame = Frame(picture.to_ndarray(format="rgb24"), index, round(picture.time * 1e9))
            for tracked in tracker.update(frame):
                meter.observe(observe(frame, tracked))
    pulse = meter.estimate()
    assert pulse.bpm == pytest.approx(54, abs=3), pulse.reason
    assert min(meter.regions()[f"forehead_{side}_cheek_coherence"] for side in ("right", "left")) > 0.8
