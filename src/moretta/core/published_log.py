"""A transparency log as others meet it: they read what they may, check it, and witness it.

Belongs here: the port. Does not belong here: how a log is kept and signed (see `ledger.log`).
"""

from typing import Protocol

from moretta.core.ledger import TransparencyLog
from moretta.core.ledger_store import StoredLeaf
from moretta.core.notes import NoteKey


class PublishedLog(TransparencyLog, Protocol):
    """One region's log, and what its keys and its witnesses sign of it."""

    def leaves(self, start: int, limit: int) -> list[StoredLeaf]:
        """Entries as they are stored, for whoever may see only some of them and still checks the tree."""

    def cosign(self, size: int, line: str, key: NoteKey) -> None:
        """Keep a witness's line of a note (see `core.notes.cosignature`), instead of an earlier one of the same witness.

        Raises:
            NotFound: no checkpoint was signed of that size.
            ProofRejected: it is not the signature of `key` over that checkpoint.
            Conflict: as many other witnesses have signed it as are kept.
        """

    def public_keys(self) -> list[NoteKey]:
        """The log's keys under its name, the oldest first."""
