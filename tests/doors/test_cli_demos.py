"""The demonstrations end well, say what they saw, and keep nothing they were not asked to."""

from pathlib import Path

import av
import pytest
from command_line import Moretta

from moretta.cli import demo_redact, demo_stats
from moretta.vision.encode.excerpt import excerpt


def test_one_clip_is_hidden_four_ways_and_a_page_shows_them(
    moretta: Moretta, models_dir: Path, talking_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_redact, "_SECONDS", 1.0)
    told = moretta("demo-redact", "--out", tmp_path / "out", models_dir=models_dir, media_dir=talking_clip.parent)
    assert told.status == 0, told.err
    lines = told.out.splitlines()
    assert [line.split(":")[0] for line in lines[:4]] == ["blur", "mosaic", "solid", "avatar"]
    assert all("0 of" in line.split("frames")[0] for line in lines[:4])
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {
        "index.html",
        *(f"{method}{talking_clip.suffix}" for method in ("blur", "mosaic", "solid", "avatar")),
    }
    html = (tmp_path / "out" / "index.html").read_text()
    assert html.count("<video") == 4 and "http" not in html.replace("http-equiv", "")


def test_an_excerpt_is_the_beginning_as_it_was_and_no_more(talking_clip: Path, tmp_path: Path) -> None:
    excerpt(talking_clip, tmp_path / f"part{talking_clip.suffix}", 2.0)
    with av.open(str(tmp_path / f"part{talking_clip.suffix}")) as part, av.open(str(talking_clip)) as whole:
        mine, theirs = part.decode(video=0), whole.decode(video=0)
        frames = list(mine)
        assert len(frames) == pytest.approx(2 * float(whole.streams.video[0].average_rate or 0), abs=3)
        for one in frames[:5]:
            assert (one.to_ndarray() == next(theirs).to_ndarray()).all()


def test_a_made_up_shop_and_a_clip_are_counted_and_nothing_is_kept(
    moretta: Moretta, models_dir: Path, talking_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_stats, "_HOURS", 0.5)
    monkeypatch.setattr(demo_stats, "_PEOPLE_PER_HOUR", 3000.0)
    short = tmp_path / f"short{talking_clip.suffix}"
    excerpt(talking_clip, short, 3.0)
    monkeypatch.setattr("moretta.vision.models.fetch_demo_clip", lambda _: short)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    told = moretta("demo-stats", "--no-page", models_dir=models_dir)
    assert told.status == 0, told.err
    assert "made-up visits" in told.out and "nothing that could tell who somebody is" in told.out
    assert "door/entrance: people came into the zone: count" in told.out
    assert "of epsilon 3 is spent" in told.out
    assert not list(tmp_path.glob("moretta-demo-*"))
