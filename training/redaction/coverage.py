"""What stays uncovered, and what a detector still finds, on clips and crowds that the product itself hides.

Belongs here: running it on them, and adding up. Does not belong here: who is recognised (see `reidentification`).

A face of the original counts as missed by the judge of the benchmark (`benchmarks.redaction_judge`), which looks at pixels; what
the product's own check found stands beside it. *Found afterwards* is the share of hidden faces at which a detector finds a face
in the output: what is left for counting people.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from benchmarks.redaction import sized_clip
from benchmarks.redaction_judge import LEAST_SIDE, Judge, decoded, still

from moretta.core.geometry import iou
from moretta.core.ports import FaceDetector
from moretta.core.redaction import LeakReport, Method, SoundTreatment
from moretta.evaluation.recognition.intervals import share_interval
from moretta.sdk_redaction import Redactor
from moretta.settings import Settings
from moretta.wiring.instruments import Workshop

# Of each clip; a detector finds the first second's faces as it finds the tenth's.
CLIP_S = 2.0
EVERY = 1  # every frame: the product itself looks at some of them only
_SIDE, _SCORE, _SAME = 1280, 0.5, 0.3

Pictures = npt.NDArray[np.uint8]


@dataclass(slots=True)
class Tally:
    """One method's. The lists have one entry for each clip or photograph: missed, found again, faces."""

    missed: list[int]
    again: list[int]
    faces: list[int]
    leaking: int = 0
    frames: int = 0
    with_faces: int = 0
    longest_ms: float = 0.0
    reidentified: int = 0
    trials: int = 0

    def take(self, report: LeakReport) -> None:
        """Add what the product's own check says of an item."""
        self.leaking += report.frames_leaking
        self.frames += report.frames
        self.with_faces += report.frames_with_faces
        self.longest_ms = max(self.longest_ms, report.longest_leak_ms)
        self.reidentified += report.reidentified
        self.trials += report.reidentification_trials


def clips(folder: Path, methods: Sequence[Method]) -> None:
    """The first seconds of every clip of the folder, by each method."""
    with tempfile.TemporaryDirectory() as scratch:
        sources = []
        for path in sorted(folder.glob("*.mp4")):
            with av.open(str(path)) as given:
                stream = given.streams.video[0]
                size = (stream.codec_context.width // 2 * 2, stream.codec_context.height // 2 * 2)
            sources.append(Path(scratch) / path.name)
            sized_clip(path, sources[-1], size, CLIP_S)
        _heads(f"{len(sources)} clips of people talking, {float(Fraction(CLIP_S)):g} s of each")
        for method in methods:
            _row(method, _tally(method, [(path, None) for path in sources]))


def crowds(data: Path, methods: Sequence[Method], photos: int) -> None:
    """The first photographs with labels by hand, by each method."""
    manifest = json.loads((data.parent / "manifests" / "maskgroups.dev.json").read_text())
    labelled = []
    for item in manifest["items"][:photos]:
        boxes = [np.array(face["xyxy"], np.float32) for face in item["faces"]]
        labelled.append((data / item["dest"], [box for box in boxes if min(box[2:] - box[:2]) >= LEAST_SIDE]))
    _heads(f"{len(labelled)} photographs of crowds, faces labelled by hand")
    for method in methods:
        _row(method, _tally(method, labelled))


def _tally(method: Method, items: Sequence[tuple[Path, list[npt.NDArray[np.float32]] | None]]) -> Tally:
    detector = Workshop(Settings().models_dir, allow_expression=False).face_detector(_SCORE, _SIDE)
    tally = Tally([], [], [])
    with tempfile.TemporaryDirectory() as scratch, Redactor(method, SoundTreatment.DROP, door="cli:redact") as redactor:
        for source, labels in items:
            target = Path(scratch) / source.name
            done = redactor.redact(source, target)
            if done.report is not None:
                tally.take(done.report)
            judge, again = Judge(), 0
            for original, output in _pairs(source, target, labels is None):
                boxes = labels if labels is not None else _found(detector, original)
                judge.frame(original, output, boxes)
                after = _found(detector, output)
                again += sum(bool(after) and float(iou(box, np.stack(after)).max()) >= _SAME for box in boxes)
            judged = judge.judged()
            tally.missed.append(judged.missed)
            tally.again.append(again)
            tally.faces.append(judged.faces)
    return tally


def _pairs(source: Path, target: Path, video: bool) -> Iterator[tuple[Pictures, Pictures]]:
    if video:
        yield from zip(decoded(source, EVERY), decoded(target, EVERY), strict=True)
    else:
        yield still(source), still(target)


def _found(detector: FaceDetector, pixels: Pictures) -> list[npt.NDArray[np.float32]]:
    return [face.box for face in detector.detect(pixels) if min(face.box[2:] - face.box[:2]) >= LEAST_SIDE]


def _heads(what: str) -> None:
    print(f"{what}\n")
    print(
        "| method | faces | missed | found afterwards | frames leaking by the check | longest leak | ranked first in the check |"
    )
    print("|---|---|---|---|---|---|---|")


def _row(method: Method, tally: Tally) -> None:
    cells = (
        method.value,
        f"{sum(tally.faces)}",
        _share(tally.missed, tally.faces),
        _share(tally.again, tally.faces),
        f"{tally.leaking} of {tally.with_faces}",
        f"{tally.longest_ms:.0f} ms",
        f"{tally.reidentified} of {tally.trials}",
    )
    print(f"| {' | '.join(cells)} |", flush=True)


def _share(counts: Sequence[int], faces: Sequence[int]) -> str:
    """A share of faces with its interval under drawing items anew."""
    hits = np.concatenate([np.arange(faces_) < count for count, faces_ in zip(counts, faces, strict=True)])
    items = np.repeat(np.arange(len(faces)), faces)
    low, high = share_interval(hits.astype(np.float64), items)
    return f"{hits.mean():.2%} ({low:.2%} to {high:.2%})"
