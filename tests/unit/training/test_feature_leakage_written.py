"""The figures that the product carries are what the program that measures them writes."""

from pathlib import Path

from training.measure_features import written

from moretta.core import feature_leakage_measured


def test_the_written_module_says_the_figures_and_nothing_else() -> None:
    module = Path(feature_leakage_measured.__file__)
    assert written(feature_leakage_measured.LEAKAGE) == module.read_text("utf-8")
