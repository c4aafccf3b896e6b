"""`python -m benchmarks.watch [--write FILE] [--minutes N]`: how many pictures a core watches, and what four streams take.

Belongs here: four recordings of 640x480 with a talking face, read as fast as they are analysed, through everything that `moretta
watch` runs: a reader's process a camera, the watching process, the database. Does not belong here: how accurate it is.

A core-second is a second of processor time of all these processes together: what other programs do on the machine meanwhile makes
the run longer, but counts little.
"""

import argparse
import os
import resource
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from benchmarks.machine import load_now, machine
from moretta.core.cameras import parse_source
from moretta.settings import Settings
from moretta.vision.models import default_media_dir
from moretta.wiring.service import opened
from moretta.wiring.site_file import plain_site
from moretta.wiring.statistics import stores_of
from moretta.wiring.streams.process import watch_terms
from moretta.wiring.streams.watching import Listener, Watching

STREAMS = 4
RATE = 5
_CAMERA_RATE = 25
_TICKS_HZ = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Measured:
    """What one run took. `seconds` by process: the watching one, and readers together; memory in bytes, the most seen."""

    pictures: int = 0
    stream_s: float = 0.0
    wall_s: float = 0.0
    watching_s: float = 0.0
    reading_s: float = 0.0
    door_s: float = 0.0
    watching_bytes: int = 0
    reading_bytes: int = 0
    early_bytes: int = 0
    late_bytes: int = 0
    releases: int = 0
    memory: list[int] = field(default_factory=list)

    @property
    def core_s(self) -> float:
        """Of all processes together."""
        return self.watching_s + self.reading_s + self.door_s


def recording(path: Path, seconds: float) -> Path:
    """The demonstration clip's face, in 640x480 at 25 pictures a second, over and over."""
    clip = default_media_dir(os.environ) / "franck.mp4"
    shown: list[av.VideoFrame] = []
    with av.open(str(clip)) as source:
        for frame in source.decode(video=0):
            pixels = np.full((480, 640, 3), 90, np.uint8)
            content = frame.to_ndarray(format="rgb24")
            pixels[96 : 96 + content.shape[0], 140 : 140 + content.shape[1]] = content
            shown.append(av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p"))
            if len(shown) >= min(60, seconds) * _CAMERA_RATE:
                break
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=_CAMERA_RATE)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "25"}
        packets = [packet for at, frame in enumerate(shown) for packet in stream.encode(_at(frame, at))]
        packets += stream.encode(None)
        length = len(shown)
        for repetition in range(max(1, round(seconds * _CAMERA_RATE / length))):
            for packet in packets:
                again = av.Packet(bytes(packet))
                again.stream, again.time_base, again.is_keyframe = stream, packet.time_base, packet.is_keyframe
                offset = int(repetition * length / _CAMERA_RATE / packet.time_base)
                again.pts, again.dts = packet.pts + offset, packet.dts + offset
                target.mux(again)
    return path


def measured(folder: Path, clip: Path) -> Measured:
    """One run over four times that clip."""
    found = Measured()
    settings = Settings(data_dir=folder)
    names = [f"camera-{number}" for number in range(1, STREAMS + 1)]
    before = resource.getrusage(resource.RUSAGE_SELF)
    with opened(settings) as deployment:
        watching = Watching(
            plain_site("benchmark", names),
            dict.fromkeys(names, parse_source(str(clip))),
            stores_of(deployment.engine, deployment.company_id),
            watch_terms(settings),
            listener=Listener(released=lambda _: setattr(found, "releases", found.releases + 1)),
            fast=True,
        )
        over = threading.Event()
        looker = threading.Thread(target=_look, args=(watching, found, over), daemon=True)
        looker.start()
        began = time.monotonic()
        watching.run()
        found.wall_s = time.monotonic() - began
        over.set()
        looker.join()
    after = resource.getrusage(resource.RUSAGE_SELF)
    found.door_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    health = watching.health()
    found.pictures = sum(camera.analysed for camera in health)
    found.stream_s = found.pictures / len(health) / RATE
    quarter = max(1, len(found.memory) // 4)
    found.early_bytes, found.late_bytes = max(found.memory[quarter : 2 * quarter]), max(found.memory[-quarter:])
    return found


def lines(found: Measured) -> list[str]:
    """The page's section."""
    per_core = found.pictures / found.core_s
    needed = STREAMS * RATE
    return [
        f"Four streams of 640x480 at 25 pictures a second, {RATE} a second analysed, one face in each, "
        f"{found.stream_s / 60:.1f} minutes of stream time, read as fast as they were analysed:",
        "",
        "| | |",
        "|---|---|",
        f"| pictures analysed | {found.pictures} |",
        f"| pictures a core-second, all processes | {per_core:.1f} |",
        f"| cores that four streams need ({needed} pictures a second) | {needed / per_core:.2f} |",
        f"| of it the watching process / four readers / the door, core-seconds | {found.watching_s:.1f} / "
        f"{found.reading_s:.1f} / {found.door_s:.1f} |",
        f"| wall time | {found.wall_s:.1f} s, {found.stream_s / found.wall_s:.1f} times as fast as the streams |",
        f"| memory of the watching process, second quarter / last quarter of the run | {found.early_bytes / 2**20:.0f} / "
        f"{found.late_bytes / 2**20:.0f} MiB |",
        f"| memory of a reader, at most | {found.reading_bytes / 2**20:.0f} MiB |",
        f"| releases | {found.releases} |",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watch", description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the page there")
    parser.add_argument("--minutes", type=float, default=5.0, help="of stream time, for each of the four")
    chosen = parser.parse_args()
    facts = machine()
    with tempfile.TemporaryDirectory() as folder:
        print("encoding the recording", file=sys.stderr, flush=True)
        clip = recording(Path(folder) / "clip.mp4", chosen.minutes * 60)
        section = lines(measured(Path(folder), clip))
    facts["load"] = facts["load"].format(load_now())
    command = f"python -m benchmarks.watch --write benchmarks/WATCH.md --minutes {chosen.minutes:g}"
    head = ["# Watching, measured", "", f"Written by `{command}`, all figures by one run on one machine.", ""]
    text = "\n".join([*head, *(f"- {name}: {words}" for name, words in facts.items()), "", *section, ""])
    print(text)
    if chosen.write:
        chosen.write.write_text(text)


def _at(frame: av.VideoFrame, number: int) -> av.VideoFrame:
    frame.pts = number
    return frame


def _look(watching: Watching, found: Measured, over: threading.Event) -> None:
    """Note processor time and memory of the processes while they are there."""
    reading: dict[int, float] = {}
    while not over.wait(0.2):
        pid = watching.pid
        if pid is not None:
            found.watching_s = max(found.watching_s, _seconds(pid))
            held = _bytes(pid)
            found.watching_bytes = max(found.watching_bytes, held)
            found.memory += [held] if held else []
        for camera in watching.cameras:
            reader = camera.pid
            if reader is not None:
                reading[reader] = max(reading.get(reader, 0.0), _seconds(reader))
                found.reading_bytes = max(found.reading_bytes, _bytes(reader))
        found.reading_s = sum(reading.values())


def _seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS_HZ


def _bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


if __name__ == "__main__":
    main()
