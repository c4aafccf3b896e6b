"""Train the linear texture scores for prints and displays.

    python -m training.trust.recapture --data DIR --models DIR --out src/moretta/trust/weights/texture.json

Learns from photographs of LFW people of the fitting side whom the calibration does not use, so that the fusion weighs
scores of people whom they were not trained on.
"""

import argparse
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from moretta.core.values import Pixels
from moretta.evaluation.attacks import photo_still, screen_still
from moretta.evaluation.attacks.capture import Camera
from moretta.evaluation.pad import auc
from moretta.trust.recapture import texture_features
from training.trust.footage import pictures, read_picture
from training.trust.items import LFW_FIT
from training.trust.measure import Laboratory

PEOPLE = 260
VARIANTS = 2
PENALTIES = (0.003, 0.01, 0.03, 0.1)
SPECIES = ("print", "screen")

Matrix = npt.NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    features, names, people = _table(arguments.data, Laboratory(arguments.models))
    weights = {species: _trained(features, names, people, species) for species in SPECIES}
    arguments.out.write_text(json.dumps(weights) + "\n", "utf-8")


def _table(data: Path, laboratory: Laboratory) -> tuple[Matrix, npt.NDArray[np.str_], npt.NDArray[np.int64]]:
    """Features, species and person of every rendered picture."""
    chosen = [p for p in pictures(data, LFW_FIT + PEOPLE, 0) if p.person.startswith("lfw/")][LFW_FIT:]
    rows, names, people = [], [], []
    for number, picture in enumerate(chosen):
        rng = np.random.default_rng(int.from_bytes(hashlib.sha256(picture.person.encode()).digest()[:4], "big"))
        for _ in range(VARIANTS):
            pixels = read_picture(picture.path)
            for species in ("genuine", *SPECIES):
                found = laboratory.track([(0.0, _delivered(_rendered(pixels, species, rng), rng))], still=True)[0]
                features = None if found is None else texture_features(found)
                if features is not None:
                    rows.append(features)
                    names.append(species)
                    people.append(number)
        if number % 50 == 49:
            print(f"{number + 1}/{len(chosen)} people", flush=True)
    return np.array(rows), np.array(names), np.array(people)


def _rendered(pixels: Pixels, species: str, rng: np.random.Generator) -> Pixels:
    if species == "print":
        return photo_still(pixels, rng)
    if species == "screen":
        return screen_still(pixels, rng)
    return Camera.drawn(rng).record(pixels.astype(np.float32), rng) if rng.random() < 0.5 else pixels


def _delivered(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Scaled and coded as any upload may be."""
    scale = float(rng.choice([1.0, rng.uniform(0.8, 1.0)]))
    sized = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else pixels
    coded = cv2.imencode(".jpg", sized[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 97))])[1]
    return np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[:, :, ::-1])


def _trained(
    features: Matrix, names: npt.NDArray[np.str_], people: npt.NDArray[np.int64], species: str
) -> dict[str, object]:
    """Weights under the penalty that does best on people left out."""
    kept = (names == "genuine") | (names == species)
    values, attack, person = features[kept], names[kept] == species, people[kept]
    mean, spread = values.mean(0), values.std(0) + 1e-6
    standard = np.clip((values - mean) / spread, -4, 4)
    table = np.hstack([standard, standard**2])
    tried = []
    for penalty in PENALTIES:
        scores = np.zeros(len(table))
        for fold in range(5):
            out = person % 5 == fold
            linear, offset = _logistic(table[~out], attack[~out], penalty)
            scores[out] = table[out] @ linear + offset
        tried.append((auc(scores[attack], scores[~attack]), penalty))
    best, penalty = max(tried)
    print(f"{species}: AUC {best:.3f} on people left out, penalty {penalty}, {attack.sum()} attacks", flush=True)
    linear, offset = _logistic(table, attack, penalty)
    half = len(mean)
    rounded = {"mean": mean, "spread": spread, "linear": linear[:half], "square": linear[half:]}
    return {name: [round(float(v), 5) for v in array] for name, array in rounded.items()} | {"offset": round(offset, 5)}


def _logistic(table: Matrix, attack: npt.NDArray[np.bool_], penalty: float) -> tuple[Matrix, float]:
    sign = np.where(attack, 1.0, -1.0)

    def cost(parameters: Matrix) -> tuple[float, Matrix]:
        margin = sign * (table @ parameters[:-1] + parameters[-1])
        slope = -sign / (1 + np.exp(np.clip(margin, -500, 500))) / len(table)
        value = float(np.logaddexp(0, -margin).mean()) + penalty * float((parameters[:-1] ** 2).sum())
        return value, np.append(table.T @ slope + 2 * penalty * parameters[:-1], slope.sum())

    found = minimize(cost, np.zeros(table.shape[1] + 1), jac=True, method="L-BFGS-B").x
    return np.asarray(found[:-1], np.float64), float(found[-1])


if __name__ == "__main__":
    main()
