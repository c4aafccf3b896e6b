"""Erasing a person as values: what is held, the plan, the steps, and the certificate that says how it went.

Belongs here: the pure plan, the durable state of an erasure, certificates and their one form. Does not belong here: deleting (see
`use_cases.rights`), SQL, the proof of a certificate (see `erasure_proof`).

    planned -> stopped -> deleted -> swept -> certified

Each step is repeated until it is recorded, so that an erasure ends however often its process dies. A certificate holds no name,
no template and no person's id: only a salted commitment that nobody can open once the person's key is destroyed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from moretta.core.clock import to_second
from moretta.core.ledger import LogEntry
from moretta.core.recognition import FaceRecord, Person

CERTIFICATE_TYPE = "moretta.erasure-certificate.v1"
# A window of a sealed value or wrapped key that is looked for: 96 bits of it are its random nonce, so nothing else is like it.
MARKER_BYTES = 16


class ErasureStep(StrEnum):
    """How far an erasure is: the last step that was done and recorded."""

    PLANNED = "planned"
    STOPPED = "stopped"
    DELETED = "deleted"
    SWEPT = "swept"
    CERTIFIED = "certified"

    @property
    def place(self) -> int:
        """Its place in the order of the steps."""
        return list(ErasureStep).index(self)


class Held(StrEnum):
    """What is held of a person, in the order in which it is destroyed: without the key the rest is noise."""

    KEY = "subject key"
    ROWS = "database rows"
    PHOTOS = "photos"
    SEGMENTS = "packed segments"
    GALLERIES = "comparing nodes"
    SHARES = "parties"
    MEMORY = "answers in memory"


class Keeper(StrEnum):
    """What kind of database holds the rows."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


_METHODS = {
    Held.KEY: "the only wrapped copy of the person's data key is deleted: what was sealed under it cannot be opened again",
    Held.PHOTOS: "encrypted files deleted",
    Held.SEGMENTS: "packed again without the person's references; the files that held them are deleted",
    Held.GALLERIES: "removed from the gallery in memory and on the disk of each node",
    Held.SHARES: "the person's shares overwritten with zeros at each of the three parties",
    Held.MEMORY: "forgotten",
}
_ROWS = {
    Keeper.SQLITE: "rows deleted and overwritten (secure_delete), write-ahead log emptied",
    Keeper.POSTGRESQL: (
        "rows deleted; the server keeps dead versions until VACUUM FULL and in its own log until that is reused, whose names, "
        "proofs, photos and templates were sealed under the destroyed key"
    ),
}


@dataclass(frozen=True, slots=True)
class Holding:
    """Something that is held of a person: `items` of a kind, at one store (`store`: a region, node or table's name)."""

    kind: Held
    store: str
    items: int


@dataclass(frozen=True, slots=True)
class PlannedStore:
    """A store that is to be emptied of the person, by which method, and how much it holds now."""

    kind: Held
    store: str
    method: str
    items: int


def erasure_plan(holdings: Sequence[Holding], keeper: Keeper) -> tuple[PlannedStore, ...]:
    """How to erase what is held, in the order of doing it. What holds nothing is in it, too: it is looked at afterwards.

    Raises:
        ValueError: a store is named twice for one kind, or holds less than nothing.
    """
    named = [(holding.kind, holding.store) for holding in holdings]
    if len(set(named)) != len(named) or any(holding.items < 0 for holding in holdings):
        raise ValueError("expected each store once for a kind, with a count from 0 on")
    order = list(Held)
    ordered = sorted(holdings, key=lambda holding: (order.index(holding.kind), holding.store))
    return tuple(
        PlannedStore(one.kind, one.store, _ROWS[keeper] if one.kind is Held.ROWS else _METHODS[one.kind], one.items)
        for one in ordered
    )


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """What became of one store: how many items before and after, and how `after` was found."""

    kind: Held
    store: str
    method: str
    before: int
    after: int
    verification: str


@dataclass(frozen=True, slots=True)
class Remainder:
    """Something that is not proved to be gone: which store, why, and until when at most (None: unknown)."""

    store: str
    reason: str
    until: str | None = None


