"""`moretta evaluate` and `moretta calibrate` as an operator meets them, on frames of the demonstration clip."""

import json
from pathlib import Path

import av
import pytest
from command_line import Moretta

pytestmark = pytest.mark.models

PHOTOS = 8


@pytest.fixture
def folder(talking_clip: Path, tmp_path: Path) -> Path:
    """One talking man under two names: enough to run everything, and so alike that no threshold tells them apart."""
    root = tmp_path / "people"
    with av.open(str(talking_clip)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % 30 == 0:
                owner = root / ("Secret Name" if number % 60 else "Other Name")
                owner.mkdir(parents=True, exist_ok=True)
                frame.to_image().save(owner / f"hidden-{number}.jpg", quality=95)
            if number == 30 * (PHOTOS - 1):
                return root
    raise AssertionError("the clip is shorter than it was")


def test_accuracy_is_told_in_tables_and_as_json_without_a_name(
    moretta: Moretta, folder: Path, models_dir: Path, tmp_path: Path
) -> None:
    written = tmp_path / "found.json"
    told = moretta(
        "evaluate", "accuracy", folder, "--scheme", "rotated,he", "--json", written, models_dir=models_dir, workers=1
    )
    assert told.status == 0
    assert f"{PHOTOS} photos of 2 people compared, 0 without a template" in told.out
    assert "Not told: 16 impostor comparisons" in told.out
    found = json.loads(written.read_text())
    assert set(found["schemes"]) == {"plain", "rotated", "he"}
    assert found["sample"]["photos_compared"] == PHOTOS
    assert found["schemes"]["plain"]["eer"] > 0.1, "both names are one man"
    assert found["schemes"]["plain"]["fnmr_at_fmr"] == {"0.01": None, "0.001": None, "0.0001": None}
    assert found["schemes"]["he"]["eer"] == pytest.approx(found["schemes"]["plain"]["eer"], abs=0.15)
    for word in ("Secret", "hidden"):
        assert word not in told.out + told.err + written.read_text()


def test_a_collection_keeps_its_thresholds_where_the_photos_are_too_few_to_calibrate(
    moretta: Moretta, folder: Path, models_dir: Path
) -> None:
    made = moretta("collections", "create", "staff", "--purpose", "door", "--json", "-", models_dir=models_dir)
    collection = json.loads(made.out)
    told = moretta("calibrate", collection["id"], folder, "--fmr", "1e-4", models_dir=models_dir, workers=1)
    assert told.status == 64
    assert "at least 30 are needed" in told.err
    shown = json.loads(moretta("collections", "show", collection["id"], "--json", "-", models_dir=models_dir).out)
    assert shown["thresholds"] == collection["thresholds"]


def test_what_is_asked_wrongly_is_said_before_any_photo_is_read(moretta: Moretta, tmp_path: Path) -> None:
    for arguments, word in (
        (("accuracy", tmp_path, "--scheme", "plain,magic"), "schemes out of plain"),
        (("accuracy", tmp_path, "--model", "magic"), "installed embedder"),
        (("accuracy", tmp_path), "a folder of photos for each person"),
    ):
        told = moretta("evaluate", *arguments)
        assert told.status == 64
        assert word in told.err
