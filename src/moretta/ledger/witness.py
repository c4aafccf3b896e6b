"""A witness: remembers the last checkpoint that it saw of a log, and signs the next only where the log did nothing but grow.

Belongs here: the decision, and what is shown where a log was rewritten. Does not belong here: fetching, files, the witness's key.

A log can show one tree to one and another to the next, or forget its end; alone, nobody sees that. Whoever asks for checkpoints
that independent witnesses signed sees what all others see (C2SP tlog-witness).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from moretta.core.documents import Trust, Verified
from moretta.core.errors import ProofRejected
from moretta.core.merkle import require_consistency
from moretta.core.notes import Note, NoteKey, parse_note, require_signed
from moretta.core.signing import Verifier, to_base64
from moretta.ledger.proofs import believed, parsed_object

EVIDENCE_TYPE = "moretta.log-evidence.v1"


class Misdeed(StrEnum):
    """`FORK`: two trees of which neither begins with the other. `ROLLBACK`: a smaller log than the one that was seen."""

    FORK = "fork"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two checkpoints that a log signed and that do not go together; `proof` is what it gave as a proof that they do."""

    misdeed: Misdeed
    seen: str
    presented: str
    proof: tuple[bytes, ...] = ()

    def text(self) -> str:
        """As JSON, which `moretta verify` checks."""
        return json.dumps(
            {
                "type": EVIDENCE_TYPE,
                "misdeed": self.misdeed.value,
                "seen": self.seen,
                "presented": self.presented,
                "proof": [to_base64(one) for one in self.proof],
            },
            indent=1,
        )


# The hashes with which the log shows that its tree of the second size begins with that of the first.
Prove = Callable[[int, int], Sequence[bytes]]


def observe(
    seen: str | None, presented: str, keys: Sequence[NoteKey], check: Verifier, prove: Prove
) -> Note | Evidence:
    """The checkpoint that is presented, where the log did nothing but grow since the one that was `seen`.

    Args:
        seen: the note that was remembered; None the first time, when a log is taken as it is.
        presented: the note that the log shows now.
        keys: the keys of the log, under its name.
        check: checks a signature.
        prove: asks the log for a proof; only where it has grown.

    Raises:
        ProofRejected: what is presented is not signed by the log, so that nothing follows from it.
        NodeUnavailable: the log does not give a proof.
    """
    note = require_own(presented, keys, check)
    if seen is None:
        return note
    before = require_own(seen, keys, check)
    if note.size < before.size:
        return Evidence(Misdeed.ROLLBACK, seen, presented)
    proof = tuple(prove(before.size, note.size)) if note.size > before.size else ()
    try:
        require_consistency(before.size, before.root, note.size, note.root, proof)
    except ProofRejected:
        return Evidence(Misdeed.FORK, seen, presented, proof)
    return note


def require_own(text: str, keys: Sequence[NoteKey], check: Verifier) -> Note:
    """The checkpoint in a note that one of the log's keys signed. Raises `ProofRejected`."""
    note = parse_note(text)
    for key in keys:
        if key.name == note.origin:
            try:
                require_signed(note, key, check)
            except ProofRejected:
                continue
            return note
    raise ProofRejected("the checkpoint is not signed by a key of the log that is watched")


def verify_evidence(content: bytes, trust: Trust) -> Verified:
    """A `DocumentVerifier` of evidence: that the log really signed both, and that they do not go together."""
    found = parsed_object(content)
    seen, _ = believed(found.get("seen"), trust)
    presented, key = believed(found.get("presented"), trust)
    if seen.origin != presented.origin:
        raise ProofRejected("expected two checkpoints of one log")
    if found.get("misdeed") not in set(Misdeed):
        raise ProofRejected("expected evidence of a fork or a rollback")
    told = f"the log {seen.origin} signed a checkpoint of {seen.size} entries and one of {presented.size}"
    if seen.size == presented.size:
        if seen.root == presented.root:
            raise ProofRejected("the two checkpoints say the same: this is no evidence")
        return Verified(EVIDENCE_TYPE, key, (told, "their roots differ: this proves that it showed two different logs"))
    # A proof that the log withholds cannot be shown to be missing: the reader asks the log for one, and sees that it has none.
    unproved = "no proof that the larger begins with the smaller came with it: ask the log for one"
    return Verified(EVIDENCE_TYPE, key, (told, unproved))
