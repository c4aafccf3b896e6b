"""What recognition works with: a region's stores and keys, the galleries that follow it, the workers, the brakes.

Belongs here: ports bundled by region, and how an id finds its region. Does not belong here: any use of them.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from moretta.core.approvals import ApprovalStore
from moretta.core.audit import AuditStore
from moretta.core.callbacks import DeliveryStore
from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.clock import Clock, utc_now
from moretta.core.consent_store import ConsentStore
from moretta.core.erasure import ErasureStore
from moretta.core.errors import ModelMismatch, NotFound, RegionRefused, RequestInvalid
from moretta.core.governance import FactStore
from moretta.core.incidents import IncidentStore
from moretta.core.key_service import KeyHolder, SubjectCipher
from moretta.core.protection import ProtectedProbe, SealedScores
from moretta.core.published_log import PublishedLog
from moretta.core.recognising import EmbedderCard, FaceReader
from moretta.core.recognition import Collection, CollectionState, IdKind, region_of
from moretta.core.recognition_store import BlobStore, RecognitionStore
from moretta.core.retention import RetentionStore
from moretta.core.review import ReviewStore
from moretta.core.rights import RightsStore
from moretta.core.signing import SigningKeys
from moretta.core.subject_access import SubjectAccessStore
from moretta.use_cases.guard import Guard
from moretta.use_cases.recognition.brakes import Brakes


@dataclass(frozen=True, slots=True)
class GalleryAnswer:
    """Sealed scores, the region that made them, and how many committed changes it had not seen yet."""

    sealed: SealedScores
    region: str
    behind: int = 0


class Galleries(Protocol):
    """The comparing nodes that hold a region's collections and follow its database. Safe for several threads."""

    def compare(
        self, collection: Collection, probe: ProtectedProbe, threshold: float, only: Sequence[int] | None = None
    ) -> GalleryAnswer:
        """Compare at the home node, brought up to date first; where it does not answer, at a replica.

        Raises:
            NodeUnavailable: no node that may hold the collection answers.
            ProbeRejected: the probe is malformed.
        """

    def follow(self, collection: Collection) -> None:
        """Bring every node that answers up to the database; the others catch up when they are back. Never raises for them."""

    def acknowledged(self, collection: Collection) -> Mapping[str, bool]:
        """Whether each node that may hold the collection has all that was committed, by region (`shares`: by party).

        They are brought up to date for it; one that is known to be down, or does not do it within seconds, has not.
        """

    def drop(self, collection: Collection, keep_key_id: str | None = None) -> None:
        """Delete what nodes hold of a collection, but for the gallery of one key; as forgiving as `follow`."""

    def refresh(self, collection: Collection) -> None:
        """Share templates anew among the parties, so that shares taken before are worth nothing; only for `shares`.

        Raises:
            RequestInvalid: the scheme has no shares.
            NodeUnavailable: a party does not answer; nothing has changed.
        """


@dataclass(frozen=True, slots=True)
class Region:
    """One region's parts.

    `photos` and `segments` are blob stores; the embedded node reads the segments where they lie. `change_master_key` wraps every
    key of the region under a new master key, destroys the old ones, and gives the new one's id. `log` tells every act; `audit`
    keeps who was compared; `signing` are the keys that sign receipts, certificates and checkpoints.
    """

    name: str
    store: RecognitionStore
    photos: BlobStore
    segments: BlobStore
    cipher: SubjectCipher
    keys: KeyHolder
    galleries: Galleries
    change_master_key: Callable[[], str]
    log: PublishedLog
    audit: AuditStore
    signing: SigningKeys
    reviews: ReviewStore
    approvals: ApprovalStore
    consents: ConsentStore
    retention: RetentionStore
    incidents: IncidentStore
    facts: FactStore
    erasures: ErasureStore
    requests: RightsStore
    deliveries: DeliveryStore
    subjects: SubjectAccessStore


def require_in_use(collection: Collection) -> Collection:
    """The collection. Raises `NotFound` where it is being deleted: nobody is added to it or compared any more."""
    if collection.state is CollectionState.DELETED:
        raise NotFound("expected a collection in use; this one is being deleted with everybody in it")
    return collection


class Locks:
    """One lock for each collection, so that this process changes its packed form in one thread at a time."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._of: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)

    def of(self, collection_id: str) -> threading.RLock:
        """The collection's lock."""
        with self._guard:
            return self._of[collection_id]


@dataclass(frozen=True, slots=True)
class Means:
    """Everything that recognition needs.

    `cards` tells the embedders that the workers have loaded, the default one first. `places` are the regions with a node of this
    deployment, where replicas may be; those of `regions` are among them. `guard` is asked before anything that touches identity;
    left out, the built-in policy holds, and no approval is on record.
    """

    regions: Mapping[str, Region]
    default_region: str
    reader: FaceReader
    cards: tuple[EmbedderCard, ...]
    places: frozenset[str] = frozenset()
    brakes: Brakes = field(default_factory=Brakes)
    clock: Clock = utc_now
    checkpoint: Checkpoint = no_checkpoint
    locks: Locks = field(default_factory=Locks)
    guard: Guard = field(default_factory=Guard)

    def region(self, name: str | None) -> Region:
        """The region of that name, or the default one. Raises `RegionRefused` where there is none."""
        found = self.regions.get(name or self.default_region)
        if found is None:
            raise RegionRefused(f"expected a region out of {', '.join(sorted(self.regions))}; got another name")
        return found

    def home(self, some_id: str, kind: IdKind) -> Region:
        """The region that an id names. Raises `NotFound`: no id of that kind, or of a region that is not here."""
        found = self.regions.get(region_of(some_id, kind))
        if found is None:
            raise NotFound("expected an id of a region of this deployment; got one of another region")
        return found

    def opened(self, company_id: str, collection_id: str) -> tuple[Region, Collection]:
        """The collection, in use, and its home. Raises `NotFound`: also where it is being deleted."""
        region = self.home(collection_id, IdKind.COLLECTION)
        return region, require_in_use(region.store.collection(company_id, collection_id))

    def card(self, model: str | None) -> EmbedderCard:
        """The embedder of that name or model id, or the default one. Raises `RequestInvalid` where it is not loaded."""
        for card in self.cards:
            if model is None or model in (card.name, card.model_id):
                return card
        known = ", ".join(card.name for card in self.cards)
        raise RequestInvalid(f"expected a model out of {known}; a model that was just added needs a restart")

    def require_model(self, collection: Collection) -> None:
        """Raises `ModelMismatch` where the workers do not have the collection's embedder."""
        if all(card.model_id != collection.model_id for card in self.cards):
            raise ModelMismatch(
                "the collection's templates were made by a model that is not installed any more, and another model's cannot be "
                "compared with them: install that model again, or re-enrol the collection under a present one"
            )
