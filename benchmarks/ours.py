"""One measurement of Moretta in a process of its own: `python -m benchmarks.ours TASK ...`, one line of JSON.

Belongs here: what a user of the SDK would run, around a clock. Does not belong here: repetitions, comparisons.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.processes import cpu_s, descendants, memory_mb

DETECTOR_EVERY = 5  # as in peers/run_deface.py


def speed(path: str, profile: str, features: str) -> dict[str, object]:
    """A whole analysis through the SDK and its confined worker, which is up and warm before the clock starts."""
    from moretta import Analyzer

    wanted = features.split(",") if features else None
    with Analyzer(profile=profile, features=wanted) as analyzer:
        analyzer.analyze(_first_frame(path))
        workers = descendants(os.getpid())
        cpu, wall = cpu_s(workers) + time.process_time(), time.perf_counter()
        found = analyzer.analyze(path)
        wall = time.perf_counter() - wall
        cpu = cpu_s(workers) + time.process_time() - cpu
    frames = found.media.frames
    tracked = sum(face.frames for face in found.faces)
    return {
        "frames": frames,
        "wall_s": wall,
        "cpu_s": cpu,
        "recall": max((face.frames for face in found.faces), default=0) / frames,
        "faces_per_frame": tracked / frames,
        "ids": len(found.faces),
        "cues": [cue.name for cue in found.trust.cues] if found.trust else [],
    }


def detector(path: str) -> dict[str, float]:
    """The detector alone at the picture's own size, as deface does."""
    sys.path.insert(0, str(Path(__file__).parent / "peers"))
    from frames import timed

    from moretta.settings import Settings
    from moretta.vision.detect import CenterFaceDetector
    from moretta.vision.models import load
    from moretta.vision.sessions import open_session

    finder = CenterFaceDetector(open_session(load("centerface", Settings().models_dir).path), long_side=640)
    return timed(lambda pixels: len(finder.detect(pixels)), path, DETECTOR_EVERY)


def decode(path: str) -> dict[str, object]:
    """Decoding alone, through the reader that an analysis uses."""
    from moretta.core.limits import MediaLimits
    from moretta.vision.decode import open_media

    fd = os.open(path, os.O_RDONLY)
    wall, cpu = time.perf_counter(), time.process_time()
    reader = open_media(fd, MediaLimits())
    frames = sum(1 for _ in reader.frames())
    reader.close()
    return {"frames": frames, "wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


def memory(path: str, profile: str) -> dict[str, object]:
    """The peak resident memory of a fresh worker after one analysis with the default features, in MiB."""
    from moretta import Analyzer

    with Analyzer(profile=profile) as analyzer:
        analyzer.analyze(_first_frame(path))
        (worker,) = descendants(os.getpid())
        before = memory_mb(worker)
        wall = time.perf_counter()
        found = analyzer.analyze(path)
        wall = time.perf_counter() - wall
        after = memory_mb(worker)
    return {
        "frames": found.media.frames,
        "wall_s": wall,
        "duration_s": found.media.duration_s,
        "bytes": found.media.bytes,
        "idle_mb": before["VmRSS"],
        "peak_before_mb": before["VmHWM"],
        "peak_mb": after["VmHWM"],
        "shared_mb": after["RssShmem"],
        "voice": found.voice is not None,
        "models": [model.name for model in found.models],
    }


def sdk_import() -> dict[str, object]:
    """How long the SDK takes to import, beside the interpreter's own start."""
    start = time.perf_counter()
    from moretta import Analyzer

    return {"seconds": time.perf_counter() - start, "name": Analyzer.__name__}


def _first_frame(path: str) -> bytes:
    """One still, so that the worker is up and every model has run."""
    import io

    import av
    from PIL import Image

    with av.open(path) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    raw = io.BytesIO()
    Image.fromarray(picture).save(raw, "JPEG")
    return raw.getvalue()


TASKS: dict[str, Callable[..., dict[str, object]]] = {
    task.__name__: task for task in (speed, detector, decode, memory, sdk_import)
}

if __name__ == "__main__":
    print(json.dumps(TASKS[sys.argv[1]](*sys.argv[2:])))
