"""Real photos of real people through every scheme: the decisions are those of the unprotected comparison.

Uses the labelled development data where it is present; nothing of it is written anywhere.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from moretta.core.protection import Scheme
from moretta.core.recognising import EmbedderCard
from moretta.evaluation.recognition.comparisons import subject_numbers
from moretta.protection.schemes import STATED_ERROR
from moretta.settings import Settings
from moretta.wiring.dataset import Dataset, Templates, templates_of
from moretta.wiring.embedders import cards
from moretta.wiring.executor import start_executor
from moretta.wiring.scheme_decisions import decisions

pytestmark = [pytest.mark.data, pytest.mark.models]

# So many official pairs of each kind: about 20 s of reading photos, well under a minute with all four schemes.
PAIRS = 60


def quiet(_what: str, _done: int, _total: int) -> None:
    """No progress is shown."""


@pytest.fixture(scope="module")
def card(models_dir: Path) -> EmbedderCard:
    return cards(models_dir)[0]


@pytest.fixture(scope="module")
def pairs(dev_data: Path) -> list[tuple[Path, Path, bool]]:
    listed = json.loads((dev_data / "manifests" / "lfw.dev.json").read_text())["pairs"]
    chosen = [pair for same in (1, 0) for pair in [p for p in listed if p["same"] == same][:PAIRS]]
    return [(dev_data / "dev" / pair["a"], dev_data / "dev" / pair["b"], pair["same"] == 1) for pair in chosen]


@pytest.fixture(scope="module")
def templates(
    pairs: list[tuple[Path, Path, bool]], card: EmbedderCard, models_dir: Path
) -> Iterator[tuple[Templates, dict[Path, int]]]:
    """Templates of the pairs' photos, read by confined workers, and the row of each photo."""
    photos = sorted({photo for first, second, _ in pairs for photo in (first, second)})
    # Each photo is its own subject here, so that the protocol draws all of them.
    dataset = Dataset(tuple(photos), subject_numbers([str(photo) for photo in photos]))
    executor = start_executor(Settings(models_dir=models_dir), workers=2)
    try:
        found = templates_of(dataset, executor.faces, card, quiet, at_once=2)
    finally:
        executor.close()
    assert found.failures == {}
    yield found, {photo: row for row, photo in enumerate(photos)}


@pytest.mark.parametrize("scheme", list(Scheme))
def test_every_scheme_decides_about_real_pairs_as_the_cosine_does_within_its_stated_error(
    scheme: Scheme,
    pairs: list[tuple[Path, Path, bool]],
    templates: tuple[Templates, dict[Path, int]],
    card: EmbedderCard,
) -> None:
    found, row_of = templates
    rising = sorted(similarity for _, similarity in card.similarities[:3])
    told = decisions(scheme, found.vectors, card.model_id, rising, quiet)
    for first, second, _ in pairs:
        one, other = row_of[first], row_of[second]
        cosine = float(found.vectors[one].astype(np.float64) @ found.vectors[other])
        for step, threshold in enumerate(rising):
            if abs(cosine - threshold) > STATED_ERROR[scheme]:
                assert (told[one, other] > step) == (cosine >= threshold)


def test_pairs_of_one_person_match_and_others_do_not(
    pairs: list[tuple[Path, Path, bool]], templates: tuple[Templates, dict[Path, int]], card: EmbedderCard
) -> None:
    """At FMR 1e-3, of 60 pairs each, 6 misses or 2 false matches would come by chance less than once in 500 runs."""
    found, row_of = templates
    threshold = dict(card.similarities)[1e-3]
    cosines = np.array([found.vectors[row_of[a]] @ found.vectors[row_of[b]] for a, b, _ in pairs])
    same = np.array([kind for _, _, kind in pairs])
    assert int((cosines[same] < threshold).sum()) < 6
    assert int((cosines[~same] >= threshold).sum()) < 2
