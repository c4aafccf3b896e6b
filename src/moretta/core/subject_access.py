"""How a person reaches their own pages, as values: links with one-time codes, and the sessions that codes open.

Belongs here: links, sessions, their secrets and their limits, and the port that keeps them. Does not belong here: cookies and
pages, what a person does there, SQL.

A link is made by an operator for one person; its code is used once and opens one session of that person. Codes and sessions are
kept as hashes: who reads the database can use neither. No network address is kept anywhere.

    link: open -> used | locked (too many wrong codes) | over (its time)
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from moretta.core.errors import CodeExpired, CodeRejected, CodeUsed, SessionEnded
from moretta.core.ledger import LogEntry
from moretta.core.recognition import REGION

LINK_LIFE, MAX_LINK_LIFE = timedelta(days=7), timedelta(days=30)
# Away from the screen for so long, somebody else may sit before it (OWASP ASVS 4.0.3, 3.3.2, for sensitive data: 15 minutes).
SESSION_IDLE = timedelta(minutes=15)
# The same table's limit for a whole session, even one in use: a working day.
SESSION_LIFE = timedelta(hours=12)
# A session that is looked at every second needs no write every second.
SEEN_EVERY = timedelta(seconds=30)
# Somebody who reads the code from paper errs a few times. 2^130 codes cannot be tried ten at a time.
MAX_WRONG = 10
# Enough for a person who loses each of them; whoever could make more could flood one with mail.
LINKS_PER_DAY = 5

# Crockford's base 32, whose letters are not mistaken for one another: 26 of them are 130 bits.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_CODE_LETTERS, _GROUP = 26, 5
_LOOKALIKES = str.maketrans("oil", "011", " -")
_CODE = re.compile(f"[{_ALPHABET}]{{{_CODE_LETTERS}}}")
_ID = re.compile(rf"(lnk|ses)_({REGION.pattern})_[0-9a-f]{{24}}")
_TOKEN = re.compile(r"(?P<id>ses_[a-z0-9]{1,16}_[0-9a-f]{24})\.(?P<secret>[A-Za-z0-9_-]{43})")
_CODE_LABEL, _SESSION_LABEL, _FORM_LABEL = (
    b"moretta subject code 1\n",
    b"moretta subject session 1\n",
    b"moretta form 1\n",
)


@dataclass(frozen=True, slots=True)
class SubjectLink:
    """A link to a person's own pages. `secret_hash` is `code_hash`; `made_by` the API key's id, or a word such as `cli`.

    `wrong` counts the wrong codes that were tried on it.
    """

    link_id: str
    company_id: str
    person_id: str
    secret_hash: bytes = field(repr=False)
    made_by: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    wrong: int = 0


@dataclass(frozen=True, slots=True)
class IssuedLink:
    """A fresh link. `code` is shown once and stored nowhere."""

    link: SubjectLink
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SubjectSession:
    """A person's session. `secret_hash` is `session_hash`."""

    session_id: str
    company_id: str
    person_id: str
    secret_hash: bytes = field(repr=False)
    opened_at: datetime
    seen_at: datetime

    def is_over(self, now: datetime) -> bool:
        """Whether it can be used no more."""
        return now >= self.seen_at + SESSION_IDLE or now >= self.opened_at + SESSION_LIFE


@dataclass(frozen=True, slots=True)
class SessionToken:
    """What a person's browser holds: the session's public id, and a secret of 256 bits."""

    session_id: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """As it stands in a cookie."""
        return f"{self.session_id}.{self.secret}"


class SubjectAccessStore(Protocol):
    """One region's links and sessions. Safe for threads and processes. Unknown ids raise `NotFound`."""

    def add_link(self, link: SubjectLink, entries: Sequence[LogEntry] = ()) -> None:
        """Keep a link; links and sessions that are over for long are forgotten on the way.

        Raises:
            RateLimited: `LINKS_PER_DAY` were made for the person within a day.
            NotFound, PersonErased: there is no such person.
        """

    def link(self, link_id: str) -> SubjectLink:
        """The link, whatever its state."""

    def wrong_code(self, link_id: str) -> None:
        """Count a wrong code."""

    def open_session(self, link_id: str, session: SubjectSession, entries: Sequence[LogEntry] = ()) -> None:
        """Keep a session, and that the link is used since `session.opened_at`; one transaction.

        Raises:
            CodeUsed: it was used before. Of several at once, one opens a session.
        """

    def session(self, session_id: str) -> SubjectSession:
        """The session, over or not."""

    def seen(self, session_id: str, at: datetime) -> None:
        """The session was used at `at`. Does nothing where it is not there."""

    def end_session(self, session_id: str) -> None:
        """Forget a session. Idempotent."""


