"""Small server-rendered SVG charts, one message each.

Belongs here: drawing numbers. Does not belong here: choosing which; nothing here ever draws a pixel of a face.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 640, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 24, 30

Points = Sequence[tuple[float, float | None]]
Scale = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart: its legend, its points (x, y or None for a gap) and the number of its colour (1-4)."""

    legend: str
    points: Points
    colour: int = 1


def axis_ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round figures within low..high at which an axis is marked."""
    span = max(high - low, 1e-9)
    raw = span / wanted
    magnitude = 10.0 ** floor(log10(raw))
    step = min((m * magnitude for m in (1, 2, 2.5, 5, 10)), key=lambda s: abs(s - raw))
    first = ceil(low / step) * step
    return [first + i * step for i in range(int((high - first) / step + 1e-6) + 1)]


def axis_label(value: float) -> str:
    """A figure as an axis names it."""
    return f"{value:.6g}" if abs(value) > 1e-9 else "0"


def _range(values: list[float], fixed: tuple[float, float] | None) -> tuple[float, float]:
    if fixed is not None:
        return fixed
    low, high = min(values), max(values)
    margin = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    return low - margin, high + margin


def line_chart(
    title: str,
    lines: Sequence[Line],
    *,
    y_unit: str,
    x_unit: str = "s",
    y_range: tuple[float, float] | None = None,
    marks: Sequence[float] = (),
    marks_legend: str = "",
) -> Markup:
    """An SVG of `lines` over time, with vertical `marks` at the given x; a sentence where there is nothing to draw."""
    xs = [x for line in lines for x, y in line.points if y is not None and isfinite(y)]
    ys = [y for line in lines for _, y in line.points if y is not None and isfinite(y)]
    if len(xs) < 2:
        return Markup('<p class="quiet">{}: not enough was measured to draw.</p>').format(title)
    x_low, x_high = min(xs), max(*xs, min(xs) + 1e-6)
    y_low, y_high = _range(ys, y_range)

    def px(x: float) -> float:
        return _LEFT + (x - x_low) / (x_high - x_low) * (_WIDTH - _LEFT - _RIGHT)

    def py(y: float) -> float:
        clamped = min(max(y, y_low), y_high)
        return _TOP + (y_high - clamped) / (y_high - y_low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
    ]
    for tick in axis_ticks(y_low, y_high):
        y = py(tick)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{axis_label(tick)}</text>')
    for tick in axis_ticks(x_low, x_high, 6):
        parts.append(
            f'<text class="tick" x="{px(tick):.1f}" y="{_HEIGHT - 12}" text-anchor="middle">{axis_label(tick)}</text>'
        )
    parts.append(
        f'<text class="tick" x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 1}" text-anchor="end">{escape(x_unit)}</text>'
    )
    parts.append(f'<text class="tick" x="{_LEFT}" y="11">{escape(y_unit)}</text>')
    parts += [
        f'<path class="mark" d="M{px(x):.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>' for x in marks if x_low <= x <= x_high
    ]
    parts += [f'<path class="line c{line.colour}" d="{_path(line.points, px, py)}"/>' for line in lines]
    parts.append("</svg>")
    return Markup("").join([Markup("".join(parts)), _legend(lines, marks_legend if marks else "")])  # noqa: S704 - escaped above


def _path(points: Points, px: Scale, py: Scale) -> str:
    out, pen_down = [], False
    for x, y in points:
        if y is None or not isfinite(y):
            pen_down = False
            continue
        out.append(f"{'L' if pen_down else 'M'}{px(x):.1f} {py(y):.1f}")
        pen_down = True
    return "".join(out)


def _legend(lines: Sequence[Line], marks_legend: str) -> Markup:
    items = [Markup('<li class="c{}">{}</li>').format(line.colour, line.legend) for line in lines if line.legend]
    if marks_legend:
        items.append(Markup('<li class="mark">{}</li>').format(marks_legend))
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(items)) if items else Markup("")


def share_strip(title: str, segments: Sequence[tuple[float, float]], total: float) -> Markup:
    """An SVG strip of `total` seconds with the `segments` (start, end) filled."""
    if total <= 0:
        return Markup("")
    bars = "".join(
        f'<rect class="c2" x="{a / total * _WIDTH:.1f}" y="0" width="{max((b - a) / total * _WIDTH, 1):.1f}" height="22"/>'
        for a, b in segments
    )
    return Markup(  # noqa: S704 - numbers, and an escaped title
        f'<svg class="strip" viewBox="0 0 {_WIDTH} 22" role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>'
        f'<rect class="ground" width="{_WIDTH}" height="22"/>{bars}</svg>'
    )


# Closed contours of the MediaPipe canonical face model, drawn stronger than the web between them.
_CONTOURS = {
    "oval": (
        *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176),
        *(149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
    ),
    "lips": (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185),
    "right eye": (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    "left eye": (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
}


def face_mesh(points: Sequence[tuple[float, float]], box: tuple[float, float, float, float]) -> Markup:
    """A face drawn as its mesh: 468 points as shares of `box`, joined by a Delaunay web and the canonical contours."""
    import numpy as np
    from scipy.spatial import Delaunay

    aspect = (box[3] - box[1]) / max(box[2] - box[0], 1e-6)
    xy = np.array(points) * [200, 200 * aspect] + 10
    corners = Delaunay(xy).simplices
    edges = {tuple(sorted((int(t[i]), int(t[(i + 1) % 3])))) for t in corners for i in range(3)}
    # Long edges only close the hull and would cross the background.
    web = "".join(
        f"M{xy[a][0]:.0f} {xy[a][1]:.0f}L{xy[b][0]:.0f} {xy[b][1]:.0f}"
        for a, b in sorted(edges)
        if np.linalg.norm(xy[a] - xy[b]) < 60
    )
    contours = "".join(
        f'<path class="contour" d="M{"L".join(f"{xy[i][0]:.1f} {xy[i][1]:.1f}" for i in ring)}Z"/>'
        for ring in _CONTOURS.values()
    )
    height = 220 if not isfinite(aspect) else 200 * aspect + 20
    return Markup(  # noqa: S704 - numbers only
        f'<svg class="mesh" viewBox="0 0 220 {height:.0f}" role="img" aria-label="Face drawn as a mesh">'
        f'<path class="web" d="{web}"/>{contours}</svg>'
    )
