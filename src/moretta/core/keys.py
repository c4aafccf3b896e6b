"""API keys as values: what a key may do, and how a bearer secret is made, read and hashed.

Belongs here: scopes, the public facts of a key, the token's form. Does not belong here: where keys are stored.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

API_KEY_PREFIX = "mk"
HUB_TOKEN_PREFIX = "mh"  # noqa: S105 - the public prefix of a token, not a token

# 32 random bytes in URL-safe base64 without padding are 43 characters.
_TOKEN = re.compile(r"(?P<prefix>[a-z]{2})_(?P<id>[0-9a-f]{16})_(?P<secret>[A-Za-z0-9_-]{43})")
_SECRET_BYTES = 32


class Scope(StrEnum):
    """What a key may do. `ADMIN` may do everything."""

    MEDIA_ANALYZE = "media:analyze"
    PERSONS_WRITE = "persons:write"
    SEARCH_RUN = "search:run"
    RIGHTS_MANAGE = "rights:manage"
    REVIEWS_DECIDE = "reviews:decide"
    STATS_READ = "stats:read"
    STREAMS_MANAGE = "streams:manage"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ApiKeyInfo:
    """What may be shown about a key. `label` is the operator's own note: it is shown to them and never logged."""

    key_id: str
    company_id: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    label: str = field(default="", repr=False)

    def allows(self, scope: Scope) -> bool:
        """Whether the key carries `scope`, or `ADMIN`."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def is_active(self, now: datetime) -> bool:
        """Whether the key is neither revoked nor expired at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A fresh key. `token` is shown once and stored nowhere."""

    info: ApiKeyInfo
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A token's two parts: the public id by which it is found, and the secret."""

    token_id: str
    secret: str = field(repr=False)

    def text(self, prefix: str) -> str:
        """The token as its owner carries it: `<prefix>_<id>_<secret>`."""
        return f"{prefix}_{self.token_id}_{self.secret}"


def new_bearer_token() -> BearerToken:
    """A token with a random id (64 bits) and a random secret (256 bits)."""
    return BearerToken(secrets.token_hex(8), secrets.token_urlsafe(_SECRET_BYTES))


def parse_bearer_token(text: str, prefix: str) -> BearerToken | None:
    """The parts of `text`, or None where it is not a token with this prefix."""
    match = _TOKEN.fullmatch(text)
    if match is None or match["prefix"] != prefix:
        return None
    return BearerToken(match["id"], match["secret"])


def hash_secret(secret: str) -> bytes:
    """SHA-256 of a token's secret (32 bytes), which is what is stored.

    One fast hash is right here, and a slow, salted one (for passwords) would only cost time: the secret is 256 random bits,
    so there is no dictionary to try, no two keys share one, and 2^255 guesses are out of reach at any speed.
    """
    return hashlib.sha256(secret.encode("ascii")).digest()


def secret_matches(secret: str, stored_hash: bytes | None) -> bool:
    """Whether `secret` is the one hashed; takes the same time wherever they differ, and where nothing is stored."""
    expected = stored_hash if stored_hash is not None else bytes(32)
    return hmac.compare_digest(hash_secret(secret), expected) and stored_hash is not None
