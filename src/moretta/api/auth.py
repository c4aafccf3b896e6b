"""Who calls, what they may do, and how often.

Belongs here: reading the API key from the headers, scopes, the token bucket of each key.
Does not belong here: how keys are stored and compared.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

import anyio
from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param

from moretta.api.services import Services
from moretta.core.acting import act_as
from moretta.core.errors import NotAuthenticated, RateLimited, ScopeMissing
from moretta.core.keys import ApiKeyInfo, Scope

# Names under which other services' clients put a key into an address; refused, since proxies and histories keep addresses.
KEY_QUERY_NAMES = frozenset(
    {"api_key", "apikey", "api-key", "x-api-key", "access_token", "token", "key", "authorization"}
)
# No token of ours is longer; anything longer is not worth a look into the store.
MAX_TOKEN_CHARACTERS = 256
# Keys whose buckets are remembered; a forgotten bucket is a full one.
MAX_BUCKETS = 10_000

bearer = HTTPBearer(auto_error=False, description="The API key as a bearer token.")
key_header = APIKeyHeader(
    name="x-api-key", auto_error=False, scheme_name="XApiKey", description="Alias of Authorization."
)
token_header = APIKeyHeader(name="token", auto_error=False, scheme_name="Token", description="Alias of Authorization.")

Guard = Callable[..., Awaitable[ApiKeyInfo]]


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


class RateLimiter:
    """A token bucket for each key: `per_s` refills it, `burst` is its size."""

    def __init__(self, per_s: float, burst: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._burst = burst
        self._now_s = now_s
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, key_id: str) -> None:
        """Take one token. Raises `RateLimited` where none is left."""
        now = self._now_s()
        bucket = self._buckets.pop(key_id, None) or _Bucket(self._burst, now)
        bucket.tokens = min(float(self._burst), bucket.tokens + (now - bucket.at_s) * self._per_s)
        bucket.at_s = now
        self._buckets[key_id] = bucket
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        if bucket.tokens < 1:
            wait_s = (1 - bucket.tokens) / self._per_s
            raise RateLimited(
                f"This key may make {self._per_s:g} requests a second; wait as Retry-After says.", retry_after_s=wait_s
            )
        bucket.tokens -= 1


def guard(services: Services, limiter: RateLimiter, *scopes: Scope) -> Guard:
    """A dependency that gives the caller's key, which carries one of `scopes` (none: any key will do)."""

    async def authenticated(
        request: Request,
        _bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
        _key: Annotated[str | None, Depends(key_header)],
        _token: Annotated[str | None, Depends(token_header)],
    ) -> ApiKeyInfo:
        token = _presented_token(request)
        if token is None or len(token) > MAX_TOKEN_CHARACTERS or not token.isascii():
            raise NotAuthenticated(
                "Expected an API key in one of the headers Authorization: Bearer, x-api-key or token. "
                "The operator makes keys with: moretta keys create"
            )
        key = await anyio.to_thread.run_sync(services.keys.authenticate, token)
        request.state.key_id = key.key_id
        limiter.take(key.key_id)
        if scopes and not any(key.allows(scope) for scope in scopes):
            needed = " or ".join(scopes)
            raise ScopeMissing(f"This call needs the scope {needed}; ask the operator for a key that carries it.")
        act_as(key.key_id)  # each request has a context of its own
        return key

    return authenticated


def _presented_token(request: Request) -> str | None:
    headers = request.headers
    bearers = (get_authorization_scheme_param(value) for value in headers.getlist("authorization"))
    presented = (
        *(credentials for scheme, credentials in bearers if scheme.lower() == "bearer"),
        *headers.getlist("x-api-key"),
        *headers.getlist("token"),
    )
    tokens = {token for token in presented if token}
    if len(tokens) > 1:
        raise NotAuthenticated("Expected one API key, got different ones in the headers; send one of them.")
    return tokens.pop() if tokens else None
