"""Errors of keys: out of reach, destroyed, or not the one that opens this.

Belongs here: the key service's and the keys' own. Does not belong here: API keys (see `requests`).
"""

from moretta.core.errors.root import MorettaError


class KeyUnusable(MorettaError):
    """A key cannot be used."""

    code = "key_service.unusable"
    title = "A key cannot be used"
    status = 503
    exit_code = 78


class KeyDestroyed(KeyUnusable):
    """The key was destroyed, for good: what it protected cannot be read again."""

    code = "key_service.destroyed"
    title = "The key was destroyed"
    status = 410


class KeyRejected(KeyUnusable):
    """The key does not open this: another key's, moved from another place, or altered."""

    code = "key_service.rejected"
    title = "The key does not open this"
    status = 500
