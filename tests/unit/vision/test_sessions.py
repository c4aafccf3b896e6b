from pathlib import Path

import numpy as np
import pytest
from onnx import helper, numpy_helper

from moretta.core.errors import ModelCorrupt
from moretta.vision.models import load
from moretta.vision.sessions import LiteRtSession, OnnxSession, open_session


def doubling(path: Path, factor: float = 2, inputs: int = 1) -> Path:
    values = [helper.make_tensor_value_info(f"x{i}", 1, ["n", 3]) for i in range(inputs)]
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x0", "factor"], ["y"]), helper.make_node("Neg", ["y"], ["z"])],
        "doubling",
        values,
        [helper.make_tensor_value_info(name, 1, ["n", 3]) for name in ("y", "z")],
        [numpy_helper.from_array(np.float32(factor), "factor")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def test_outputs_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    session = open_session(doubling(tmp_path / "m.onnx"))
    first, second = session(np.ones((2, 3), np.float32))
    assert (first == 2).all()
    assert (second == -2).all()
    assert session.input_shape == (None, 3)


@pytest.mark.parametrize("batch", [np.ones((2, 4), np.float32), np.ones(3, np.float32), np.ones((2, 3))])
def test_an_input_of_another_shape_or_type_is_refused(tmp_path: Path, batch: np.ndarray) -> None:
    session = OnnxSession(doubling(tmp_path / "m.onnx"))
    with pytest.raises(ValueError, match="expected a float32 input of shape"):
        session(batch)


def test_a_network_that_gives_no_finite_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelCorrupt, match="finite"):
        OnnxSession(doubling(tmp_path / "m.onnx", factor=float("nan")))


def test_a_network_of_two_inputs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelCorrupt, match="one float32 input"):
        OnnxSession(doubling(tmp_path / "m.onnx", inputs=2))


@pytest.mark.parametrize("name", ["m.onnx", "m.tflite"])
def test_a_file_that_is_no_network_is_refused_without_naming_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no network at all")
    with pytest.raises(ModelCorrupt) as caught:
        open_session(tmp_path / name)
    assert name not in caught.value.detail


@pytest.mark.models
def test_a_lite_network_runs_repeatably_and_its_outputs_outlive_the_next_run(
    models_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    session = open_session(load("iris-landmark", models_dir).path)
    assert isinstance(session, LiteRtSession)
    picture = np.random.default_rng(0).random(session.input_shape).astype(np.float32)
    first = session(picture)
    copies = [output.copy() for output in first]
    session(np.zeros(session.input_shape, np.float32))
    again = session(picture)
    for before, kept, after in zip(copies, first, again, strict=True):
        np.testing.assert_array_equal(before, kept)
        np.testing.assert_array_equal(before, after)
    assert capfd.readouterr().err == ""
    with pytest.raises(ValueError, match="float32 input of shape"):
        session(picture[:, :32])
