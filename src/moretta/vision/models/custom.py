"""A user's own face embedder: an ONNX file of the ArcFace shape, checked, copied, and described by a model card.

Belongs here: the registry of custom models in the models directory. Does not belong here: running them.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from moretta.core.errors import ModelCorrupt, ModelMissing, ModelRejected
from moretta.vision.models.catalogue import MODELS
from moretta.vision.models.store import ModelFile, file_sha256, write_atomically

if TYPE_CHECKING:
    import onnxruntime

REGISTRY_FILE = "custom.json"
# The largest public ArcFace-style models (IResNet-200 and ViT-L) stay under 1.5 GB; protobuf itself ends at 2 GB.
MAX_BYTES = 2_000_000_000
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SIDE = 112


class Alignment(StrEnum):
    """How a face is cut out for an embedder."""

    ARCFACE112 = "arcface112"


class Layout(StrEnum):
    """The order of the input's axes after the batch."""

    NCHW = "nchw"
    NHWC = "nhwc"


@dataclass(frozen=True, slots=True)
class CustomModel:
    """One entry of the registry; `file` lies in the models directory.

    `normalised_inside`: the network takes 0-255 and normalises by itself; otherwise it gets (x - 127.5) / 127.5.
    """

    name: str
    file: str
    dim: int
    align: Alignment
    layout: Layout
    normalised_inside: bool
    sha256: str


def add(
    file: Path,
    name: str,
    dim: int,
    align: str,
    models_dir: Path,
    sha256: str | None = None,
) -> CustomModel:
    """Check a user's embedder, copy it into `models_dir`, register it, and write its model card.

    Args:
        file: an ONNX file with one input of 112x112x3 (NCHW or NHWC) and one output of shape (1, dim).
        name: what it is called from now on: lower-case letters, digits and hyphens; replaces an entry of that name.
        dim: how long its vectors are.
        align: `arcface112`, the five-point alignment to 112x112.
        models_dir: the models directory.
        sha256: the digest that its provider published, in hex, where there is one.

    Raises:
        ModelRejected: what was expected, and what came.
    """
    if not _NAME.fullmatch(name) or any(name == model.name for model in MODELS):
        raise ModelRejected(
            f"expected a name of lower-case letters, digits and hyphens that no default model has, got {name!r}"
        )
    if align not in set(Alignment):
        raise ModelRejected(f"expected the alignment {', '.join(Alignment)}, got {align!r}")
    content = _read(file)
    digest = hashlib.sha256(content).hexdigest()
    if sha256 is not None and sha256.lower() != digest:
        raise ModelRejected(f"expected a file of SHA-256 {sha256.lower()}, got {digest}: download it again")
    layout = _layout(content, dim)
    inside = _normalises(content)
    model = CustomModel(name, f"custom-{name}.onnx", dim, Alignment(align), layout, inside, digest)
    entries = [entry for entry in custom_models(models_dir) if entry.name != name]
    write_atomically(models_dir / model.file, content)
    write_atomically(models_dir / f"custom-{name}.card.md", _card(model, published=sha256 is not None).encode())
    document = {"models": [asdict(entry) for entry in [*entries, model]]}
    write_atomically(models_dir / REGISTRY_FILE, json.dumps(document, indent=2).encode() + b"\n")
    return model


