"""`moretta site`: check a site file, see its zones, print the opt-out marker.

Belongs here: reading arguments and writing files. Does not belong here: watching (`watch`).
"""

import io
from pathlib import Path
from typing import Annotated

import typer

from moretta.cli.outputs import write_output
from moretta.core.errors import RequestInvalid
from moretta.core.site import Site, View
from moretta.core.statistics import LIVE, MEASURES, TABLED
from moretta.wiring.site_file import read_site

app = typer.Typer(
    no_args_is_help=True,
    help="Site files: check one, draw its zones over an anonymised still, print the marker.",
)

SiteFile = Annotated[Path, typer.Argument(help="The site file.", metavar="SITE.toml")]
# 80 mm at 300 dots per inch are 945; the white edge comes on top.
_MARKER_PX = 944
_MEDIA_TYPES = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}


@app.command()
def check(site_file: SiteFile) -> None:
    """Whether the file can be used, what it releases, and what that spends."""
    site = read_site(site_file).site
    typer.echo(f"{site.name}: {len(site.views)} camera{'s' if len(site.views) > 1 else ''}, days of {site.timezone}")
    plan = site.privacy
    typer.echo(
        f"Each visit: epsilon {plan.bucket_epsilon:g} on tables every {site.bucket_s // 60} min, {plan.live_epsilon:g} on live "
        f"counters, at most {plan.day_epsilon:g} a day"
    )
    for measure in TABLED:
        if epsilon := site.epsilon_of(measure):
            scale = site.sensitivity(measure) / epsilon
            typer.echo(f"  {measure}: {MEASURES[measure].unit} {MEASURES[measure].title}; noise of scale {scale:.4g}")
    for counter in LIVE:
        if site.live_epsilon_of(counter):
            typer.echo(f"  live {counter}: {MEASURES[counter].unit} {MEASURES[counter].title}")


@app.command()
def draw(
    site_file: SiteFile,
    camera: Annotated[str, typer.Argument(help="The camera's name in the file.")],
    still: Annotated[Path, typer.Argument(help="A picture from that camera.")],
    out: Annotated[Path, typer.Argument(help="The SVG file to write.")],
) -> None:
    """Draw a camera's zones and lines over a still of it; every face that is found on it is covered first."""
    from moretta.pages.zone_drawing import zone_drawing
    from moretta.sdk_redaction import Redactor

    view = _view(read_site(site_file).site, camera)
    covered = io.BytesIO()
    with Redactor("solid", door="cli:redact") as redactor:
        done = redactor.redact(still, covered, strict=True)
    if done.container not in _MEDIA_TYPES:
        raise RequestInvalid(
            "expected a still picture (JPEG, PNG or WebP); take one from the camera, or a frame of its video"
        )
    drawing = zone_drawing(view, covered.getvalue(), _MEDIA_TYPES[done.container], done.width, done.height)
    write_output(out, drawing)
    typer.echo(f"{out}: {len(view.zones)} zones, {len(view.lines)} lines, {len(done.tracks)} faces covered")


@app.command()
def marker(out: Annotated[Path, typer.Argument(help="The PNG file to write.")]) -> None:
    """Write the marker that people who want not to be counted wear on the chest; print it with its black square 80 mm wide."""
    from PIL import Image

    from moretta.vision.optout import BADGE_M
    from moretta.vision.optout import marker as drawn

    pixels = drawn(_MARKER_PX)
    black_px = pixels.shape[0] * 2 / 3  # the white edge is a quarter of the square on either side
    dots_per_inch = black_px / (BADGE_M / 0.0254)
    Image.fromarray(pixels).save(out, "PNG", dpi=(dots_per_inch, dots_per_inch))
    typer.echo(f"{out}: print it at its own size; the black square is then {BADGE_M * 1000:.0f} mm wide")


def _view(site: Site, camera: str) -> View:
    found = site.view(camera)
    if found is None:
        raise RequestInvalid(f"expected a camera of the file, one of: {', '.join(view.camera for view in site.views)}")
    return found
