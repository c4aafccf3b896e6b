"""SVG charts of figures that have an interval: the interval is drawn as plainly as the figure.

Belongs here: drawing. Does not belong here: choosing figures, sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from moretta.pages.charts import Scale, axis_label, axis_ticks

_WIDTH, _HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 20, 34
# So many labels of eight characters fit under a chart without touching each other.
_MOST_LABELS = 10


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure: its label under the axis, what is said of it in full, and its value with its interval; None: not shown."""

    label: str
    title: str
    value: float | None
    low: float | None
    high: float | None


def interval_bars(title: str, bars: Sequence[Bar], unit: str, colour: int = 2) -> Markup:
    """An SVG of `bars`, each with a line from the low to the high end of its interval; a sentence where there is nothing."""
    highest = max((bar.high for bar in bars if bar.high is not None), default=0.0)
    if not highest:
        return Markup('<p class="quiet">{}: nothing that is large enough to be shown.</p>').format(title)
    width = (_WIDTH - _LEFT - _RIGHT) / len(bars)
    scale = (_HEIGHT - _TOP - _BOTTOM) / highest

    def up(value: float) -> float:
        return _HEIGHT - _BOTTOM - value * scale

    parts = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
        f'<text class="tick" x="{_LEFT}" y="11">{escape(unit)}</text>',
    ]
    for tick in axis_ticks(0.0, highest):
        parts.append(f'<path class="grid" d="M{_LEFT} {up(tick):.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(
            f'<text class="tick" x="{_LEFT - 6}" y="{up(tick) + 4:.1f}" text-anchor="end">{axis_label(tick)}</text>'
        )
    every = -(-len(bars) // _MOST_LABELS)
    for number, bar in enumerate(bars):
        parts.append(_bar(bar, _LEFT + number * width, width, up, colour, labelled=number % every == 0))
    parts.append("</svg>")
    return Markup("".join(parts))  # noqa: S704 - numbers, and escaped words


def _bar(bar: Bar, left: float, width: float, up: Scale, colour: int, *, labelled: bool) -> str:
    middle = left + width / 2
    parts = [f"<g><title>{escape(bar.title)}</title>"]
    if bar.value is not None and bar.low is not None and bar.high is not None:
        body = max(min(width * 0.7, 48.0), 1.0)
        parts.append(
            f'<rect class="c{colour}" x="{middle - body / 2:.1f}" y="{up(bar.value):.1f}" width="{body:.1f}" '
            f'height="{max(up(0) - up(bar.value), 0):.1f}"/>'
        )
        cap = min(body / 2, 5.0)
        parts.append(
            f'<path class="interval" d="M{middle:.1f} {up(bar.low):.1f}V{up(bar.high):.1f}M{middle - cap:.1f} {up(bar.high):.1f}'
            f'h{2 * cap:.1f}M{middle - cap:.1f} {up(bar.low):.1f}h{2 * cap:.1f}"/>'
        )
    if labelled:
        parts.append(
            f'<text class="tick" x="{middle:.1f}" y="{_HEIGHT - 16}" text-anchor="middle">{escape(bar.label)}</text>'
        )
    parts.append("</g>")
    return "".join(parts)


def spent_strip(title: str, spent: float, limit: float) -> Markup:
    """How much of a budget is spent, as a strip."""
    share = min(spent / limit, 1.0) if limit else 1.0
    return Markup(  # noqa: S704 - numbers, and an escaped title
        f'<svg class="strip" viewBox="0 0 {_WIDTH} 22" role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>'
        f'<rect class="ground" width="{_WIDTH}" height="22"/><rect class="c2" width="{share * _WIDTH:.1f}" height="22"/></svg>'
    )
