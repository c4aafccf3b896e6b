"""The summary on a terminal says what was found, whatever signs the words hold."""

import io

from rich.console import Console

from moretta.cli.summary import summary
from moretta.core.analysis import Analysis, Cue, MediaInfo, TrustReport
from moretta.core.values import MediaKind, Profile


def test_brackets_in_an_explanation_are_shown_and_not_obeyed() -> None:
    media = MediaInfo(MediaKind.VIDEO, "mp4", 640, 480, 50, 2.0, 25.0, False, 0, False, 1000)
    cue = Cue("a_[/cue]", 0.5, 0.3, 1.0, 1.0, "between [0, 1] and [/bold]")
    analysis = Analysis(media, (), TrustReport(7.0, 0.5, (cue,), ()), None, (), (), Profile.FAST)
    shown = io.StringIO()
    Console(file=shown, width=120).print(summary("clip.mp4", analysis))
    assert "between [0, 1] and [/bold]" in shown.getvalue()
    assert "a [/cue]" in shown.getvalue()
