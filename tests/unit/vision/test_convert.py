import base64
import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from moretta.core.errors import ModelCorrupt
from moretta.vision.models import convert


def fixed_size_model() -> bytes:
    """A 3x3 convolution whose export fixed the picture at 8x8 and listed its weights as an input."""
    weights = numpy_helper.from_array(np.ones((1, 3, 3, 3), np.float32), "weights")
    node = helper.make_node("Conv", ["x", "weights"], ["y"], pads=[1, 1, 1, 1])
    graph = helper.make_graph(
        [node],
        "g",
        [
            helper.make_tensor_value_info("x", 1, [1, 3, 8, 8]),
            helper.make_tensor_value_info("weights", 1, [1, 3, 3, 3]),
        ],
        [helper.make_tensor_value_info("y", 1, [1, 1, 8, 8])],
        [weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8).SerializeToString()


def test_a_model_of_fixed_size_takes_pictures_of_any_size_after_conversion() -> None:
    session = onnxruntime.InferenceSession(convert.dynamic_shape(fixed_size_model()))
    assert [value.name for value in session.get_inputs()] == ["x"]
    (output,) = session.run(None, {"x": np.ones((1, 3, 20, 12), np.float32)})
    assert output.shape == (1, 1, 20, 12)
    assert output[0, 0, 10, 6] == 27


def test_converting_twice_gives_the_same_bytes() -> None:
    assert convert.dynamic_shape(fixed_size_model()) == convert.dynamic_shape(fixed_size_model())
    description, weights, _ = tfjs_model()
    assert convert.tfjs(description, weights) == convert.tfjs(description, weights)


def tfjs_model(last: str = "Softmax") -> tuple[bytes, bytes, dict[str, np.ndarray]]:
    """Convolution with bias and ReLU, depthwise convolution, pooling, sum, mean and softmax, as TensorFlow.js writes them."""
    rng = np.random.default_rng(1)
    arrays = {
        "kernel": rng.normal(size=(3, 3, 1, 4)).astype(np.float32),
        "bias": rng.normal(size=4).astype(np.float32),
        "depth": rng.normal(size=(3, 3, 4, 1)).astype(np.float32),
        "axes": np.array([1, 2], np.int32),
    }

    def integers(*values: int) -> dict[str, object]:
        return {"list": {"i": [str(value) for value in values]}}

    def text(*values: str) -> list[str]:
        return [base64.b64encode(value.encode()).decode() for value in values]

    def window(padding: str) -> dict[str, object]:
        (coded,) = text(padding)
        return {"strides": integers(1, 2, 2, 1), "dilations": integers(1, 1, 1, 1), "padding": {"s": coded}}

    shape = {"shape": {"dim": [{"size": "-1"}, {"size": "9"}, {"size": "9"}, {"size": "1"}]}}
    fused = {"fused_ops": {"list": {"s": text("BiasAdd", "Relu")}}}
    nodes = [
        *({"name": name, "op": "Const"} for name in arrays),
        {"name": "picture", "op": "Placeholder", "attr": {"shape": shape}},
        {
            "name": "conv",
            "op": "_FusedConv2D",
            "input": ["picture", "kernel", "bias"],
            "attr": window("VALID") | fused,
        },
        {"name": "deep", "op": "DepthwiseConv2dNative", "input": ["conv", "depth"], "attr": window("SAME")},
        {
            "name": "pool",
            "op": "MaxPool",
            "input": ["conv"],
            "attr": window("SAME") | {"ksize": integers(1, 3, 3, 1)},
        },
        {"name": "sum", "op": "AddV2", "input": ["deep", "pool"], "attr": {}},
        {"name": "mean", "op": "Mean", "input": ["sum", "axes"], "attr": {}},
        {"name": "result", "op": last, "input": ["mean"], "attr": {}},
    ]
    listed = [{"name": name, "shape": list(a.shape), "dtype": a.dtype.name} for name, a in arrays.items()]
    description = {
        "modelTopology": {"node": nodes},
        "weightsManifest": [{"paths": ["weights.bin"], "weights": listed}],
    }
    return json.dumps(description).encode(), b"".join(a.tobytes() for a in arrays.values()), arrays


def reference(picture: np.ndarray, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The same network written out with loops, in the channel-last order in which it was described."""
    conv = np.zeros((4, 4, 4))
    for y in range(4):
        for x in range(4):
            patch = picture[2 * y : 2 * y + 3, 2 * x : 2 * x + 3]
            conv[y, x] = np.maximum(np.einsum("hwi,hwio->o", patch, arrays["kernel"]) + arrays["bias"], 0)
    padded = np.pad(conv, ((0, 1), (0, 1), (0, 0)))  # SAME at stride 2 on 4 pixels: one row and column at the end
    lowest = np.pad(conv, ((0, 1), (0, 1), (0, 0)), constant_values=-np.inf)
    total = np.zeros((2, 2, 4))
    for y in range(2):
        for x in range(2):
            window = np.s_[2 * y : 2 * y + 3, 2 * x : 2 * x + 3]
            total[y, x] = (padded[window] * arrays["depth"][..., 0]).sum((0, 1)) + lowest[window].max((0, 1))
    mean = total.mean((0, 1))
    return np.exp(mean - mean.max()) / np.exp(mean - mean.max()).sum()


def test_a_converted_tensorflow_model_computes_what_it_describes() -> None:
    description, weights, arrays = tfjs_model()
    session = onnxruntime.InferenceSession(convert.tfjs(description, weights))
    picture = np.random.default_rng(2).normal(size=(9, 9, 1)).astype(np.float32)
    (output,) = session.run(None, {"input": picture[None]})
    np.testing.assert_allclose(output[0], reference(picture, arrays), atol=1e-5)


def test_an_operation_the_conversion_does_not_know_is_refused() -> None:
    description, weights, _ = tfjs_model(last="Einsum")
    with pytest.raises(ModelCorrupt, match="Einsum"):
        convert.tfjs(description, weights)


def test_a_conversion_is_written_in_the_pinned_version_of_the_format() -> None:
    description, weights, _ = tfjs_model()
    converted = onnx.load_from_string(convert.tfjs(description, weights))
    assert (converted.ir_version, converted.opset_import[0].version) == (8, 18)
