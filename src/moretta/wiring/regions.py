"""The regions of a deployment, opened: each one's database, blobs, keys and galleries.

Belongs here: which implementation a plan means, and the order of opening and closing. Does not belong here: the form of the
file (see `regions_file`), what is done with a region.

A region is opened when it is first used, so that one whose database is down does not keep the others from working.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from moretta.core.errors import MorettaError, RegionRefused
from moretta.core.gallery import GalleryNode
from moretta.core.key_service import KeyService
from moretta.core.recognition import Collection
from moretta.keys.envelope import Envelope
from moretta.keys.rotation import SETTLE_S, MasterKeyChange, change_master_key, settling_s
from moretta.settings import Settings
from moretta.storage.alone import alone_in_all
from moretta.storage.blobs.opening import open_blobs
from moretta.storage.consents.store import SqlConsentStore
from moretta.storage.database import open_database
from moretta.storage.governance.facts import SqlFactStore
from moretta.storage.governance.incidents import SqlIncidentStore
from moretta.storage.governance.retention import SqlRetentionStore
from moretta.storage.recognition.store import SqlRecognitionStore
from moretta.storage.reviews.approvals import SqlApprovalStore
from moretta.storage.reviews.store import SqlReviewStore
from moretta.storage.rights.deliveries import SqlDeliveryStore
from moretta.storage.rights.erasures import SqlErasureStore
from moretta.storage.rights.requests import SqlRightsStore
from moretta.storage.subjects.store import SqlSubjectAccessStore
from moretta.use_cases.recognition.means import Region
from moretta.wiring.galleries import RegionGalleries, StoreSource
from moretta.wiring.key_holding import KEY_CHANGE_LOCK, Keys, key_is_being_changed, opened_keys
from moretta.wiring.ledgers import ledger_in, rewrap_signing_keys_in
from moretta.wiring.node import allow_many_files, warm_in_background
from moretta.wiring.pinning import Announcements, Pin, PinnedBlobs, pinned_store
from moretta.wiring.region_nodes import RegionNodes
from moretta.wiring.regions_file import RegionPlan, RegionsPlan, folder_in, local_plan, read_regions

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parties:
    """The three parties of a region (`shares`): as one node, their public keys in order, and how they share anew."""

    node: GalleryNode
    public_keys: bytes
    refresh: Callable[[Collection], None]


OpenParties = Callable[[str, RegionPlan], Parties]
OnOpen = Callable[[Engine], None]


@dataclass(frozen=True, slots=True)
class _Opened:
    region: Region
    store: SqlRecognitionStore
    engine: Engine
    keys: Keys
    galleries: RegionGalleries
    close: Callable[[], None]


class Regions(Mapping[str, Region]):
    """The regions in which collections may be at home, by name. Safe for threads.

    Args:
        plan: which regions there are.
        data_dir: where embedded nodes keep copies and marks.
        engine: the database of the region `local`, which is the service's own; opened and closed by the caller.
        open_parties: opens the parties of a region; None where this deployment has none.
        replicate: keep nodes up to date in the background (a service does, a command does not).
        settle_s: as `keys.rotation.change_master_key`.
        on_open: called with a region's database when it was opened; what it raises keeps the region closed.
    """

    def __init__(
        self,
        plan: RegionsPlan,
        data_dir: Path,
        engine: Engine | None = None,
        open_parties: OpenParties | None = None,
        *,
        replicate: bool = False,
        settle_s: float = SETTLE_S,
        on_open: OnOpen | None = None,
    ) -> None:
        self._plan, self._engine, self._open_parties, self._replicate = plan, engine, open_parties, replicate
        self._settle_s, self._on_open = settle_s, on_open
        self._nodes = RegionNodes(plan, data_dir)
        self._lock = threading.RLock()
        self._opened: dict[str, _Opened] = {}

    @property
    def default(self) -> str:
        """The region of collections that name none."""
        return self._plan.default

    @property
    def places(self) -> frozenset[str]:
        """Every region that has a node: where replicas may be."""
        return frozenset(self._plan.regions)

    def __getitem__(self, name: str) -> Region:
        """The region, opened now where it was not yet.

        Raises:
            KeyError: no region of this deployment, or one for replicas alone.
            StorageUnusable, KeyUnusable, NodeUnavailable: a part of it cannot be opened.
        """
        return self._found(name).region

    def __iter__(self) -> Iterator[str]:
        return iter(self._plan.homes())

    def __len__(self) -> int:
        return len(self._plan.homes())

    def engine_of(self, name: str) -> Engine:
        """The database of a region; closed with the region. Raises as `regions[name]` does."""
        return self._found(name).engine

    def sharing_keys(self) -> tuple[tuple[str, ...], ...]:
        """The names of all regions, those together whose keys lie in the same place: they change their master key together."""
        groups: dict[str | None, list[str]] = {}
        for name in self._plan.homes():
            groups.setdefault(self._plan.regions[name].keys, []).append(name)
        return tuple(tuple(names) for names in groups.values())

    def master_keys(self, name: str) -> tuple[str, ...]:
        """The ids of a region's master keys, the oldest first and the active one last."""
        service = self._found(name).keys.service
        active = service.active()
        return (*(one for one in service.master_keys() if one != active), active)

    def change_master_key(
        self, names: Sequence[str], *, anew: bool = False, sleep: Callable[[float], None] = time.sleep
    ) -> MasterKeyChange:
        """Change the master key of regions that share it, all of them named (see `sharing_keys`); as `change_master_key`.

        Raises:
            Conflict: another process changes it.
        """
        sharing = [self._found(name) for name in names]
        service: KeyService = sharing[0].keys.service
        with alone_in_all([one.engine for one in sharing], KEY_CHANGE_LOCK) as held:
            if not held:
                raise key_is_being_changed()
            return change_master_key(
                service,
                Envelope(service),
                [one.store for one in sharing],
                lambda: sum(
                    one.keys.rewrap_gallery_keys() + rewrap_signing_keys_in(one.engine, service) for one in sharing
                ),
                anew=anew,
                settle_s=self._settle_s,
                sleep=sleep,
            )

    def close(self) -> None:
        """Close what was opened. Idempotent."""
        with self._lock:
            opened, self._opened = self._opened, {}
        for one in opened.values():
            one.close()
        self._nodes.close()

    def _found(self, name: str) -> _Opened:
        if name not in self._plan.homes():
            raise KeyError(name)
        with self._lock:
            found = self._opened.get(name)
            if found is None:
                found = self._opened[name] = self._open(name)
            return found

    def _open(self, name: str) -> _Opened:
        plan = self._plan.regions[name]
        with ExitStack() as stack:
            parties = self._parties(name, plan, stack)
            engine = self._engine
            if engine is None:
                engine = open_database(_given(plan.database))
                stack.callback(engine.dispose)
            if self._on_open is not None:
                self._on_open(engine)
            keys = stack.enter_context(
                opened_keys(
                    _given(plan.keys),
                    folder_in(plan.gallery_keys or ""),
                    folder_in(self._plan.certificates or ""),
                    parties=b"" if parties is None else parties.public_keys,
                )
            )
            cipher = Envelope(keys.service)
            store = SqlRecognitionStore(engine, cipher)
            stack.callback(store.close)
            pin, announced = Pin(name, frozenset(plan.replicate_to)), Announcements()
            segments = PinnedBlobs(open_blobs(_place(_given(plan.segments))), pin, announced)
            galleries = self._galleries(name, StoreSource(name, store, segments), parties, store)
            stack.callback(galleries.close)
            ledger = ledger_in(engine, name, keys.service)
            region = Region(
                name=name,
                store=pinned_store(store, pin, announced),
                photos=PinnedBlobs(open_blobs(_place(_given(plan.blobs))), pin, announced),
                segments=segments,
                cipher=cipher,
                keys=keys.holder,
                galleries=galleries,
                change_master_key=lambda: self._change_master_key(name),
                log=ledger.log,
                audit=ledger.audit,
                signing=ledger.signing,
                consents=SqlConsentStore(engine, cipher),
                reviews=SqlReviewStore(engine),
                approvals=SqlApprovalStore(engine),
                retention=SqlRetentionStore(engine, cipher),
                incidents=SqlIncidentStore(engine),
                facts=SqlFactStore(engine),
                subjects=SqlSubjectAccessStore(engine),
                erasures=SqlErasureStore(engine, cipher),
                requests=SqlRightsStore(engine, cipher),
                deliveries=SqlDeliveryStore(engine),
            )
            return _Opened(region, store, engine, keys, galleries, stack.pop_all().close)

    def _galleries(
        self, name: str, source: StoreSource, parties: Parties | None, store: SqlRecognitionStore
    ) -> RegionGalleries:
        regions = (name, *self._plan.regions[name].replicate_to)
        return RegionGalleries(
            source,
            {region: self._nodes.node(region, home=name) for region in regions},
            None if parties is None else parties.node,
            store.settle,
            None if parties is None else parties.refresh,
            replicate=self._replicate,
        )

    def _parties(self, name: str, plan: RegionPlan, stack: ExitStack) -> Parties | None:
        if not plan.parties:
            return None
        if self._open_parties is None:
            raise RegionRefused(f"this process does not speak to parties, but regions.{name} names some")
        parties = self._open_parties(name, plan)
        stack.callback(parties.node.close)
        return parties

    def _change_master_key(self, name: str) -> str:
        """Change the master key of a region, and with it of every region whose keys lie in the same place."""
        sharing = next(names for names in self.sharing_keys() if name in names)
        return self.change_master_key(sharing, anew=True).active


