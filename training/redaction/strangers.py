"""Writes what the check draws its strangers from: mean and main directions of the embeddings of many people.

    python -m training.redaction.strangers PHOTOS --out src/moretta/vision/redact/strangers.npz

PHOTOS is a folder with a folder for each person; each counts once. The file holds sums over all of them and nothing of anyone.
Prints how alike drawn strangers are to real people, beside how alike real people are to each other: the two must agree.
"""

import argparse
from pathlib import Path

import numpy as np

from moretta.settings import Settings
from moretta.use_cases.redaction.attacks import only_inside
from moretta.vision.redact.strangers import drawn
from moretta.wiring.instruments import Workshop
from training.redaction.faces import picture, portraits, shown

# Directions that hold this share of the variance; the rest is noise of single photographs.
KEPT = 0.995
MOST_PEOPLE = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    workshop = Workshop(Settings().models_dir, allow_expression=False)
    embedder = workshop.quick_embedder
    rows = []
    for each in shown(portraits(given.photos, MOST_PEOPLE, 1), workshop):
        pixels = only_inside(picture(each.portrait.path), each.face.box)
        rows.append(embedder.embed(pixels, each.face.landmarks).vector)
    vectors = np.stack(rows).astype(np.float64)
    half = len(vectors) // 2
    mean, directions = spread_of(vectors)
    np.savez_compressed(
        given.out,
        mean=mean.astype(np.float16),
        directions=directions.astype(np.float16),
        model_id=np.array(embedder.model_id),
    )
    print(f"{len(vectors)} people, {len(directions)} directions, {given.out.stat().st_size} bytes")
    # Judged on people that the directions were not made of.
    judged = vectors[half:]
    strangers = drawn(*spread_of(vectors[:half]), count=len(judged), seed=0)
    among = (judged @ judged.T)[np.triu_indices(len(judged), 1)]
    print("| cosine | mean | 50 % | 99 % | 99.9 % | greatest of 99, mean |\n|---|---|---|---|---|---|")
    _row("real people", among, _greatest(judged, judged, same=True))
    _row("real and drawn", (judged @ strangers.T).reshape(-1), _greatest(judged, strangers, same=False))


def spread_of(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (d,) of unit vectors (n, d), and directions (k, d), each as long as the standard deviation along it."""
    mean = vectors.mean(axis=0)
    _, lengths, directions = np.linalg.svd(vectors - mean, full_matrices=False)
    held = np.cumsum(lengths**2) / (lengths**2).sum()
    kept = int(np.searchsorted(held, KEPT)) + 1
    return mean, directions[:kept] * (lengths[:kept, None] / np.sqrt(len(vectors) - 1))


def _greatest(probes: np.ndarray, gallery: np.ndarray, *, same: bool) -> float:
    rng = np.random.default_rng(0)
    greatest = []
    for row, probe in enumerate(probes):
        others = np.delete(np.arange(len(gallery)), row) if same else np.arange(len(gallery))
        greatest.append(float((gallery[rng.choice(others, 99, replace=False)] @ probe).max()))
    return float(np.mean(greatest))


def _row(name: str, cosines: np.ndarray, greatest: float) -> None:
    told = " | ".join(f"{value:.3f}" for value in (cosines.mean(), *np.percentile(cosines, [50, 99, 99.9]), greatest))
    print(f"| {name} | {told} |")


if __name__ == "__main__":
    main()
