"""The HTML report of one or more analyses: one file, no script, no picture, nothing from another host.

Belongs here: turning an analysis into a page. Does not belong here: measuring anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from moretta import __version__
from moretta.core.analysis import Analysis, Cue, FaceReport, Series
from moretta.pages.charts import Line, face_mesh, line_chart, share_strip
from moretta.pages.rendering import inlined_stylesheet, page_environment

# A log-likelihood ratio of 3 nats (odds of 20 to 1) fills the bar.
_FULL_BAR_LLR = 3.0
# A report of a crowd shows this many people in full, the longest in view.
_MAX_PEOPLE = 12


@dataclass(frozen=True, slots=True)
class _Chart:
    title: str
    drawing: Markup


@dataclass(frozen=True, slots=True)
class _Person:
    report: FaceReport
    mesh: Markup
    charts: tuple[_Chart, ...]


@dataclass(frozen=True, slots=True)
class _Item:
    label: str
    analysis: Analysis
    trust_chart: Markup
    voice_strip: Markup
    faces: tuple[_Person, ...]
    counted: tuple[Cue, ...]
    uncounted: tuple[Cue, ...]


def render_report(analyses: Sequence[tuple[str, Analysis]]) -> str:
    """A self-contained HTML page of `analyses`, each with the heading its reader knows it by."""
    environment = page_environment()
    environment.globals["balance"] = _balance
    return environment.get_template("report.html").render(
        items=[_item(label, analysis) for label, analysis in analyses],
        **inlined_stylesheet(),
        version=__version__,
    )


def _item(label: str, analysis: Analysis) -> _Item:
    trust = analysis.trust
    points = [(p.time_s, p.score) for p in trust.over_time] if trust else []
    line = Line("trust, given the evidence so far", points)
    chart = line_chart("Trust over time", [line], y_unit="/10", y_range=(0, 10)) if len(points) > 1 else Markup("")
    voice = analysis.voice
    strip = share_strip("When speech was heard", voice.segments_s, voice.observed_s) if voice else Markup("")
    longest = sorted(analysis.faces, key=lambda face: -face.frames)[:_MAX_PEOPLE]
    counted, uncounted = split_cues(trust.cues if trust else ())
    return _Item(label, analysis, chart, strip, tuple(_person(face) for face in longest), counted, uncounted)


def split_cues(cues: Sequence[Cue]) -> tuple[tuple[Cue, ...], tuple[Cue, ...]]:
    """The cues that moved the score, the strongest first, and the others."""
    counted = [cue for cue in cues if cue.log_likelihood_ratio is not None and cue.weight > 0]
    counted.sort(key=lambda cue: -abs(cue.weight * (cue.log_likelihood_ratio or 0.0)))
    return tuple(counted), tuple(cue for cue in cues if cue not in counted)


def _person(face: FaceReport) -> _Person:
    mesh = face_mesh(face.mesh, face.box) if face.mesh else Markup("")
    return _Person(face, mesh, tuple(_charts(face)))


def _charts(face: FaceReport) -> list[_Chart]:
    charts = []
    series = face.series
    if series is not None:
        charts.append(_eyes(face, series))
        gaze = [_line("across", series, series.gaze_x, 1), _line("up and down", series, series.gaze_y, 2)]
        charts.append(_Chart("Gaze", line_chart("Gaze over time", gaze, y_unit="half eye widths")))
        head = [_line("yaw", series, series.yaw, 1), _line("pitch", series, series.pitch, 2)]
        charts.append(_Chart("Head", line_chart("Head rotation over time", head, y_unit="degrees")))
    if face.pulse is not None and face.pulse.bpm is not None and face.pulse.waveform:
        rate = face.pulse.waveform_rate_hz
        wave = [(i / rate, value) for i, value in enumerate(face.pulse.waveform)]
        title = f"Pulse, {face.pulse.bpm:.0f} per minute"
        charts.append(_Chart(title, line_chart("Pulse signal", [Line("pulse signal", wave, 3)], y_unit="")))
    return charts


def _eyes(face: FaceReport, series: Series) -> _Chart:
    lines = [_line("eyes", series, series.eye_openness, 1), _line("mouth", series, series.mouth_openness, 4)]
    blinks = face.blinks.times_s if face.blinks else ()
    chart = line_chart("Openness over time", lines, y_unit="ratio", marks=blinks, marks_legend="blink")
    return _Chart("Eyes, blinks and mouth", chart)


def _line(legend: str, series: Series, values: Sequence[float | None], colour: int) -> Line:
    return Line(legend, list(zip(series.time_s, values, strict=True)), colour)


def _balance(cue: Cue) -> Markup:
    """A small bar to the right (for) or to the left (against) of the middle."""
    llr = cue.log_likelihood_ratio
    if llr is None:
        return Markup('<span class="quiet">{}</span>').format("not measured" if cue.value is None else "not counted")
    length = min(abs(llr) / _FULL_BAR_LLR, 1) * 50
    side, x = ("for", 50.0) if llr >= 0 else ("against", 50 - length)
    word = "speaks for" if llr >= 0 else "speaks against"
    return Markup(
        '<svg class="balance" viewBox="0 0 100 12" role="img" aria-label="{}"><rect class="ground" width="100" height="12"/>'
        '<rect class="{}" x="{}" width="{}" height="12"/></svg>'
    ).format(word, side, round(x, 1), round(length, 1))
