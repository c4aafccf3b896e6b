"""An evaluation from photos to figures, with a reader that makes vectors of what a file holds instead of reading faces."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from moretta.core.errors import MediaUnreadable, RequestInvalid
from moretta.core.protection import Scheme
from moretta.core.recognising import Compared, CompareRequest, Embedded, EmbeddedFace, EmbedderCard, EmbedRequest
from moretta.protection.plain.vectors import vector_bytes
from moretta.protection.schemes import STATED_ERROR
from moretta.wiring.dataset import meant_face, read_dataset, templates_of
from moretta.wiring.evaluation import evaluate_accuracy
from moretta.wiring.scheme_decisions import decisions

DIMENSION = 32
CARD = EmbedderCard("fake", "fake:000000000000", DIMENSION)


def quiet(_what: str, _done: int, _total: int) -> None:
    """No progress is shown."""


class SpelledFaces:
    """A `FaceReader` of files that hold `person number spread`, `nothing`, `blurred` or garbage instead of a picture."""

    def embed(self, media_fd: int, request: EmbedRequest) -> Embedded:
        os.lseek(media_fd, 0, os.SEEK_SET)
        words = os.read(media_fd, 100).decode().split()
        if words == ["nothing"]:
            return Embedded(())
        if words == ["blurred"]:
            return Embedded((EmbeddedFace((0, 0, 9, 9), 5.0, (), None, None, "it is blurred"),))
        if len(words) != 3:
            raise MediaUnreadable("expected a picture")
        person, number, spread = int(words[0]), int(words[1]), float(words[2])
        vector = np.random.default_rng(person).normal(size=request.terms.dimension)
        vector += spread * np.random.default_rng(1000 * person + number).normal(size=request.terms.dimension)
        payload = vector_bytes(vector / np.linalg.norm(vector))
        return Embedded((EmbeddedFace((0, 0, 99, 99), 90.0, (), None, payload),))

    def compare(self, first_fd: int, second_fd: int, request: CompareRequest) -> Compared:
        raise NotImplementedError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """60 people with four photos each, and a person with three photos that give no template."""
    for person in range(60):
        (tmp_path / f"person {person}").mkdir()
        for number in range(4):
            (tmp_path / f"person {person}" / f"{number}.jpg").write_text(f"{person} {number} 0.7")
    (tmp_path / "unlucky").mkdir()
    for name, content in (("a.png", "nothing"), ("b.png", "blurred"), ("c.png", "x"), ("notes.txt", "not a photo")):
        (tmp_path / "unlucky" / name).write_text(content)
    return tmp_path


def test_figures_come_with_their_sample_and_failures_by_reason(folder: Path) -> None:
    found = evaluate_accuracy(read_dataset(folder), SpelledFaces(), CARD, [], quiet, at_once=3)
    sample = found.to_json()["sample"]
    assert sample["people"] == 61
    assert sample["people_compared"] == 60
    assert sample["photos_compared"] == 240
    assert sample["failures_to_enrol"] == {"face.not_found": 1, "quality.too_low": 1, "image.unreadable": 1}
    assert sample["fte"] == pytest.approx(3 / 243)
    plain = found.to_json()["schemes"]["plain"]
    assert (plain["genuine_comparisons"], plain["impostor_comparisons"]) == (360, 240 * 239 // 2 - 360)
    assert plain["fnmr_at_fmr"]["0.01"] is not None
    assert plain["fnmr_at_fmr"]["0.001"] is None
    assert "at least 30 are needed" in plain["not_supported"]["0.001"]
    low, high = plain["fnmr_at_fmr_interval"]["0.01"]
    assert low <= plain["fnmr_at_fmr"]["0.01"] <= high
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize("scheme", list(Scheme))
def test_a_scheme_is_judged_by_what_it_decides_under_real_keys(folder: Path, scheme: Scheme) -> None:
    found = evaluate_accuracy(read_dataset(folder), SpelledFaces(), CARD, [scheme], quiet)
    entry = found.to_json()["schemes"][scheme.value]
    plain = found.to_json()["schemes"]["plain"]
    assert entry["decisions_outside_stated_error"] == {"0.01": 0}
    assert entry["decisions"] == 240 * 239 // 2
    assert abs(entry["fnmr_change"]["0.01"]) < 0.02
    assert entry["eer"] == pytest.approx(plain["eer"], abs=0.01)
    assert set(entry["fnmr_at_fmr"]) == set(plain["fnmr_at_fmr"])
    assert len(entry["det"]) >= 2


@pytest.mark.parametrize("scheme", list(Scheme))
def test_decisions_at_rising_thresholds_are_those_of_the_cosine_within_the_stated_error(scheme: Scheme) -> None:
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(70, DIMENSION))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    thresholds, error = (0.1, 0.2, 0.35), STATED_ERROR[scheme]
    told = decisions(scheme, vectors, CARD.model_id, thresholds, quiet)
    cosines = vectors @ vectors.T
    least = sum((cosines >= threshold + error).astype(int) for threshold in thresholds)
    most = sum((cosines >= threshold - error).astype(int) for threshold in thresholds)
    assert ((least <= told) & (told <= most)).all()
    assert told.max() == 3


def test_photos_of_one_person_alone_are_refused(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    for name in "ab":
        (tmp_path / "one" / f"{name}.jpg").write_text("1 1 0.5")
    with pytest.raises(RequestInvalid, match="two people or more"):
        read_dataset(tmp_path)
    with pytest.raises(RequestInvalid, match="cannot be read"):
        read_dataset(tmp_path / "absent")


def test_photos_without_a_face_to_compare_are_refused_without_naming_anybody(tmp_path: Path) -> None:
    for person in ("Erika", "Max"):
        (tmp_path / person).mkdir()
        for name in "ab":
            (tmp_path / person / f"{name}.jpg").write_text("nothing")
    with pytest.raises(RequestInvalid, match="0 such photos") as caught:
        evaluate_accuracy(read_dataset(tmp_path), SpelledFaces(), CARD, [], quiet)
    assert "Erika" not in caught.value.detail


def test_a_photo_is_about_the_face_in_its_middle_and_not_about_a_larger_one_at_its_edge() -> None:
    aside = EmbeddedFace((150, 60, 250, 160), 90.0, (), None, b"aside")
    middle = EmbeddedFace((80, 80, 170, 170), 90.0, (), None, b"middle")
    assert meant_face(Embedded((aside, middle), None, (250, 250))) is middle
    near = EmbeddedFace((60, 40, 240, 220), 90.0, (), None, b"near")
    assert meant_face(Embedded((near, middle), None, (250, 250))) is near


def test_a_worker_is_never_told_what_a_photo_is_called(folder: Path) -> None:
    names: list[str] = []

    class Nosy(SpelledFaces):
        def embed(self, media_fd: int, request: EmbedRequest) -> Embedded:
            names.append(str(Path(f"/proc/self/fd/{media_fd}").readlink()))
            return super().embed(media_fd, request)

    templates_of(read_dataset(folder), Nosy(), CARD, quiet)
    assert len(names) == 243
    assert all(name.startswith("/memfd:media") for name in names)
