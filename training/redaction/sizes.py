"""What looking at a photograph at one size or several finds of its faces, and what that costs.

Belongs here: the detector on labelled crowds. Does not belong here: redaction of them (see `coverage`).

A face counts as missed where less than half of its label's ellipse lies under the covers of what was found.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from benchmarks.redaction_judge import LEAST_SIDE, still

from moretta.core.geometry import iou
from moretta.core.values import Face, Floats, Pixels
from moretta.settings import Settings
from moretta.use_cases.redaction.check import covered_share
from moretta.use_cases.redaction.find import BEGIN_SCORE, merged
from moretta.use_cases.redaction.plan import dilated
from moretta.wiring.face_workshop import FaceWorkshop
from moretta.wiring.redacting import HIDING_SCORE, STILL_SIDE

# Multiples of a photograph's own size.
RULES: Sequence[tuple[float, ...]] = ((1.0,), (0.5,), (2.0,), (1.0, 0.5), (1.0, 2.0), (1.0, 0.5, 2.0))
# px of the longer side at which frames of a video are looked at.
SIDES = (320, 416, 512, 640, 960, 1280)
_LEAST_COVERED, _FOUND, _OVERLAP = 0.5, 0.5, 0.4
_NO_GROWTH = np.zeros(4, np.float32)


def sizes(data: Path, photos: int) -> None:
    """Print both tables."""
    manifest = json.loads((data.parent / "manifests" / "maskgroups.dev.json").read_text())
    items = []
    for item in manifest["items"][:photos]:
        boxes = [np.array(face["xyxy"], np.float32) for face in item["faces"]]
        items.append((still(data / item["dest"]), [box for box in boxes if min(box[2:] - box[:2]) >= LEAST_SIDE]))
    labels = sum(len(boxes) for _, boxes in items)
    print(f"{len(items)} photographs of crowds, {labels} faces labelled by hand")
    print("| times the photograph's size | missed | found in all | processor ms a photograph |\n|---|---|---|---|")
    workshop = FaceWorkshop(Settings().models_dir)
    for rule in RULES:
        missed = found = 0
        began = time.process_time()
        seen = [_at(workshop, pixels, rule) for pixels, _ in items]
        spent_ms = (time.process_time() - began) / len(items) * 1000
        for faces, (_, boxes) in zip(seen, items, strict=True):
            covers = [dilated(face.box, _NO_GROWTH) for face in faces if face.detection_score >= BEGIN_SCORE]
            missed += sum(covered_share(box, covers) < _LEAST_COVERED for box in boxes)
            found += len(covers)
        print(f"| {', '.join(f'{times:g}' for times in rule)} | {missed} | {found} | {spent_ms:.0f} |", flush=True)
    _sides(workshop, items, labels)


def _sides(workshop: FaceWorkshop, items: Sequence[tuple[Pixels, list[Floats]]], labels: int) -> None:
    print(f"\n| px of the longer side | found at {HIDING_SCORE:g} | found at {_FOUND:g} |\n|---|---|---|")
    for side in SIDES:
        detector = workshop.face_detector(HIDING_SCORE, side)
        hits = dict.fromkeys((HIDING_SCORE, _FOUND), 0)
        for pixels, boxes in items:
            faces = detector.detect(pixels)
            for least in hits:
                found = [face.box for face in faces if face.detection_score >= least]
                hits[least] += sum(_overlaps(box, found) for box in boxes)
        print(f"| {side} | {' | '.join(f'{count / labels:.1%}' for count in hits.values())} |", flush=True)


def _at(workshop: FaceWorkshop, pixels: Pixels, rule: Sequence[float]) -> list[Face]:
    whole = min(STILL_SIDE, max(pixels.shape[:2]))
    faces: list[Face] = []
    for times in rule:
        side = min(STILL_SIDE, round(whole * times))
        faces = merged(faces, workshop.face_detector(HIDING_SCORE, side).detect(pixels))
    return faces


def _overlaps(box: Floats, found: Sequence[Floats]) -> bool:
    return bool(found) and float(iou(box, np.stack(found)).max()) >= _OVERLAP
