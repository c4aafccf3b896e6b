"""Makes the ONNX file that Moretta runs out of what a package holds. Deterministic: the result has a pinned digest.

Belongs here: changes of a model's form. Does not belong here: changes of what it computes.
"""

import base64
import json
from typing import TypedDict, cast

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from moretta.core.errors import ModelCorrupt

# Pinned so that the digest does not follow the installed onnx version. Opset 18 is the first with axes as an input of
# every reduction, which the conversion uses; IR version 8 is the one that goes with it.
_OPSET = 18
_IR_VERSION = 8
_TO_NCHW = [0, 3, 1, 2]

Weights = dict[str, npt.NDArray[np.generic]]


class _Node(TypedDict):
    """A node of a TensorFlow graph in JSON."""

    name: str
    op: str
    input: list[str]
    attr: dict[str, dict[str, object]]


def dynamic_shape(content: bytes) -> bytes:
    """The ONNX model with batch, height and width free, and its weights no longer listed as inputs.

    For fully convolutional models (CenterFace) whose export fixed the size of the picture.
    """
    model = onnx.load_from_string(content)
    graph = model.graph
    initializers = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in initializers]
    del graph.input[:]
    graph.input.extend(inputs)
    for values, (height, width) in ((graph.input, ("height", "width")), (graph.output, ("rows", "columns"))):
        for value in values:
            dims = value.type.tensor_type.shape.dim
            dims[0].dim_param, dims[2].dim_param, dims[3].dim_param = "batch", height, width
    return _serialised(model)


def tfjs(description: bytes, weights: bytes) -> bytes:
    """The ONNX model of a TensorFlow.js graph model (NHWC input, one output).

    Args:
        description: the model's JSON.
        weights: the single weight file that the JSON names.

    Raises:
        ModelCorrupt: the graph holds an operation that the conversion does not know.
    """
    source = json.loads(description)
    return _serialised(_TfjsGraph(_read_weights(source, weights)).convert(source["modelTopology"]["node"]))


def _serialised(model: onnx.ModelProto) -> bytes:
    onnx.checker.check_model(model)
    return cast("bytes", model.SerializeToString(deterministic=True))


def _read_weights(source: dict[str, list[dict[str, list[dict[str, object]]]]], content: bytes) -> Weights:
    found: Weights = {}
    offset = 0
    for entry in source["weightsManifest"][0]["weights"]:
        shape = cast("list[int]", entry["shape"])
        kind = np.dtype(cast("str", entry["dtype"]))
        count = int(np.prod(shape))
        found[cast("str", entry["name"])] = np.frombuffer(content, kind, count, offset).reshape(shape)
        offset += count * kind.itemsize
    return found


class _TfjsGraph:
    """One conversion: pictures run as NCHW from the first transposition to the pooling that ends the picture."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._names: dict[str, str] = {}

    def convert(self, topology: list[_Node]) -> onnx.ModelProto:
        graph_inputs: list[onnx.ValueInfoProto] = []
        for node in topology:
            if node["op"] == "Const":
                continue
            if node["op"] == "Placeholder":
                dims = cast("dict[str, dict[str, list[dict[str, str]]]]", node["attr"]["shape"])["shape"]["dim"]
                shape: list[int | str] = ["batch", *(int(dim["size"]) for dim in dims[1:])]
                graph_inputs.append(helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, shape))
                self._names[node["name"]] = self._add("Transpose", ["input"], perm=_TO_NCHW)
                continue
            self._names[node["name"]] = self._translate(node)
        self._nodes.append(helper.make_node("Identity", [self._names[topology[-1]["name"]]], ["output"]))
        output = helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, ["batch", None])
        graph = helper.make_graph(self._nodes, "tfjs", graph_inputs, [output], self._initializers)
        opset = [helper.make_opsetid("", _OPSET)]
        return helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION, producer_name="moretta")

    def _translate(self, node: _Node) -> str:
        inputs = node["input"]
        match node["op"]:
            case "_FusedConv2D" | "DepthwiseConv2dNative":
                return self._convolution(node)
            case "MaxPool":
                kernel = _integers(node, "ksize")[1:3]
                return self._add("MaxPool", [self._names[inputs[0]]], kernel_shape=kernel, **_window(node))
            case "AddV2":
                return self._add("Add", [self._names[name] for name in inputs])
            case "Relu" | "Identity":
                return self._add(node["op"], [self._names[inputs[0]]])
            case "Mean":  # over height and width: it takes the tensor out of NCHW
                axes = [_TO_NCHW.index(int(axis)) for axis in np.atleast_1d(self._weights[inputs[1]])]
                return self._add(
                    "ReduceMean", [self._names[inputs[0]], self._constant(np.array(axes, np.int64))], keepdims=0
                )
            case "Softmax":
                return self._add("Softmax", [self._names[inputs[0]]], axis=-1)
        raise ModelCorrupt(f"expected operations that the conversion knows, got {node['op']!r}")

    def _convolution(self, node: _Node) -> str:
        picture, kernel_name, *rest = node["input"]
        kernel = self._weights[kernel_name]
        groups = 1
        if node["op"] == "DepthwiseConv2dNative":  # (h, w, c, m) -> (c * m, 1, h, w)
            height, width, groups, factor = kernel.shape
            kernel = kernel.transpose(2, 3, 0, 1).reshape(groups * factor, 1, height, width)
        else:  # (h, w, in, out) -> (out, in, h, w)
            kernel = kernel.transpose(3, 2, 0, 1)
        inputs = [self._names[picture], self._constant(kernel)]
        if rest:
            inputs.append(self._constant(self._weights[rest[0]].reshape(-1)))
        dilations = _integers(node, "dilations")[1:3]
        output = self._add("Conv", inputs, group=groups, dilations=dilations, **_window(node))
        for operation in _fused(node)[1:]:  # the first is the bias
            output = self._add(operation, [output])
        return output

    def _add(self, operation: str, inputs: list[str], **attributes: object) -> str:
        output = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(operation, inputs, [output], **attributes))
        return output

    def _constant(self, values: npt.NDArray[np.generic]) -> str:
        name = f"c{len(self._initializers)}"
        self._initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name


def _integers(node: _Node, attribute: str) -> list[int]:
    listed = cast("dict[str, dict[str, list[str]]]", node["attr"][attribute])
    return [int(value) for value in listed["list"]["i"]]


def _window(node: _Node) -> dict[str, object]:
    """Strides and padding as ONNX writes them."""
    padding = base64.b64decode(cast("dict[str, str]", node["attr"]["padding"])["s"]).decode()
    return {"strides": _integers(node, "strides")[1:3], "auto_pad": {"SAME": "SAME_UPPER"}.get(padding, padding)}


def _fused(node: _Node) -> list[str]:
    if "fused_ops" not in node["attr"]:
        return []
    listed = cast("dict[str, dict[str, list[str]]]", node["attr"]["fused_ops"])
    return [base64.b64decode(name).decode() for name in listed["list"]["s"]]
