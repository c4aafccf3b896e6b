"""What each protection scheme decides about the photos of an evaluation, with real keys through its real three sides.

Belongs here: running protect, compare and open over a set of templates. Does not belong here: judging the decisions.

Every template is enrolled as a reference and searched for as a probe in a gallery of all of them, under a key made for this
and thrown away. No score is taken from an opening side: it is asked for decisions, at rising thresholds, through the bands that
its port offers (a match tells how many of them it reaches); a scheme that opens bare decisions is asked once for each threshold.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from moretta.core.gallery import GallerySpec, SegmentInfo
from moretta.core.protection import (
    GalleryIndex,
    OpenTerms,
    ProtectedProbe,
    ProtectionTerms,
    Scheme,
    ScoreOpener,
)
from moretta.core.values import Embedding
from moretta.evaluation.recognition.comparisons import Vectors
from moretta.nodes.galleries import PackedIndex
from moretta.protection.opening import GalleryKey
from moretta.protection.schemes import gallery_index, new_gallery_key, protector
from moretta.use_cases.recognition.packing import SLOTS

Decisions = npt.NDArray[np.int16]
Tell = Callable[[str, int, int], None]
Decide = Callable[[Scheme, Vectors, str, Sequence[float], Tell], Decisions]

_NAME = "evaluation"


def decisions(scheme: Scheme, vectors: Vectors, model_id: str, thresholds: Sequence[float], tell: Tell) -> Decisions:
    """How many of the rising `thresholds` each comparison reached, shape (n, n): row i is probe i, column j reference j.

    Args:
        scheme: one whose galleries one process can hold.
        vectors: unit vectors, shape (n, d).
        model_id: what made them.
        thresholds: similarities.
        tell: called as the work goes on.
    """
    count, dimension = vectors.shape
    key = new_gallery_key(scheme, dimension)
    protecting = protector(ProtectionTerms(scheme, model_id, dimension, _NAME, key.material()))
    embeddings = [Embedding(vector, model_id) for vector in vectors]
    index = gallery_index(GallerySpec(_NAME, scheme, model_id, dimension, _NAME))
    try:
        payloads = []
        for done, embedding in enumerate(embeddings):
            tell(f"{scheme}: enrolling", done, count)
            payloads.append(protecting.protect_reference(embedding).payload)
        with _enrolled(index, key, payloads):
            reached = np.zeros((count, count), np.int16)
            for done, embedding in enumerate(embeddings):
                tell(f"{scheme}: comparing", done, count)
                probe = protecting.protect_probe(embedding)
                for row, steps in _reached(index, key, probe, thresholds, count):
                    reached[done, row] = max(reached[done, row], steps)
            tell(f"{scheme}: comparing", count, count)
            return reached
    finally:
        index.close()


@contextmanager
def _enrolled(index: GalleryIndex, key: GalleryKey, payloads: Sequence[bytes]) -> Iterator[None]:
    """The references in the index: in a packed segment where the scheme has them, as the product's galleries are."""
    rows = list(range(len(payloads)))
    if not isinstance(index, PackedIndex):
        index.put(rows, payloads)
        yield
        return
    with ExitStack() as files:
        for start in range(0, len(rows), SLOTS):
            held = np.array(rows[start : start + SLOTS], np.uint32)
            content = key.pack(payloads[start : start + SLOTS])
            info = SegmentInfo(f"{_NAME}-{start}", held, hashlib.sha256(content).hexdigest(), len(content))
            index.attach(info, files.enter_context(_file_in_memory(content)))
        yield


@contextmanager
def _file_in_memory(content: bytes) -> Iterator[Path]:
    """A path to a file that is on no disk: an evaluation leaves nothing behind."""
    descriptor = os.memfd_create("segment", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _reached(
    index: GalleryIndex, opener: ScoreOpener, probe: ProtectedProbe, thresholds: Sequence[float], limit: int
) -> Iterator[tuple[int, int]]:
    """The rows that reach any threshold, and how many they reach."""
    lowest, *higher = thresholds
    opened = opener.open(index.compare(probe, lowest), OpenTerms(lowest, limit, tuple(higher)))
    if not higher or all(match.band is not None for match in opened):
        yield from ((match.row, 1 + (match.band or 0)) for match in opened)
        return
    yield from ((match.row, 1) for match in opened)
    for steps, threshold in enumerate(higher, 2):
        again = opener.open(index.compare(probe, threshold), OpenTerms(threshold, limit))
        yield from ((match.row, steps) for match in again)
