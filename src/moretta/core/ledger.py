"""The transparency log as values: what an entry says, what a checkpoint and its proofs are, and the port of a log.

Belongs here: entries and their one way of being written, commitments, and contracts. Does not belong here: trees (see
`merkle`), signatures (see `signing`), SQL.

An entry never holds personal data. Where it is about a person it holds a salted commitment: a keyed hash under a salt derived
from the person's own data key, fresh for each entry. Whoever has the key can show which entries are about them; once the key
is destroyed nobody can, so that an append-only log and erasure coexist.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from moretta.core.clock import from_second
from moretta.core.errors import LogBroken, RequestInvalid, UsageRejected
from moretta.core.usage import canonical_json, parse_canonical_json, require_fields

FACT = re.compile(r"[a-z][a-z0-9_]{0,31}")
VALUE = re.compile(r"[A-Za-z0-9_.:,+/=-]{0,200}")
COMMITMENT_BYTES, NONCE_BYTES = 32, 16
_LABEL = b"moretta log commitment 1"
_FIELDS = frozenset({"kind", "time", "company_id", "facts", "nonce", "subject", "content"})


class EntryKind(StrEnum):
    """What happened."""

    CONSENT_GIVEN = "consent.given"
    CONSENT_REFUSED = "consent.refused"
    CONSENT_WITHDRAWN = "consent.withdrawn"
    CONSENT_EXPIRED = "consent.expired"
    ENROLLED = "person.enrolled"
    FACE_REMOVED = "face.removed"
    RECTIFIED = "person.rectified"
    RESTRICTED = "person.restricted"
    ERASED = "person.erased"
    SEARCHED = "search"
    VERIFIED = "verify"
    COMPARED = "compare"
    PHOTO_VIEWED = "photo.viewed"
    COLLECTION_CHANGED = "collection.changed"
    POLICY_CHANGED = "policy.changed"
    NOTICE_CHANGED = "notice.changed"
    KEY_CHANGED = "key.changed"
    REQUEST = "rights.request"
    NOTIFIED = "rights.notified"
    EXPORTED = "export"
    REVIEWED = "review"
    APPROVED = "approval"
    HELD = "hold"
    BREACH = "breach"
    DRILL = "drill"
    RETENTION = "retention"
    SUBJECT_LINK = "subject.link"
    SUBJECT_VISIT = "subject.visit"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry. `time` to the second; `company_id` whose act it was; `facts` are ids, words and counts, never personal data.

    `subject` (32 bytes, or none) is `subject_commitment` under `nonce`; `content` (32 bytes, or none) is the commitment to a
    document, such as a receipt or a certificate, by its SHA-256 under the same nonce. A person's id is no fact: that an entry
    is about a person only `subject` says.

    Raises:
        RequestInvalid: a field has another form.
    """

    kind: EntryKind
    time: str
    company_id: str
    facts: tuple[tuple[str, str], ...] = ()
    nonce: bytes = field(default_factory=lambda: secrets.token_bytes(NONCE_BYTES))
    subject: bytes = b""
    content: bytes = b""

    def __post_init__(self) -> None:
        names = [name for name, _ in self.facts]
        sound = all(FACT.fullmatch(name) and VALUE.fullmatch(value) for name, value in self.facts)
        if not sound or len(set(names)) != len(names) or not VALUE.fullmatch(self.company_id):
            raise RequestInvalid("expected facts of a log entry to be ids, words or counts, each once")
        if len(self.subject) not in (0, COMMITMENT_BYTES) or len(self.content) not in (0, COMMITMENT_BYTES):
            raise RequestInvalid("expected commitments of 32 bytes in a log entry")
        if len(self.nonce) != NONCE_BYTES:
            raise RequestInvalid("expected a nonce of 16 bytes in a log entry")
        try:
            from_second(self.time)
        except ValueError as error:
            raise RequestInvalid(str(error)) from None

    def leaf(self) -> bytes:
        """The one way in which the entry is written: these bytes are what the tree hashes."""
        return canonical_json(self.fields())

    def fields(self) -> Mapping[str, object]:
        """The entry as JSON: bytes in hexadecimal."""
        return {
            "kind": self.kind.value,
            "time": self.time,
            "company_id": self.company_id,
            "facts": dict(self.facts),
            "nonce": self.nonce.hex(),
            "subject": self.subject.hex(),
            "content": self.content.hex(),
        }