@dataclass(frozen=True, slots=True)
class NegativeSearch:
    """Whether the person's own template still finds them. `probes` were compared and `found` of them met a row of the person.

    `probes` 0: it could not be done, and `method` says why and what was done instead.
    """

    probes: int
    found: int
    method: str


@dataclass(frozen=True, slots=True)
class Traces:
    """What to look for once the person is gone: gallery rows, ids of files, and windows of sealed bytes; nothing that identifies.

    `markers`: windows of `MARKER_BYTES` of sealed values and wrapped keys: random numbers and ciphertext.
    """

    rows: tuple[int, ...] = ()
    photos: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    markers: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Findings:
    """What the sweep found. `waiting`: nodes that have not acknowledged yet."""

    outcomes: tuple[StoreOutcome, ...] = ()
    remainders: tuple[Remainder, ...] = ()
    negative_search: NegativeSearch | None = None
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure as it is kept. Only random ids, counts and moments: it outlives the person.

    `nonce` and `subject`: the person's commitment (see `ledger`), made while their key was there. `revision` counts the
    certificates: another one is made when a node acknowledges late. `with_collection`: the whole collection is erased, and the
    person with it.
    """

    certificate_id: str
    company_id: str
    person_id: str
    collection_id: str
    request_id: str | None
    step: ErasureStep
    requested_at: datetime
    started_at: datetime
    nonce: bytes
    subject: bytes
    key_fingerprint: str
    model_id: str
    scheme: str
    purpose: str
    keeper: Keeper
    plan: tuple[PlannedStore, ...]
    traces: Traces
    findings: Findings = Findings()
    completed_at: datetime | None = None
    revision: int = 0
    with_collection: bool = False


@dataclass(frozen=True, slots=True)
class ErasureCertificate:
    """What is certified. `supersedes`: the SHA-256 (hexadecimal) of the certificate before, which a late node made outdated.

    `backups`: until when backups may hold sealed copies that open, in words; `backups_expire_at`, `backups_shredded_by`: when the
    operator deletes them, and by when nobody can open what they hold of the person, each None where it is not set; `software` and
    `models`: name and version or digest each.
    """

    certificate_id: str
    revision: int
    supersedes: str | None
    request_id: str | None
    company_id: str
    scope: str
    collection_id: str
    purpose: str
    scheme: str
    nonce: bytes
    subject: bytes
    requested_at: datetime
    started_at: datetime
    completed_at: datetime
    stores: tuple[StoreOutcome, ...]
    destroyed_keys: tuple[str, ...]
    backups_expire_at: str | None
    backups: str
    exceptions: tuple[Remainder, ...]
    negative_search: NegativeSearch
    software: tuple[tuple[str, str], ...]
    models: tuple[tuple[str, str], ...]
    backups_shredded_by: str | None = None

    def fields(self) -> dict[str, object]:
        """The certificate as JSON, without the log's proof and the signature. What the log commits to is its canonical form."""
        return {
            "type": CERTIFICATE_TYPE,
            "certificate_id": self.certificate_id,
            "revision": self.revision,
            "supersedes": self.supersedes,
            "request_id": self.request_id,
            "company_id": self.company_id,
            "scope": self.scope,
            "collection_id": self.collection_id,
            "purpose": self.purpose,
            "scheme": self.scheme,
            "subject": {"nonce": self.nonce.hex(), "commitment": self.subject.hex()},
            "requested_at": to_second(self.requested_at),
            "started_at": to_second(self.started_at),
            "completed_at": to_second(self.completed_at),
            "stores": [
                {
                    "store": f"{one.kind.value}: {one.store}",
                    "method": one.method,
                    "items_before": one.before,
                    "items_after": one.after,
                    "verification": one.verification,
                }
                for one in self.stores
            ],
            "destroyed_keys": list(self.destroyed_keys),
            "backups": {
                "expire_at": self.backups_expire_at,
                "shredded_by": self.backups_shredded_by,
                "statement": self.backups,
            },
            "exceptions": [{"store": one.store, "reason": one.reason, "until": one.until} for one in self.exceptions],
            "negative_search": {
                "probes": self.negative_search.probes,
                "found": self.negative_search.found,
                "method": self.negative_search.method,
            },
            "software": dict(self.software),
            "models": dict(self.models),
        }


