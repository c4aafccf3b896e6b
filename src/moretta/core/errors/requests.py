"""Errors of a request: who asks, for what, and how often.

Belongs here: what any call can meet. Does not belong here: errors of one subject.
"""

from moretta.core.errors.root import MorettaError


class RequestInvalid(MorettaError):
    """A parameter is missing or wrong."""

    code = "request.invalid"
    title = "The request is not valid"
    status = 422
    exit_code = 64


class IdempotencyMismatch(RequestInvalid):
    """The idempotency key was used before with another request."""

    code = "idempotency.mismatch"
    title = "The idempotency key belongs to another request"
    status = 409


class NotAuthenticated(MorettaError):
    """No API key, or one that is unknown, expired or revoked."""

    code = "key.invalid"
    title = "A valid API key is needed"
    status = 401
    exit_code = 77


class ScopeMissing(MorettaError):
    """The API key lacks the scope that this call needs."""

    code = "key.scope_missing"
    title = "The API key may not do this"
    status = 403
    exit_code = 77


class NotFound(MorettaError):
    """Nothing with that id for this caller."""

    code = "not_found"
    title = "Not found"
    status = 404
    exit_code = 66


class RateLimited(MorettaError):
    """The caller has more requests or jobs under way than it may; `retry_after_s` says when to try again."""

    code = "rate.limited"
    title = "Too many requests"
    status = 429
    exit_code = 75

    def __init__(self, detail: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s
