"""Templates filled with facts: Markdown documents that list what is missing in them, and the page of a notice.

Belongs here: the environment of the templates. Does not belong here: their text (`pages/templates`), facts.
"""

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from moretta.core.clock import to_second

# What Markdown would take for a table's edge, a heading, a link or HTML, in words that are the operator's own.
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")


class _Gaps:
    """What templates ask for and the deployment does not know, in the order in which they ask."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def known(self, value: object, what: str) -> str:
        """The value, or that it is missing."""
        text = "" if value is None else str(value).strip()
        if text:
            return words(text)
        if what not in self._found:
            self._found.append(what)
        return f"**missing: {what}**"

    def all(self) -> list[str]:
        """All that was missing so far."""
        return list(self._found)


def words(text: object) -> str:
    """An operator's words on one line, so that they stay words in Markdown."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def markdown(template: str, **facts: object) -> str:
    """A Markdown document from a template of `pages/templates`."""
    environment = Environment(  # noqa: S701 - Markdown, not HTML
        loader=PackageLoader("moretta.pages"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    gaps = _Gaps()
    environment.globals |= {"known": gaps.known, "missing": gaps.all}
    environment.filters |= {"words": words, "second": to_second}
    return environment.get_template(template).render(**facts)


def page(template: str, **facts: object) -> str:
    """An HTML page from a template over the base layout: one file, no script, nothing from another host."""
    stylesheet = (files("moretta.pages") / "static" / "moretta.css").read_text("utf-8")
    digest = "sha256-" + b64encode(sha256(stylesheet.encode()).digest()).decode()
    environment = Environment(
        loader=PackageLoader("moretta.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["second"] = to_second
    return environment.get_template(template).render(
        stylesheet=Markup(stylesheet),  # noqa: S704 - our own file
        stylesheet_digest=digest,
        **facts,
    )


def prose(text: str) -> Markup:
    """Markdown that somebody wrote, as HTML: its own HTML stays text, links lead to http, https or mail only, no pictures."""
    parser = MarkdownIt("commonmark", {"html": False}).disable("image")
    return Markup(parser.render(text))  # noqa: S704 - HTML within it is escaped
