"""A region's transparency log: the stored tree, and checkpoints that its key signs.

Belongs here: what is signed and when it is refused. Does not belong here: SQL, the form of notes (see `core.notes`).

A checkpoint is signed only where the log still begins with the last one that was signed: a database that was changed since, and
not together with everything that was signed of it, gets no further signature.
"""

from collections.abc import Sequence

from moretta.core.clock import Clock, to_second, utc_now
from moretta.core.errors import Conflict, LogBroken, NotFound, ProofRejected
from moretta.core.ledger import (
    Checkpoint,
    ConsistencyProof,
    InclusionProof,
    LogEntry,
    Logged,
    entry_from_leaf,
)
from moretta.core.ledger_store import LedgerStore, LogHead, StoredCheckpoint, StoredLeaf
from moretta.core.merkle import leaf_hash, require_consistency
from moretta.core.notes import NoteKey, parse_note, parse_signature, require_signed, signed_checkpoint
from moretta.core.signing import SigningKeys, Verifier

# Their lines go out with every checkpoint; a note stays under `core.notes.MAX_NOTE_BYTES` by far.
MOST_WITNESSES = 16


def origin_of(region: str, head: LogHead) -> str:
    """The log's name: its region and its own random id, so that a log which was begun anew is another one."""
    return f"moretta/{region}/{head.log_id}"


class SignedLog:
    """`core.ledger.TransparencyLog` over a store. Safe for threads and processes.

    Args:
        store: where it is kept.
        region: whose log it is.
        keys: the region's signing keys.
        check: checks a signature.
        clock: tells when something is written.
    """

    def __init__(
        self, store: LedgerStore, region: str, keys: SigningKeys, check: Verifier, clock: Clock = utc_now
    ) -> None:
        self._store, self._region, self._keys, self._check, self._clock = store, region, keys, check, clock

    def append(self, entries: Sequence[LogEntry]) -> list[int]:
        """As `TransparencyLog.append`."""
        return self._store.append(entries)

    def size(self) -> int:
        """As `TransparencyLog.size`."""
        return self._store.head().size

    def entries(self, start: int, limit: int, company_id: str | None = None) -> list[Logged]:
        """As `TransparencyLog.entries`."""
        return [
            Logged(found.index, entry_from_leaf(found.leaf)) for found in self._store.leaves(start, limit, company_id)
        ]

    def leaves(self, start: int, limit: int) -> list[StoredLeaf]:
        """Entries as they are stored, for whoever may see only some of them and still checks the tree."""
        return self._store.leaves(start, limit)

    def index_of(self, entry: LogEntry) -> int:
        """As `TransparencyLog.index_of`."""
        return self._store.index_of(leaf_hash(entry.leaf()))

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        """As `TransparencyLog.checkpoint`."""
        last = self._store.last_checkpoint()  # before the head, which may grow meanwhile
        head = self._store.head()
        origin = origin_of(self._region, head)
        if size is not None:
            kept = self._store.checkpoint_of(size)
            if kept is None:
                raise NotFound("expected a size of which this log signed a checkpoint")
            return _as_checkpoint(origin, kept)
        root = head.edge.root()
        self._require_growth(last, head, root)
        kept = self._store.checkpoint_of(head.size)
        if kept is None:
            note = signed_checkpoint(origin, head.size, root, self._keys.signer())
            kept = self._store.keep_checkpoint(StoredCheckpoint(head.size, root, note), to_second(self._clock()))
        if kept.root != root:
            raise LogBroken(f"another root was signed for the log's {head.size} entries: the database was changed")
        return _as_checkpoint(origin, kept)

    def cosign(self, size: int, line: str, key: NoteKey) -> None:
        """Keep a witness's line of a note (see `core.notes.cosignature`).

        Raises:
            NotFound: no checkpoint was signed of that size.
            ProofRejected: it is not the signature of `key` over that checkpoint.
            Conflict: as many other witnesses have signed it as are kept.
        """
        kept = self._store.checkpoint_of(size)
        if kept is None:
            raise NotFound("expected the size of a checkpoint that this log signed")
        signature = parse_signature(line.removesuffix("\n"))
        require_signed(parse_note(kept.note + signature.line()), key, self._check)
        others = [one for one in kept.cosignatures if parse_signature(one[:-1]).key_hash != signature.key_hash]
        if len(others) >= MOST_WITNESSES:
            raise Conflict(f"expected at most {MOST_WITNESSES} witnesses of one checkpoint")
        witness = f"{signature.name}+{signature.key_hash.hex()}"
        self._store.keep_cosignature(size, witness, signature.line(), to_second(self._clock()))

    def public_keys(self) -> list[NoteKey]:
        """The log's keys under its name, the oldest first."""
        origin = origin_of(self._region, self._store.head())
        return [NoteKey(origin, key.public_key) for key in self._keys.history()]

    def inclusion(self, index: int, size: int) -> InclusionProof:
        """As `TransparencyLog.inclusion`."""
        return self._store.inclusion(index, size)

    def consistency(self, first: int, size: int) -> ConsistencyProof:
        """As `TransparencyLog.consistency`."""
        return self._store.consistency(first, size)

    def _require_growth(self, last: StoredCheckpoint | None, head: LogHead, root: bytes) -> None:
        if last is None:
            return
        if last.size > head.size:
            raise LogBroken(
                f"a checkpoint of {last.size} entries was signed, and the log has {head.size}: entries were deleted"
            )
        proof = self._store.consistency(last.size, head.size)
        try:
            require_consistency(last.size, last.root, head.size, root, proof.hashes)
        except ProofRejected:
            raise LogBroken(
                "the log does not begin with what was signed of it before: the database was changed; run `moretta log check`"
            ) from None


def _as_checkpoint(origin: str, kept: StoredCheckpoint) -> Checkpoint:
    return Checkpoint(origin, kept.size, kept.root, kept.note + "".join(kept.cosignatures))
