"""Writes the thresholds that Moretta ships, and prints the tables of the embedder's card.

    python -m training.calibrate_recognition PHOTOS --out src/moretta/core/thresholds.py

PHOTOS is a folder with a folder for each person: the released thresholds come from the development people of LFW. The photos
are read by confined workers as in the product; nothing of them is written anywhere, only figures.
"""

import argparse
import sys
from contextlib import closing
from pathlib import Path

from moretta.core.protection import Scheme
from moretta.core.recognising import EmbedderCard
from moretta.evaluation.recognition.rates import FMR_TARGETS
from moretta.evaluation.recognition.report import RateAt
from moretta.settings import Settings
from moretta.wiring.dataset import read_dataset, templates_of
from moretta.wiring.embedders import cards
from moretta.wiring.evaluation import Accuracy, judged
from moretta.wiring.executor import start_executor

TARGETS = (*FMR_TARGETS, 1e-5)
_HEAD = '''"""At which similarity the shipped embedders meet a false match rate, as measured.

Belongs here: data, written by `python -m training.calibrate_recognition`; never edited by hand.
Does not belong here: which rate a collection takes (see `use_cases.recognition.thresholds`).

{source}
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class MeasuredThreshold:
    """The similarity from which strangers match at the rate `fmr`, and the FNMR there; 95 % intervals by subject."""

    fmr: float
    similarity: float
    similarity_interval: tuple[float, float]
    fnmr: float
    fnmr_interval: tuple[float, float]


SOURCE = "{short}"

THRESHOLDS: Mapping[str, tuple[MeasuredThreshold, ...]] = MappingProxyType(
    {{
        "{name}": (
{rows}
        ),
    }}
)
'''


def module_of(card: EmbedderCard, found: Accuracy, data: str) -> str:
    """The text of the module of thresholds."""
    sample, plain = found.sample, found.plain
    source = (
        f"Source: {data}, {sample.photos_compared:,} photos of {sample.people_compared:,} people (at most ten of each), "
        f"{plain.genuine:,} genuine and {plain.impostor:,} impostor\ncomparisons, model {found.model_id}. A rate stands here "
        "only where at least 30 false matches were expected."
    )
    rows = "\n".join(" " * 12 + _row(rate) for rate in plain.at)
    return _HEAD.format(source=source, short=data, name=card.name, rows=rows)


def _row(rate: RateAt) -> str:
    threshold = tuple(round(value, 3) for value in rate.threshold_interval)
    misses = tuple(round(value, 4) for value in rate.fnmr_interval)
    return f"MeasuredThreshold({rate.target:g}, {rate.threshold:.3f}, {threshold}, {rate.fnmr:.4f}, {misses}),"


def tables_of(found: Accuracy) -> str:
    """The tables of the card."""
    plain, sample = found.plain, found.sample
    lines = [
        f"{sample.photos_compared} photos of {sample.people_compared} people, FTE {sample.fte:.2%}; {plain.genuine:,} genuine "
        f"and {plain.impostor:,} impostor comparisons; EER {plain.eer:.2%} ({_share(plain.eer_interval)}).",
        "",
        "| FMR | threshold | 95 % | FNMR | 95 % | search: FPIR | FNIR |",
        "|---|---|---|---|---|---|---|",
    ]
    for rate, search in zip(plain.at, found.search, strict=True):
        low, high = rate.threshold_interval
        lines.append(
            f"| {rate.target:g} | {rate.threshold:.3f} | {low:.3f} to {high:.3f} | {rate.fnmr:.2%} | "
            f"{_share(rate.fnmr_interval)} | {search.fpir:.2%} | {search.fnir:.2%} |"
        )
    if found.search:
        one = found.search[0]
        lines.append(f"\nSearch: gallery {one.gallery}, mated searches {one.mated}, strangers {one.strangers}.")
    lines += ["\nDET (FMR, FNMR):", ""]
    lines += [f"| {point.fmr:.2e} | {point.fnmr:.2%} | {point.threshold:.3f} |" for point in plain.det[::4]]
    lines += [
        "",
        "| scheme | FMR | FNMR | change (95 %) | other decisions | beyond the stated error |",
        "|---|---|---|---|---|---|",
    ]
    for scheme, rates in found.schemes.items():
        told = {agreement.threshold: agreement for agreement in rates.agreements}
        for rate in plain.at:
            at = told[rate.threshold]
            lines.append(
                f"| {scheme} | {rate.target:g} | {at.fnmr:.2%} | {at.fnmr_change:+.3%} ({_share(at.fnmr_change_interval, 3)}) | "
                f"{at.differing} of {at.comparisons:,} | {at.outside_error} |"
            )
    return "\n".join(lines)


def _share(interval: tuple[float, float], digits: int = 2) -> str:
    return f"{interval[0]:.{digits}%} to {interval[1]:.{digits}%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--data", default="LFW development people", help="what the photos are called in the module")
    parser.add_argument("--schemes", default="he", help="comma-separated schemes for the table")
    parser.add_argument("--out", type=Path, help="where the module is written; left out: nowhere")
    given = parser.parse_args()
    settings = Settings()
    card = cards(settings.models_dir)[0]
    dataset = read_dataset(given.photos)
    with closing(start_executor(settings)) as executor:
        found = templates_of(dataset, executor.faces, card, _tell, at_once=settings.workers)
    schemes = [Scheme(word) for word in given.schemes.split(",") if word]
    measured = judged(dataset, found, card.model_id, schemes, _tell, targets=TARGETS)
    if given.out:
        given.out.write_text(module_of(card, measured, given.data))
    print(tables_of(measured))


def _tell(what: str, done: int, total: int) -> None:
    if done % 250 == 0:
        print(f"{what}: {done} of {total}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
