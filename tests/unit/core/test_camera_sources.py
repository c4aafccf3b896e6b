"""Sources of cameras: what is understood, what is shown of them, what is refused without repeating it."""

from pathlib import Path

import pytest

from moretta.core.cameras import SourceKind, parse_source
from moretta.core.errors import RequestInvalid

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("text", "kind", "place"),
    [
        (f"rtsp://u:{SECRET}@10.0.0.7/path/{SECRET}", SourceKind.RTSP, "rtsp://10.0.0.7:554"),
        (f"rtsps://cam.example:1322/?k={SECRET}", SourceKind.RTSP, "rtsps://cam.example:1322"),
        (f"http://[fe80::1]:8080/{SECRET}.mjpg", SourceKind.MJPEG, "http://[fe80::1]:8080"),
        (f"https://cam/{SECRET}", SourceKind.MJPEG, "https://cam:443"),
        ("/dev/video0", SourceKind.DEVICE, "/dev/video0"),
        (f"recordings/{SECRET}/", SourceKind.FOLDER, "folder"),
        (f"{SECRET}.mp4", SourceKind.FILE, "file"),
    ],
)
def test_only_the_place_of_a_source_is_shown(text: str, kind: SourceKind, place: str) -> None:
    source = parse_source(text)
    assert (source.kind, source.place) == (kind, place)
    assert SECRET not in repr(source) and SECRET not in source.place


def test_user_and_password_are_unescaped() -> None:
    source = parse_source("rtsp://vi%20ewer:p%40ss%C3%BC@host/a?b=1")
    assert (source.user, source.password, source.target) == ("vi ewer", "p@ssü", "/a?b=1")


def test_a_folder_is_one_even_without_a_slash(tmp_path: Path) -> None:
    assert parse_source(str(tmp_path)).kind is SourceKind.FOLDER


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://host/x",
        "rtsp://",
        "rtsp://host:99999/",
        "rtsp://host:0/",
        f"http://host/{SECRET} x",
        "rtsp://a b/",
        "x\0y",
        "x" * 2001,
    ],
)
def test_another_form_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(RequestInvalid) as refused:
        parse_source(text)
    assert SECRET not in str(refused.value)
