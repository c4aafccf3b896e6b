"""`python -m benchmarks.recognition [--write FILE] [--quick] [--photos FOLDER]`: searching protected galleries, and how right.

Belongs here: who is measured beside whom, and the bounds. Does not belong here: how one of them is run.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.accuracy import accuracy_lines, accuracy_rows, labelled_photos
from benchmarks.environments import PEERS, python_of
from benchmarks.machine import load_now, machine
from benchmarks.processes import ROOT, ChildError, cores, environment
from benchmarks.results import targets_lines
from benchmarks.shares import Cost, measure
from benchmarks.targets import Finding, spread
from benchmarks.turns import Turns

MOST_COMPARE, MOST_END_TO_END, MOST_PARTY_CPU = 2.7, 5.0, 2.5
MOST_VERIFY_MS, MOST_START_S, MOST_MEMORY, LEAST_ENROLLED = 10.0, 5.0, 1.3, 50.0
FLAT, HE = "faiss IndexFlatIP", "Moretta, he"
# One template takes TenSEAL 12 ms: what it needs for a gallery is told per template and multiplied.
CKKS_TEMPLATES = 100
# Pinned to one core, all in turn: galleries of one size are in memory together.
SIZES, QUICK_SIZES = ((1_000_000, 128), (1_000_000, 192), (500_000, 512)), ((100_000, 128), (100_000, 192))
FACE_DISTANCE_DIMENSION = 128
CARD = "../docs/model-cards/mobilefacenet.md"
NO_PHOTOS = f"Not in this run; the rates and those of `face_recognition` are in [the embedder's card]({CARD})."
_TELL = Callable[[str], None]


@dataclass(slots=True)
class Contender:
    """One row: `templates` is how many it really compares a turn."""

    name: str
    command: list[str]
    templates: int
    facts: dict = field(default_factory=dict)
    runs: list[dict] = field(default_factory=list)
    failure: str = ""

    def median_ms(self, figure: str, per: int) -> float:
        """The median of a figure in ms, for a gallery of `per` templates."""
        return statistics.median(run[figure] for run in self.runs) * 1e3 * per / self.templates


@dataclass(frozen=True, slots=True)
class Size:
    """The runs of one gallery size."""

    count: int
    dimension: int
    contenders: tuple[Contender, ...]
    shares: Cost | None

    def of(self, name: str) -> Contender:
        return next(one for one in self.contenders if one.name == name)


def measure_size(count: int, dimension: int, repetitions: int, scratch: Path, tell: _TELL) -> Size:
    """Everybody on one size, in turn; then the three parties, with faiss in turn with them."""
    env, alive = environment(scratch), {}
    contenders = tuple(_contenders(count, dimension))
    try:
        for one in contenders:
            tell(f"{count} x {dimension}: {one.name} loads")
            child = Turns(one.command, cores(1), env)
            try:
                one.facts = child.ready()
                one.templates = one.facts.get("rows", one.templates)
                alive[one.name] = child
            except ChildError as error:
                one.failure = str(error)
                child.close()
        for turn in range(repetitions):
            tell(f"{count} x {dimension}: turn {turn + 1} of {repetitions}")
            for one in contenders if turn % 2 else reversed(contenders):
                if one.name in alive:
                    one.runs.append(alive[one.name].go())
        for name in [name for name in alive if name != FLAT]:
            alive.pop(name).close()
        shares = None
        if FLAT in alive:
            tell(f"{count} x {dimension}: three parties")
            shares = measure(count, dimension, lambda: alive[FLAT].go()["cpu_s"], repetitions)
    finally:
        for child in alive.values():
            child.close()
    return Size(count, dimension, contenders, shares)


def _contenders(count: int, dimension: int) -> Iterator[Contender]:
    sizes = [str(count), str(dimension)]
    yield Contender(FLAT, [python_of("faiss"), str(PEERS / "run_faiss.py"), *sizes], count)
    yield Contender(HE, [sys.executable, "-m", "benchmarks.recognition_ours", "he", *sizes], count)
    ckks = [python_of("tenseal"), str(PEERS / "run_ckks.py"), str(CKKS_TEMPLATES), str(dimension)]
    yield Contender("TenSEAL CKKSVector", ckks, CKKS_TEMPLATES)
    if dimension == FACE_DISTANCE_DIMENSION:
        script = str(PEERS / "run_face_distance.py")
        yield Contender("face_recognition face_distance", [python_of("face_recognition"), script, *sizes], count)


def size_lines(size: Size) -> Iterator[str]:
    """One size as Markdown."""
    yield f"### {size.count:,} templates of {size.dimension} numbers"
    yield ""
    yield "| | ms by the clock | processor ms | times faiss | bytes a template |"
    yield "|---|---|---|---|---|"
    flat = size.of(FLAT)
    base = flat.median_ms("cpu_s", size.count) if flat.runs else float("nan")
    for one in size.contenders:
        if one.failure:
            yield f"| {one.name} | could not be run: {one.failure} | | | |"
            continue
        cpu = one.median_ms("cpu_s", size.count)
        wall = one.median_ms("wall_s", size.count)
        yield f"| {one.name} | {wall:,.1f} | {cpu:,.1f} | {cpu / base:,.2f} | {_bytes(one, size)} |"
        if "compare_cpu_s" in one.runs[-1]:
            compare = one.median_ms("compare_cpu_s", size.count)
            wall = one.median_ms("compare_s", size.count)
            yield f"| – its comparison alone, without opening | {wall:,.1f} | {compare:,.1f} | {compare / base:,.2f} | |"
    if size.shares is not None:
        cost = size.shares
        yield (
            f"| Moretta, shares: the busiest of three parties | {cost.wall_ms:,.1f} (all three on this machine, mutual TLS) | "
            f"{cost.party_cpu_ms:,.1f} | {cost.cpu_ratio:,.2f} | {4 * size.dimension} a party |"
        )
        yield ""
        yield (
            f"The parties sent each other {cost.sent_bytes / 1e6:.1f} MB in {cost.rounds} rounds and took in "
            f"{cost.enrolled_per_s:,.0f} references a second; {cost.differing} of their decisions were not the cosine's, all of "
            f"them within the stated error."
        )
    yield ""


def _bytes(one: Contender, size: Size) -> str:
    if one.name == HE:
        return f"{one.facts['ciphertext_bytes'] / one.templates:,.0f}"
    if one.name == FLAT:
        return f"{4 * size.dimension}"
    return f"{one.facts['template_bytes']:,}" if "template_bytes" in one.facts else f"{8 * size.dimension}"


def findings(sizes: Sequence[Size], verify_ms: Sequence[float], enrolled: float | None) -> Iterator[Finding]:
    """The bounds of the issue, judged."""
    for size in sizes:
        flat, he = size.of(FLAT), size.of(HE)
        label = f"{size.count:,} x {size.dimension}"
        if flat.failure or he.failure:
            yield Finding(f"he, {label}", flat.failure or he.failure, None)
            continue
        pairs = [
            (run["cpu_s"], run["compare_cpu_s"], base["cpu_s"]) for run, base in zip(he.runs, flat.runs, strict=True)
        ]
        compare, whole = [c / b for _, c, b in pairs], [w / b for w, _, b in pairs]
        scale = size.count / he.templates
        compare, whole = [one * scale for one in compare], [one * scale for one in whole]
        yield _ratio(f"he, {label}: comparing at most {MOST_COMPARE} times faiss flat", compare, MOST_COMPARE)
        yield _ratio(f"he, {label}: end to end at most {MOST_END_TO_END:g} times faiss flat", whole, MOST_END_TO_END)
        if size.shares is not None:
            ratio = size.shares.cpu_ratio
            promise = f"shares, {label}: processor time of a party at most {MOST_PARTY_CPU} times faiss flat"
            yield Finding(promise, f"{ratio:.2f}", ratio <= MOST_PARTY_CPU)
        facts = he.facts
        used = facts["resident_mb"] * 2**20 / facts["ciphertext_bytes"]
        yield Finding(
            f"he, {label}: resident memory at most {MOST_MEMORY} times the ciphertext bytes",
            f"{used:.2f} ({facts['resident_mb']:.0f} MiB resident, mapped pages included, for "
            f"{facts['ciphertext_bytes'] / 2**20:.0f} MiB; {facts['anonymous_mb']:.0f} MiB of it copied)",
            used <= MOST_MEMORY,
        )
        started = f"{facts['start_s']:.2f} s until the first search was answered"
        yield Finding(f"he, {label}: start under {MOST_START_S:g} s", started, facts["start_s"] < MOST_START_S)
    if verify_ms:
        promise = f"1:1 with a packed he reference under {MOST_VERIFY_MS:g} ms after the embedding"
        yield Finding(promise, f"{spread(verify_ms, 2)} ms", statistics.median(verify_ms) < MOST_VERIFY_MS)
    if enrolled is not None:
        promise = f"enrolment in bulk at least {LEAST_ENROLLED:g} persons/s, vision excluded"
        told = f"{enrolled:,.0f} persons/s: protect, search for duplicates, seal, store and pack"
        yield Finding(promise, told, enrolled >= LEAST_ENROLLED)


def _ratio(promise: str, ratios: Sequence[float], bound: float) -> Finding:
    return Finding(promise, spread(ratios, 2), statistics.median(ratios) <= bound)


def verify_times(scratch: Path, repetitions: int) -> list[float]:
    """1:1 in ms: protecting the probe, comparing and opening."""
    command = [sys.executable, "-m", "benchmarks.recognition_ours", "verify", "2048", "192"]
    child = Turns(command, cores(1), environment(scratch))
    try:
        child.ready()
        return [child.go()["wall_s"] * 1e3 for _ in range(10 * repetitions)]
    finally:
        child.close()


def service_lines(scratch: Path, quick: bool) -> list[str]:
    """What recognition costs around the vision, a line a figure, as `benchmarks.recognition_service` prints it."""
    command = [sys.executable, str(Path(__file__).with_name("recognition_service.py"))]
    command += ["--people", "4096", "--large", "8192"] if quick else []
    done = subprocess.run(command, cwd=ROOT, env=environment(scratch), capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


def enrolled_per_s(lines: Sequence[str]) -> float | None:
    """Persons a second, from the line about enrolling."""
    found = [re.match(r"enrol one of .*: ([0-9.]+) ms,", line) for line in lines]
    return next((1000 / float(match[1]) for match in found if match), None)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recognition", description="Protected search, measured.")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the page there")
    parser.add_argument("--quick", action="store_true", help="galleries of 100,000 and fewer turns")
    parser.add_argument("--photos", type=Path, default=labelled_photos(), help="a folder of photos for each person")
    parser.add_argument("--people", type=int, metavar="N", help="only the first N people of the photos; 0: none")
    chosen = parser.parse_args()
    sizes, repetitions = (QUICK_SIZES, 5) if chosen.quick else (SIZES, 11)
    with tempfile.TemporaryDirectory(prefix="moretta-bench-") as folder:
        people = 100 if chosen.quick and chosen.people is None else chosen.people
        text = _page(sizes, repetitions, chosen.photos, people, Path(folder), chosen.quick)
    print(text)
    if chosen.write:
        chosen.write.write_text(text)


def _page(
    sizes: Sequence[tuple[int, int]],
    repetitions: int,
    photos: Path | None,
    people: int | None,
    scratch: Path,
    quick: bool,
) -> str:
    facts = machine()
    measured = [measure_size(*size, repetitions, scratch, _tell) for size in sizes]
    _tell("around the vision: enrolling, searching, erasing")
    around = service_lines(scratch, quick)
    found = list(findings(measured, verify_times(scratch, repetitions), enrolled_per_s(around)))
    rows = accuracy_rows(photos, scratch, _tell, people) if photos is not None and people != 0 else []
    facts["load"] = facts["load"].format(load_now())
    return "\n".join(
        [
            *_head(facts, repetitions),
            *(line for size in measured for line in size_lines(size)),
            "## Around the vision",
            "",
            "Everything behind the embedder: protecting, key holder, SQLite, segment files, node; on one core or both.",
            "",
            *(f"- {line}" for line in around or ["it could not be run"]),
            "",
            "## How right",
            "",
            *(accuracy_lines(rows) if rows else [NO_PHOTOS]),
            *targets_lines(found),
            "",
        ]
    )


def _head(facts: dict[str, str], repetitions: int) -> Iterator[str]:
    yield "# Recognition over protected templates, measured"
    yield ""
    yield "Written by `make bench`, all figures by one run on one machine."
    yield ""
    for name, words in facts.items():
        yield f"- {name}: {words}"
    yield ""
    yield "## Searching, beside what one would use instead"
    yield ""
    yield (
        f"One thread each, pinned to one core, in turn, every second turn in reverse; medians of {repetitions} turns. "
        "*Times faiss* compares processor time. faiss searches plain float32 vectors that anybody with the memory can read. "
        f"`he` compares ciphertexts and opens decisions; its gallery is {8 * 2048:,} really encrypted people, written again "
        "under other rows until it is full, and every score was checked to be exact before the clock started. TenSEAL's "
        "CKKSVector holds one template in a ciphertext, as CipherFace and DeepFace's encryption do; it was run on "
        f"{CKKS_TEMPLATES} templates and multiplied."
    )
    yield ""


def _tell(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
