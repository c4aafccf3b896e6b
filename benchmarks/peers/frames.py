"""What every peer's script shares: decoding the clip, timing, one line of JSON. Runs in the peer's own environment.

A peer sees the same frames of the same file through the same decoder (PyAV, one thread) as Moretta does; its models are
loaded and have run on a few frames before the clock starts.
"""

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


def decoded(path: str, every: int = 1) -> Iterator[np.ndarray]:
    """RGB frames, each `every`-th one."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        for index, frame in enumerate(container.decode(stream)):
            if index % every == 0:
                yield frame.to_ndarray(format="rgb24")


def measure(make: Callable[[], Finder], versions: dict[str, str], every: int = 1) -> None:
    """Run `make()` over the clip of the command line and print what it took."""
    path = sys.argv[1]
    finder = make()
    for index, pixels in enumerate(decoded(path)):
        finder(pixels)
        if index + 1 >= WARM_UP_FRAMES:
            break
    found = []
    wall, cpu = time.perf_counter(), time.process_time()
    for pixels in decoded(path, every):
        found.append(finder(pixels))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    answer = {
        "frames": len(found),
        "wall_s": wall,
        "cpu_s": cpu,
        "recall": sum(count > 0 for count in found) / len(found),
        "faces_per_frame": sum(found) / len(found),
        "versions": versions,
    }
    sys.stdout.flush()
    os.write(1, ("\n" + json.dumps(answer) + "\n").encode())
