"""How well faces are told apart, beside what one would use instead, on the same photos of the same people.

    python -m benchmarks.accuracy PHOTOS

PHOTOS is a folder with a folder for each person, such as LFW. Belongs here: who is measured, and the rows. Does not belong
here: any rate (see `moretta.evaluation.recognition`).
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.environments import PEERS, python_of
from benchmarks.processes import ROOT, ChildError, answer, cores, environment
from moretta.core.protection import Scheme
from moretta.evaluation.recognition.comparisons import all_pairs, drawn_photos, pair_similarities
from moretta.evaluation.recognition.report import PlainRates, RateAt, plain_rates
from moretta.settings import Settings
from moretta.wiring.dataset import Dataset, Templates, read_dataset, templates_of
from moretta.wiring.embedders import cards
from moretta.wiring.evaluation import judged
from moretta.wiring.executor import start_executor

TARGETS = (1e-2, 1e-3, 1e-4)
PEER = "face_recognition"
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class AccuracyRow:
    """One contender: its rates, the share of photos without a template, and the misses if those count as misses."""

    name: str
    computes: str
    rates: PlainRates | None = None
    fte: float = 0.0
    misses_with_failures: dict[float, float] = field(default_factory=dict)
    note: str = ""
    failure: str = ""


def labelled_photos() -> Path | None:
    """The labelled photos of people on this machine, as the tests find them; None where there are none."""
    given = os.environ.get("MORETTA_DEV_DATA")
    folder = (Path(given) if given else ROOT.parent / "shared" / "data") / "dev" / "lfw"
    return folder if folder.is_dir() else None


def accuracy_rows(photos: Path, scratch: Path, tell: Tell, most_people: int | None = None) -> list[AccuracyRow]:
    """Moretta and `face_recognition` on the same photos, drawn by Moretta's protocol, and their rates by the same code."""
    dataset = _first(read_dataset(photos), most_people)
    rows = [_ours(dataset, tell)]
    tell(f"{PEER} on {len(dataset.paths)} photos")
    try:
        rows.append(_peer(dataset, scratch))
    except ChildError as error:
        rows.append(AccuracyRow(PEER, _PEER_COMPUTES, failure=str(error)))
    return rows


def accuracy_lines(rows: Sequence[AccuracyRow]) -> Iterator[str]:
    """The rows as Markdown."""
    heads = [f"FNMR at FMR {target:g}" for target in TARGETS]
    yield f"| | photos without a template | {' | '.join(heads)} | EER | misses at 1e-3 with failures counted |"
    yield f"|---|---|{'---|' * len(heads)}---|---|"
    for row in rows:
        if row.rates is None:
            yield f"| {row.name} | could not be run: {row.failure} |{' |' * (len(heads) + 2)}"
            continue
        by_target = {rate.target: rate for rate in row.rates.at}
        told = " | ".join(_told(by_target.get(target)) for target in TARGETS)
        counted = row.misses_with_failures.get(1e-3)
        misses = "" if counted is None else f"{counted:.2%}"
        yield f"| {row.name} | {row.fte:.2%} | {told} | {row.rates.eer:.2%} | {misses} |"
    yield ""
    for row in rows:
        yield f"- **{row.name}**: {row.computes}.{f' {row.note}.' if row.note else ''}"


_OUR_COMPUTES = "CenterFace, mesh, four views through MobileFaceNet, 192 numbers, cosine; read by confined workers"
_PEER_COMPUTES = "HOG detector, 5 landmarks, dlib's ResNet, 128 numbers, Euclidean distance, as its documentation says"


