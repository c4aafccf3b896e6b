"""Several redactions of one clip beside each other, as a page.

Belongs here: the page. Does not belong here: redacting; the page shows outputs only, never the original.
"""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from moretta import __version__
from moretta.core.redaction import Method, Redaction

_WORDS = {
    Method.BLUR: ("Blur", "Four lights and one tint of each face are left."),
    Method.MOSAIC: ("Mosaic", "The same few colours, as squares."),
    Method.SOLID: ("Solid", "Nothing of the face is left."),
    Method.AVATAR: (
        "Avatar",
        "A made-up head with the pose, gaze, blinks and mouth of the person, and nothing else of them.",
    ),
}
_STILLS = ("jpeg", "png", "webp")


def side_by_side(redactions: Sequence[tuple[str, Redaction, str]]) -> str:
    """A page beside the files: (file name, what was done, what the check found) for each."""
    stylesheet = (files("moretta.pages") / "static" / "moretta.css").read_text("utf-8")
    digest = "sha256-" + b64encode(sha256(stylesheet.encode()).digest()).decode()
    environment = Environment(
        loader=PackageLoader("moretta.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("side_by_side.html").render(
        items=[(name, *_WORDS[done.method], told, done.container in _STILLS, done) for name, done, told in redactions],
        stylesheet=Markup(stylesheet),  # noqa: S704 - our own file
        stylesheet_digest=digest,
        version=__version__,
    )
