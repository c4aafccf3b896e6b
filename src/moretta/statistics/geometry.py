"""Places on a picture: is a point in a zone, does a step cross a line.

Belongs here: plane geometry on fractions of the picture. Does not belong here: what a visit makes of it (see `visits`).
"""

from moretta.core.site import Line, Point, Zone

# Fraction of the picture within which a point is on neither side of a line: a face's middle trembles by up to a hundredth
# between two frames of somebody who stands still (the tracker's boxes on the seven talking clips of the development data).
LINE_MARGIN = 0.01


def inside(zone: Zone, point: Point) -> bool:
    """Whether `point` lies in the zone, by the even-odd rule; points on an edge may count either way."""
    x, y = point
    found = False
    before_x, before_y = zone.polygon[-1]
    for corner_x, corner_y in zone.polygon:
        if (corner_y > y) != (before_y > y):
            found ^= x < corner_x + (y - corner_y) * (before_x - corner_x) / (before_y - corner_y)
        before_x, before_y = corner_x, corner_y
    return found


def side(line: Line, point: Point) -> int:
    """1 where `point` is clearly to the right of start → end as seen on the picture, -1 to the left, 0 too near to say."""
    along_x, along_y = line.end[0] - line.start[0], line.end[1] - line.start[1]
    # With y downwards, a positive cross product is to the right of somebody who walks from start to end.
    across = along_x * (point[1] - line.start[1]) - along_y * (point[0] - line.start[0])
    distance = across / (along_x**2 + along_y**2) ** 0.5
    if abs(distance) < LINE_MARGIN:
        return 0
    return 1 if distance > 0 else -1


def meets(line: Line, before: Point, after: Point) -> bool:
    """Whether the step from `before` to `after` passes between the line's ends, rather than beside them."""
    step = Line("step", before, after) if before != after else None
    return step is not None and _turn(step, line.start) * _turn(step, line.end) <= 0


def _turn(line: Line, point: Point) -> float:
    return (line.end[0] - line.start[0]) * (point[1] - line.start[1]) - (line.end[1] - line.start[1]) * (
        point[0] - line.start[0]
    )
