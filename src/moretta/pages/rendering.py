"""What all pages are made with: templates whose every value is escaped, and one stylesheet.

Belongs here: what pages share. Does not belong here: what is on one of them.
"""

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def page_environment(*, lstrip_blocks: bool = False) -> Environment:
    """The templates of pages: values are escaped, and one that is missing is an error."""
    return Environment(
        loader=PackageLoader("moretta.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=lstrip_blocks,
    )


def inlined_stylesheet() -> dict[str, str]:
    """The stylesheet for a page that is one file: `stylesheet`, and `stylesheet_digest`, by which the page's policy allows it."""
    stylesheet = (files("moretta.pages") / "static" / "moretta.css").read_text("utf-8")
    digest = b64encode(sha256(stylesheet.encode()).digest()).decode()
    return {"stylesheet": Markup(stylesheet), "stylesheet_digest": f"sha256-{digest}"}  # noqa: S704 - our own file