def _ours(dataset: Dataset, tell: Tell) -> AccuracyRow:
    settings = Settings()
    card = cards(settings.models_dir)[0]
    executor = start_executor(settings)
    try:
        tell(f"Moretta on {len(dataset.paths)} photos")
        found = templates_of(dataset, executor.faces, card, lambda *_: None, at_once=settings.workers)
    finally:
        executor.close()
    tell("Moretta's schemes on the same templates")
    whole = judged(dataset, found, card.model_id, [Scheme.HE], lambda *_: None, targets=TARGETS)
    at = {agreement.threshold: agreement for agreement in whole.schemes[Scheme.HE].agreements}
    told = ", ".join(f"{at[rate.threshold].fnmr:.2%} at {rate.target:g}" for rate in whole.plain.at)
    differing = ", ".join(f"{at[rate.threshold].differing} at {rate.target:g}" for rate in whole.plain.at)
    count = at[whole.plain.eer_threshold].comparisons
    note = f"Under `he` with real keys the FNMR is {told}; of {count} decisions {differing} are other ones"
    return AccuracyRow("Moretta", _OUR_COMPUTES, whole.plain, whole.sample.fte, misses(whole.plain, found), note)


def _peer(dataset: Dataset, scratch: Path) -> AccuracyRow:
    drawn = drawn_photos(dataset.subjects)
    names, target = scratch / "photos.txt", scratch / "vectors.npy"
    names.write_text("".join(f"{dataset.paths[place]}\n" for place in drawn))
    script = PEERS / f"embed_{PEER}.py"
    told = answer([python_of(PEER), str(script), str(names), str(target)], cores(1), environment(scratch))
    vectors = np.load(target)
    there = ~np.isnan(vectors[:, 0])
    subjects = dataset.subjects[drawn]
    kept = vectors[there]
    pairs = all_pairs(np.unique(subjects[there], return_inverse=True)[1].reshape(-1))
    # For a and b, -|a - b|^2 / 2 is a . b less half of both squared lengths: higher is more alike, as the rates want it.
    half = (kept.astype(np.float64) ** 2).sum(1) / 2
    similarity = pair_similarities(kept, pairs) - half[pairs.first] - half[pairs.second]
    rates = plain_rates(pairs.scores(similarity.astype(np.float32)), TARGETS)
    found = Templates(vectors[there], subjects[there], {}, tuple(subjects[~there].tolist()))
    versions = ", ".join(f"{name} {number}" for name, number in told["versions"].items())
    return AccuracyRow(f"{PEER} ({versions})", _PEER_COMPUTES, rates, float((~there).mean()), misses(rates, found), "")


def _first(dataset: Dataset, most_people: int | None) -> Dataset:
    """The dataset, or only so many of its people."""
    if most_people is None:
        return dataset
    kept = np.flatnonzero(dataset.subjects < most_people)
    return Dataset(tuple(dataset.paths[place] for place in kept), dataset.subjects[kept])


def misses(rates: PlainRates, found: Templates) -> dict[float, float]:
    """The share of all genuine comparisons that are missed where a photo without a template misses all of its own."""
    made = np.bincount(found.subjects)
    failed = np.bincount(np.array(found.failed_subjects, np.intp), minlength=len(made))
    made = np.pad(made, (0, len(failed) - len(made)))
    wanted = int(((made + failed) * (made + failed - 1) // 2).sum())
    return {rate.target: 1 - (1 - rate.fnmr) * rates.genuine / wanted for rate in rates.at}


def _told(rate: RateAt | None) -> str:
    return "" if rate is None else f"{rate.fnmr:.2%} ({rate.fnmr_interval[0]:.2%} to {rate.fnmr_interval[1]:.2%})"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy", description="Who tells faces apart how well."
    )
    parser.add_argument("photos", type=Path, nargs="?", default=labelled_photos(), metavar="PHOTOS")
    parser.add_argument("--people", type=int, metavar="N", help="only the first N people")
    chosen = parser.parse_args()
    if chosen.photos is None:
        parser.error("expected a folder with a folder of photos for each person")
    with tempfile.TemporaryDirectory(prefix="moretta-bench-") as folder:
        rows = accuracy_rows(
            chosen.photos, Path(folder), lambda what: print(what, file=sys.stderr, flush=True), chosen.people
        )
    print("\n".join(accuracy_lines(rows)))


if __name__ == "__main__":
    main()