@contextlib.contextmanager
def opened_regions(
    settings: Settings,
    engine: Engine,
    open_parties: OpenParties | None = None,
    *,
    replicate: bool = False,
    on_open: OnOpen | None = None,
) -> Iterator[Regions]:
    """The regions that the settings name, closed at the end; `engine` is the service's own database.

    Raises:
        RequestInvalid: the regions file cannot be used.
    """
    file = settings.regions_file
    plan = local_plan(settings.data_dir) if file is None else read_regions(file)
    allow_many_files()
    own = engine if file is None else None
    settle_s = settling_s(settings.time_limit_s)
    regions = Regions(
        plan, settings.data_dir, own, open_parties, replicate=replicate, settle_s=settle_s, on_open=on_open
    )
    try:
        if replicate:
            warm_in_background()
            _open_early(regions)
        yield regions
    finally:
        regions.close()


def _open_early(regions: Regions) -> None:
    """Open every region, so that its nodes are warm before the first search; one that cannot be opened is tried again later."""
    for name in regions:
        try:
            regions[name]
        except MorettaError as error:
            _log.warning("region.not_open: %s: %s", name, error.code)


def _given(text: str | None) -> str:
    if text is None:
        raise RegionRefused("expected a region with a database; this one only holds replicas")
    return text


def _place(text: str) -> Path | str:
    return folder_in(text) or text
