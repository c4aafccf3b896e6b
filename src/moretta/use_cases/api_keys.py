"""API keys whose making and revoking the transparency log tells.

Belongs here: the order of both. Does not belong here: how keys are stored and recognised, who may make one (a door decides).

Keys and the log may lie in two databases, so the order has to be right on its own. A key is told before its secret is handed out:
whoever dies in between leaves a key whose secret nobody has. A key is revoked before it is told: a log that is down must not keep
a stolen key alive, and whoever tries again tells it.
"""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from moretta.core.clock import Clock, utc_now
from moretta.core.errors import MorettaError
from moretta.core.keys import ApiKeyInfo, IssuedKey, Scope
from moretta.core.ledger import EntryKind, LogEntry
from moretta.use_cases.recognition import acts

# Appends to the log of the deployment's default region.
Tell = Callable[[Sequence[LogEntry]], object]


class KeyStore(Protocol):
    """Where API keys are kept."""

    def authenticate(self, token: str) -> ApiKeyInfo:
        """The key that `token` is. Raises `NotAuthenticated`."""

    def create(
        self, company_id: str, scopes: Iterable[Scope], *, label: str = "", expires_at: datetime | None = None
    ) -> IssuedKey:
        """A fresh key. Raises `RequestInvalid`, `UsageRejected`."""

    def list(self, company_id: str | None = None) -> Sequence[ApiKeyInfo]:
        """The keys of a company, or all."""

    def revoke(self, key_id: str, company_id: str | None = None) -> ApiKeyInfo:
        """Revoke a key. Idempotent. Raises `NotFound`."""


class ApiKeys:
    """Keys of a store, told to the log: which key, its scopes, who made or revoked it; never its secret, and never its label."""

    def __init__(self, store: KeyStore, tell: Tell, clock: Clock = utc_now) -> None:
        self._store, self._tell, self._clock = store, tell, clock

    def authenticate(self, token: str) -> ApiKeyInfo:
        """As `KeyStore.authenticate`."""
        return self._store.authenticate(token)

    def create(
        self, company_id: str, scopes: Iterable[Scope], *, label: str = "", expires_at: datetime | None = None
    ) -> IssuedKey:
        """As `KeyStore.create`. Where the log cannot be told, the key is revoked again and the error raised."""
        issued = self._store.create(company_id, scopes, label=label, expires_at=expires_at)
        try:
            self._tell([self._entry(issued.info, "api-key-created")])
        except BaseException:
            with contextlib.suppress(MorettaError):
                self._store.revoke(issued.info.key_id)
            raise
        return issued

    def list(self, company_id: str | None = None) -> Sequence[ApiKeyInfo]:
        """As `KeyStore.list`."""
        return self._store.list(company_id)

    def revoke(self, key_id: str, company_id: str | None = None) -> ApiKeyInfo:
        """As `KeyStore.revoke`; each call that finds the key is an entry. It is revoked also where the log cannot be told."""
        revoked = self._store.revoke(key_id, company_id)
        self._tell([self._entry(revoked, "api-key-revoked")])
        return revoked

    def _entry(self, key: ApiKeyInfo, change: str) -> LogEntry:
        facts: dict[str, acts.Fact] = {"change": change, "key": key.key_id, "scopes": ",".join(sorted(key.scopes))}
        return acts.entry(EntryKind.KEY_CHANGED, self._clock, key.company_id, facts)
