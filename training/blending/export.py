"""Writes the trained network as ONNX, batch normalisation folded in; the same weights give the same bytes.

Run: `python -m training.blending.export --weights FOLDER/blending.pt --out src/moretta/trust/weights/blending.onnx`.
Prints the digest that `moretta.trust.blending_detector` must name and how far PyTorch and onnxruntime differ.

The graph is written by hand: it is small, and an exporter's file would change with the exporter.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper
from torch import nn

from moretta.trust.blending_detector import SIDE
from training.blending.network import RESIDUAL_LIMIT, BlendingNetwork, Block, Unit

OPSET = 18
IR_VERSION = 8  # the one that goes with opset 18
AGREEMENT = 1e-3  # logits; the order of float32 sums differs between the runtimes


class Graph:
    """Collects nodes and weights; each method adds one layer and gives the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, kind: str, inputs: list[str], output: str | None = None, **attributes) -> str:
        """One node."""
        name = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def weight(self, value: np.ndarray) -> str:
        """One constant."""
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def unit(self, unit: Unit, name: str) -> str:
        """Convolution with folded normalisation, and ReLU where the unit has it."""
        convolution, norm = unit[0], unit[1]
        factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        kernel = convolution.weight * factor[:, None, None, None]
        bias = norm.bias - norm.running_mean * factor
        half = convolution.kernel_size[0] // 2
        out = self.add(
            "Conv",
            [name, self.weight(kernel.detach().numpy()), self.weight(bias.detach().numpy())],
            kernel_shape=list(convolution.kernel_size),
            strides=list(convolution.stride),
            pads=[half] * 4,
            group=convolution.groups,
        )
        return self.add("Relu", [out]) if len(unit) == 3 else out

    def block(self, block: Block, name: str) -> str:
        """An inverted residual."""
        out = name
        for unit in block.units:
            out = self.unit(unit, out)
        return self.add("Add", [name, out]) if block.residual else out


def onnx_bytes(network: BlendingNetwork) -> bytes:
    """The network as an ONNX file: `crop` float32 (1, 3, 176, 176) to `logit` float32 (1, 1)."""
    graph = Graph()
    name = graph.add(
        "Conv", ["crop", graph.weight(network.kernel.numpy())], kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1]
    )
    limits = [graph.weight(np.float32(value)) for value in (-RESIDUAL_LIMIT, RESIDUAL_LIMIT)]
    name = graph.add("Clip", [name, *limits])
    for layer in (*network.early, *network.late):
        name = graph.block(layer, name) if isinstance(layer, Block) else graph.unit(layer, name)
    name = graph.add("Flatten", [graph.add("GlobalAveragePool", [name])])
    head = [graph.weight(value.detach().numpy()) for value in (network.head.weight, network.head.bias)]
    graph.add("Gemm", [name, *head], "logit", transB=1)
    crop = helper.make_tensor_value_info("crop", onnx.TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    logit = helper.make_tensor_value_info("logit", onnx.TensorProto.FLOAT, [1, 1])
    model = helper.make_model(
        helper.make_graph(graph.nodes, "blending", [crop], [logit], graph.weights),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="moretta",
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def largest_difference(network: nn.Module, content: bytes) -> float:
    """The largest difference of logits between PyTorch and onnxruntime on 32 random crops."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    crops = np.random.default_rng(0).uniform(-1, 1, (32, 1, 3, SIDE, SIDE)).astype(np.float32)
    with torch.no_grad():
        return max(
            abs(float(network(torch.from_numpy(crop))[0][0]) - float(session.run(None, {"crop": crop})[0][0, 0]))
            for crop in crops
        )


def main() -> None:
    """Export, compare and print the digest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    network = BlendingNetwork().eval()
    held = torch.load(options.weights, weights_only=True)
    network.load_state_dict(held.get("kept", held))  # a saved state of training holds them too
    content = onnx_bytes(network)
    difference = largest_difference(network, content)
    print(f"{len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")
    print(f"largest difference of logits between PyTorch and onnxruntime: {difference:.2e}")
    if difference > AGREEMENT:
        raise SystemExit(f"expected a difference of at most {AGREEMENT}")
    options.out.write_bytes(content)


if __name__ == "__main__":
    main()