def new_link_id(region: str) -> str:
    """A random id (96 bits) of a link."""
    return f"lnk_{region}_{secrets.token_hex(12)}"


def new_session(region: str) -> SessionToken:
    """A fresh token."""
    return SessionToken(f"ses_{region}_{secrets.token_hex(12)}", secrets.token_urlsafe(32))


def region_of_access(some_id: str) -> str | None:
    """The region that the id of a link or session names; None where it is no such id."""
    match = _ID.fullmatch(some_id)
    return None if match is None else match[2]


def new_code() -> str:
    """A one-time code of 130 random bits, in groups that can be read aloud."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LETTERS))
    return "-".join(letters[start : start + _GROUP] for start in range(0, _CODE_LETTERS, _GROUP))


def code_hash(link_id: str, code: str) -> bytes:
    """What is kept of a code (32 bytes). Groups, capitals and letters that look alike make no difference.

    One fast hash is right: nobody can try 2^130 codes at any speed.

    Raises:
        CodeRejected: no code has this form.
    """
    read = code.strip().lower().translate(_LOOKALIKES)
    if _CODE.fullmatch(read) is None:
        raise wrong_code()
    return hashlib.sha256(_CODE_LABEL + link_id.encode() + b"\n" + read.encode()).digest()


def session_hash(token: SessionToken) -> bytes:
    """What is kept of a session's token (32 bytes)."""
    return hashlib.sha256(_SESSION_LABEL + token.text.encode()).digest()


def parse_token(text: str) -> SessionToken | None:
    """The parts of a cookie's text, or None where it is no token."""
    match = _TOKEN.fullmatch(text)
    return None if match is None else SessionToken(match["id"], match["secret"])


def form_token(token: SessionToken, form: str) -> str:
    """What a form of the session's pages carries, so that no other page can send it (OWASP: HMAC-based token pattern)."""
    return hmac.digest(token.secret.encode(), _FORM_LABEL + form.encode(), "sha256").hex()


def is_form_token(token: SessionToken, form: str, presented: str) -> bool:
    """Whether `presented` is the form's token; takes the same time wherever it differs."""
    return hmac.compare_digest(form_token(token, form).encode(), presented.encode())


def require_code(link: SubjectLink, presented: bytes, now: datetime) -> None:
    """Raises unless `presented` (as `code_hash`) opens the link now.

    What became of the link is told only to who has its code.

    Raises:
        CodeRejected: another code, or too many were tried.
        CodeUsed, CodeExpired: the right one, too late.
    """
    right = hmac.compare_digest(link.secret_hash, presented)
    if not right or link.wrong >= MAX_WRONG:
        raise wrong_code()
    if link.used_at is not None:
        raise CodeUsed(
            "the code was used before, and each opens the pages once; ask whoever gave it to you for a new link"
        )
    if now >= link.expires_at:
        raise CodeExpired("the code's time is over; ask whoever gave it to you for a new link")


def require_session(session: SubjectSession, token: SessionToken, now: datetime) -> None:
    """Raises `SessionEnded` unless the token opens the session now."""
    if not hmac.compare_digest(session.secret_hash, session_hash(token)) or session.is_over(now):
        raise session_ended()


def wrong_code() -> CodeRejected:
    """The one refusal of a code that opens nothing: it says neither which part is wrong nor whether there is such a link."""
    return CodeRejected(
        "expected a link and the code that was given with it; after ten wrong codes a link opens no more: ask for a new one"
    )


def session_ended() -> SessionEnded:
    """The one refusal of a cookie that opens nothing."""
    return SessionEnded("your visit is over, or never began; open the link that you were given, or ask for a new one")
