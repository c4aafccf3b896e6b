"""Measures the blending detector on people and clips that it was not fitted on.

Run: `python -m training.blending.evaluate --data DATA --clip TALKING_FACE.mp4` (see `training/README.md`). Prints one line
per figure: area under the ROC curve, or the share of genuine faces above a threshold, with the 95 % interval of a
bootstrap that draws people or clips, not pictures.

The attacks are made here, from reported people only: the face of one picture is warped triangle by triangle onto the mesh
of another (as classical swap tools do) and cloned or blended in. Training never sees that warp. The figures say how well
the detector finds *such* attacks, and not how well it finds every swap of the world.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from moretta.core.values import Face as FoundFace
from moretta.core.values import Mesh, Pixels, TrackedFace, TrackId
from moretta.evaluation.split import REPORT_CLIPS
from moretta.trust.blending_detector import BlendingDetector, blending_weights
from moretta.vision.models import default_models_dir
from training.blending.crops import FaceFinder, Picture, clip_frames, people, single_pictures
from training.blending.swaps import ATTACKS, Face, jpeg, reencoded

SEED = 7
DRAWS = 2000  # bootstrap draws; the ends of a 95 % interval then rest on 50 draws each
STILLS_PER_PERSON = 1
FRAMES_PER_CLIP = 6
FRAME_STEP = 12
SWAPS_PER_CLIP = 4  # with donors of four reported people
CRF = {"x264 default": 23, "poor": 33}
MAX_LOG_ODDS = 6.9  # as the cue has it: one saturated frame shall not outvote the others
CHIPS = 300
TARGET_FALSE_ALARMS = 0.05


@dataclass(frozen=True, slots=True)
class Held:
    """A genuine picture with its mesh."""

    picture: Picture
    mesh: Mesh

    @property
    def face(self) -> Face:
        """The picture and the mesh, as the attacks take them."""
        return self.picture.pixels, self.mesh


@dataclass(frozen=True, slots=True)
class Scored:
    """One score and the person or clip that it belongs to."""

    key: str
    score: float


class Judge:
    """Scores faces and finds their meshes anew, as an analysis of the attacked picture would."""

    def __init__(self, weights: Path, models: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
        self.detector = BlendingDetector(lambda batch: session.run(None, {"crop": batch}))
        self.finder = FaceFinder(models, long_side=320)  # every face here fills a good part of its picture

    def score(self, pixels: Pixels, mesh: Mesh | None = None) -> float | None:
        """The score of the largest face, None where there is none that is usable."""
        mesh = mesh or self.finder.mesh(pixels)
        if mesh is None:
            return None
        face = TrackedFace(
            TrackId(1), FoundFace(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0), mesh, True
        )
        return self.detector.score(pixels, face) if self.detector.usable(face) else None

    def held(self, pictures: Sequence[Picture]) -> list[Held]:
        """The pictures in which there is a face."""
        meshes = [self.finder.mesh(picture.pixels) for picture in pictures]
        return [Held(picture, mesh) for picture, mesh in zip(pictures, meshes, strict=True) if mesh is not None]


def interval(figure: Callable[[list[Scored], list[Scored]], float], genuine: list[Scored], attack: list[Scored]) -> str:
    """The figure with its 95 % interval; people or clips are drawn, each with all its scores."""
    rng = np.random.default_rng(SEED)
    sides = [{key: [s for s in side if s.key == key] for key in {s.key for s in side}} for side in (genuine, attack)]
    names = sorted(set(sides[0]) | set(sides[1]))
    draws = []
    for _ in range(DRAWS):
        drawn = rng.choice(names, len(names))
        picked = [[s for name in drawn for s in side.get(name, [])] for side in sides]
        if picked[0] and (picked[1] or not attack):
            draws.append(figure(*picked))
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"{figure(genuine, attack):.3f} [{low:.3f}, {high:.3f}]"


def auc(genuine: list[Scored], attack: list[Scored]) -> float:
    """Area under the ROC curve: the chance that an attack scores above a genuine face, ties counting half."""
    low, high = np.array([s.score for s in genuine]), np.array([s.score for s in attack])
    return float((high[:, None] > low).mean() + 0.5 * (high[:, None] == low).mean())


def tell(name: str, genuine: list[Scored], attack: list[Scored]) -> None:
    """Print one line."""
    sides = [f"{len(side)} of {len({s.key for s in side})}" for side in (genuine, attack)]
    print(f"{name}: AUC {interval(auc, genuine, attack)}; genuine {sides[0]}, attacks {sides[1]}", flush=True)


def above(threshold: float) -> Callable[[list[Scored], list[Scored]], float]:
    """The share of genuine scores above a threshold."""
    return lambda genuine, _: float(np.mean([s.score > threshold for s in genuine]))


def scored(judge: Judge, pictures: Sequence[tuple[str, Pixels]]) -> list[Scored]:
    """The scores of those pictures that have a usable face; its mesh is found anew, as in an analysis."""
    scores = [(key, judge.score(pixels)) for key, pixels in pictures]
    return [Scored(key, score) for key, score in scores if score is not None]


def report_stills(judge: Judge, data: Path, rng: np.random.Generator) -> None:
    """Swaps between reported people of LFW, and what ordinary processing does to genuine stills."""
    held = judge.held(list(people(data, "lfw", "report", STILLS_PER_PERSON)))
    originals = [(h.picture.key, h.picture.pixels) for h in held]
    genuine = scored(judge, originals)
    saved = scored(judge, [(key, jpeg(pixels, 90)) for key, pixels in originals])
    for name, attack in ATTACKS.items():
        made = []
        for item in held:
            others = [h for h in held if h.picture.key != item.picture.key]
            donor = others[rng.integers(len(others))]
            (swap,) = attack([item.face], donor.face, rng)
            made.append((item.picture.key, jpeg(swap, 90)))
        tell(f"stills, {name} swap", saved, scored(judge, made))
    threshold = float(np.quantile([s.score for s in genuine], 1 - TARGET_FALSE_ALARMS))
    print(f"score above which {TARGET_FALSE_ALARMS:.0%} of genuine LFW stills lie: {threshold:.3f}")
    report_processing(judge, originals, threshold)
    report_groups(judge, data, threshold)


def report_processing(judge: Judge, originals: list[tuple[str, Pixels]], threshold: float) -> None:
    """How often genuine stills alarm after being saved, shrunk, sharpened or graded."""
    steps: dict[str, Callable[[Pixels], Pixels]] = {
        "JPEG 90": lambda p: jpeg(p, 90),
        "JPEG 50": lambda p: jpeg(p, 50),
        "half size": lambda p: np.asarray(cv2.resize(p, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8),
        "sharpened": lambda p: np.asarray(cv2.addWeighted(p, 1.6, cv2.GaussianBlur(p, (0, 0), 1.0), -0.6, 0), np.uint8),
        "brightened": lambda p: np.asarray(cv2.convertScaleAbs(p, alpha=1.15, beta=10), np.uint8),
    }
    for name, change in steps.items():
        after = scored(judge, [(key, change(pixels)) for key, pixels in originals])
        print(f"genuine stills, {name}: share above that score {interval(above(threshold), after, [])}", flush=True)


def report_groups(judge: Judge, data: Path, threshold: float) -> None:
    """Whether genuine faces of some people alarm more often: UTKFace chips by the labels in their names."""
    chips = list(single_pictures(data, "utk", "report"))[:: max(1, 534 // CHIPS)]
    scores = scored(judge, [(chip.key, chip.pixels) for chip in chips])
    labels = {score.key: Path(score.key).name.split("_") for score in scores}
    groups = {"all": scores}
    for name, column, value in (("men", 1, "0"), ("women", 1, "1"), *((f"group {g}", 2, str(g)) for g in range(5))):
        groups[name] = [score for score in scores if labels[score.key][column] == value]
    groups["under 20"] = [score for score in scores if int(labels[score.key][0]) < 20]
    groups["60 and over"] = [score for score in scores if int(labels[score.key][0]) >= 60]
    for name, members in groups.items():
        if len(members) >= 20:
            share = interval(above(threshold), members, [])
            print(f"genuine UTKFace chips, {name} ({len(members)}): share above that score {share}", flush=True)


def report_clips(judge: Judge, data: Path, extra: Path | None, rng: np.random.Generator) -> None:
    """Swaps in reported clips with the faces of reported people, both re-encoded; a clip's score is its mean log-odds."""
    donors = judge.held(list(people(data, "lfw", "report", 1)))
    paths = {key: data / key for key in sorted(REPORT_CLIPS) if (data / key).is_file() and "fake" not in key}
    if extra is not None:
        paths["franck.mp4"] = extra
    for quality, crf in CRF.items():
        genuine: list[Scored] = []
        swaps: dict[str, list[Scored]] = {name: [] for name in ATTACKS}
        for key, path in paths.items():
            held = judge.held([Picture(frame, key, "clip") for frame in clip_frames(path, FRAME_STEP, FRAMES_PER_CLIP)])
            genuine += clip_score(judge, key, reencoded([h.picture.pixels for h in held], crf))
            for name, attack in ATTACKS.items():
                for donor in (donors[i] for i in rng.choice(len(donors), SWAPS_PER_CLIP, replace=False)):
                    made = attack([h.face for h in held], donor.face, rng)
                    swaps[name] += clip_score(judge, key, reencoded(made, crf))
            means = [np.mean([s.score for s in side if s.key == key]) for side in (genuine, *swaps.values())]
            print(
                f"  {key}, {quality}: genuine, {', '.join(swaps)} " + ", ".join(f"{mean:.3f}" for mean in means),
                flush=True,
            )
        for name, made in swaps.items():
            tell(f"clips, {quality}, {name} swap", genuine, made)


