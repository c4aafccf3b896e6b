"""`moretta redact` before any work: what it takes and what it refuses. `tests/flows/test_redaction.py` has the work."""

from pathlib import Path

import pytest
from command_line import Moretta

from moretta.cli.redact import _pairs
from moretta.core.errors import RequestInvalid


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"\xff\xd8\xff")
    return path


def test_a_source_and_a_target_are_needed(moretta: Moretta, photo: Path) -> None:
    told = moretta("redact", photo)
    assert told.status == 64
    assert "add the output" in told.err


def test_the_input_is_never_written_over(moretta: Moretta, photo: Path) -> None:
    link = photo.with_name("link.jpg")
    link.symlink_to(photo)
    for target in (photo, link, photo.parent):
        told = moretta("redact", photo, target)
        assert told.status == 64
        assert "same file" in told.err
    assert photo.read_bytes() == b"\xff\xd8\xff"


def test_standard_input_is_one_input_and_standard_output_no_target(
    moretta: Moretta, photo: Path, tmp_path: Path
) -> None:
    for paths, said in (
        ((photo, "-"), "got standard output"),
        (("-", photo, tmp_path / "out"), "give it alone"),
        (("-", tmp_path), "give it alone"),
    ):
        told = moretta("redact", *paths)
        assert told.status == 64
        assert said in told.err
    assert _pairs([Path("-"), tmp_path / "out.jpg"]) == [(Path("-"), tmp_path / "out.jpg")]


def test_several_files_go_into_a_folder_only(moretta: Moretta, photo: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jpg"
    other.write_bytes(b"")
    target = tmp_path / "out.jpg"
    target.write_bytes(b"here before")
    told = moretta("redact", photo, other, target)
    assert told.status == 64
    assert "expected a folder" in told.err
    assert target.read_bytes() == b"here before"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--only", "1,x"), "ids of tracks after --only"),
        (("--except", ""), "ids of tracks after --except"),
        (("--only", "1", "--except", "2"), "got both"),
        (("--strict", "--no-check"), "leave check on"),
    ],
)
def test_options_that_contradict_themselves_are_refused(
    moretta: Moretta, photo: Path, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    told = moretta("redact", photo, tmp_path / "out.jpg", *options)
    assert told.status == 64
    assert said in told.err
    assert not (tmp_path / "out.jpg").exists()


def test_ids_of_tracks_belong_to_one_item(moretta: Moretta, photo: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jpg"
    other.write_bytes(b"")
    told = moretta("redact", photo, other, tmp_path / "out", "--only", "1")
    assert told.status == 64
    assert "those of one item" in told.err


def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    moretta: Moretta, photo: Path, tmp_path: Path
) -> None:
    told = moretta("redact", photo, tmp_path / "missing" / "out.jpg")
    assert told.status == 64
    assert "a folder that exists" in told.err
    folder = tmp_path / "several"
    folder.mkdir()
    (folder / "photo.jpg").write_bytes(b"")
    told = moretta("redact", folder, photo / "below")
    assert told.status == 64
    assert "cannot be made" in told.err


def test_a_folder_keeps_its_shape_and_two_sources_never_share_a_target(tmp_path: Path) -> None:
    for name in ("one/a.jpg", "one/deep/b.MP4", "one/notes.txt", "two/a.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    out = tmp_path / "out"
    pairs = _pairs([tmp_path / "one", out])
    assert [target for _, target in pairs] == [out / "a.jpg", out / "deep" / "b.MP4"]
    with pytest.raises(RequestInvalid, match="different names"):
        _pairs([tmp_path / "one", tmp_path / "two", out])
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestInvalid, match="found none"):
        _pairs([tmp_path / "empty", out])


@pytest.mark.parametrize(
    "options",
    [
        ("--except-person", "per_local_x", "--only-person", "per_local_y"),
        ("--except-person", "per_local_x", "--except", "1"),
        ("--only-person", "per_local_x", "--only", "1"),
        ("--only-person", "per_local_x", "--tracks"),
    ],
)
def test_persons_and_tracks_are_not_mixed(
    moretta: Moretta, photo: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    told = moretta("redact", photo, tmp_path / "out.jpg", *options)
    assert told.status == 64
    assert "persons or tracks" in told.err
    assert not (tmp_path / "out.jpg").exists()
