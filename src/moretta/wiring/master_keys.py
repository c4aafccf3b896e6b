"""The master keys of a region from the command line: only its keys and databases are opened, no node and no blob store.

Belongs here: finding all that one key service wraps. Does not belong here: the steps of a change (see `keys.rotation`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from moretta.core.clock import utc_now
from moretta.core.errors import RequestInvalid
from moretta.core.ledger import EntryKind
from moretta.keys.envelope import Envelope
from moretta.keys.rotation import MasterKeyChange, change_master_key, settling_s
from moretta.settings import Settings
from moretta.storage.alone import alone_in_all
from moretta.storage.database import open_database
from moretta.storage.ledger.store import SqlLedger
from moretta.storage.recognition.store import SqlRecognitionStore
from moretta.use_cases.recognition.acts import entry
from moretta.wiring.database import database_place
from moretta.wiring.key_holding import KEY_CHANGE_LOCK, Keys, key_is_being_changed, opened_keys
from moretta.wiring.ledgers import rewrap_signing_keys_in
from moretta.wiring.regions_file import RegionPlan, RegionsPlan, folder_in, local_plan, read_regions
from moretta.wiring.service import DATABASE_NAME


def listed_master_keys(settings: Settings, region: str | None) -> tuple[tuple[str, ...], str]:
    """The ids of a region's master keys, the oldest first, and the active one.

    Raises:
        RequestInvalid: no such region with a database.
        KeyUnusable, NodeUnavailable: its keys cannot be used.
    """
    plan = _plan(settings)
    with _opened(plan, _home(plan, region)) as keys:
        active = keys.service.active()
        return tuple(keys.service.master_keys()), active


def change_of_master_key(
    settings: Settings, region: str | None, *, anew: bool = False, settle_s: float | None = None
) -> MasterKeyChange:
    """Change the master key of a region, and with it of every region whose keys are in the same place.

    `settle_s`: as `keys.rotation.change_master_key`; None: as the longest request of the settings asks for.

    Raises:
        Conflict: another process changes it.
        RequestInvalid: no such region with a database.
        KeyUnusable, NodeUnavailable, StorageUnusable: its keys or a database cannot be used.
    """
    plan = _plan(settings)
    home = _home(plan, region)
    sharing = [found for found in plan.regions.values() if found.is_home and found.keys == home.keys]
    with ExitStack() as stack:
        opened = [stack.enter_context(_opened(plan, found)) for found in sharing]
        service = opened[0].service
        engines = [stack.enter_context(_engine(_database(settings, found))) for found in sharing]
        if not stack.enter_context(alone_in_all(engines, KEY_CHANGE_LOCK)):
            raise key_is_being_changed()
        stores = [stack.enter_context(closing(SqlRecognitionStore(engine, Envelope(service)))) for engine in engines]
        rewraps: list[Callable[[], int]] = [keys.rewrap_gallery_keys for keys in opened]
        rewraps += [partial(rewrap_signing_keys_in, engine, service) for engine in engines]
        logs = [SqlLedger(engine) for engine in engines]
        _tell(logs, {"step": "begun"})
        change = change_master_key(
            service,
            Envelope(service),
            stores,
            lambda: sum(rewrap() for rewrap in rewraps),
            anew=anew,
            settle_s=settling_s(settings.time_limit_s) if settle_s is None else settle_s,
        )
        _tell(logs, {"step": "done", "new": change.active})
        return change


def _tell(logs: Sequence[SqlLedger], facts: Mapping[str, str]) -> None:
    """Tell every region's log that the master key is changed. It is the deployment's, and so no company's."""
    for log in logs:
        log.append([entry(EntryKind.KEY_CHANGED, utc_now, "", {"change": "master-key", **facts})])


def _plan(settings: Settings) -> RegionsPlan:
    return local_plan(settings.data_dir) if settings.regions_file is None else read_regions(settings.regions_file)


def _home(plan: RegionsPlan, region: str | None) -> RegionPlan:
    found = plan.regions.get(plan.default if region is None else region)
    if found is None or not found.is_home:
        raise RequestInvalid("expected a region of this deployment that has a database")
    return found


def _database(settings: Settings, region: RegionPlan) -> Path | str:
    if settings.regions_file is None:
        return database_place(settings, DATABASE_NAME)
    return region.database or ""


@contextmanager
def _opened(plan: RegionsPlan, region: RegionPlan) -> Iterator[Keys]:
    gallery_keys, certificates = folder_in(region.gallery_keys or ""), folder_in(plan.certificates or "")
    with opened_keys(region.keys or "", gallery_keys, certificates) as keys:
        yield keys


@contextmanager
def _engine(where: Path | str) -> Iterator[Engine]:
    engine = open_database(where)
    try:
        yield engine
    finally:
        engine.dispose()
