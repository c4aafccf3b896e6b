"""`moretta watch` as an operator meets it, as far as no model is needed."""

from dataclasses import replace
from pathlib import Path

import pytest
from command_line import Moretta

from moretta.cli.watch import duration_s
from moretta.cli.watch_view import alarm_line, camera_line, figures, receipt_line, release_line
from moretta.core.analysis import ModelUse
from moretta.core.cameras import CameraHealth, CameraState, Denial, WatchReceipt
from moretta.core.clock import from_second
from moretta.core.errors import RequestInvalid
from moretta.core.statistics import Alarm, AlarmKind, Measure, Release, Table

SECRET = "s3cr3t"
NOON = from_second("2025-01-31T12:00:00Z")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("1.5h", 5400), ("2d", 172_800)])
def test_a_time_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "0s", "1h30m", "-1s", "h"])
def test_another_time_is_refused(text: str) -> None:
    with pytest.raises(RequestInvalid, match="--for"):
        duration_s(text)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--camera", "door"),
        ("--camera", "door=", "x.mp4"),
        ("x.mp4", "--camera", "camera-1=y.mp4"),
        ("--camera", f"Door {SECRET}=x.mp4"),
        (f"ftp://{SECRET}/",),
        ("--fast", f"rtsp://u:{SECRET}@127.0.0.1/"),
        # Made-up sites alone are named so.
        ("--name", "sim-shop", "x.mp4"),
    ],
)
def test_arguments_that_cannot_be_meant_end_with_64_and_a_word(moretta: Moretta, arguments: tuple[str, ...]) -> None:
    told = moretta("watch", *arguments)
    assert told.status == 64 and told.err.startswith("moretta: ") and SECRET not in told.err


def test_a_site_file_that_is_not_there_or_lacks_a_source_is_told(moretta: Moretta, tmp_path: Path) -> None:
    assert moretta("watch", "--site", tmp_path / "absent.toml").status == 66
    (tmp_path / "site.toml").write_text('name = "shop"\n[[cameras]]\nname = "door"\n')
    told = moretta("watch", "--site", tmp_path / "site.toml")
    assert told.status == 64 and "door" in told.err


def test_a_policy_that_does_not_allow_counting_is_obeyed_before_anything_starts(
    moretta: Moretta, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    shown = moretta("policy", "show", "access-control").out
    assert "count" not in shown
    policy.write_text(shown)
    told = moretta("watch", "x.mp4", policy_file=policy)
    assert told.status == 77 and "purpose" in told.err
    assert "0 media items" in moretta("usage").out


def test_what_is_shown_of_a_session_says_what_it_cannot_do() -> None:
    receipt = WatchReceipt("shop", "ws_1", NOON, (ModelUse("centerface", "ab" * 32),), recognises=False)
    line = receipt_line(receipt)
    assert "no model that recognises (centerface abababababab)" in line and "confined by the kernel" in line
    weak = WatchReceipt("shop", "ws_1", NOON, (), recognises=False, denials=(Denial("landlock", "none", "no"),))
    assert "not in full force: landlock" in receipt_line(weak)


def test_figures_are_shown_with_intervals_or_not_at_all() -> None:
    table = Table("door/all", Measure.GENDER, (30, 4, 12), 2.0, 6.0)
    assert figures(table, 10.0) == "female 30 ± 6, male too small to show, unknown 12 ± 6"
    release = Release("r", "shop", NOON.date(), NOON, 3600, "p", "m", 1.0, (table,), 1800.0)
    assert release_line(release) == "Released 2025-01-31 12:00 UTC, 60 min, 30 min watched, epsilon 1, 1 tables"
    assert "60 min, less than a minute watched" in release_line(replace(release, covered_s=0.0))
    alarm = Alarm("shop", NOON, AlarmKind.CROWDING, "door/all", 31, 30.0)
    assert alarm_line(alarm) == "Alarm: crowding at door/all: 31 (from 30 on)"


def test_a_camera_is_shown_with_its_trouble() -> None:
    health = CameraHealth("door", "rtsp://10.0.0.7:554", CameraState.WAITING, NOON, 10, 8, 2, 3, trouble="closed")
    assert camera_line(health) == (
        "door (rtsp://10.0.0.7:554): waiting, 8 pictures analysed, 2 dropped, 3 reconnects; closed"
    )
