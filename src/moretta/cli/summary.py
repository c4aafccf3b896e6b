"""The readable summary of an analysis on a terminal.

Belongs here: words and layout. Does not belong here: measuring.
"""

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from moretta.core.analysis import Analysis, Cue, FaceReport, MediaInfo, TrustReport
from moretta.pages.report import split_cues

_MAX_PEOPLE = 12


def summary(label: str, analysis: Analysis) -> RenderableType:
    """What a person wants to know first, under the heading `label`."""
    parts: list[RenderableType] = [Text(_media(analysis.media), style="dim")]
    if analysis.trust is not None:
        parts.append(_trust(analysis.trust))
    if analysis.faces:
        parts.append(_people(analysis))
    if analysis.voice is not None:
        voice = analysis.voice
        pitch = f", pitch {voice.pitch_hz:.0f} Hz" if voice.pitch_hz is not None else ""
        parts.append(
            Text(f"Voice: speech {voice.speech_share:.0%} of {voice.observed_s:.1f} s{pitch}, {voice.pauses} pauses")
        )
    parts += [Text(f"Note: {notice.detail}", style="yellow") for notice in analysis.warnings]
    return Panel(Group(*parts), title=Text(label), title_align="left", box=box.ROUNDED, expand=False)


def _media(media: MediaInfo) -> str:
    if media.duration_s is None:
        return f"{media.format} image, {media.width} x {media.height} px"
    sound = "with sound" if media.has_audio else "no sound"
    return f"{media.format} video, {media.width} x {media.height} px, {media.duration_s:.1f} s, {media.frames} frames, {sound}"


def _trust(trust: TrustReport) -> RenderableType:
    counted, others = split_cues(trust.cues)
    parts: list[RenderableType] = [_score(trust)]
    if counted:
        parts.append(_cues(counted))
    if others:
        further = f"{len(others)} further cues are" if counted else "The cues are"
        parts.append(Text(f"{further} not counted; the report and the JSON show them.", style="dim"))
    return Group(*parts)


def _score(trust: TrustReport) -> Text:
    if trust.score is None:
        return Text("Trust score: none. " + " ".join(trust.insufficient), style="bold yellow")
    style = "bold green" if trust.score >= 6.5 else "bold red" if trust.score <= 3.5 else "bold yellow"
    return Text(f"Trust score: {trust.score:.1f} / 10, confidence {trust.confidence:.0%}", style=style)


def _cues(cues: Sequence[Cue]) -> Table:
    """LLR is the log-likelihood ratio in nats, above 0 for genuine."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("cue", no_wrap=True)
    table.add_column("LLR", justify="right")
    table.add_column("weight", justify="right")
    table.add_column("what was found", overflow="fold")
    for cue in cues:
        ratio = "–" if cue.log_likelihood_ratio is None else f"{cue.log_likelihood_ratio:+.2f}"
        table.add_row(Text(cue.name.replace("_", " ")), ratio, f"{cue.weight:.2f}", Text(cue.explanation))
    return table


def _people(analysis: Analysis) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("person", "in view", "turn", "blinks", "pulse", "quality", "eyes"):
        table.add_column(heading, overflow="fold")
    for face in analysis.faces[:_MAX_PEOPLE]:
        table.add_row(*_person(face, moving=analysis.media.duration_s is not None))
    more = len(analysis.faces) - _MAX_PEOPLE
    return Group(table, Text(f"and {more} more people", style="dim")) if more > 0 else table


def _person(face: FaceReport, *, moving: bool) -> tuple[str, ...]:
    pose, quality = face.pose, face.quality
    blinks = "–" if face.blinks is None else str(face.blinks.count)
    if face.blinks is not None and face.blinks.rate_per_min is not None:
        blinks += f" ({face.blinks.rate_per_min:.0f}/min)"
    pulse = "–"
    if face.pulse is not None:
        pulse = "no signal" if face.pulse.bpm is None else f"{face.pulse.bpm:.0f}/min"
    return (
        str(face.track_id),
        f"{face.first_time_s:.1f}–{face.last_time_s:.1f} s" if moving else "",
        "–" if pose is None else f"{pose.yaw:.0f}° {pose.pitch:.0f}° {pose.roll:.0f}°",
        blinks,
        pulse,
        "–" if quality is None else f"{quality.unified:.0f}/100",
        "–" if quality is None else f"{quality.inter_eye_px:.0f} px",
    )
