"""Calibrate the trust score and write its model card.

    python -m training.calibrate_trust --data DIR --clip franck.mp4=PATH --cache DIR \
        --out src/moretta/trust/calibration.json --card docs/model-cards/trust-score.md

Measures every genuine item and attack of the plan (kept in the cache, so that a second run is quick), fits the fusion on the
fitting side of the split, applies the shipped fusion to the reporting side and writes the card's figures.
"""

import argparse
import os
from pathlib import Path

import cv2

from moretta.core.values import MediaKind
from moretta.trust.calibration import parse_calibration
from moretta.trust.fuse import CalibratedFusion
from moretta.vision.models import default_models_dir
from training.trust.card import card
from training.trust.extract import clips_given, extract
from training.trust.fitting import Row, calibration_json, fit
from training.trust.items import plan
from training.trust.judging import judge
from training.trust.measure import Cache, Laboratory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the labelled development data")
    parser.add_argument("--clip", action="append", default=[], help="KEY=PATH of a further genuine clip")
    parser.add_argument("--models", type=Path, default=default_models_dir(os.environ))
    parser.add_argument("--cache", type=Path, required=True, help="where media and measurements are kept between runs")
    parser.add_argument("--refresh", nargs="*", default=[], help="cues to measure again; `all` for all")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--card", type=Path, required=True)
    parser.add_argument("--measured", action="store_true", help="measure nothing: use what the cache holds")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    items = plan(arguments.data, clips_given(arguments.clip))
    cache = Cache(arguments.cache)
    if not arguments.measured:
        extract(items, Laboratory(arguments.models), cache, frozenset(arguments.refresh), "0/1")
    rows = [Row(item, cache.read(item.key)) for item in items if cache.has(item.key)]
    fitted = {kind: fit(rows, kind) for kind in MediaKind}
    text = calibration_json(fitted[MediaKind.IMAGE], fitted[MediaKind.VIDEO])
    arguments.out.write_text(text, "utf-8")
    fusion = CalibratedFusion(parse_calibration(text))
    reported = {kind: judge(rows, kind, fusion) for kind in MediaKind}
    on_fit = {kind: judge(rows, kind, fusion, "fit") for kind in MediaKind}
    arguments.card.parent.mkdir(parents=True, exist_ok=True)
    arguments.card.write_text(card(fitted, reported, on_fit), "utf-8")
    for kind, figures in reported.items():
        for species in figures.species:
            print(kind, species.name, species.items, "auc", species.auc, "error at 5", species.rate_at_middle)


if __name__ == "__main__":
    main()
