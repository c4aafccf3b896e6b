"""What is measured: genuine controls and attacks, each with its seed; and how each comes to be.

Every item, genuine or not, ends in the same delivery: it is scaled, encoded at a drawn rate and decoded again, so that no
species can be told by the way it was written.

Belongs here: the plan and its rendering. Does not belong here: measuring.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from moretta.core.values import MediaKind, Pixels
from moretta.evaluation.attacks import (
    Donor,
    frozen_attack,
    loop_attack,
    photo_attack,
    photo_still,
    screen_attack,
    screen_still,
    swap_attack,
    swap_still,
)
from moretta.evaluation.attacks.capture import Camera, Hand, shaken
from moretta.evaluation.split import Part
from training.trust.footage import Picture, Window, composites, pictures, read_picture, read_window, windows
from training.trust.measure import Laboratory

Timed = tuple[float, Pixels]
# Items of each species on either side of the split; genuine windows and their variants are fewer than one would wish.
VIDEO_COUNTS: dict[Part, dict[str, int]] = {
    "fit": {"genuine": 40, "print": 20, "screen": 20, "frozen": 16, "loop": 16, "swap": 20},
    "report": {"genuine": 36, "print": 18, "screen": 18, "frozen": 14, "loop": 14, "swap": 18},
}
LFW_FIT, LFW_REPORT = 70, 60
STILL_SPECIES = ("print", "screen", "swap")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to be measured. `unit` is the person (or clip) that the bootstrap draws; `source` what it is made from."""

    kind: MediaKind
    species: str
    part: Part
    unit: str
    source: Window | Picture
    number: int

    @property
    def key(self) -> str:
        return f"{self.kind}-{self.species}-{self.unit.replace('/', '_')}-{self.number}"

    @property
    def seed(self) -> int:
        return int.from_bytes(hashlib.sha256(self.key.encode()).digest()[:4], "big")


def plan(data: Path, extra_clips: dict[str, Path]) -> list[Item]:
    """All items, the same at every run."""
    stills = pictures(data, LFW_FIT, LFW_REPORT)
    return _video_items(windows(data, extra_clips)) + _still_items(stills, data) + _recorded(data)


