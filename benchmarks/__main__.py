"""`python -m benchmarks [--write FILE] [--clip FILE] [--quick]`: one run of everything, on one clip and machine."""

import argparse
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.clips import Clip, make_clip, still_of
from benchmarks.comparison import compare
from benchmarks.machine import load_now, machine
from benchmarks.results import page
from benchmarks.targets import (
    Effort,
    decode_finding,
    import_finding,
    memory_finding,
    service_findings,
    speed_findings,
)

FULL = Effort(repetitions=5, short_s=10, long_s=600, still_calls=200, starts=5)
QUICK = Effort(repetitions=2, short_s=10, long_s=60, still_calls=30, starts=2)
CLIP_S, QUICK_CLIP_S = 20, 5


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed and memory, measured.")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the page there")
    parser.add_argument(
        "--clip", type=Path, metavar="FILE", help="a video with one face instead of the demonstration clip"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a few minutes instead of a quarter of an hour; coarser figures"
    )
    parser.add_argument("--repetitions", type=int, metavar="N", help="how often everyone runs: 5, or 2 with --quick")
    chosen = parser.parse_args()
    effort = QUICK if chosen.quick else FULL
    if chosen.repetitions:
        effort = replace(effort, repetitions=max(1, chosen.repetitions))
    with tempfile.TemporaryDirectory(prefix="moretta-bench-") as folder:
        scratch = Path(folder)
        seconds = QUICK_CLIP_S if chosen.quick else CLIP_S
        source = chosen.clip or _demo_clip()
        clip = make_clip(source, scratch / "clip.mp4", seconds)
        text = _run(clip, source, effort, scratch, "the given one" if chosen.clip else "the demonstration clip")
    print(text)
    if chosen.write:
        chosen.write.write_text(text)


def _run(clip: Clip, source: Path, effort: Effort, scratch: Path, name: str) -> str:
    facts = machine()
    outcomes = compare(clip.path, effort.repetitions, scratch, _tell)
    ten_seconds = make_clip(source, scratch / "short.mp4", effort.short_s)
    findings = [
        *speed_findings(outcomes),
        decode_finding(max(clip, ten_seconds, key=lambda made: made.frames), scratch, effort.repetitions, _tell),
        memory_finding(ten_seconds, scratch, effort, _tell),
        *service_findings(still_of(clip), effort, _tell),
        import_finding(scratch, effort, _tell),
    ]
    facts["load"] = facts["load"].format(load_now())
    media = (
        f"{name}, cut to 4:3 and scaled to 640x480, H.264, {clip.frames} frames in {clip.seconds:.1f} s; the long one "
        f"loops {ten_seconds.seconds:.0f} s of it, with made-up sound; {effort.repetitions} repetitions"
    )
    return page(facts, media, outcomes, findings)


def _demo_clip() -> Path:
    from moretta.vision.models import default_media_dir, fetch_demo_clip

    return fetch_demo_clip(default_media_dir(os.environ))


def _tell(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
