"""`python -m benchmarks.redaction [--write FILE] [--clip FILE] [--crowds DATA] [--repetitions N]`: hiding faces beside deface.

Belongs here: who runs on what, and the page. Does not belong here: who was missed (see `redaction_judge`).

Everyone is a whole process that reads a file and writes one, started anew each time, on all cores, with its own defaults.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import av
import numpy as np

from benchmarks.environments import python_of
from benchmarks.machine import load_now, machine
from benchmarks.processes import ROOT, ChildError
from benchmarks.redaction_judge import (
    BLOCKS,
    LEAST_CHANGE,
    LEAST_CHANGED,
    LEAST_SIDE,
    Judged,
    judge_clip,
    judge_stills,
)
from benchmarks.results import targets_lines
from benchmarks.targets import Finding, spread

SIZES = ((1280, 720), (512, 512))
# Every frame is judged: Moretta itself looks at some of them only.
SECONDS, LIMIT_S, JUDGE_EVERY = 10, 1800, 1
LEAST_TIMES = 5.0
DEFACE, OURS, UNCHECKED = "deface 1.5.0", "Moretta, blur, with its check", "Moretta, blur, without the check"


@dataclass(slots=True)
class Runs:
    """One contender on one clip: seconds by the clock and of the processor, for each turn."""

    name: str
    frames: int
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    failure: str = ""
    judged: Judged | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """All contenders on one clip, or on stills."""

    label: str
    runs: tuple[Runs, ...]

    def of(self, name: str) -> Runs:
        return next(runs for runs in self.runs if runs.name == name)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.redaction", description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the page there")
    parser.add_argument(
        "--clip", type=Path, metavar="FILE", help="a clip with a face instead of the demonstration clip"
    )
    parser.add_argument("--crowds", type=Path, metavar="DATA", help="development data with labelled crowds")
    parser.add_argument("--photos", type=int, default=100, help="how many of the crowds")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of the clip")
    parser.add_argument("--repetitions", type=int, default=3, metavar="N")
    chosen = parser.parse_args()
    facts = machine()
    with tempfile.TemporaryDirectory(prefix="moretta-bench-") as folder:
        scratch = Path(folder)
        source = chosen.clip or _demo_clip()
        measured = [measure(source, size, chosen.seconds, scratch, chosen.repetitions) for size in SIZES]
        crowds = measure_crowds(chosen.crowds, chosen.photos, scratch) if chosen.crowds else None
    facts["load"] = facts["load"].format(load_now())
    name = "a given clip" if chosen.clip else "the demonstration clip"
    text = page(facts, name, chosen.repetitions, measured, crowds)
    print(text)
    if chosen.write:
        chosen.write.write_text(text)


def measure(source: Path, size: tuple[int, int], seconds: float, scratch: Path, repetitions: int) -> Measured:
    """Everyone on `source` cut and scaled to `size`, in turn, each second turn in reverse; then the judge on the outputs."""
    label = f"{size[0]}x{size[1]}"
    clip = scratch / f"{label}.mp4"
    frames = sized_clip(source, clip, size, seconds)
    outputs = {name: scratch / f"{label}-{number}.mp4" for number, name in enumerate((DEFACE, OURS, UNCHECKED))}
    contenders = [Runs(name, frames) for name in outputs]
    for turn in range(repetitions):
        for runs in contenders if turn % 2 == 0 else reversed(contenders):
            if not runs.failure:
                _tell(f"{label}: {runs.name}, {turn + 1} of {repetitions}")
                _run(runs, [str(clip)], outputs[runs.name], scratch)
    done = [runs for runs in contenders if not runs.failure]
    _tell(f"{label}: who was missed")
    for runs, judged in zip(done, judge_clip(clip, [outputs[runs.name] for runs in done], JUDGE_EVERY), strict=True):
        runs.judged = judged
    return Measured(label, tuple(contenders))


def measure_crowds(data: Path, photos: int, scratch: Path) -> Measured:
    """Everyone on photographs with labelled faces; one process for all."""
    manifest = json.loads((data.parent / "manifests" / "maskgroups.dev.json").read_text())
    labelled = []
    for item in manifest["items"][:photos]:
        boxes = [np.array(face["xyxy"], np.float32) for face in item["faces"]]
        labelled.append((data / item["dest"], [box for box in boxes if min(box[2:] - box[:2]) >= LEAST_SIDE]))
    contenders = []
    for number, name in enumerate((DEFACE, OURS)):
        _tell(f"crowds: {name}")
        runs = Runs(name, len(labelled))
        # A folder each: deface writes beside its sources, and the next would take what it wrote for photographs.
        folder, target = scratch / f"crowds-{number}", scratch / f"crowds-{number}-out"
        folder.mkdir()
        target.mkdir()
        for path, _ in labelled:
            shutil.copy(path, folder)
        _run(runs, [str(folder)], target, scratch)
        if not runs.failure:
            runs.judged = judge_stills(
                [(path, _output_of(name, folder / path.name, target), b) for path, b in labelled]
            )
        contenders.append(runs)
    return Measured("crowds", tuple(contenders))


def _output_of(name: str, path: Path, target: Path) -> Path:
    return path.with_stem(f"{path.stem}_anonymized") if name == DEFACE else target / path.name


def sized_clip(source: Path, target: Path, size: tuple[int, int], seconds: float) -> int:
    """The first `seconds` of `source`, cut about the middle to `size`'s shape and scaled, H.264; how many frames."""
    width, height = size
    count = 0
    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        stream = given.streams.video[0]
        rate = Fraction(stream.average_rate or 25)
        out = made.add_stream("libx264", rate=rate, options={"crf": "18", "preset": "medium"})
        out.width, out.height, out.pix_fmt = width, height, "yuv420p"
        for frame in given.decode(stream):
            if count >= seconds * rate:
                break
            pixels = frame.to_ndarray(format="rgb24")
            high, wide = pixels.shape[:2]
            cut_wide, cut_high = min(wide, high * width // height), min(high, wide * height // width)
            left, top = (wide - cut_wide) // 2, (high - cut_high) // 2
            cut = np.ascontiguousarray(pixels[top : top + cut_high, left : left + cut_wide])
            picture = av.VideoFrame.from_ndarray(cut, format="rgb24").reformat(
                width, height, "yuv420p", interpolation="BICUBIC"
            )
            picture.pts, picture.time_base = count, 1 / rate
            made.mux(out.encode(picture))
            count += 1
        made.mux(out.encode())
    if not count:
        raise SystemExit("expected a video with frames; got none")
    return count


def _run(runs: Runs, sources: list[str], target: Path, scratch: Path) -> None:
    """Once more; the time of the process and of all that it waited for."""
    try:
        command = _command(runs.name, sources, target)
    except ChildError as error:
        runs.failure = str(error)
        return
    env = {**os.environ, "MORETTA_DATA_DIR": str(scratch / "data")}
    with tempfile.TemporaryFile("w+") as said:
        start = time.perf_counter()
        child = subprocess.Popen(command, cwd=ROOT, env=env, stdout=said, stderr=said, stdin=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        taken = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        lines = [line for line in said.read().splitlines() if line.strip()]
    if child.returncode:
        runs.failure = f"it ended with status {child.returncode}: {lines[-1][:200] if lines else 'and said nothing'}"
        return
    runs.wall_s.append(taken)
    runs.cpu_s.append(used.ru_utime + used.ru_stime)


def _command(name: str, sources: list[str], target: Path) -> list[str]:
    if name == DEFACE:
        out = ["--output", str(target)] if not target.is_dir() else []
        return [python_of("deface"), "-m", "deface.deface", *sources, *out]
    unchecked = ["--no-check"] if name == UNCHECKED else []
    return [sys.executable, "-m", "moretta", "redact", *sources, str(target), "--method", "blur", *unchecked]


def page(
    facts: dict[str, str], clip: str, repetitions: int, measured: Sequence[Measured], crowds: Measured | None
) -> str:
    """The page."""
    lines = [
        "# Hiding faces, measured beside deface",
        "",
        "Written by `python -m benchmarks.redaction`, all figures by one run on one machine. Figures are medians (lowest to "
        "highest).",
        "",
        *(f"- {name}: {words}" for name, words in facts.items()),
        f"- media: {clip}, cut and scaled, H.264; {repetitions} repetitions, in turn",
        "",
        "Everyone is a whole process, from its start to the written file, on all cores, on its own defaults. deface encodes "
        f"anew and drops the sound; Moretta ({version('moretta')}) decodes and hides in a confined worker, keeps the sound, and "
        "with its check decodes the output, looks for faces again and tries to recognise who was hidden.",
    ]
    for each in measured:
        lines += ["", f"## {each.label}, {each.runs[0].frames} frames", "", *_table(each)]
    if crowds is not None:
        lines += ["", f"## {crowds.runs[0].frames} photographs of crowds, labelled by hand", "", *_table(crowds)]
    lines += [
        "",
        f"*Missed*: faces of the original (at least {LEAST_SIDE} px; labelled by hand in crowds, in clips found at full size by "
        f"the network that all here use, on every frame) of whose box's ellipse, in {BLOCKS} x {BLOCKS} blocks, "
        f"less than {LEAST_CHANGED:.0%} changed by more than {LEAST_CHANGE:g} grey levels. *Noise*: the share of changed "
        "blocks beside the labelled faces: what coding changes, and in crowds also faces without a label, which both hide.",
        *targets_lines(list(findings(measured, crowds))),
    ]
    return "\n".join([*lines, ""])


def _table(measured: Measured) -> Iterator[str]:
    yield "| | frames/s by the clock | processor s | times deface, clock | times deface, processor | missed | noise |"
    yield "|---|---|---|---|---|---|---|"
    base = measured.of(DEFACE)
    for runs in measured.runs:
        if runs.failure:
            yield f"| {runs.name} | could not be run: {runs.failure} | | | | | |"
            continue
        rates = [runs.frames / taken for taken in runs.wall_s]
        judged = runs.judged
        missed = "" if judged is None else f"{judged.missed} of {judged.faces} ({judged.miss_rate:.2%})"
        noise = "" if judged is None or np.isnan(judged.noise) else f"{judged.noise:.2%}"
        ratios = (
            ("", "")
            if base.failure
            else (f"{ratio(base.wall_s, runs.wall_s):.1f}", f"{ratio(base.cpu_s, runs.cpu_s):.1f}")
        )
        yield f"| {runs.name} | {spread(rates)} | {spread(runs.cpu_s)} | {ratios[0]} | {ratios[1]} | {missed} | {noise} |"


def ratio(base: Sequence[float], ours: Sequence[float]) -> float:
    """How many times as quick: the median over the turns, each of which both ran in."""
    return statistics.median(one / other for one, other in zip(base, ours, strict=True))


def findings(measured: Sequence[Measured], crowds: Measured | None) -> Iterator[Finding]:
    """The bounds of the issue, judged."""
    # The issue asks for the speed at 720p, and for the miss rate everywhere.
    for each in measured[:1]:
        base = each.of(DEFACE)
        for name in (OURS, UNCHECKED):
            runs = each.of(name)
            promise = f"{each.label}, {name}: at least {LEAST_TIMES:g} times deface's frame rate"
            if base.failure or runs.failure:
                yield Finding(promise, base.failure or runs.failure, None)
                continue
            times = ratio(base.wall_s, runs.wall_s)
            yield Finding(promise, f"{times:.1f} times by the clock", times >= LEAST_TIMES)
    for each in (*measured, *([crowds] if crowds is not None else [])):
        base, runs = each.of(DEFACE).judged, each.of(OURS).judged
        promise = f"{each.label}: misses no more than deface"
        if base is None or runs is None:
            yield Finding(promise, "one of the two could not be run", None)
            continue
        yield Finding(promise, f"{runs.miss_rate:.2%} against {base.miss_rate:.2%}", runs.miss_rate <= base.miss_rate)


def _demo_clip() -> Path:
    from moretta.vision.models import default_media_dir, fetch_demo_clip

    return fetch_demo_clip(default_media_dir(os.environ))


def _tell(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
