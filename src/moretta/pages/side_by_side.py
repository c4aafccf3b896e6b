"""Several redactions of one clip beside each other, as a page.

Belongs here: the page. Does not belong here: redacting; the page shows outputs only, never the original.
"""

from collections.abc import Sequence

from moretta import __version__
from moretta.core.redaction import Method, Redaction
from moretta.pages.rendering import inlined_stylesheet, page_environment

_WORDS = {
    Method.BLUR: ("Blur", "Light or dark is left of a face, told wrongly for every third; shades are by lot."),
    Method.MOSAIC: ("Mosaic", "The same, as squares whose differences are by lot."),
    Method.SOLID: ("Solid", "Nothing of the face is left."),
    Method.AVATAR: (
        "Avatar",
        "A made-up head with the pose, gaze, blinks and mouth of the person, and nothing else of them.",
    ),
}
_STILLS = ("jpeg", "png", "webp")


def side_by_side(redactions: Sequence[tuple[str, Redaction, str]]) -> str:
    """A page beside the files: (file name, what was done, what the check found) for each."""
    environment = page_environment()
    return environment.get_template("side_by_side.html").render(
        items=[(name, *_WORDS[done.method], told, done.container in _STILLS, done) for name, done, told in redactions],
        **inlined_stylesheet(),
        version=__version__,
    )
