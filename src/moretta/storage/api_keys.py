"""Where API keys are kept: their hashes, never the keys."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Engine, Row, select

from moretta.core.clock import Clock, from_second, to_second, utc_now
from moretta.core.errors import NotAuthenticated, NotFound, RequestInvalid
from moretta.core.keys import (
    API_KEY_PREFIX,
    ApiKeyInfo,
    IssuedKey,
    Scope,
    hash_secret,
    new_bearer_token,
    parse_bearer_token,
    secret_matches,
)
from moretta.core.usage import require_company_id
from moretta.storage.database import reading, writing
from moretta.storage.schema import api_keys

LABEL_MAX = 80


class ApiKeyStore:
    """Creates, lists, revokes and recognises API keys. Safe to share between threads and processes."""

    def __init__(self, engine: Engine, clock: Clock = utc_now) -> None:
        self._engine = engine
        self._clock = clock

    def create(
        self,
        company_id: str,
        scopes: Iterable[Scope],
        *,
        label: str = "",
        expires_at: datetime | None = None,
    ) -> IssuedKey:
        """A new key of `company_id`; its token is shown to the caller once and stored nowhere.

        Raises:
            RequestInvalid: no scope, a label over 80 printable characters, or an expiry that is not in the future.
            UsageRejected: not a company id.
        """
        now = from_second(to_second(self._clock()))
        granted = frozenset(Scope(scope) for scope in scopes)
        if not granted:
            raise RequestInvalid(f"expected at least one scope of {sorted(Scope)}")
        if len(label) > LABEL_MAX or not label.isprintable():
            raise RequestInvalid(f"expected a label of at most {LABEL_MAX} printable characters")
        if expires_at is not None:
            expires_at = from_second(to_second(expires_at))
            if expires_at <= now:
                raise RequestInvalid("expected an expiry in the future")
        token = new_bearer_token()
        info = ApiKeyInfo(token.token_id, require_company_id(company_id), granted, now, expires_at, label=label)
        with writing(self._engine) as connection:
            connection.execute(
                api_keys.insert().values(
                    key_id=info.key_id,
                    secret_hash=hash_secret(token.secret),
                    company_id=info.company_id,
                    scopes=" ".join(sorted(granted)),
                    label=label,
                    created_at=to_second(now),
                    expires_at=None if expires_at is None else to_second(expires_at),
                )
            )
        return IssuedKey(info, token.text(API_KEY_PREFIX))

    def list(self, company_id: str | None = None) -> list[ApiKeyInfo]:
        """The keys of `company_id`, or all; the oldest first, the revoked and expired among them."""
        query = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.key_id)
        if company_id is not None:
            query = query.where(api_keys.c.company_id == company_id)
        with reading(self._engine) as connection:
            return [_info(row) for row in connection.execute(query)]

    def revoke(self, key_id: str, company_id: str | None = None) -> ApiKeyInfo:
        """Revoke a key (of `company_id` where given). Idempotent; when it returns, no later `authenticate` succeeds.

        Raises:
            NotFound: there is no such key.
        """
        mine = api_keys.c.key_id == key_id
        if company_id is not None:
            mine &= api_keys.c.company_id == company_id
        with writing(self._engine) as connection:
            now = to_second(self._clock())
            connection.execute(api_keys.update().where(mine, api_keys.c.revoked_at.is_(None)).values(revoked_at=now))
            row = connection.execute(select(api_keys).where(mine)).one_or_none()
        if row is None:
            raise NotFound("expected the id of an API key of this company; list them to see the ids")
        return _info(row)

    def move(self, company_id: str, to_company_id: str) -> None:
        """Give every key of one company to another, as when the hub names a deployment that had a made-up id. Idempotent.

        Raises:
            UsageRejected: not a company id.
        """
        theirs = api_keys.c.company_id == company_id
        with writing(self._engine) as connection:
            connection.execute(api_keys.update().where(theirs).values(company_id=require_company_id(to_company_id)))

    def authenticate(self, token: str) -> ApiKeyInfo:
        """The key that `token` is.

        Raises:
            NotAuthenticated: no key, an unknown, a revoked or an expired one; the message does not say which.
        """
        parsed = parse_bearer_token(token, API_KEY_PREFIX)
        if parsed is None:
            raise _refused()
        query = select(api_keys).where(api_keys.c.key_id == parsed.token_id)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if not secret_matches(parsed.secret, None if row is None else row.secret_hash) or row is None:
            raise _refused()
        info = _info(row)
        if not info.is_active(self._clock()):
            raise _refused()
        return info


def _refused() -> NotAuthenticated:
    return NotAuthenticated(
        "expected a valid API key that is neither expired nor revoked; create one with `moretta keys`"
    )


def _info(row: Row[tuple[object, ...]]) -> ApiKeyInfo:
    return ApiKeyInfo(
        key_id=row.key_id,
        company_id=row.company_id,
        scopes=frozenset(Scope(scope) for scope in row.scopes.split()),
        created_at=from_second(row.created_at),
        expires_at=None if row.expires_at is None else from_second(row.expires_at),
        revoked_at=None if row.revoked_at is None else from_second(row.revoked_at),
        label=row.label,
    )
