"""Moretta's contenders of the recognition benchmark: `python -m benchmarks.recognition_ours TASK COUNT DIMENSION`.

Belongs here: galleries of random people, and one comparison a turn. Does not belong here: repetitions, ratios.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from taking_turns import take_turns, unit_vectors

from benchmarks.processes import memory_mb
from moretta.core.gallery import GallerySpec, SegmentInfo
from moretta.core.protection import OpenTerms, ProtectionTerms, Scheme, SealedScores
from moretta.core.values import Embedding
from moretta.protection.schemes import new_gallery_key, protector

# The default threshold's order of size; random people are never as alike.
THRESHOLD = 0.5
SLOTS = 2048
# Encrypting costs 50 to 100 us a template and compares no faster or slower for being another person: so many segments are really
# encrypted, and their bytes are written again under other rows until the gallery is full.
DISTINCT_SEGMENTS = 8


def he(count: int, dimension: int) -> None:
    """`he`: a turn is one comparison of a probe with the gallery, and the opening of the sealed scores, timed apart."""
    from moretta.protection.he.compare import HeIndex
    from moretta.protection.he.open import HeKey
    from moretta.protection.he.packing import segment_of
    from moretta.protection.quantise import HE_GALLERY_SCALE
    from moretta.protection.rotation import rotation

    key = new_gallery_key(Scheme.HE, dimension)
    assert isinstance(key, HeKey)
    people = unit_vectors(DISTINCT_SEGMENTS * SLOTS, dimension)
    turned = people.astype(np.float64) @ rotation(key.material()[:32], dimension).T
    integers = np.rint(turned * HE_GALLERY_SCALE).astype(np.int64)
    start = time.perf_counter()
    made = [segment_of(integers[at : at + SLOTS], key._seal_key, dimension) for at in range(0, len(integers), SLOTS)]
    enrol_us = (time.perf_counter() - start) / len(integers) * 1e6
    terms = ProtectionTerms(Scheme.HE, "bench", dimension, "k", key.material())
    probe = protector(terms).protect_probe(Embedding(people[5].copy(), "bench"))
    with _folder() as folder:
        paths = []
        for number in range(-(-count // SLOTS)):
            path = folder / f"{number}"
            path.write_bytes(made[number % DISTINCT_SEGMENTS])
            paths.append(path)
        before = memory_mb(os.getpid())["RssAnon"]
        start = time.perf_counter()
        index = HeIndex(GallerySpec("c", Scheme.HE, "bench", dimension, "k"))
        for number, path in enumerate(paths):
            rows = np.arange(number * SLOTS, (number + 1) * SLOTS, dtype=np.uint32)
            index.attach(SegmentInfo(str(number), rows, "", path.stat().st_size), path)
        first = index.compare(probe, THRESHOLD)
        ready_s = time.perf_counter() - start
        matches = key.open(first, OpenTerms(THRESHOLD))
        assert len(matches) == -(-len(paths) // DISTINCT_SEGMENTS), len(matches)
        assert _exact(first, key, integers, probe.payload, dimension)

        def turn() -> dict[str, float]:
            begun, cpu = time.perf_counter(), time.process_time()
            sealed = index.compare(probe, THRESHOLD)
            compared, compared_cpu = time.perf_counter() - begun, time.process_time() - cpu
            key.open(sealed, OpenTerms(THRESHOLD))
            return {"compare_s": compared, "compare_cpu_s": compared_cpu}

        facts = {
            "rows": len(paths) * SLOTS,
            "ciphertext_bytes": len(paths) * len(made[0]),
            "sealed_bytes": len(first.payload),
            "pack_us": enrol_us,
            "start_s": ready_s,
            "anonymous_mb": memory_mb(os.getpid())["RssAnon"] - before,
            "resident_mb": memory_mb(os.getpid())["VmRSS"],
        }
        take_turns(turn, facts)


def verify(count: int, dimension: int) -> None:
    """1:1 with one person of a packed `he` gallery, from the embedding on: protect the probe, compare, open."""
    from moretta.protection.he.compare import HeIndex

    key = new_gallery_key(Scheme.HE, dimension)
    people = unit_vectors(count, dimension)
    guard = protector(ProtectionTerms(Scheme.HE, "bench", dimension, "k", key.material()))
    references = [guard.protect_reference(Embedding(person.copy(), "bench")).payload for person in people]
    with _folder() as folder:
        path = folder / "0"
        path.write_bytes(key.pack(references))
        index = HeIndex(GallerySpec("c", Scheme.HE, "bench", dimension, "k"))
        index.attach(SegmentInfo("0", np.arange(count, dtype=np.uint32), "", path.stat().st_size), path)

        def turn() -> None:
            probe = guard.protect_probe(Embedding(people[7].copy(), "bench"))
            opened = key.open(index.compare(probe, THRESHOLD, only=[7]), OpenTerms(THRESHOLD))
            assert [match.row for match in opened] == [7]

        take_turns(turn, {"rows": count})


def _exact(sealed: SealedScores, key: object, integers: np.ndarray, payload: bytes, dimension: int) -> bool:
    """Whether every opened score is the dot product of the integers that were encrypted: the timing is of right answers."""
    from moretta.protection.he.decrypt import opened_slots
    from moretta.protection.he.parameters import read_scores

    packed, _ = read_scores(sealed.payload, len(sealed.rows))
    scores = opened_slots(packed, key._secret_points).reshape(-1)  # type: ignore[attr-defined]
    expected = integers @ np.frombuffer(payload, "<i2").astype(np.int64)
    return bool((scores[: expected.size] == expected).all())


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder on the disk, for segment files to be mapped from."""
    with tempfile.TemporaryDirectory(prefix="moretta-bench-") as folder:
        yield Path(folder)


TASKS: dict[str, Callable[[int, int], None]] = {task.__name__: task for task in (he, verify)}

if __name__ == "__main__":
    TASKS[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
