"""Searching a gallery that does not hold everybody: FPIR and FNIR of ISO/IEC 19795-1.

Belongs here: who is enrolled and who searches, and the rates. Does not belong here: verification (see `rates`).
"""

from dataclasses import dataclass

import numpy as np

from moretta.evaluation.recognition.comparisons import Indices, Scores, Vectors

LEAST_STRANGERS = 30  # so many searches by people who are not enrolled are made, or as many as can be
_EVERY = 3  # where there are too few, one of so many people with several photos is left out of the gallery


@dataclass(frozen=True, slots=True)
class OpenSet:
    """Positions of photos: the `gallery` (one of each enrolled person), `mated` probes and `strangers`, who are not in it."""

    gallery: Indices
    mated: Indices
    strangers: Indices


@dataclass(frozen=True, slots=True)
class SearchScores:
    """Of mated probes the similarity to their own person (`own`) and the highest to anybody else (`best_other`); of strangers
    the highest to anybody (`strangers`)."""

    own: Scores
    best_other: Scores
    strangers: Scores


def open_set(subjects: Indices, seed: int = 0) -> OpenSet | None:
    """Who searches whom: people with one photo are strangers; of the others one photo is enrolled and the rest search.

    Where that gives fewer than `LEAST_STRANGERS` strangers, every third person with several photos is one as well, by chance.
    None where nobody has two photos, or where there would be no stranger.
    """
    rng = np.random.default_rng(seed)
    photos = [rng.permutation(np.flatnonzero(subjects == person)) for person in np.unique(subjects)]
    single = [owned for owned in photos if len(owned) == 1]
    several = [owned for owned in photos if len(owned) > 1]
    if len(single) < LEAST_STRANGERS:
        left_out = set(rng.permutation(len(several))[: len(several) // _EVERY].tolist())
        single += [owned[:1] for place, owned in enumerate(several) if place in left_out]
        several = [owned for place, owned in enumerate(several) if place not in left_out]
    if not several or not single:
        return None
    return OpenSet(
        np.array([owned[0] for owned in several], np.intp),
        np.concatenate([owned[1:] for owned in several]).astype(np.intp),
        np.concatenate(single).astype(np.intp),
    )


def search_scores(vectors: Vectors, subjects: Indices, who: OpenSet) -> SearchScores:
    """Every probe against the gallery; `vectors` (n, d) of unit length."""
    gallery = vectors[who.gallery]
    found = vectors[who.mated] @ gallery.T
    mate = subjects[who.mated][:, None] == subjects[who.gallery][None]
    own = np.where(mate, found, -np.inf).max(1)
    best_other = np.where(mate, -np.inf, found).max(1)
    return SearchScores(own, best_other, (vectors[who.strangers] @ gallery.T).max(1))


def fpir(found: SearchScores, threshold: float) -> float:
    """False positive identification rate: the share (0-1) of strangers for whom anybody reaches `threshold`."""
    return float(np.mean(found.strangers >= threshold))


def fnir(found: SearchScores, threshold: float) -> float:
    """False negative identification rate: the share (0-1) of mated searches in which the person's own photo does not reach
    `threshold`, or stands behind somebody else's (rank 1)."""
    return float(np.mean((found.own < threshold) | (found.best_other > found.own)))
