"""Measures the default models on labelled development data and prints the figures that the model cards quote.

    python benchmarks/measure_models.py DATA [--part detection|embedder|attributes|attack|speed|all] [--sample 300]

DATA is a folder with `manifests/` and `dev/`. Nothing of it is written anywhere; only figures are printed.
"""

import argparse
import itertools
import json
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from moretta.core.geometry import iou, mesh_landmarks
from moretta.core.values import Face, Pixels, TrackedFace, TrackId
from moretta.vision.antispoof import FaceAntiSpoofing
from moretta.vision.attributes import AgeModel, ExpressionModel, GenderModel
from moretta.vision.detect import CenterFaceDetector
from moretta.vision.embed import MobileFaceNetEmbedder
from moretta.vision.landmarks import FaceMesh
from moretta.vision.models import default_models_dir, load
from moretta.vision.posture import BlazePosture
from moretta.vision.sessions import open_session

# Tight crops (LFW, UTK) need a lower threshold than photographs.
CROP_THRESHOLD = 0.3
CLIP_FRAMES, CLIP_STEP = 240, 40
FACE_SIZES = (256, 180, 128, 96)
IMAGES_PER_PERSON = 10  # so that one person with hundreds of photographs does not decide the genuine comparisons


class Bench:
    """The installed models, and the one face of a picture that is measured."""

    def __init__(self, models_dir: Path) -> None:
        self.models_dir = models_dir
        self.detector = CenterFaceDetector(self.session("centerface"), score_threshold=CROP_THRESHOLD)
        self.mesh = FaceMesh(self.session("face-landmark"), self.session("iris-landmark"))

    def session(self, name: str):
        return open_session(load(name, self.models_dir).path)

    def tracked(self, pixels: Pixels) -> TrackedFace | None:
        """The face nearest to the middle of the picture."""
        faces = self.detector.detect(pixels)
        if not faces:
            return None
        middle = np.array([pixels.shape[1], pixels.shape[0]]) / 2
        face = min(faces, key=lambda found: float(np.hypot(*((found.box[:2] + found.box[2:]) / 2 - middle))))
        return TrackedFace(TrackId(0), face, self.mesh.fit(pixels, face, irises=False), detected=True)


def read(path: Path) -> Pixels:
    return np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1])


def manifest(data: Path, name: str) -> dict:
    return json.loads((data / "manifests" / f"{name}.dev.json").read_text())


def measure_detection(bench: Bench, data: Path) -> None:
    """Recall on group photographs, and the error of the mesh's five landmarks."""
    centerface = bench.session("centerface")
    detectors = {
        "centerface 640": CenterFaceDetector(centerface),
        "centerface 320": CenterFaceDetector(centerface, long_side=320),
    }
    for name, detector in detectors.items():
        hits = wanted = extra = 0
        for item in manifest(data, "compreface")["items"]:
            boxes = [face.box for face in detector.detect(read(data / "dev" / item["dest"]))]
            taken = {next((i for i, b in enumerate(boxes) if _holds(b, nose)), None) for nose in item["noses"]} - {None}
            hits, wanted, extra = hits + len(taken), wanted + len(item["noses"]), extra + len(boxes) - len(taken)
        found = total = 0
        for item in manifest(data, "maskgroups")["items"]:
            labelled = [np.array(face["xyxy"], np.float32) for face in item["faces"]]
            labelled = [box for box in labelled if min(box[2:] - box[:2]) >= 20]
            faces = detector.detect(read(data / "dev" / item["dest"]))
            boxes = np.array([face.box for face in faces], np.float32).reshape(-1, 4)
            found += sum(bool((iou(box, boxes) > 0.4).any()) for box in labelled)
            total += len(labelled)
        print(
            f"{name}: group photographs {hits}/{wanted} faces, {extra} false; crowds with masks {found}/{total} boxes"
        )
    errors = []
    for item in manifest(data, "landmarks5")["items"]:
        tracked = bench.tracked(read(data / "dev" / item["dest"]))
        if tracked is not None:
            truth = np.array(item["points"], np.float64)
            distances = np.hypot(*(mesh_landmarks(tracked.mesh.points) - truth).T)
            errors.append(float(distances.mean() / np.hypot(*(truth[1] - truth[0]))))
    count = len(manifest(data, "landmarks5")["items"])
    print(
        f"mesh: {len(errors)} of {count} faces, mean error of five landmarks {np.median(errors):.3f} eye distances (median)"
    )


def _holds(box: npt.NDArray[np.float32], point: list[float]) -> bool:
    return bool(box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3])


