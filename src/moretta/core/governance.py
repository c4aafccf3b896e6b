"""What governance documents are made of: facts of a running deployment, as values, and the port that counts.

Belongs here: the facts, what each protection scheme leaves open, rows of the evidence map. Does not belong here: collecting them
(see `wiring.governance`), the text of documents (templates), SQL.

A fact that is not known is None or empty, and a document says that it is missing: nothing is guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from moretta.core.consent import Notice
from moretta.core.policy import Controller, Purpose
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection
from moretta.core.retention import RetentionRule
from moretta.core.thresholds import MeasuredThreshold


@dataclass(frozen=True, slots=True)
class SchemeFacts:
    """Who learns what under a scheme, as `docs/THREAT_MODEL.md` says it: a test holds the two to the same words."""

    thief: str
    server: str
    key_holder: str
    tolerance: str


SCHEMES: Mapping[Scheme, SchemeFacts] = MappingProxyType(
    {
        Scheme.PLAIN: SchemeFacts(
            "envelope ciphertext", "every template and score in its memory", "nothing (there is none)", "0"
        ),
        Scheme.ROTATED: SchemeFacts(
            "envelope ciphertext of rotated vectors",
            "geometry: all mutual similarities; templates as soon as it has the seed, or a few known pairs",
            "the seed",
            "float rounding",
        ),
        Scheme.HE: SchemeFacts(
            "BFV ciphertexts, and envelope ciphertext of those not packed yet",
            "N, the rotated probe (and with the seed, which `serve` has in memory, the probe)",
            "scores of each comparison; rotated templates while packing",
            "0.012",
        ),
        Scheme.SHARES: SchemeFacts(
            "per party: two of three additive shares, uniformly random alone",
            "decision bits of its own searches",
            "nothing (there is none)",
            "0.02",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class CollectionCounts:
    """What a collection holds: persons, how many of them are kept out of comparisons, faces, stored photos, given consents,
    acts of comparing, and holds that hold."""

    persons: int = 0
    restricted: int = 0
    faces: int = 0
    photos: int = 0
    consents: int = 0
    searches: int = 0
    holds: int = 0


@dataclass(frozen=True, slots=True)
class CompanyCounts:
    """What a company's records of one region count: certificates of erasure, requests that are open and that are late, sweeps
    with a report, incidents, and approvals that hold."""

    certificates: int = 0
    requests_open: int = 0
    requests_late: int = 0
    sweeps: int = 0
    incidents: int = 0
    approvals: int = 0


class FactStore(Protocol):
    """One region's numbers, and its published notices."""

    def collection_counts(self, collection_id: str) -> CollectionCounts:
        """What a collection holds."""

    def company_counts(self, company_id: str, now: datetime) -> CompanyCounts:
        """What a company's records count."""

    def published(self, notice_id: str) -> Notice:
        """The newest version of a notice, whoever asks: a notice is made to be read. Raises `NotFound`."""


@dataclass(frozen=True, slots=True)
class CollectionFacts:
    """A collection as documents tell it. `days`: how long people are kept; `purpose`: what the policy says, None: nothing.

    `measured`: rates of its embedder on people who are not the operator's; None: nobody measured it.
    """

    collection: Collection
    purpose: Purpose | None
    rule: RetentionRule
    days: int | None
    counts: CollectionCounts
    notices: tuple[Notice, ...]
    measured: tuple[MeasuredThreshold, ...] | None

    @property
    def scheme(self) -> SchemeFacts:
        """Who learns what under its scheme."""
        return SCHEMES[self.collection.scheme]

    @property
    def at_threshold(self) -> MeasuredThreshold | None:
        """What was measured nearest at or under the collection's own threshold; None where nothing was measured that low."""
        similar = [one for one in self.measured or () if one.similarity <= self.collection.thresholds.match]
        return max(similar, key=lambda one: one.similarity, default=None)


@dataclass(frozen=True, slots=True)
class RegionFacts:
    """A region of the deployment: what keeps its rows, photos and keys, in words without an address.

    `country`: ISO 3166-1 alpha-2, as the policy says; None: it does not.
    """

    name: str
    is_home: bool
    database: str
    blobs: str
    keys: str
    node: str
    parties: int
    replicas: tuple[str, ...]
    country: str | None = None


@dataclass(frozen=True, slots=True)
class DeploymentFacts:
    """A deployment, told at a moment to one company. `callbacks`: who is told about its rights requests, name and host each."""

    version: str
    company_id: str
    at: datetime
    controller: Controller | None
    policy_version: str
    policy_sha256: str
    purposes: tuple[Purpose, ...]
    regions: tuple[RegionFacts, ...]
    collections: tuple[CollectionFacts, ...]
    counts: CompanyCounts
    sandbox: str
    usage_report: str
    callbacks: tuple[str, ...]
    measured_on: str


class ShownBy(StrEnum):
    """What shows that something holds: a test, a kind of entry in the log, a document, a command or an address."""

    TEST = "test"
    LOG = "log"
    DOCUMENT = "document"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Shown:
    """One piece of evidence: `what` is `tests/path.py::test_name`, an entry's kind, a path under `docs/`, or a command."""

    kind: ShownBy
    what: str


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """One row of the evidence map: what a law or standard asks, what of the software enforces or supports it (modules), what
    shows it, and what remains with the operator."""

    framework: str
    reference: str
    asks: str
    enforced_by: tuple[str, ...]
    shown_by: tuple[Shown, ...]
    remains: str
