"""Zones and lines over a still: where they are on the picture, and that names cannot bring anything else in."""

import re
from xml.etree import ElementTree

from moretta.core.site import Line, Target, View, Zone
from moretta.pages.zone_drawing import zone_drawing

SQUARE = Zone("till", ((0.25, 0.5), (0.75, 0.5), (0.75, 1.0), (0.25, 1.0)))


def test_zones_lines_and_target_stand_where_the_file_says() -> None:
    view = View("door", (SQUARE,), (Line("threshold", (0.5, 0.0), (0.5, 1.0)),), Target("shelf", (0.9, 0.4)))
    drawn = zone_drawing(view, b"\xff\xd8picture", "image/jpeg", 640, 480)
    root = ElementTree.fromstring(drawn)
    assert root.get("viewBox") == "0 0 640 480"
    assert 'points="160.0,240.0 480.0,240.0 480.0,480.0 160.0,480.0"' in drawn
    assert 'd="M320.0 0.0L320.0 480.0"' in drawn
    assert 'cx="576.0" cy="192.0"' in drawn
    assert "data:image/jpeg;base64,/9hwaWN0dXJl" in drawn
    words = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert words == {"till", "threshold: forward", "shelf"}


def test_forward_points_to_the_right_of_who_walks_along_the_line() -> None:
    # Downwards on the picture, the right hand is on its left side.
    drawn = zone_drawing(View("door", (SQUARE,), (Line("l", (0.5, 0.0), (0.5, 1.0)),)), b"", "image/png", 640, 480)
    found = re.search(r"M320\.0 240\.0l(-?[\d.]+) (-?[\d.]+)", drawn)
    assert found is not None and float(found[1]) < 0 and float(found[2]) == 0


def test_the_drawing_loads_and_runs_nothing() -> None:
    drawn = zone_drawing(View("door", (SQUARE,)), b"x", "image/png", 64, 48)
    assert not re.search(r"script|onload|https?://(?!www\.w3\.org)", drawn)