def measure_embedder(bench: Bench, data: Path, impostors: int) -> None:
    lfw = manifest(data, "lfw")
    file = load("mobilefacenet", bench.models_dir)
    embedder = MobileFaceNetEmbedder(open_session(file.path), file.sha256)
    people: dict[str, list[str]] = defaultdict(list)
    for item in lfw["items"]:
        people[item["id"]].append(item["dest"])
    rng = random.Random(0)
    chosen = {who: rng.sample(files, min(len(files), IMAGES_PER_PERSON)) for who, files in sorted(people.items())}
    wanted = sorted({f for files in chosen.values() for f in files} | {p[k] for p in lfw["pairs"] for k in "ab"})
    vectors: dict[str, npt.NDArray[np.float32]] = {}
    for file_name in wanted:
        pixels = read(data / "dev" / file_name)
        tracked = bench.tracked(pixels)
        if tracked is not None:
            vectors[file_name] = embedder.embed(pixels, mesh_landmarks(tracked.mesh.points)).vector
    print(f"LFW development people: {len(wanted)} photographs, {len(wanted) - len(vectors)} without a detected face")
    genuine = np.array(
        [
            float(vectors[a] @ vectors[b])
            for files in chosen.values()
            for a, b in itertools.combinations(files, 2)
            if a in vectors and b in vectors
        ]
    )
    scores = np.array(list(_impostor_scores(chosen, vectors, impostors, rng)))
    for rate in (1e-2, 1e-3, 1e-4):
        threshold = float(np.quantile(scores, 1 - rate))
        print(
            f"  FNMR {float((genuine < threshold).mean()):.4f} at FMR {rate:g}, threshold {threshold:.3f} "
            f"({len(genuine)} genuine, {len(scores)} impostor comparisons)"
        )
    _print_pairs(lfw["pairs"], vectors)


def _impostor_scores(
    chosen: dict[str, list[str]], vectors: dict[str, npt.NDArray[np.float32]], count: int, rng: random.Random
) -> Iterator[float]:
    names = sorted(chosen)
    for _ in range(count):
        one, other = rng.sample(names, 2)
        a, b = rng.choice(chosen[one]), rng.choice(chosen[other])
        if a in vectors and b in vectors:
            yield float(vectors[a] @ vectors[b])


def _print_pairs(pairs: list[dict], vectors: dict[str, npt.NDArray[np.float32]]) -> None:
    """Accuracy on the official pairs, the threshold chosen on the other folds."""
    rows = [p for p in pairs if p["a"] in vectors and p["b"] in vectors]
    scores = np.array([float(vectors[p["a"]] @ vectors[p["b"]]) for p in rows])
    same, folds = np.array([p["same"] == 1 for p in rows]), np.array([p["fold"] for p in rows])
    accuracies = []
    for fold in sorted(set(folds.tolist())):
        train, test = folds != fold, folds == fold
        best = max(np.unique(scores[train]), key=lambda t: float(((scores[train] >= t) == same[train]).mean()))
        accuracies.append(float(((scores[test] >= best) == same[test]).mean()))
    print(f"  accuracy on {len(rows)} official pairs: {np.mean(accuracies):.4f} (mean of {len(accuracies)} folds)")


def measure_attributes(bench: Bench, data: Path, sample: int) -> None:
    items = random.Random(0).sample(manifest(data, "utk")["items"], sample)
    age, gender = AgeModel(bench.session("age")), GenderModel(bench.session("gender"))
    errors: dict[str, list[float]] = defaultdict(list)
    right: dict[str, list[bool]] = defaultdict(list)
    covered: dict[str, list[bool]] = defaultdict(list)
    missed = 0
    for item in items:
        pixels = read(data / "dev" / item["dest"])
        tracked = bench.tracked(pixels)
        if tracked is None:
            missed += 1
            continue
        estimate = age.estimate(pixels, tracked)
        off = estimate.age_years - item["age"]
        guess = gender.estimate(pixels, tracked).gender
        sex = "women" if item["gender"] else "men"
        band = "0-12" if item["age"] <= 12 else "13-19" if item["age"] < 20 else "20-59" if item["age"] < 60 else "60+"
        for group in ("all", band, f"{sex} {band}"):
            errors[group].append(off)
            covered[group].append(abs(off) <= estimate.age_spread_years)
            right[group].append(guess == ("female" if item["gender"] else "male"))
    print(f"UTK: {sample} random chips, {missed} without a detected face")
    for group in ("all", "0-12", "13-19", "20-59", "60+", "women 20-59", "men 20-59"):
        off = np.array(errors[group])
        print(
            f"  {group:11} n {len(off):4}  age MAE {abs(off).mean():5.1f} years, bias {off.mean():+5.1f}, "
            f"within its own spread {np.mean(covered[group]):.2f}; gender right {np.mean(right[group]):.3f}"
        )