def clip_score(judge: Judge, key: str, frames: Sequence[Pixels]) -> list[Scored]:
    """One score for a clip; none where no frame has a usable face."""
    scores = np.array([score.score for score in scored(judge, [(key, frame) for frame in frames])])
    odds = np.log(np.maximum(scores, 1e-9) / np.maximum(1 - scores, 1e-9)).clip(-MAX_LOG_ODDS, MAX_LOG_ODDS)
    return [Scored(key, float(odds.mean()))] if len(odds) else []


def report_composites(judge: Judge, data: Path) -> None:
    """Photoshop composites (CIPLab): parts of one face set into another by hand."""
    real = scored(judge, [(p.key, p.pixels) for p in single_pictures(data, "realfake/real", "report")])
    fake = scored(judge, [(p.key, p.pixels) for p in single_pictures(data, "realfake/fake", "report")])
    tell("Photoshop composites", real, fake)


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clip", type=Path, help="the demonstration clip that `moretta models install` can fetch")
    parser.add_argument("--weights", type=Path, help="a network other than the installed one")
    parser.add_argument("--models", type=Path, default=default_models_dir(os.environ))
    parser.add_argument("--only", choices=["stills", "clips", "composites"])
    options = parser.parse_args()
    cv2.setNumThreads(1)
    judge, rng = Judge(options.weights or blending_weights(), options.models), np.random.default_rng(SEED)
    if options.only in {None, "stills"}:
        report_stills(judge, options.data, rng)
    if options.only in {None, "clips"}:
        report_clips(judge, options.data, options.clip, rng)
    if options.only in {None, "composites"}:
        report_composites(judge, options.data)


if __name__ == "__main__":
    main()
