"""Proofs that leave the deployment: an entry of the log with all that shows its place, as one JSON file.

Belongs here: writing them, and checking them and bare checkpoints with nothing but a public key. Does not belong here: the files
of other subjects (certificates, receipts), which name entries by such proofs.

    {"type": "moretta.log-proof.v1", "entry": {...}, "index": 41, "checkpoint": "moretta/eu/...", "inclusion": ["base64", ...],
     "earlier": {"checkpoint": "...", "consistency": ["base64", ...]}}
"""

import json
from collections.abc import Mapping, Sequence

from moretta.core.documents import Trust, Verified
from moretta.core.errors import LogBroken, ProofRejected, UsageRejected
from moretta.core.ledger import LogEntry, TransparencyLog, entry_from_leaf
from moretta.core.merkle import HASH_BYTES, leaf_hash, require_consistency, require_inclusion
from moretta.core.notes import MAX_NOTE_BYTES, Note, NoteKey, parse_note, require_signed
from moretta.core.signing import from_base64, to_base64
from moretta.core.usage import canonical_json

PROOF_TYPE, CHECKPOINT_TYPE = "moretta.log-proof.v1", "moretta.checkpoint.v1"

# A path in a tree of 2^63 leaves has 63 hashes (RFC 9162, 2.1.3); a consistency proof at most one more.
_MOST_HASHES = 64


def proof_of(log: TransparencyLog, index: int, earlier: Note | None = None) -> dict[str, object]:
    """That entry `index` is in the log as it stands, and that this log begins with an `earlier` checkpoint.

    Raises:
        NotFound: there is no such entry, or the earlier checkpoint is larger than the log.
        LogBroken: the log is not what was signed of it.
    """
    checkpoint = log.checkpoint()
    inclusion = log.inclusion(index, checkpoint.size)
    (found,) = log.entries(index, 1)
    proof: dict[str, object] = {
        "type": PROOF_TYPE,
        "entry": dict(found.entry.fields()),
        "index": index,
        "checkpoint": checkpoint.note,
        "inclusion": [to_base64(one) for one in inclusion.hashes],
    }
    if earlier is not None:
        consistency = log.consistency(earlier.size, checkpoint.size)
        hashes = [to_base64(one) for one in consistency.hashes]
        proof["earlier"] = {"checkpoint": _text(earlier), "consistency": hashes}
    return proof


def require_proof(proof: Mapping[str, object], trust: Trust) -> tuple[LogEntry, Note, bytes]:
    """The entry, the checkpoint and the public key that signed it, of a proof that holds.

    For documents that hold such a proof of their own entry: compare the entry with what it should say.

    Raises:
        ProofRejected: it does not hold.
    """
    allowed = {"type", "entry", "index", "checkpoint", "inclusion", "earlier"}
    index = proof.get("index")
    if proof.get("type") != PROOF_TYPE or not set(proof) <= allowed or type(index) is not int:
        raise ProofRejected("expected a proof of an entry of the log, got another form")
    note, key = believed(proof.get("checkpoint"), trust)
    entry, hashed = _entry(proof.get("entry"))
    require_inclusion(hashed, index, note.size, _hashes(proof.get("inclusion")), note.root)
    if "earlier" in proof:
        _require_earlier(proof["earlier"], note, trust)
    return entry, note, key


def believed(text: object, trust: Trust) -> tuple[Note, bytes]:
    """A checkpoint that one of the trusted keys signed under the log's own name, and that key.

    Raises:
        ProofRejected: none did, or the trusted keys are another log's.
    """
    if not isinstance(text, str):
        raise ProofRejected("expected a checkpoint as text")
    note = parse_note(text)
    if trust.origin and note.origin != trust.origin:
        raise ProofRejected("the checkpoint is of another log than the one whose key is trusted")
    for public_key in trust.keys:
        try:
            require_signed(note, NoteKey(note.origin, public_key), trust.check)
        except ProofRejected:
            continue
        return note, public_key
    raise ProofRejected("the checkpoint is not signed by the trusted key, or was changed after it was signed")


def verify_proof(content: bytes, trust: Trust) -> Verified:
    """A `DocumentVerifier` of files that `proof_of` gave."""
    proof = parsed_object(content)
    entry, note, key = require_proof(proof, trust)
    statements = [
        f"entry {proof['index']} of the log {note.origin}: {entry.kind} at {entry.time}",
        f"it is in the log of {note.size} entries that this key signed",
    ]
    if "earlier" in proof:
        statements.append("that log begins with the earlier checkpoint in this file")
    return Verified(PROOF_TYPE, key, tuple(statements))


def verify_checkpoint(content: bytes, trust: Trust) -> Verified:
    """A `DocumentVerifier` of a signed checkpoint.

    Raises:
        ProofRejected: another kind of document, altered, or not signed by a key that is trusted.
    """
    try:
        text = content[: MAX_NOTE_BYTES + 1].decode()
    except UnicodeDecodeError:
        raise ProofRejected("expected a checkpoint as text, got other bytes") from None
    note, key = believed(text, trust)
    return Verified(CHECKPOINT_TYPE, key, (f"the log {note.origin} had {note.size} entries and the root in this file",))


def parsed_object(content: bytes) -> Mapping[str, object]:
    """A JSON object, each name once: readers differ in which of two they take. Raises `ProofRejected` for anything else."""
    try:
        value = json.loads(content, object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ProofRejected("expected a JSON object")
    return value


def _each_once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _require_earlier(value: object, note: Note, trust: Trust) -> None:
    if not isinstance(value, Mapping):
        raise ProofRejected("expected an earlier checkpoint with its proof of consistency")
    before, _ = believed(value.get("checkpoint"), trust)
    if before.origin != note.origin:
        raise ProofRejected("expected an earlier checkpoint of the same log")
    require_consistency(before.size, before.root, note.size, note.root, _hashes(value.get("consistency")))


def _entry(value: object) -> tuple[LogEntry, bytes]:
    try:
        leaf = canonical_json(value)
        return entry_from_leaf(leaf), leaf_hash(leaf)
    except (LogBroken, UsageRejected, ValueError, TypeError):
        raise ProofRejected("expected an entry of the log in the proof, got something else") from None


def _hashes(value: object) -> Sequence[bytes]:
    if not isinstance(value, list) or len(value) > _MOST_HASHES:
        raise ProofRejected("expected a list of hashes in the proof")
    return [from_base64(one, HASH_BYTES) for one in value]


def _text(note: Note) -> str:
    return f"{note.body}\n{''.join(signature.line() for signature in note.signatures)}"
