"""Which photos are compared with which, and the scores that come of it.

Belongs here: the protocol of an evaluation. Does not belong here: rates (see `rates`), where vectors come from.

Every photo that is used is compared with every other one once (full cross-comparison, ISO/IEC 19795-1, 7.4); of a person
with many photos a few are drawn, so that nobody decides the genuine comparisons alone.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]
Vectors = npt.NDArray[np.float32]

PHOTOS_PER_PERSON = 10  # the cap under which the figures of the embedder's card were first measured
# 6,000 photos are 18 million comparisons: about 200 MB of scores and subjects.
MOST_PHOTOS = 6_000
_BLOCK = 1_024


@dataclass(frozen=True, slots=True)
class ScoreSet:
    """Similarities of genuine (same person) and impostor (two people) comparisons with the subjects behind them.

    `genuine` (n,) with `genuine_subjects` (n,); `impostor` (m,) with `impostor_subjects` (m, 2), subjects counted from 0
    up to `subjects`.
    """

    genuine: Scores
    genuine_subjects: Indices
    impostor: Scores
    impostor_subjects: Indices
    subjects: int

    def __post_init__(self) -> None:
        if self.genuine.shape != self.genuine_subjects.shape or self.impostor_subjects.shape != (len(self.impostor), 2):
            raise ValueError("expected one subject for each genuine score and two for each impostor score")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Photos compared: positions `first` and `second` (n,), first < second, and whether both show one person."""

    first: Indices
    second: Indices
    same: npt.NDArray[np.bool_]
    subjects: Indices

    def scores(self, values: Scores) -> ScoreSet:
        """`values` (n,), one for each pair, as genuine and impostor scores."""
        both = np.stack([self.subjects[self.first], self.subjects[self.second]], axis=1)
        return ScoreSet(
            values[self.same], both[self.same, 0], values[~self.same], both[~self.same], int(self.subjects.max()) + 1
        )


def subject_numbers(names: Sequence[str]) -> Indices:
    """A number from 0 for each name, in the order of the sorted names, shape (len(names),)."""
    return np.unique(np.array(names), return_inverse=True)[1].reshape(-1).astype(np.intp)


def drawn_photos(
    subjects: Indices, per_person: int = PHOTOS_PER_PERSON, most: int = MOST_PHOTOS, seed: int = 0
) -> Indices:
    """The positions of the photos to use, rising: at most `per_person` of each subject, at most `most` in all.

    Where there are more than `most`, whole people are left out by chance, so that the others keep all of their pairs.
    """
    rng = np.random.default_rng(seed)
    people = rng.permutation(int(subjects.max()) + 1 if len(subjects) else 0)
    kept: list[Indices] = []
    count = 0
    for person in people:
        photos = np.flatnonzero(subjects == person)
        if len(photos) > per_person:
            photos = rng.choice(photos, per_person, replace=False)
        if count + len(photos) > most:
            continue
        kept.append(photos)
        count += len(photos)
    return np.sort(np.concatenate(kept)).astype(np.intp) if kept else np.empty(0, np.intp)


def all_pairs(subjects: Indices) -> Pairs:
    """Every two photos once."""
    first, second = (side.astype(np.intp) for side in np.triu_indices(len(subjects), 1))
    return Pairs(first, second, subjects[first] == subjects[second], subjects)


def pair_similarities(vectors: Vectors, pairs: Pairs) -> Scores:
    """The cosine of the unit vectors (n, d) of each pair."""
    found = np.empty(len(pairs.first), np.float32)
    starts = np.searchsorted(pairs.first, np.arange(0, len(vectors) + _BLOCK, _BLOCK))
    for block, (low, high) in enumerate(itertools.pairwise(starts)):
        products = vectors[block * _BLOCK : (block + 1) * _BLOCK] @ vectors.T
        found[low:high] = products[pairs.first[low:high] - block * _BLOCK, pairs.second[low:high]]
    return found
