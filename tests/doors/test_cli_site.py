"""`moretta site` as an operator meets it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import Moretta
from PIL import Image

from moretta.vision.optout import OptOutMarkers

SITE = """name = "shop"
[[cameras]]
name = "door"
[[cameras.zones]]
name = "left"
polygon = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
[privacy.weights]
visits = 3
dwell = 1
"""


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    (tmp_path / "site.toml").write_text(SITE)
    return tmp_path / "site.toml"


def test_a_site_file_is_told_what_it_releases_and_what_that_spends(moretta: Moretta, site_file: Path) -> None:
    told = moretta("site", "check", site_file)
    assert told.status == 0
    assert "epsilon 1 on tables every 60 min, 1 on live counters, at most 3 a day" in told.out
    # A visit adds 1 to one zone; three quarters of the epsilon go to visits.
    assert "visits: visits of at least the zone's least stay; noise of scale 1.333" in told.out
    assert "age" not in told.out and "attention" not in told.out


def test_a_site_file_that_cannot_be_used_is_told_why(moretta: Moretta, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(SITE.replace("visits = 3", "faces = 3"))
    told = moretta("site", "check", tmp_path / "bad.toml")
    assert told.status == 64 and "privacy.weights" in told.err


def test_the_printed_marker_is_the_one_that_is_looked_for_at_its_size(moretta: Moretta, tmp_path: Path) -> None:
    assert moretta("site", "marker", tmp_path / "marker.png").status == 0
    with Image.open(tmp_path / "marker.png") as picture:
        dots_per_inch = picture.info["dpi"][0]
        pixels = np.array(picture.convert("RGB"))
    black = np.flatnonzero((pixels[:, :, 0] == 0).any(axis=0))
    assert (black[-1] - black[0] + 1) / dots_per_inch * 25.4 == pytest.approx(80, abs=0.5)
    scene = np.full((480, 640, 3), 120, np.uint8)
    scene[300:360, 300:360] = cv2.resize(pixels, (60, 60), interpolation=cv2.INTER_AREA)
    assert len(OptOutMarkers().hide(scene, 0.0)[1]) == 1


def test_zones_are_drawn_over_a_still_whose_faces_are_covered(
    moretta: Moretta, site_file: Path, tmp_path: Path, models_dir: Path
) -> None:
    Image.fromarray(np.full((120, 160, 3), 90, np.uint8)).save(tmp_path / "still.png")
    told = moretta(
        "site", "draw", site_file, "door", tmp_path / "still.png", tmp_path / "zones.svg", models_dir=models_dir
    )
    assert (told.status, told.out) == (0, f"{tmp_path / 'zones.svg'}: 1 zones, 0 lines, 0 faces covered\n")
    drawn = (tmp_path / "zones.svg").read_text()
    assert 'points="0.0,0.0 80.0,0.0 80.0,120.0 0.0,120.0"' in drawn and "data:image/png;base64," in drawn
    told = moretta(
        "site", "draw", site_file, "till", tmp_path / "still.png", tmp_path / "zones.svg", models_dir=models_dir
    )
    assert told.status == 64 and "one of: door" in told.err
