"""Decoding and inference under the full confinement give what they give without it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.media import STILLS, VIDEOS, make_still, make_video, memory_file

from moretta.sandbox.confinement import Mode
from moretta.sandbox.pool import WorkerPool

TESTS = str(Path(__file__).resolve().parents[1])

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workers' home directory."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def pools(models_dir: Path, home: Path) -> Iterator[dict[str, WorkerPool]]:
    """A confined worker, and one that nothing but its memory limit confines."""
    environment = {"PYTHONPATH": TESTS, "MORETTA_MODELS_DIR": str(models_dir), "HOME": str(home)}
    entry, mode = "sandbox_models_entry:handler", Mode.BEST_EFFORT
    with (
        WorkerPool(entry, mode=mode, environment=environment) as confined,
        WorkerPool(entry, mode=mode, environment=environment, mechanisms="sandbox_entry:limits_only") as free,
    ):
        confined.wait_ready(120)
        free.wait_ready(120)
        yield {"confined": confined, "free": free}


def test_a_clip_of_a_face_gives_the_same_faces_and_figures(pools: dict[str, WorkerPool], talking_clip: Path) -> None:
    with memory_file(talking_clip.read_bytes()) as media:
        answers = {name: pool.run(media, b"") for name, pool in pools.items()}
    assert b"found" in answers["confined"]
    assert len(answers["confined"]) > 1000  # twelve frames with a face, and what eight models say of it
    assert answers["confined"] == answers["free"]


def test_no_library_keeps_anything_in_the_home_directory_even_unconfined(
    pools: dict[str, WorkerPool], home: Path
) -> None:
    with memory_file(make_still()) as media:
        for pool in pools.values():
            pool.run(media, b"")
    assert list(home.rglob("*")) == []


@pytest.mark.parametrize("kind", STILLS)
def test_every_kind_of_still_is_decoded_under_the_confinement(pools: dict[str, WorkerPool], kind: str) -> None:
    with memory_file(make_still(kind, orientation=6 if kind == "jpeg" else None)) as media:
        answer = json.loads(pools["confined"].run(media, b""))
    assert answer["size"] == ([48, 64] if kind == "jpeg" else [64, 48])


@pytest.mark.parametrize("kind", VIDEOS)
def test_every_kind_of_video_is_decoded_with_its_sound_under_the_confinement(
    pools: dict[str, WorkerPool], kind: str
) -> None:
    with memory_file(make_video(kind, audio_s=0.5)) as media:
        answer = json.loads(pools["confined"].run(media, b""))
    assert answer["size"] == [96, 64]
    assert max(answer["loudest"]) > 0.1