def custom_models(models_dir: Path) -> list[CustomModel]:
    """The registered custom models.

    Raises:
        ModelCorrupt: the registry cannot be read.
    """
    path = models_dir / REGISTRY_FILE
    if not path.is_file():
        return []
    try:
        return [_entry(entry) for entry in json.loads(path.read_bytes())["models"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelCorrupt(
            f"expected {REGISTRY_FILE} in the models directory to list custom models, but it cannot be read: "
            "remove it and run `moretta models add` again"
        ) from error


def load_custom(name: str, models_dir: Path) -> tuple[CustomModel, ModelFile]:
    """The registered model `name` and its file, its digest checked.

    Raises:
        ModelMissing: not registered, or its file is gone.
        ModelCorrupt: the file is not the one that was added.
    """
    mend = "run `moretta models add` with its file"
    for model in custom_models(models_dir):
        if model.name == name:
            path = models_dir / model.file
            if not path.is_file():
                raise ModelMissing(f"the file of the custom model {name} is gone: {mend}")
            found = file_sha256(path)
            if found != model.sha256:
                raise ModelCorrupt(
                    f"expected the custom model {name} to have SHA-256 {model.sha256}, got {found}: {mend}"
                )
            return model, ModelFile(name, path, found)
    raise ModelMissing(f"no custom model is called {name!r}: {mend}")


def _entry(entry: dict[str, str | int | bool]) -> CustomModel:
    name, digest = str(entry["name"]), str(entry["sha256"])
    if not _NAME.fullmatch(name):  # it becomes part of a path
        raise ValueError("a name that `add` would not have accepted")
    align, layout = Alignment(str(entry["align"])), Layout(str(entry["layout"]))
    inside = bool(entry["normalised_inside"])
    return CustomModel(name, f"custom-{name}.onnx", int(entry["dim"]), align, layout, inside, digest)


def _read(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise ModelRejected(f"expected an ONNX file of at most {MAX_BYTES} bytes, got {size}")
        return file.read_bytes()
    except OSError as error:
        raise ModelRejected(f"expected a readable ONNX file, got: {error.strerror}") from error


def _layout(content: bytes, dim: int) -> Layout:
    """The layout of the model's input, once a blank face gave a usable vector."""
    import numpy as np
    import onnxruntime

    try:
        # From memory: a model that keeps its weights in other files cannot make the runtime open them.
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime has no common root for its errors
        raise ModelRejected("expected a self-contained ONNX file, but the runtime cannot load it") from error
    layout = _input_layout(session)
    shape = (1, 3, _SIDE, _SIDE) if layout is Layout.NCHW else (1, _SIDE, _SIDE, 3)
    name = session.get_inputs()[0].name
    try:
        found = session.run(None, {name: np.zeros(shape, np.float32)})[0]
    except Exception as error:
        raise ModelRejected(f"expected a model that runs on one float32 face of shape {shape}, but it fails") from error
    if found.shape != (1, dim) or not np.isfinite(found).all():
        raise ModelRejected(f"expected a first output of shape (1, {dim}) with finite values, got {found.shape}")
    return layout


def _normalises(content: bytes) -> bool:
    """Whether the graph begins by subtracting and scaling, as exports with a built-in normalisation do.

    Source: insightface, `ArcFaceONNX`, which looks at the first eight nodes.
    """
    import onnx

    first = {node.op_type for node in onnx.load_from_string(content).graph.node[:8]}
    return "Sub" in first and bool(first & {"Mul", "Div"})


def _input_layout(session: "onnxruntime.InferenceSession") -> Layout:
    inputs = session.get_inputs()
    if len(inputs) == 1 and inputs[0].type == "tensor(float)" and len(inputs[0].shape) == 4:
        tail = [size if isinstance(size, int) else None for size in inputs[0].shape[1:]]
        for layout, wanted in ((Layout.NCHW, (3, _SIDE, _SIDE)), (Layout.NHWC, (_SIDE, _SIDE, 3))):
            if 3 in tail and all(size in (None, want) for size, want in zip(tail, wanted, strict=True)):
                return layout
    got = ", ".join(f"{value.type} {value.shape}" for value in inputs)
    raise ModelRejected(f"expected one float32 input of (1, 3, 112, 112) or (1, 112, 112, 3), got {got}")


def _card(model: CustomModel, *, published: bool) -> str:
    values = "0-255 (the network normalises)" if model.normalised_inside else "(x - 127.5) / 127.5"
    provenance = "matched the digest given when it was added" if published else "no published digest was given"
    return f"""# Model card: {model.name} (custom)

| | |
|---|---|
| Task | face embedding |
| Source | the operator's own file, added with `moretta models add` |
| SHA-256 | `{model.sha256}` ({provenance}) |
| Input | one face, 112x112 RGB, {model.layout.upper()}, {values} |
| Output | {model.dim} numbers, averaged with the mirrored face, normalised, compared by cosine |
| Alignment | {model.align} |
| Licence | set by its provider: check that it covers your use |
| Accuracy | not measured by Moretta: run `moretta evaluate` on your own pairs before relying on it |

References made with another embedder cannot be compared with this one's: enrol again after a change.
"""
