"""Checkpoints of a log as signed notes, and what a witness adds to them.

Belongs here: the text forms C2SP signed-note, tlog-checkpoint and tlog-cosignature (c2sp.org), as pure functions. Does not belong
here: keys, files, what a log or a witness believes.

    moretta/eu/0123456789abcdef01234567          the log's name, its origin
    1042                                          how many entries
    oM2iW3...                                     base64 of the tree's root
                                                  (an empty line)
    — moretta/eu/0123456789abcdef01234567 Az3...  a signature: its key's name; base64 of key hash (4 bytes) and signature

A public key for notes is written `name+hash+base64`, the hash in hexadecimal, so that a name goes with its key.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from moretta.core.errors import ProofRejected
from moretta.core.merkle import HASH_BYTES
from moretta.core.signing import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, Signer, Verifier, to_base64

# The kinds of keys of C2SP signed-note: Ed25519 over the text, and a timestamped cosignature over it.
ED25519: Final = 0x01
COSIGNATURE: Final = 0x04

# A checkpoint takes some 200 bytes and each signature as many; a note larger than this is none of ours.
MAX_NOTE_BYTES = 64 * 1024

_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,200}")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_MARK = "\N{EM DASH} "
_KEY_HASH_BYTES, _TIME_BYTES = 4, 8


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One line of a note: the key's name and hash (4 bytes), and what follows it."""

    name: str
    key_hash: bytes
    content: bytes

    def line(self) -> str:
        """The line as it stands in a note."""
        return f"{_MARK}{self.name} {to_base64(self.key_hash + self.content)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A signed checkpoint, parsed and not yet believed. `body` is what is signed; it ends with a line feed."""

    origin: str
    size: int
    root: bytes
    body: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A public key under its name; `kind` is `ED25519` or `COSIGNATURE`."""

    name: str
    public_key: bytes
    kind: int = ED25519

    def hash(self) -> bytes:
        """What tells in a note's line which key signed (4 bytes)."""
        return hashlib.sha256(f"{self.name}\n".encode() + bytes([self.kind]) + self.public_key).digest()[
            :_KEY_HASH_BYTES
        ]

    def text(self) -> str:
        """The key in one line."""
        return f"{self.name}+{self.hash().hex()}+{to_base64(bytes([self.kind]) + self.public_key)}"


def parse_note_key(text: str) -> NoteKey:
    """The key that `NoteKey.text` wrote. Raises `ProofRejected` where it is something else."""
    name, _, rest = text.strip().partition("+")
    _, _, encoded = rest.partition("+")
    content = _decoded(encoded)
    if _NAME.fullmatch(name) and len(content) == 1 + PUBLIC_KEY_BYTES and content[0] in (ED25519, COSIGNATURE):
        key = NoteKey(name, content[1:], content[0])
        if key.text() == text.strip():
            return key
    raise ProofRejected("expected a public key such as NAME+0123abcd+BASE64, got something else")


def checkpoint_body(origin: str, size: int, root: bytes) -> str:
    """The text of a checkpoint, which is what is signed."""
    return f"{origin}\n{size}\n{to_base64(root)}\n"


def signed_checkpoint(origin: str, size: int, root: bytes, signer: Signer) -> str:
    """A checkpoint with the log's signature; equal arguments give equal notes."""
    body = checkpoint_body(origin, size, root)
    key = NoteKey(origin, signer.public_key)
    return f"{body}\n{NoteSignature(origin, key.hash(), signer.sign(body.encode())).line()}"


def cosignature(note: Note, name: str, time_s: int, signer: Signer) -> NoteSignature:
    """What a witness adds: that it saw this checkpoint at `time_s` (Unix seconds), consistent with all that it saw before."""
    key = NoteKey(name, signer.public_key, COSIGNATURE)
    return NoteSignature(name, key.hash(), time_s.to_bytes(_TIME_BYTES, "big") + signer.sign(_cosigned(note, time_s)))


def parse_note(text: str) -> Note:
    """The checkpoint in a signed note; nothing is believed yet.

    Raises:
        ProofRejected: it has another form.
    """
    body, found, tail = text.partition("\n\n")
    lines = body.split("\n")
    sound = bool(found) and len(lines) == 3 and len(text) <= MAX_NOTE_BYTES and tail.endswith("\n")
    if not sound or not _NAME.fullmatch(lines[0]) or not _SIZE.fullmatch(lines[1]):
        raise _no_note()
    root = _decoded(lines[2])
    signatures = tuple(parse_signature(line) for line in tail[:-1].split("\n"))
    if len(root) != HASH_BYTES:
        raise _no_note()
    return Note(lines[0], int(lines[1]), root, f"{body}\n", signatures)


def parse_signature(line: str) -> NoteSignature:
    """One line of a note, without its line feed. Raises `ProofRejected` where it has another form."""
    name, _, encoded = line.removeprefix(_MARK).partition(" ")
    content = _decoded(encoded)
    if not line.startswith(_MARK) or not _NAME.fullmatch(name) or len(content) <= _KEY_HASH_BYTES:
        raise _no_note()
    return NoteSignature(name, content[:_KEY_HASH_BYTES], content[_KEY_HASH_BYTES:])


def require_signed(note: Note, key: NoteKey, check: Verifier) -> int:
    """Check that `key` signed the note; when it did, in Unix seconds, where it is a witness's key, else 0.

    Raises:
        ProofRejected: it did not.
    """
    for one in note.signatures:
        if one.name != key.name or one.key_hash != key.hash():
            continue
        signature, time_s = one.content, 0
        message = note.body.encode()
        if key.kind == COSIGNATURE:
            time_s, signature = int.from_bytes(one.content[:_TIME_BYTES], "big"), one.content[_TIME_BYTES:]
            message = _cosigned(note, time_s)
        if len(signature) == SIGNATURE_BYTES and check(key.public_key, message, signature):
            return time_s
    raise ProofRejected("the checkpoint is not signed by the expected key, or was changed after it was signed")


def _cosigned(note: Note, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{note.body}".encode()


def _decoded(text: str) -> bytes:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return content if to_base64(content) == text else b""


def _no_note() -> ProofRejected:
    return ProofRejected("expected a checkpoint as a signed note: origin, size and root, an empty line, signatures")
