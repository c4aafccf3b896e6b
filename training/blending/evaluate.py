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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
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
PEOPLE = 200
FRAMES_PER_CLIP = 4
FRAME_STEP = 18
SWAPS_PER_CLIP = 3  # with donors of three reported people
CRF = {"x264 default": 23, "poor": 33}
CHIP_STEP = 2
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
    """Finds faces and scores them. An attacked or processed face is scored at the mesh of its genuine picture."""

    def __init__(self, weights: Path, models: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
        self._detector = BlendingDetector(lambda batch: session.run(None, {"crop": batch}))
        self._finder = FaceFinder(models, long_side=320)  # every face here fills a good part of its picture

    def held(self, pictures: Iterable[Picture]) -> list[Held]:
        """The pictures in which there is a face that is large enough."""
        found = [(picture, self._finder.mesh(picture.pixels)) for picture in pictures]
        held = [Held(picture, mesh) for picture, mesh in found if mesh is not None]
        return [one for one in held if self._detector.usable(_tracked(one.mesh))]

    def score(self, key: str, pixels: Pixels, mesh: Mesh) -> Scored:
        """The score of the face at `mesh`."""
        return Scored(key, self._detector.score(pixels, _tracked(mesh)))

    def originals(self, held: Sequence[Held]) -> list[Scored]:
        """The scores of the pictures as they are."""
        return [self.score(one.picture.key, *one.face) for one in held]

    def clip(self, key: str, frames: Sequence[Pixels], meshes: Sequence[Mesh]) -> Scored:
        """The mean log-odds of a clip's frames, as the cue takes it."""
        scores = [self.score(key, frame, mesh).score for frame, mesh in zip(frames, meshes, strict=True)]
        bounded = np.clip(scores, 1e-3, 1 - 1e-3)
        return Scored(key, float(np.log(bounded / (1 - bounded)).mean()))


def _tracked(mesh: Mesh) -> TrackedFace:
    face = FoundFace(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0)
    return TrackedFace(TrackId(1), face, mesh, True)


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


def report_stills(judge: Judge, data: Path, rng: np.random.Generator) -> float:
    """Swaps between reported people of LFW; gives the score above which a twentieth of the genuine ones lie."""
    held = judge.held(islice(people(data, "lfw", "report", 1), PEOPLE))
    saved = [judge.score(h.picture.key, jpeg(h.picture.pixels, 90), h.mesh) for h in held]
    for name, attack in ATTACKS.items():
        made = []
        for item in held:
            others = [h for h in held if h.picture.key != item.picture.key]
            (swap,) = attack([item.face], others[rng.integers(len(others))].face, rng)
            made.append(judge.score(item.picture.key, jpeg(swap, 90), item.mesh))
        tell(f"stills, {name} swap", saved, made)
    threshold = float(np.quantile([s.score for s in judge.originals(held)], 1 - TARGET_FALSE_ALARMS))
    print(f"score above which {TARGET_FALSE_ALARMS:.0%} of genuine LFW stills lie: {threshold:.3f}", flush=True)
    report_processing(judge, held, threshold)
    return threshold


def report_processing(judge: Judge, held: Sequence[Held], threshold: float) -> None:
    """How often genuine stills alarm after being saved, shrunk, sharpened or graded."""
    steps: dict[str, Callable[[Pixels], Pixels]] = {
        "JPEG 90": lambda p: jpeg(p, 90),
        "JPEG 50": lambda p: jpeg(p, 50),
        "half size": lambda p: np.asarray(cv2.resize(p, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8),
        "sharpened": lambda p: np.asarray(cv2.addWeighted(p, 1.6, cv2.GaussianBlur(p, (0, 0), 1.0), -0.6, 0), np.uint8),
        "brightened": lambda p: np.asarray(cv2.convertScaleAbs(p, alpha=1.15, beta=10), np.uint8),
    }
    for name, change in steps.items():
        after = []
        for one in held:
            pixels = change(one.picture.pixels)
            mesh = Mesh(one.mesh.points * np.float32(pixels.shape[0] / one.picture.pixels.shape[0]), 1.0)
            after.append(judge.score(one.picture.key, pixels, mesh))
        after = [score for score in after if np.isfinite(score.score)]
        print(f"genuine stills, {name}: share above that score {interval(above(threshold), after, [])}", flush=True)


def report_groups(judge: Judge, data: Path, threshold: float) -> None:
    """Whether genuine faces of some people alarm more often: UTKFace chips by the labels in their names."""
    scores = judge.originals(judge.held(islice(single_pictures(data, "utk", "report"), None, None, CHIP_STEP)))
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
    """Swaps in reported clips with the faces of reported people, both sides re-encoded."""
    donors = judge.held(islice(people(data, "lfw", "report", 1), PEOPLE // 4))
    paths = {key: data / key for key in sorted(REPORT_CLIPS) if (data / key).is_file() and "fake" not in key}
    if extra is not None:
        paths["franck.mp4"] = extra
    clips = {key: clip_faces(judge, key, path) for key, path in paths.items()}
    for quality, crf in CRF.items():
        genuine: list[Scored] = []
        swaps: dict[str, list[Scored]] = {name: [] for name in ATTACKS}
        for key, held in clips.items():
            meshes = [h.mesh for h in held]
            genuine.append(judge.clip(key, reencoded([h.picture.pixels for h in held], crf), meshes))
            for name, attack in ATTACKS.items():
                for donor in (donors[i] for i in rng.choice(len(donors), SWAPS_PER_CLIP, replace=False)):
                    made = attack([h.face for h in held], donor.face, rng)
                    swaps[name].append(judge.clip(key, reencoded(made, crf), meshes))
            means = [np.mean([s.score for s in side if s.key == key]) for side in (genuine, *swaps.values())]
            told = ", ".join(f"{name} {mean:+.2f}" for name, mean in zip(("genuine", *swaps), means, strict=True))
            print(f"  {key}, {quality}: log-odds {told}", flush=True)
        for name, made in swaps.items():
            tell(f"clips, {quality}, {name} swap", genuine, made)


def clip_faces(judge: Judge, key: str, path: Path) -> list[Held]:
    """A few frames of a clip about its face, cut to even sides that do not change, so that they can be encoded."""
    held = judge.held(Picture(frame, key, "clip") for frame in clip_frames(path, FRAME_STEP, FRAMES_PER_CLIP))
    points = np.concatenate([h.mesh.points[:, :2] for h in held])
    low, high = points.min(0), points.max(0)
    reach = (high - low) / 2
    limit = held[0].picture.pixels.shape[1::-1]
    left, top = np.maximum(low - reach, 0).astype(int) // 2 * 2
    right, bottom = np.minimum(high + reach, limit).astype(int) // 2 * 2
    shift = np.array([left, top, 0], np.float32)
    return [
        Held(Picture(h.picture.pixels[top:bottom, left:right].copy(), key, "clip"), Mesh(h.mesh.points - shift, 1.0))
        for h in held
    ]


def report_composites(judge: Judge, data: Path) -> None:
    """Photoshop composites (CIPLab): parts of one face set into another by hand."""
    sides = [
        judge.originals(judge.held(single_pictures(data, f"realfake/{kind}", "report"))) for kind in ("real", "fake")
    ]
    tell("Photoshop composites", *sides)


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clip", type=Path, help="the demonstration clip that `moretta models install` can fetch")
    parser.add_argument("--weights", type=Path, help="a network other than the installed one")
    parser.add_argument("--models", type=Path, default=default_models_dir(os.environ))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    judge, rng = Judge(options.weights or blending_weights(), options.models), np.random.default_rng(SEED)
    threshold = report_stills(judge, options.data, rng)
    report_composites(judge, options.data)
    report_clips(judge, options.data, options.clip, rng)
    report_groups(judge, options.data, threshold)


if __name__ == "__main__":
    main()