def _video_items(all_windows: list[Window]) -> list[Item]:
    items = []
    for part, counts in VIDEO_COUNTS.items():
        by_clip: dict[str, list[Window]] = {}
        for window in all_windows:
            if window.part == part:
                by_clip.setdefault(window.clip, []).append(window)
        clips = sorted(by_clip)
        for species, count in counts.items():
            for number in range(count):
                # Clips in turn, so that each person counts alike; windows of a clip in turn.
                of_clip = by_clip[clips[number % len(clips)]]
                window = of_clip[(number // len(clips)) % len(of_clip)]
                items.append(Item(MediaKind.VIDEO, species, part, window.clip, window, number))
    return items


def _still_items(stills: list[Picture], data: Path) -> list[Item]:
    items = [Item(MediaKind.IMAGE, "genuine", p.part, p.person, p, 0) for p in stills]
    items += [Item(MediaKind.IMAGE, s, p.part, p.person, p, 0) for s in STILL_SPECIES for p in stills]
    fakes = [Picture(key, path) for key, path, fake in composites(data) if fake]
    return items + [Item(MediaKind.IMAGE, "composite", p.part, p.person, p, 0) for p in fakes]


def _recorded(data: Path) -> list[Item]:
    """The one recorded attack of the data: a phone's replay."""
    key = "liveness/lestari15_fake.mp4"
    window = Window(key, data / "dev" / key, 0.0, 6.0)
    return [Item(MediaKind.VIDEO, "recorded replay", "report", key, window, number) for number in range(3)]


class Renderer:
    """Makes the items' media. Donors and photographs come from the same side of the split as their item."""

    def __init__(self, items: list[Item], laboratory: Laboratory) -> None:
        self._laboratory = laboratory
        genuine = [item for item in items if item.species == "genuine"]
        self._stills = {
            part: [
                i.source for i in genuine if isinstance(i.source, Picture) and i.part == part and "realfake" in i.unit
            ]
            for part in ("fit", "report")
        }
        self._lfw = {
            part: [i.source for i in genuine if isinstance(i.source, Picture) and i.part == part]
            for part in ("fit", "report")
        }
        self._windows = {
            part: [i.source for i in genuine if isinstance(i.source, Window) and i.part == part]
            for part in ("fit", "report")
        }

    def video(self, item: Item, path: Path) -> None:
        """Write the item's clip."""
        rng = np.random.default_rng(item.seed)
        if not isinstance(item.source, Window):
            raise TypeError("expected an item made from a clip")
        every = int(rng.choice([1, 2, 2]))
        frames = _mirrored(read_window(item.source, every), bool(rng.random() < 0.5))
        _deliver(self._attacked(item, frames, rng), path, rng)

    def _attacked(self, item: Item, frames: Iterator[Timed], rng: np.random.Generator) -> Iterator[Timed]:
        match item.species:
            case "genuine" | "recorded replay":
                return _camera(frames, rng)
            case "print":
                return self._print(item, list(frames), rng)
            case "screen":
                return self._screen(item, frames, rng)
            case "frozen":
                return _frozen(list(_camera(frames, rng)), rng)
            case "loop":
                return _loop(list(_camera(frames, rng)), rng)
            case "swap":
                return self._swap(item, list(_camera(frames, rng)), rng)
        raise ValueError(f"expected a known species, got {item.species}")

    def _print(self, item: Item, frames: list[Timed], rng: np.random.Generator) -> Iterator[Timed]:
        times = [time for time, _ in frames]
        photo = frames[int(rng.integers(len(frames)))][1] if rng.random() < 0.5 else self._photo(item.part, rng)
        yield from zip(times, photo_attack(photo, times, rng), strict=True)

    def _screen(self, item: Item, frames: Iterator[Timed], rng: np.random.Generator) -> Iterator[Timed]:
        kept = list(frames)
        if rng.random() < 0.25:
            still = self._photo(item.part, rng)
            kept = [(time, still) for time, _ in kept]
        yield from zip([time for time, _ in kept], screen_attack(kept, rng), strict=True)

    def _swap(self, item: Item, frames: list[Timed], rng: np.random.Generator) -> Iterator[Timed]:
        meshes = self._laboratory.meshes(frames)
        donor = self._donor(item, rng)
        pairs = ((picture, mesh) for (_, picture), mesh in zip(frames, meshes, strict=True))
        yield from zip([time for time, _ in frames], swap_attack(pairs, donor, rng), strict=True)

    def _photo(self, part: Part, rng: np.random.Generator) -> Pixels:
        choice = self._stills[part]
        return read_picture(choice[int(rng.integers(len(choice)))].path)

    def _donor(self, item: Item, rng: np.random.Generator) -> Donor:
        """Another person's face: from another clip in half of all cases, else from a still."""
        while True:
            others = [w for w in self._windows[item.part] if w.clip != item.unit]
            if rng.random() < 0.5:
                pixels = next(read_window(others[int(rng.integers(len(others)))]))[1]
            else:
                pixels = self._photo(item.part, rng)
            mesh = self._laboratory.meshes([(0.0, pixels)])[0]
            if mesh is not None:
                return Donor(pixels, mesh)

    def still(self, item: Item) -> Pixels:
        """The item's picture, after a JPEG of drawn quality."""
        rng = np.random.default_rng(item.seed)
        if not isinstance(item.source, Picture):
            raise TypeError("expected an item made from a still")
        pixels = read_picture(item.source.path)
        if rng.random() < 0.5:
            pixels = np.ascontiguousarray(pixels[:, ::-1])
        if item.species == "print":
            pixels = photo_still(pixels, rng)
        elif item.species == "screen":
            pixels = screen_still(pixels, rng)
        else:
            pixels = next(_camera(iter([(0.0, pixels)]), rng))[1]
        if item.species == "swap":
            pixels = self._swapped_still(item, pixels, rng)
        quality = int(rng.integers(70, 97))
        coded = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[:, :, ::-1])

    def _swapped_still(self, item: Item, pixels: Pixels, rng: np.random.Generator) -> Pixels:
        mesh = self._laboratory.meshes([(0.0, pixels)])[0]
        same_set = [p for p in self._lfw[item.part] if p.person.split("/")[0] == item.unit.split("/")[0]]
        while mesh is not None:
            donor = same_set[int(rng.integers(len(same_set)))]
            if donor.person == item.unit:
                continue
            face = read_picture(donor.path)
            donor_mesh = self._laboratory.meshes([(0.0, face)])[0]
            if donor_mesh is not None:
                return swap_still(pixels, mesh, Donor(face, donor_mesh), rng)
        return pixels[:0]  # no face to swap: the item is dropped


def _mirrored(frames: Iterable[Timed], flip: bool) -> Iterator[Timed]:
    for time, picture in frames:
        yield time, np.ascontiguousarray(picture[:, ::-1]) if flip else picture


def _camera(frames: Iterable[Timed], rng: np.random.Generator) -> Iterator[Timed]:
    """Half of the recordings as they are; the others through a further camera, half of these held by hand."""
    if rng.random() < 0.5:
        yield from frames
        return
    camera = Camera.drawn(rng)
    by_hand = rng.random() < 0.5
    hand: Hand | None = None
    for time, picture in frames:
        light = picture.astype(np.float32)
        if by_hand:
            hand = hand or Hand(rng, 0.006 * picture.shape[1], 0.008, 0.008, 0.006)
            light = shaken(light, hand, time)
        yield time, camera.record(light, rng)


def _frozen(frames: list[Timed], rng: np.random.Generator) -> Iterator[Timed]:
    """A freeze of two seconds or more, from some moment on; in a quarter of all cases from the very beginning."""
    rate = (len(frames) - 1) / max(frames[-1][0], 0.1)
    shortest = min(len(frames), round(2 * rate))
    first = 0 if rng.random() < 0.25 else int(rng.integers(0, max(1, len(frames) - shortest)))
    length = int(rng.integers(shortest, max(shortest + 1, len(frames) - first + 1)))
    pictures_only = (picture for _, picture in frames)
    yield from zip([time for time, _ in frames], frozen_attack(pictures_only, first, length, rng), strict=True)


def _loop(frames: list[Timed], rng: np.random.Generator) -> Iterator[Timed]:
    """A segment of 1.3 to 3 s again and again for 7 s."""
    rate = (len(frames) - 1) / max(frames[-1][0], 0.1)
    segment = min(len(frames), round(float(rng.uniform(1.3, 3.0)) * rate))
    total = round(7 * rate)
    looped = loop_attack((picture for _, picture in frames), segment, total, bool(rng.random() < 0.5))
    yield from ((index / rate, picture) for index, picture in enumerate(looped))


def _deliver(frames: Iterator[Timed], path: Path, rng: np.random.Generator) -> None:
    """Scale, encode (H.264) and write."""
    scale = float(rng.choice([1.0, rng.uniform(0.7, 1.0)]))
    quality = str(int(rng.integers(17, 31)))
    with av.open(str(path), "w") as container:
        stream = None
        for time, picture in frames:
            if stream is None:
                height, width = (int(side * scale) // 2 * 2 for side in picture.shape[:2])
                stream = container.add_stream("libx264", rate=30, options={"crf": quality, "preset": "veryfast"})
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.time_base = Fraction(1, 1000)
                stream.codec_context.time_base = Fraction(1, 1000)
            sized = cv2.resize(picture, (stream.width, stream.height), interpolation=cv2.INTER_AREA)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(sized), format="rgb24")
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            for packet in stream.encode(frame):
                container.mux(packet)
        if stream is not None:
            for packet in stream.encode(None):
                container.mux(packet)