def entry_from_leaf(leaf: bytes) -> LogEntry:
    """The entry that `LogEntry.leaf` wrote.

    Raises:
        LogBroken: the bytes are none: the database was changed.
    """
    try:
        fields = require_fields(parse_canonical_json(leaf), _FIELDS, "entry")
        texts = {name: value for name, value in fields.items() if isinstance(value, str)}
        facts = fields["facts"]
        if not isinstance(facts, dict) or not all(isinstance(value, str) for value in facts.values()):
            raise ValueError("facts")
        return LogEntry(
            kind=EntryKind(texts["kind"]),
            time=texts["time"],
            company_id=texts["company_id"],
            facts=tuple(sorted(facts.items())),
            nonce=bytes.fromhex(texts["nonce"]),
            subject=bytes.fromhex(texts["subject"]),
            content=bytes.fromhex(texts["content"]),
        )
    except (UsageRejected, RequestInvalid, KeyError, ValueError):
        raise LogBroken("expected an entry of the log, got other bytes: the database was changed") from None


def log_salt(data_key: bytes) -> bytes:
    """The salt of a person's commitments, from their data key: HMAC-SHA256 of a fixed label (as HKDF-Expand, RFC 5869, 2.3)."""
    return hmac.digest(data_key, _LABEL, hashlib.sha256)


def subject_commitment(data_key: bytes, person_id: str, nonce: bytes) -> bytes:
    """What stands for a person in an entry (32 bytes). Without the data key it says nothing, not even that two are one person."""
    return hmac.digest(log_salt(data_key), nonce + person_id.encode(), hashlib.sha256)


def content_commitment(nonce: bytes, sha256: bytes) -> bytes:
    """What stands for a document in an entry (32 bytes): who has document and entry can tell that they belong together."""
    return hashlib.sha256(_LABEL + nonce + sha256).digest()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log at one size: `root` is the RFC 6962 tree hash; `note` the C2SP signed note that says so."""

    origin: str
    size: int
    root: bytes
    note: str


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That the leaf at `index` is in the tree of `size` (RFC 9162, 2.1.3)."""

    index: int
    size: int
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """That the tree of `size` begins with the tree of `first` (RFC 9162, 2.1.4)."""

    first: int
    size: int
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry where it stands."""

    index: int
    entry: LogEntry


class TransparencyLog(Protocol):
    """One region's append-only log. Safe for threads and processes.

    Entries that belong to a write of another store go through that store's own `entries` argument, in its transaction; `append`
    is for all else.
    """

    def append(self, entries: Sequence[LogEntry]) -> list[int]:
        """Append in order, all or none; their indexes. Durable when it returns."""

    def size(self) -> int:
        """How many entries there are."""

    def entries(self, start: int, limit: int, company_id: str | None = None) -> list[Logged]:
        """At most `limit` entries (of one company where given) from index `start` on. Raises `LogBroken` where one is none."""

    def index_of(self, entry: LogEntry) -> int:
        """Where an entry stands that was appended with the write of another store. Raises `NotFound`."""

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        """A signed checkpoint of the present size, or the one that was signed of `size`, with what witnesses signed of it.

        The same size always gives the same origin, root and signature of the log.

        Raises:
            NotFound: none was signed of that size.
            LogBroken: the log does not begin with what was signed of it before.
        """

    def inclusion(self, index: int, size: int) -> InclusionProof:
        """Raises `NotFound` where the log is not that long."""

    def consistency(self, first: int, size: int) -> ConsistencyProof:
        """Raises `NotFound` where the log is not that long."""
