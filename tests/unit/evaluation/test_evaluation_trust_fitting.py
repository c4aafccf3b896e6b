"""The calibration script gives votes to what discriminates between people and writes what it found into the card."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from moretta.core.values import Measurement, MediaKind
from moretta.trust.calibration import parse_calibration
from moretta.trust.fuse import CalibratedFusion

ROOT = Path(__file__).resolve().parents[3]
SPECIES = ("genuine", "print", "screen", "frozen", "loop", "swap")
SEEN = Measurement(150.0, 1.0, detail={"observed_s": 6.0, "presence": 0.99, "turn_deg": 5.0})


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The scripts' modules, which are no part of the installed package."""
    monkeypatch.syspath_prepend(str(ROOT))
    from training.trust import card, fitting, items, judging

    yield SimpleNamespace(card=card, fitting=fitting, items=items, judging=judging)
    for name in [name for name in sys.modules if name.split(".")[0] == "training"]:
        del sys.modules[name]


def made_up(scripts: SimpleNamespace) -> list:
    """Forty people; print shows in one cue, swap in another; `tone_range` differs between people only."""
    rng = np.random.default_rng(0)
    rows = []
    for kind in MediaKind:
        for person in range(40):
            taste = rng.normal(0, 3)
            for species in SPECIES:
                values = {
                    "moire_peaks": rng.normal(3.0 if species in {"print", "screen"} else 0.0, 1),
                    "learned_blending": rng.normal(3.0 if species == "swap" else 0.0, 1),
                    "spectral_falloff": rng.normal(3.0 if species in {"frozen", "loop"} else 0.0, 1),
                    "tone_range": taste + rng.normal(0, 0.1),
                }
                found = {name: Measurement(float(value), 1.0) for name, value in values.items()}
                part = "fit" if person < 25 else "report"
                item = scripts.items.Item(kind, species, part, f"person/{person}", None, 0)
                rows.append(scripts.fitting.Row(item, {"conditions": SEEN, **found}))
    return rows


def test_cues_that_discriminate_vote_and_others_do_not(scripts: SimpleNamespace) -> None:
    fitted = scripts.fitting.fit(made_up(scripts), MediaKind.IMAGE)
    assert fitted.weights["moire_peaks"] > 0.2
    assert fitted.weights["learned_blending"] > 0.2
    assert "tone_range" not in fitted.weights
    assert "discriminate" in fitted.dropped["tone_range"]
    assert fitted.dropped["identity_stability"] == "too few values to fit"


def test_card_tells_the_figures_of_the_fusion_that_was_written(scripts: SimpleNamespace) -> None:
    rows = made_up(scripts)
    fitted = {kind: scripts.fitting.fit(rows, kind) for kind in MediaKind}
    text = scripts.fitting.calibration_json(fitted[MediaKind.IMAGE], fitted[MediaKind.VIDEO])
    fusion = CalibratedFusion(parse_calibration(text))
    reported = {kind: scripts.judging.judge(rows, kind, fusion) for kind in MediaKind}
    on_fit = {kind: scripts.judging.judge(rows, kind, fusion, "fit") for kind in MediaKind}
    video = {figures.name: figures for figures in reported[MediaKind.VIDEO].species}
    assert video["print"].auc[0] > 0.9
    assert video["print"].auc[1] <= video["print"].auc[0] <= video["print"].auc[2]
    assert 0 <= reported[MediaKind.VIDEO].calibration_error < 0.25
    written = scripts.card.card(fitted, reported, on_fit)
    assert f"| print | 15 / 15 | 0 | {video['print'].mean_score:.1f} | {video['print'].auc[0]:.3f}" in written
    assert "must not be used for" in written
    assert json.loads(text)["video"]["cues"]["tone_range"]["weight"] == 0.0
