"""The child's side of `benchmarks.turns`, for interpreters that know nothing of Moretta."""

import json
import sys
import time
from collections.abc import Callable


def unit_vectors(count: int, dimension: int):
    """The same random gallery for every contender, made in pieces."""
    import numpy as np

    random = np.random.default_rng(7)
    gallery = np.empty((count, dimension), np.float32)
    for start in range(0, count, 65536):
        piece = random.standard_normal((min(65536, count - start), dimension), dtype=np.float32)
        gallery[start : start + len(piece)] = piece / np.linalg.norm(piece, axis=1, keepdims=True)
    return gallery


def take_turns(run: Callable[[], object], facts: dict[str, object]) -> None:
    """Warm up once, say so, and answer every line with the seconds of one run."""
    run()
    print(json.dumps({"ready": True, **facts}), flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        more = run()
        figures = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
        print(json.dumps({**figures, **(more if isinstance(more, dict) else {})}), flush=True)