@dataclass(frozen=True, slots=True)
class StoredCertificate:
    """A certificate as it is kept and handed out: `document` is signed JSON, log proof included; `log_index` of its entry."""

    certificate_id: str
    company_id: str
    revision: int
    log_index: int
    document: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PersonHoldings:
    """What one region's database knows of a person. `rows`: table and count of the rows that go, or are emptied.

    `markers`: as `Traces.markers`, of all that the database holds sealed of them.
    """

    keeper: Keeper
    rows: tuple[tuple[str, int], ...]
    markers: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class KeptTemplate:
    """One stored template: its face, and `payload` where it stands alone, or the segment that holds its `row`."""

    face: FaceRecord
    payload: bytes | None = field(default=None, repr=False)
    segment_id: str | None = None


@dataclass(frozen=True, slots=True)
class BytesSearched:
    """What a search of a database's raw bytes found: how many of the markers, in how many bytes; or why there was none."""

    found: int = 0
    size: int = 0
    unsearched: str = ""


class ErasureStore(Protocol):
    """One region's erasures and certificates. Safe for threads and processes. Another company's are unknown: `NotFound`."""

    def holdings(self, company_id: str, person_id: str) -> PersonHoldings:
        """What the database holds of a person; nothing (no rows) once they are erased."""

    def whereabouts(self, company_id: str, person_id: str) -> Person:
        """The person without name and attributes: erasing must not need a key. Raises `PersonErased`, `NotFound`."""

    def templates(self, company_id: str, person_id: str, *, opened: bool = True) -> list[KeptTemplate]:
        """The person's templates as they are stored, the oldest first; not `opened`: without payloads, which needs no key.

        Raises:
            PersonErased, NotFound: there is no such person.
        """

    def search_bytes(self, markers: Sequence[bytes]) -> BytesSearched:
        """Look for windows of bytes in the database's own files, free pages and logs included."""

    def begin(self, erasure: Erasure, entries: Sequence[LogEntry] = ()) -> Erasure:
        """Keep a planned erasure. Where the person has one already that is given back, and nothing is written.

        Raises:
            PersonHeld: a hold keeps the person.
        """

    def erasure_of(self, company_id: str, person_id: str) -> Erasure:
        """The person's erasure. Raises `NotFound` where none was begun."""

    def advance(self, erasure: Erasure, entries: Sequence[LogEntry] = ()) -> Erasure:
        """Keep what `erasure` says, where its step is the one after the kept one; else give back what is kept, unchanged."""

    def unfinished(self, limit: int) -> list[Erasure]:
        """Erasures that are not certified, and certified ones for which a node's acknowledgement is awaited."""

    def people(self, collection_id: str, limit: int) -> list[Person]:
        """At most `limit` of those who are in a collection still, in the order of their ids, as `whereabouts` gives them."""

    def count(self, collection_id: str) -> int:
        """How many people are in a collection still."""

    def of_collection(
        self, company_id: str, collection_id: str, limit: int, after: str | None = None, *, unfinished: bool = False
    ) -> list[Erasure]:
        """Erasures of people of a collection, in the order of their certificates' ids, from after the id `after`.

        With `unfinished`, those alone that have no signed certificate yet.
        """

    def certify(self, erasure: Erasure, body: bytes, entry: LogEntry) -> int | None:
        """Keep the body (canonical JSON) of the certificate of `erasure.revision`, and append its entry: one transaction.

        Returns the entry's index; None where that revision was kept before, by another process.
        """

    def uncertified(self, certificate_id: str) -> tuple[bytes, bytes, int] | None:
        """Body, entry's leaf and index of the newest revision, where its document was not kept yet; else None."""

    def certify_part(self, company_id: str, certificate_id: str, body: bytes, entry: LogEntry) -> int:
        """Keep the body of a certificate about one template of somebody who stays, and append its entry; the entry's index."""

    def keep_document(self, certificate_id: str, revision: int, document: bytes) -> None:
        """Keep the signed document of a revision. Idempotent: the first one stays."""

    def certificate(self, company_id: str, certificate_id: str) -> StoredCertificate:
        """The newest certificate of that id that is signed."""

    def overwrite_deleted(self) -> bool:
        """Overwrite what was deleted, as far as this program can; False: a reader keeps the old log open still."""
