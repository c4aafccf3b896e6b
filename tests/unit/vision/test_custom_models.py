import hashlib
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from moretta.core.errors import ModelCorrupt, ModelMissing, ModelRejected
from moretta.vision.embed import OnnxEmbedder
from moretta.vision.models import add, custom_models, load_custom
from moretta.vision.models.custom import Layout
from moretta.vision.sessions import OnnxSession


def embedder(shape: list[int | str], dim: int = 8, normalises: bool = False, kind: int = TensorProto.FLOAT) -> bytes:
    """An ONNX network that averages rows of the picture into `dim` numbers."""
    rng = np.random.default_rng(3)
    size = 3 * 112 * 112
    weights = numpy_helper.from_array(rng.normal(size=(size, dim)).astype(np.float32) / size, "weights")
    middle, scale = (
        numpy_helper.from_array(np.float32(127.5), "middle"),
        numpy_helper.from_array(np.float32(1), "scale"),
    )
    nodes = [
        helper.make_node("Flatten", ["face"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["vector"]),
    ]
    if normalises:
        nodes = [
            helper.make_node("Sub", ["face", "middle"], ["centred"]),
            helper.make_node("Mul", ["centred", "scale"], ["scaled"]),
            helper.make_node("Flatten", ["scaled"], ["flat"], axis=1),
            nodes[1],
        ]
    graph = helper.make_graph(
        nodes,
        "embedder",
        [helper.make_tensor_value_info("face", kind, shape)],
        [helper.make_tensor_value_info("vector", kind, [shape[0], dim])],
        [weights, middle, scale],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8).SerializeToString()


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    path = tmp_path / "own.onnx"
    path.write_bytes(embedder(["n", 3, 112, 112]))
    return path


def test_an_added_model_is_copied_registered_and_described(own_file: Path, tmp_path: Path) -> None:
    published = hashlib.sha256(own_file.read_bytes()).hexdigest()
    added = add(own_file, "my-arcface", 8, "arcface112", tmp_path / "models", published.upper())
    own_file.unlink()
    model, file = load_custom("my-arcface", tmp_path / "models")
    assert model == added
    assert file.sha256 == published
    assert model.layout is Layout.NCHW
    card = (tmp_path / "models" / "custom-my-arcface.card.md").read_text()
    assert published in card
    assert "own.onnx" not in card


@pytest.mark.parametrize(("shape", "layout"), [([1, 3, 112, 112], Layout.NCHW), (["n", 112, 112, 3], Layout.NHWC)])
@pytest.mark.parametrize("normalises", [False, True])
def test_an_added_model_embeds_faces_whatever_its_layout(
    tmp_path: Path, shape: list[int | str], layout: Layout, normalises: bool
) -> None:
    (tmp_path / "own.onnx").write_bytes(embedder(shape, normalises=normalises))
    model = add(tmp_path / "own.onnx", "own", 8, "arcface112", tmp_path)
    assert (model.layout, model.normalised_inside) == (layout, normalises)
    _, file = load_custom("own", tmp_path)
    made = OnnxEmbedder(
        OnnxSession(file.path),
        model.name,
        file.sha256,
        channels_first=model.layout is Layout.NCHW,
        normalised_inside=model.normalised_inside,
    )
    pixels = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    landmarks = np.array([[70, 80], [130, 80], [100, 110], [75, 140], [125, 140]], np.float32)
    embedding = made.embed(pixels, landmarks)
    assert embedding.vector.shape == (8,)
    assert embedding.model_id == f"own:{model.sha256[:12]}"


def test_adding_under_the_same_name_replaces_the_entry(own_file: Path, tmp_path: Path) -> None:
    add(own_file, "own", 8, "arcface112", tmp_path)
    add(own_file, "other", 8, "arcface112", tmp_path)
    own_file.write_bytes(embedder([1, 3, 112, 112], dim=16))
    add(own_file, "own", 16, "arcface112", tmp_path)
    assert [(model.name, model.dim) for model in custom_models(tmp_path)] == [("other", 8), ("own", 16)]


def test_a_file_with_another_digest_than_published_is_rejected(own_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelRejected, match="expected a file of SHA-256"):
        add(own_file, "own", 8, "arcface112", tmp_path / "models", "0" * 64)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no network", "self-contained ONNX"),
        (embedder([1, 3, 112, 112], dim=16), r"\(1, 8\)"),
        (embedder([1, 1, 112, 336]), "one float32 input"),
        (embedder([1, 3, 112, 112], kind=TensorProto.DOUBLE), "self-contained ONNX|one float32 input"),
    ],
)
def test_a_model_of_another_shape_is_rejected(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "own.onnx").write_bytes(content)
    with pytest.raises(ModelRejected, match=message):
        add(tmp_path / "own.onnx", "own", 8, "arcface112", tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_weights_in_another_file_are_rejected(tmp_path: Path) -> None:
    import onnx

    model = onnx.load_from_string(embedder([1, 3, 112, 112]))
    onnx.save(model, tmp_path / "own.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    with pytest.raises(ModelRejected, match="self-contained"):
        add(tmp_path / "own.onnx", "own", 8, "arcface112", tmp_path / "models")


@pytest.mark.parametrize("name", ["", "../own", "Own", "centerface", "a" * 65, "own\n"])
def test_a_name_that_could_leave_the_directory_or_shadow_a_default_is_rejected(
    own_file: Path, tmp_path: Path, name: str
) -> None:
    with pytest.raises(ModelRejected, match="expected a name"):
        add(own_file, name, 8, "arcface112", tmp_path)


def test_an_unknown_alignment_is_rejected(own_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelRejected, match="arcface112"):
        add(own_file, "own", 8, "loose", tmp_path)


def test_a_file_that_cannot_be_read_is_rejected_without_naming_it(tmp_path: Path) -> None:
    with pytest.raises(ModelRejected) as caught:
        add(tmp_path / "private-name.onnx", "own", 8, "arcface112", tmp_path)
    assert "private-name" not in caught.value.detail


def test_a_custom_file_that_was_altered_is_never_loaded(own_file: Path, tmp_path: Path) -> None:
    model = add(own_file, "own", 8, "arcface112", tmp_path)
    (tmp_path / model.file).write_bytes(b"altered")
    with pytest.raises(ModelCorrupt, match="models add"):
        load_custom("own", tmp_path)
    (tmp_path / model.file).unlink()
    with pytest.raises(ModelMissing, match="models add"):
        load_custom("own", tmp_path)
    with pytest.raises(ModelMissing, match="no custom model"):
        load_custom("nobody", tmp_path)


@pytest.mark.parametrize("text", ["", "{}", '{"models": [{"name": "../../x"}]}', '{"models": [1]}'])
def test_a_registry_that_cannot_be_read_says_how_to_mend_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "custom.json").write_text(text)
    with pytest.raises(ModelCorrupt, match="models add"):
        custom_models(tmp_path)
