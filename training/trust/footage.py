"""Genuine recordings and pictures with the side of the split on which they fall.

Belongs here: listing and reading. Does not belong here: attacks.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from moretta.core.values import Pixels
from moretta.evaluation.split import Part, part_of, person_key

LONG_SIDE = 560
WINDOW_S = 5.6
STEP_S = 3.0
MOST_WINDOWS = 6  # of one clip: a long clip shall not outweigh all others

CLIPS = (
    "talking/d0.mp4",
    "talking/d3.mp4",
    "talking/d14.mp4",
    "talking/s18.mp4",
    "talking/d9.mp4",
    "talking/d18.mp4",
    "talking/s29.mp4",
    "liveness/lestari15_real.mp4",
    "rppg_face/evm_face.mp4",
)


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a genuine clip. `clip` is the clip's key, also its person's: no two clips show the same person."""

    clip: str
    path: Path
    start_s: float
    length_s: float

    @property
    def part(self) -> Part:
        return part_of(self.clip)


@dataclass(frozen=True, slots=True)
class Picture:
    """A genuine still of a person."""

    person: str
    path: Path

    @property
    def part(self) -> Part:
        return part_of(self.person)


def windows(data: Path, extra_clips: dict[str, Path]) -> list[Window]:
    """Windows of all genuine clips, evenly spread over each."""
    found = []
    for key, path in {**{clip: data / "dev" / clip for clip in CLIPS}, **extra_clips}.items():
        with av.open(str(path)) as container:
            seconds = float(container.duration or 0) / 1e6
        length = min(WINDOW_S, seconds)
        count = max(1, min(MOST_WINDOWS, int((seconds - length) / STEP_S) + 1))
        starts = np.linspace(0, max(0.0, seconds - length), count)
        found += [Window(key, path, float(start), length) for start in starts]
    return found


def read_window(window: Window, keep_every: int = 1) -> Iterator[tuple[float, Pixels]]:
    """Times from 0 and pictures, the long side at most `LONG_SIDE`."""
    with av.open(str(window.path)) as container:
        stream = container.streams.video[0]
        if window.start_s > 0:
            container.seek(int(window.start_s * 1e6), backward=True)
        kept = 0
        for frame in container.decode(stream):
            time_s = float(frame.time or 0.0) - window.start_s
            if time_s < -1e-3:
                continue
            if time_s > window.length_s:
                return
            kept += 1
            if (kept - 1) % keep_every == 0:
                yield time_s, fitted(frame.to_ndarray(format="rgb24"))


def pictures(data: Path, lfw_fit: int, lfw_report: int) -> list[Picture]:
    """One picture of each chosen LFW person, and every genuine one of the set of composites."""
    lfw = json.loads((data / "manifests" / "lfw.dev.json").read_text())["items"]
    first: dict[str, Path] = {}
    for item in lfw:
        first.setdefault(person_key(item["dest"]), data / "dev" / item["dest"])
    wanted = {"fit": lfw_fit, "report": lfw_report}
    found = []
    for person in sorted(first, key=lambda name: hashlib.sha256(name.encode()).digest()):
        part = part_of(person)
        if wanted[part] > 0:
            wanted[part] -= 1
            found.append(Picture(person, first[person]))
    return found + [Picture(key, path) for key, path, fake in composites(data) if not fake]


def composites(data: Path) -> list[tuple[str, Path, bool]]:
    """Key, path and whether it is a composite, of the set of real and Photoshop-made faces."""
    items = json.loads((data / "manifests" / "realfake.dev.json").read_text())["items"]
    return [(item["dest"], data / "dev" / item["dest"], bool(item["fake"])) for item in items]


def read_picture(path: Path) -> Pixels:
    """RGB, the long side at most `LONG_SIDE`."""
    raw = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if raw is None:
        raise ValueError("expected a picture that can be decoded")
    return fitted(np.ascontiguousarray(raw[:, :, ::-1]))


def fitted(pixels: Pixels) -> Pixels:
    """With even sides (video coding needs them), the longer at most `LONG_SIDE`."""
    height, width = pixels.shape[:2]
    scale = min(1.0, LONG_SIDE / max(height, width))
    size = (int(width * scale) // 2 * 2, int(height * scale) // 2 * 2)
    if size == (width, height):
        return np.ascontiguousarray(pixels)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
