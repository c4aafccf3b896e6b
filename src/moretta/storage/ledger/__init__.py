"""The transparency log in SQL: appending, reading, what was signed of it, and who was compared.

`append` is what every store calls, as the last thing of a transaction that is an act to be logged.
"""

from moretta.storage.ledger.appending import append

__all__ = ["append"]
