"""People's own pages: from what is held of a person to words that the person understands.

Belongs here: rendering, and every word for a state, a scheme or a right. Does not belong here: fetching anything, HTTP.

Everything that is not ours (names, notices, reasons) is escaped; a notice's Markdown becomes headings, lists and paragraphs and
nothing else, so that no notice can bring a link, a picture or a script.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.resources import files

from markupsafe import Markup, escape

from moretta import __version__
from moretta.core.audit import SearchAbout, SearchKind
from moretta.core.clock import from_second
from moretta.core.consent import Consent, ConsentMethod, ConsentState
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection, PersonState
from moretta.core.retention import CountsFrom, RetentionRule
from moretta.core.rights import RequestState, Right
from moretta.pages.rendering import page_environment

_ASSETS = {"moretta.css": "text/css; charset=utf-8", "subject.js": "text/javascript; charset=utf-8"}
_HEADING, _ITEM = re.compile(r"#{1,6}\s+(.*)"), re.compile(r"[-*]\s+(.*)")

_SCHEMES = {
    Scheme.PLAIN: "Numbers computed from your face, encrypted where they are stored under a key of your own, and decrypted in "
    "memory while they are compared.",
    Scheme.ROTATED: "Numbers computed from your face, scrambled by a secret key before they are stored: without it they fit "
    "no other system. They are also encrypted under a key of your own.",
    Scheme.HE: "Numbers computed from your face, compared while they stay encrypted: the part that compares cannot read them.",
    Scheme.SHARES: "Numbers computed from your face, split into three parts that three parties hold: none of them can read them "
    "alone.",
}
_STATES = {
    PersonState.ACTIVE: ("Compared when somebody searches", "soft"),
    PersonState.RESTRICTED: ("Restricted: kept, never compared", "good"),
    PersonState.OBJECTED: ("You objected: kept, never compared", "good"),
}
_CONSENT = {
    ConsentState.GIVEN: ("given", "good"),
    ConsentState.REFUSED: ("refused", "soft"),
    ConsentState.WITHDRAWN: ("withdrawn", "soft"),
    ConsentState.EXPIRED: ("expired", "soft"),
}
_METHODS = {
    ConsentMethod.PASSKEY: "signed with a passkey",
    ConsentMethod.KEY: "signed with your own key",
    ConsentMethod.PAPER: "signed on paper",
    ConsentMethod.NONE: "nothing was collected",
}
_RIGHTS = {
    Right.ACCESS: "Get a copy of my data",
    Right.PORTABILITY: "Take my data elsewhere",
    Right.RECTIFICATION: "Correct my data",
    Right.ERASURE: "Erase me",
    Right.RESTRICTION: "Stop comparing me",
    Right.OBJECTION: "Object to the use of my data",
}
_REQUESTS = {
    RequestState.RECEIVED: ("received", "soft"),
    RequestState.IN_PROGRESS: ("in progress", "soft"),
    RequestState.EXTENDED: ("takes longer", "bad"),
    RequestState.FULFILLED: ("done", "good"),
    RequestState.REFUSED: ("refused", "bad"),
}


class SubjectPageMaker:
    """Renders people's own pages, and holds their stylesheet and their one script."""

    def __init__(self) -> None:
        environment = page_environment(lstrip_blocks=True)
        environment.filters |= {
            "scheme_words": _SCHEMES.__getitem__,
            "state_words": _STATES.__getitem__,
            "method_words": _METHODS.__getitem__,
            "right_words": _RIGHTS.__getitem__,
            "request_words": _REQUESTS.__getitem__,
            "consent_words": consent_words,
            "search_words": search_words,
            "retention_words": lambda about: retention_words(about.collection, about.rule),
            "day": _day,
            "moment": _moment,
            "notice": notice_markup,
        }
        self._environment = environment
        folder = files("moretta.pages") / "static"
        self._assets = {name: ((folder / name).read_bytes(), kind) for name, kind in _ASSETS.items()}

    def page(self, name: str, form_token: Callable[[str], str], values: Mapping[str, object]) -> str:
        """The page `name`. `form_token` gives the token of a form by the address that it is sent to."""
        template = self._environment.get_template(f"subject/{name}.html")
        return template.render(version=__version__, form_token=form_token, **values)

    def asset(self, name: str) -> tuple[bytes, str] | None:
        """A file that the pages load, and its media type; None where there is none of that name."""
        return self._assets.get(name)


def consent_words(consent: Consent, now: datetime) -> tuple[str, str]:
    """The state of a consent in a word, and how good it is."""
    if consent.state is ConsentState.GIVEN and consent.has_run_out(now):
        return _CONSENT[ConsentState.EXPIRED]
    return _CONSENT[consent.state]


def search_words(one: SearchAbout) -> str:
    """What an act of comparing was to the person."""
    if one.record.kind is SearchKind.VERIFY:
        return "Somebody checked whether a photo shows you"
    others = one.record.compared - 1
    if others < 1:
        return "Somebody searched for a face among your data"
    return f"Somebody searched for a face among your data and {others} more record{'s' if others > 1 else ''}"


def retention_words(collection: Collection, rule: RetentionRule) -> str:
    """For how long a person is kept, in sentences."""
    since = (
        "you were enrolled last" if rule.counts_from is CountsFrom.ENROLMENT else "you were recognised or enrolled last"
    )
    told = []
    if collection.retention_days is not None:
        told.append(f"{collection.retention_days} days after {since}.")
    if rule.purpose_ends is not None:
        told.append(f"Until {_day(rule.purpose_ends)} at most, when the purpose ends.")
    if rule.bipa:
        told.append(
            "Three years after you were recognised or enrolled last at most." if not told else "Never over three years."
        )
    if rule.photo_days is not None:
        told.append(f"Photos: {rule.photo_days} days.")
    told.append("Or until you withdraw your consent or have yourself erased.")
    return " ".join(told)


def notice_markup(text: str) -> Markup:
    """A notice's Markdown as headings, lists and paragraphs; every character of it is escaped.

    Headings begin at the third level: those above belong to the page.
    """
    made: list[Markup] = []
    lines: list[str] = []
    items: list[str] = []

    def flush() -> None:
        if items:
            made.append(
                Markup("<ul>{}</ul>").format(Markup("").join(Markup("<li>{}</li>").format(one) for one in items))
            )
        if lines:
            made.append(Markup("<p>{}</p>").format(Markup("<br>").join(escape(line) for line in lines)))
        items.clear()
        lines.clear()

    for line in text.splitlines():
        stripped = line.strip()
        if heading := _HEADING.fullmatch(stripped):
            flush()
            made.append(Markup("<h3>{}</h3>").format(heading[1]))
        elif item := _ITEM.fullmatch(stripped):
            if lines:
                flush()
            items.append(item[1])
        elif not stripped:
            flush()
        else:
            if items:
                flush()
            lines.append(stripped)
    flush()
    return Markup("\n").join(made)


def _day(moment: datetime | str) -> str:
    read = _read(moment)
    return f"{read.day} {read:%B %Y}"


def _moment(moment: datetime | str) -> str:
    read = _read(moment)
    return f"{read.day} {read:%B %Y, %H:%M} UTC"


def _read(moment: datetime | str) -> datetime:
    return (from_second(moment) if isinstance(moment, str) else moment).astimezone(UTC)