def measure_attack(bench: Bench, data: Path, sample: int) -> None:
    """Scores of genuine photographs: how often the model would raise a false alarm on its own."""
    scorer = FaceAntiSpoofing(bench.session("face-antispoofing"))
    for name in ("lfw", "utk"):
        scores = []
        for item in random.Random(0).sample(manifest(data, name)["items"], sample):
            pixels = read(data / "dev" / item["dest"])
            tracked = bench.tracked(pixels)
            if tracked is not None:
                scores.append(scorer.score(pixels, tracked))
        above = float((np.array(scores) > 0.5).mean())
        print(
            f"{name}: {len(scores)} genuine photographs, score above 0.5 for {above:.3f}, median {np.median(scores):.3f}"
        )
    for number, item in enumerate(manifest(data, "talking_videos")["items"]):
        with av.open(str(data / "dev" / item["dest"])) as container:
            frames = itertools.islice(container.decode(video=0), 0, CLIP_FRAMES, CLIP_STEP)
            by_size = _scores_by_size(bench, scorer, [frame.to_ndarray(format="rgb24") for frame in frames])
        medians = ", ".join(f"{size} px {np.median(scores):.3f}" for size, scores in by_size.items())
        print(f"genuine clip {number}: median score by face size: {medians}")


def _scores_by_size(bench: Bench, scorer: FaceAntiSpoofing, frames: list[Pixels]) -> dict[str, list[float]]:
    """Scores with the picture as it is, and shrunk until the face has a given size."""
    scores: dict[str, list[float]] = defaultdict(list)
    for pixels in frames:
        tracked = bench.tracked(pixels)
        if tracked is None:
            continue
        scores["own"].append(scorer.score(pixels, tracked))
        side = float((tracked.face.box[2:] - tracked.face.box[:2]).max())
        for size in FACE_SIZES:
            if size < side:
                small = cv2.resize(pixels, None, fx=size / side, fy=size / side, interpolation=cv2.INTER_AREA)
                face = Face(tracked.face.box * np.float32(size / side), tracked.face.landmarks.copy(), 1.0)
                scores[str(size)].append(scorer.score(small, TrackedFace(TrackId(0), face, tracked.mesh, True)))
    return scores


def measure_speed(bench: Bench, data: Path) -> None:
    """Median time of each model on one face of a photograph."""
    for item in manifest(data, "lfw")["items"]:
        pixels = read(data / "dev" / item["dest"])
        tracked = bench.tracked(pixels)
        if tracked is not None:
            break
    face: Face = tracked.face
    file = load("mobilefacenet", bench.models_dir)
    embedder = MobileFaceNetEmbedder(open_session(file.path), file.sha256)
    posture = BlazePosture(bench.session("pose-detection"), bench.session("pose-landmark"))
    calls: dict[str, Callable[[], object]] = {
        "mobilefacenet": lambda: embedder.embed(pixels, face.landmarks),
        "posture": lambda: posture.estimate(pixels, face),
    }
    per_face = {
        "face-antispoofing": FaceAntiSpoofing(bench.session("face-antispoofing")).score,
        "age": AgeModel(bench.session("age")).estimate,
        "gender": GenderModel(bench.session("gender")).estimate,
    }
    if (bench.models_dir / "expression.onnx").is_file():
        per_face["expression"] = ExpressionModel(bench.session("expression")).estimate
    calls |= {name: lambda call=call: call(pixels, tracked) for name, call in per_face.items()}
    for name, call in calls.items():
        times = []
        for _ in range(20):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        print(f"{name}: {1e3 * float(np.median(times)):.1f} ms a face, one thread")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--part", choices=("detection", "embedder", "attributes", "attack", "speed", "all"), default="all"
    )
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--impostors", type=int, default=200_000)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    bench = Bench(default_models_dir(os.environ))
    if given.part in ("detection", "all"):
        measure_detection(bench, given.data)
    if given.part in ("embedder", "all"):
        measure_embedder(bench, given.data, given.impostors)
    if given.part in ("attributes", "all"):
        measure_attributes(bench, given.data, given.sample)
    if given.part in ("attack", "all"):
        measure_attack(bench, given.data, given.sample)
    if given.part in ("speed", "all"):
        measure_speed(bench, given.data)


if __name__ == "__main__":
    main()
