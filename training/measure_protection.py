"""Prints what an attacker can make of protected templates: the figures of docs/THREAT_MODEL.md.

    python -m training.measure_protection PHOTOS

PHOTOS is a folder with a folder for each person. The photos are read by confined workers; only figures are printed.
"""

import argparse
from contextlib import closing
from pathlib import Path

import numpy as np

from moretta.core.protection import Scheme
from moretta.evaluation.recognition.known_pairs import cosine_after_known_pairs, dimensions_used, recovered_cosines
from moretta.settings import Settings
from moretta.wiring.dataset import read_dataset, templates_of
from moretta.wiring.embedders import cards
from moretta.wiring.executor import start_executor
from moretta.wiring.linkability import linkability, neighbourhoods, one_party, stored

SEEN = {
    "plain, the store": stored(Scheme.PLAIN),
    "rotated, the store": stored(Scheme.ROTATED),
    "rotated, a gallery's distances": neighbourhoods(Scheme.ROTATED),
    "he, the store": stored(Scheme.HE),
    "shares, the store": stored(Scheme.SHARES),
    **{f"shares, party {party}": one_party(party) for party in range(3)},
}
PAIRS = (24, 48, 96, 168, 192)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    given = parser.parse_args()
    settings = Settings()
    card = cards(settings.models_dir)[0]
    with closing(start_executor(settings)) as executor:
        dataset = read_dataset(given.photos)
        found = templates_of(dataset, executor.faces, card, lambda *_: None, at_once=settings.workers)
    places = [np.flatnonzero(found.subjects == person) for person in np.unique(found.subjects)]
    firsts = found.vectors[[owned[0] for owned in places if len(owned) > 1]]
    seconds = found.vectors[[owned[1] for owned in places if len(owned) > 1]]
    _linking(firsts, seconds)
    _known_pairs(found.vectors[[owned[0] for owned in places]].astype(np.float64))


def _linking(firsts: np.ndarray, seconds: np.ndarray) -> None:
    print(f"Two keys, {len(firsts)} people: D_sys above its null (95 % upper end), people found by nearest neighbour")
    print("| seen by the attacker | same photo | found | another photo | found |\n|---|---|---|---|---|")
    for name, see in SEEN.items():
        cells = []
        for others in (firsts, seconds):
            told = linkability(see, firsts, others)
            cells += [f"{told.pairwise.excess:+.3f} ({told.pairwise.upper:.3f})", f"{told.neighbours.hits}"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _known_pairs(vectors: np.ndarray) -> None:
    dimension = vectors.shape[1]
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(size=(dimension, dimension)))[0]
    vectors = vectors[rng.permutation(len(vectors))]
    held = len(vectors) // 2
    print(
        f"\nKnown pairs against a secret rotation; templates use {dimensions_used(vectors)} of {dimension} dimensions (99.9 %)"
    )
    print("| known pairs | cosine, templates | cosine, random vectors |\n|---|---|---|")
    for pairs in (pairs for pairs in PAIRS if pairs <= held):
        known = vectors[:pairs]
        found = recovered_cosines(known, known @ rotation.T, vectors[held:] @ rotation.T, vectors[held:])
        print(f"| {pairs} | {found.mean():.2f} | {cosine_after_known_pairs(dimension, pairs):.2f} |")


if __name__ == "__main__":
    main()
