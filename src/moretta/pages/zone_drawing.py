"""A camera's zones and lines, drawn over a still whose faces are hidden.

Belongs here: the drawing, as one SVG file. Does not belong here: hiding faces (the still comes anonymised), reading the site
file.
"""

from base64 import b64encode

from markupsafe import Markup, escape

from moretta.core.site import Line, Point, View, Zone

# Told apart by everybody, dark and light: the Okabe-Ito palette (2008) without black, yellow and grey.
_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00", "#cc79a7")


def zone_drawing(view: View, still: bytes, media_type: str, width: int, height: int) -> str:
    """An SVG of `width` x `height` px: the encoded picture `still`, and over it the view's zones, lines and target by name."""
    image = f"data:{media_type};base64,{b64encode(still).decode()}"
    size = max(width, height) / 50
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="{size:.1f}">',
        f"<title>{escape(view.camera)}: zones and lines</title>",
        f'<image href="{image}" width="{width}" height="{height}"/>',
    ]
    scale = (float(width), float(height))
    for number, zone in enumerate(view.zones):
        parts.append(_zone(zone, scale, size, _COLOURS[number % len(_COLOURS)]))
    for number, line in enumerate(view.lines):
        parts.append(_line(line, scale, size, _COLOURS[(len(view.zones) + number) % len(_COLOURS)]))
    if view.target is not None and view.target.at is not None:
        x, y = _px(view.target.at, scale)
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" fill="none" stroke="#fff" stroke-width="{size / 4:.1f}"/>'
        )
        parts.append(_label((x + 1.5 * size, y), view.target.name, size))
    return str(Markup("\n").join(Markup(part) for part in (*parts, "</svg>"))) + "\n"  # noqa: S704 - numbers, and escaped names


def _zone(zone: Zone, scale: Point, size: float, colour: str) -> str:
    corners = [_px(point, scale) for point in zone.polygon]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    shape = f'<polygon points="{points}" fill="{colour}" fill-opacity="0.2" stroke="{colour}" stroke-width="{size / 6:.1f}"/>'
    left, top = min(x for x, _ in corners), min(y for _, y in corners)
    return shape + _label((left + size / 2, top + 1.2 * size), zone.name, size)


def _line(line: Line, scale: Point, size: float, colour: str) -> str:
    (x1, y1), (x2, y2) = _px(line.start, scale), _px(line.end, scale)
    middle_x, middle_y = (x1 + x2) / 2, (y1 + y2) / 2
    along = max(((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5, 1e-6)
    # Forward is to the right of start to end, as seen on the picture: (dx, dy) turned by a quarter, y downwards.
    over_x, over_y = -(y2 - y1) / along * 3 * size, (x2 - x1) / along * 3 * size
    return (
        f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}" stroke-width="{size / 4:.1f}"/>'
        f'<path d="M{middle_x:.1f} {middle_y:.1f}l{over_x:.1f} {over_y:.1f}" stroke="{colour}" stroke-width="{size / 8:.1f}"/>'
        f'<circle cx="{middle_x + over_x:.1f}" cy="{middle_y + over_y:.1f}" r="{size / 3:.1f}" fill="{colour}"/>'
        + _label((middle_x + over_x + size / 2, middle_y + over_y + size / 2), f"{line.name}: forward", size)
    )


def _label(at: Point, words: str, size: float) -> str:
    return (
        f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" fill="#fff" stroke="#000" stroke-width="{size / 8:.1f}" paint-order="stroke">'
        f"{escape(words)}</text>"
    )


def _px(point: Point, scale: Point) -> Point:
    return point[0] * scale[0], point[1] * scale[1]
