"""The site file: cameras, zones, lines, what is released of them and when somebody is called.

Belongs here: the form of the file, strictly, and errors that name the key. Does not belong here: what the parts mean
(`core.site`).

    name = "shop"
    timezone = "Europe/Rome"
    bucket_minutes = 60

    [[cameras]]
    name = "door"
    source = "rtsp://10.0.0.7/stream"

    [[cameras.zones]]
    name = "entrance"
    polygon = [[0.0, 0.2], [1.0, 0.2], [1.0, 1.0], [0.0, 1.0]]

    [[cameras.lines]]
    name = "threshold"
    start = [0.5, 0.0]
    end = [0.5, 1.0]

    [cameras.target]
    name = "screen"

    [privacy]
    day_epsilon = 2.0

    [privacy.weights]
    visits = 2.0
    flow = 1.0

    [alarms]
    crowding = 30
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from moretta.core.errors import FieldError, NotFound, RequestInvalid
from moretta.core.site import Alarms, Line, PrivacyPlan, Site, Target, View, Zone
from moretta.core.statistics import Measure

# Sixteen cameras with 32 zones of 20 points each have about 250 kB.
MAX_BYTES = 1 << 20
MOST_CAMERAS = 16
WHOLE_PICTURE = Zone("all", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))

_Point = tuple[float, float]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ZoneForm(_Strict):
    """A zone of a camera, as `core.site.Zone`."""

    name: str
    polygon: Annotated[list[_Point], Field(max_length=1000)]
    least_stay_s: float = 3.0
    crowded_from: int = Field(5, strict=True)


class LineForm(_Strict):
    """A line, as `core.site.Line`."""

    name: str
    start: _Point
    end: _Point


class TargetForm(_Strict):
    """What people may look at, as `core.site.Target`."""

    name: str
    at: _Point | None = None
    tolerance_deg: float = 20.0


class CameraForm(_Strict):
    """A camera: its name, where its pictures come from, and what it sees."""

    name: str
    source: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    zones: list[ZoneForm] = []
    lines: list[LineForm] = []
    target: TargetForm | None = None


class PrivacyForm(_Strict):
    """What may be spent a day, as `core.site.PrivacyPlan`."""

    bucket_epsilon: float = 1.0
    live_epsilon: float = 1.0
    day_epsilon: float = 3.0
    least_cell: float = 10.0
    most_zones: int = Field(2, strict=True)
    weights: dict[Measure, float] | None = None
    live_weights: dict[Measure, float] | None = None


class AlarmsForm(_Strict):
    """When somebody is called, as `core.site.Alarms`."""

    crowding: float | None = None
    loitering: float | None = None
    loitering_s: float = 300.0
    flow: float | None = None


class SiteForm(_Strict):
    """The form of a site file, in TOML or JSON."""

    name: str
    timezone: str = "UTC"
    bucket_minutes: int = Field(60, strict=True)
    cameras: list[CameraForm] = Field(min_length=1, max_length=MOST_CAMERAS)
    privacy: PrivacyForm = PrivacyForm()
    alarms: AlarmsForm = AlarmsForm()


@dataclass(frozen=True, slots=True)
class SiteFile:
    """A site and, by camera name, where its pictures come from; a camera without a source is given one on the command line."""

    site: Site
    sources: Mapping[str, str]


def read_site(path: Path) -> SiteFile:
    """The site in a file.

    Raises:
        NotFound: there is no readable file.
        RequestInvalid: it is no TOML, or has another form; the message names the keys, never a source (it may hold a password).
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise NotFound(f"expected a readable site file: {error.strerror or 'it cannot be read'}") from None
    return parse_site(content)


def parse_site(content: bytes) -> SiteFile:
    """The site in the text of a file; raises as `read_site`."""
    if len(content) > MAX_BYTES:
        raise RequestInvalid(f"expected a site file of at most {MAX_BYTES} bytes")
    try:
        raw = tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        # The message of the parser quotes at most one character.
        where = f": {error}" if isinstance(error, tomllib.TOMLDecodeError) else ""
        raise RequestInvalid(f"expected a site file in TOML{where}") from None
    try:
        form = SiteForm.model_validate(raw)
    except ValidationError as error:
        raise _malformed(error) from None
    return site_of(form)


def site_of(form: SiteForm) -> SiteFile:
    """The site that a form describes. Raises `RequestInvalid` where its parts do not fit."""
    views = tuple(_view(camera) for camera in form.cameras)
    privacy, alarms = _privacy(form.privacy), Alarms(**form.alarms.model_dump())
    site = Site(form.name, views, form.timezone, form.bucket_minutes * 60, privacy, alarms)
    for name, epsilon, spent in (
        ("weights", privacy.bucket_epsilon, site.bucket_epsilon),
        ("live_weights", privacy.live_epsilon, site.live_epsilon),
    ):
        if epsilon and not spent:
            raise RequestInvalid(
                f"privacy.{name}: expected a measure that this site can measure; flow needs a line, attention and "
                "attention-time need a target"
            )
    return SiteFile(site, {camera.name: camera.source for camera in form.cameras if camera.source is not None})


def plain_site(name: str, cameras: Sequence[str]) -> Site:
    """A site without a file: each camera's whole picture is one zone, the target is the camera itself, and defaults hold."""
    return Site(name, tuple(View(camera, (WHOLE_PICTURE,), (), Target("camera")) for camera in cameras))


def _view(form: CameraForm) -> View:
    zones = tuple(
        Zone(zone.name, tuple(zone.polygon), zone.least_stay_s, zone.crowded_from) for zone in form.zones
    ) or (WHOLE_PICTURE,)
    lines = tuple(Line(line.name, line.start, line.end) for line in form.lines)
    target = Target(form.target.name, form.target.at, form.target.tolerance_deg) if form.target is not None else None
    return View(form.name, zones, lines, target)


def _privacy(form: PrivacyForm) -> PrivacyPlan:
    given = form.model_dump(exclude_none=True)
    for name in ("weights", "live_weights"):
        if name in given:
            given[name] = tuple(given[name].items())
    return PrivacyPlan(**given)


def _malformed(error: ValidationError) -> RequestInvalid:
    issues = error.errors(include_input=False, include_url=False, include_context=False)[:20]
    told = tuple(FieldError(".".join(str(part) for part in one["loc"])[:200], str(one["msg"])[:300]) for one in issues)
    words = "; ".join(f"{one.field}: {one.detail}" for one in told)
    return RequestInvalid(f"the site file has another form than expected. {words}", field_errors=told)
