"""The embedders that collections can be made with: the default one, and the operator's own."""

from pathlib import Path

from tests.unit.vision.test_custom_models import embedder

from moretta.use_cases.recognition.thresholds import MATCH_FMR, UNKNOWN_FLOOR, at_rate, default_thresholds, floor
from moretta.vision.models import add, find
from moretta.wiring.embedders import cards, own_embedders


def _added(tmp_path: Path) -> Path:
    file = tmp_path / "own.onnx"
    file.write_bytes(embedder(["n", 3, 112, 112]))
    add(file, "own", 8, "arcface112", tmp_path / "models")
    return tmp_path / "models"


def test_the_default_embedder_comes_first_with_thresholds_and_their_source(tmp_path: Path) -> None:
    default, own = cards(_added(tmp_path))
    assert default.model_id == f"mobilefacenet:{find('mobilefacenet').sha256[:12]}"
    assert default.dimension == 192
    rates = [rate for rate, _ in default.similarities]
    assert rates == sorted(rates, reverse=True)
    similarities = [similarity for _, similarity in default.similarities]
    assert similarities == sorted(similarities)
    assert default.source
    assert default_thresholds(default).match == at_rate(default, MATCH_FMR) > floor(default)
    assert (own.name, own.dimension, own.similarities, floor(own)) == ("own", 8, (), UNKNOWN_FLOOR)


def test_an_own_model_is_loaded_under_the_id_of_its_card(tmp_path: Path) -> None:
    models_dir = _added(tmp_path)
    assert list(own_embedders(models_dir)) == [cards(models_dir)[1].model_id]


def test_a_broken_own_model_is_left_out_and_the_others_go_on(tmp_path: Path) -> None:
    models_dir = _added(tmp_path)
    (models_dir / "custom-own.onnx").write_bytes(b"something else")
    assert own_embedders(models_dir) == {}
    assert len(cards(models_dir)) == 2


def test_without_own_models_there_is_the_default_one(tmp_path: Path) -> None:
    assert [card.name for card in cards(tmp_path)] == ["mobilefacenet"]
    assert own_embedders(tmp_path) == {}
