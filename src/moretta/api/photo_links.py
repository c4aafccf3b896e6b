"""Addresses that show one stored photo for a minute, without a key: for an `<img>` or a browser's tab.

Belongs here: making and checking their tokens. Does not belong here: photos, HTTP.

A token holds who may see what until when, and an HMAC-SHA256 (RFC 2104) over it. The secret is random and, by default, one
process's own: a restart ends every address, and no key that is kept anywhere could make one.
"""

import base64
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from moretta.api.problems import LinkExpired
from moretta.core.clock import Clock
from moretta.core.errors import NotFound

# Says what is signed, so that no signature of another kind under the same secret could pass for one.
_CONTEXT = b"moretta photo link 1\0"
_FIELDS = 5
# Ids are at most 60 characters each.
MAX_TOKEN_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class PhotoLink:
    """Which photo, whose, and which API key asked for the address (for the log)."""

    company_id: str
    person_id: str
    face_id: str | None
    key_id: str


class PhotoLinks:
    """Makes and checks tokens under one secret."""

    def __init__(self, secret: bytes, clock: Clock, ttl_s: float) -> None:
        self._secret = secret
        self._clock = clock
        self._ttl = timedelta(seconds=ttl_s)

    def token(self, link: PhotoLink) -> tuple[str, datetime]:
        """A token for `link`, and when it expires."""
        # To the second, as it is written.
        expires = datetime.fromtimestamp(int((self._clock() + self._ttl).timestamp()), UTC)
        words = (
            str(int(expires.timestamp())),
            link.company_id,
            link.person_id,
            link.face_id or "",
            link.key_id,
        )
        body = "|".join(words).encode("ascii")
        return f"{_text(body)}.{_text(self._signature(body))}", expires

    def opened(self, token: str) -> PhotoLink:
        """What `token` shows.

        Raises:
            NotFound: it is none of ours.
            LinkExpired: it was.
        """
        body, signature = _parts(token)
        # In constant time, and before a word of it is read.
        if not hmac.compare_digest(self._signature(body), signature):
            raise _no_link()
        words = body.decode("ascii").split("|")
        if len(words) != _FIELDS:
            raise _no_link()
        expires, company_id, person_id, face_id, key_id = words
        if self._clock().timestamp() >= int(expires):
            raise LinkExpired("The address of a photo is good for a short time only: ask for a fresh one.")
        return PhotoLink(company_id, person_id, face_id or None, key_id)

    def _signature(self, body: bytes) -> bytes:
        return hmac.digest(self._secret, _CONTEXT + body, "sha256")


def _parts(token: str) -> tuple[bytes, bytes]:
    body, _, signature = token.partition(".")
    try:
        return _bytes(body), _bytes(signature)
    except ValueError:
        raise _no_link() from None


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    # Only the one way of writing it: a token has no second form.
    if _text(raw) != text:
        raise ValueError("not canonical")
    return raw


def _no_link() -> NotFound:
    return NotFound("There is no photo at this address.")
