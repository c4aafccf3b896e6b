"""What every peer's script shares: decoding the clip, timing, one line of JSON. Runs in the peer's own environment.

A peer sees the same frames of the same file through the same decoder (PyAV, one thread) as Moretta does; its models are
loaded and have run on a few frames before the clock starts.
"""

import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator

import av
import numpy as np

WARM_UP_FRAMES = 12

# A finder takes RGB (h, w, 3) and returns how many faces it found.
Finder = Callable[[np.ndarray], int]


def decoded(path: str) -> Iterator[np.ndarray]:
    """RGB frames."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        for frame in container.decode(stream):
            yield frame.to_ndarray(format="rgb24")


def timed(finder: Finder, path: str, every: int = 1) -> dict[str, float]:
    """What `finder` took for each `every`-th frame of the clip, with the decoding of as many frames, and what it found."""
    for pixels in itertools.islice(decoded(path), WARM_UP_FRAMES):
        finder(pixels)
    found = []
    decoding, finding = np.zeros(2), np.zeros(2)
    last = _clocks()
    for index, pixels in enumerate(decoded(path)):
        now = _clocks()
        decoding += now - last
        last = now
        if index % every == 0:
            found.append(finder(pixels))
            now = _clocks()
            finding += now - last
            last = now
    wall, cpu = finding + decoding * len(found) / (index + 1)
    return {
        "frames": len(found),
        "wall_s": float(wall),
        "cpu_s": float(cpu),
        "recall": sum(count > 0 for count in found) / len(found),
        "faces_per_frame": sum(found) / len(found),
    }


def measure(make: Callable[[], Finder], versions: dict[str, str], every: int = 1) -> None:
    """Run `make()` over the clip of the command line and print what it took."""
    answer = {**timed(make(), sys.argv[1], every), "versions": versions}
    sys.stdout.flush()
    os.write(1, ("\n" + json.dumps(answer) + "\n").encode())


def _clocks() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])
