"""A region's ledger from the command line: only its keys and its database are opened, no node and no blob store.

Belongs here: opening them, the databases of all regions, and their public keys. Does not belong here: what a ledger does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from moretta.core.documents import Trust
from moretta.core.errors import RequestInvalid
from moretta.keys.signing import is_signed_by
from moretta.settings import Settings
from moretta.storage.database import open_database
from moretta.storage.ledger.signing_keys import SqlSigningKeyStore
from moretta.wiring.database import database_place
from moretta.wiring.key_holding import opened_keys
from moretta.wiring.ledgers import Ledger, ledger_in
from moretta.wiring.regions_file import RegionsPlan, folder_in, local_plan, read_regions
from moretta.wiring.service import DATABASE_NAME


@contextmanager
def opened_ledger(settings: Settings, region: str | None = None) -> Iterator[Ledger]:
    """The ledger of a region of this deployment, the default one where none is named.

    Raises:
        RequestInvalid: no such region with a database.
        KeyUnusable, NodeUnavailable, StorageUnusable: its keys or its database cannot be used.
    """
    plan = _plan(settings)
    name = plan.default if region is None else region
    found = plan.regions.get(name)
    if found is None or not found.is_home:
        raise RequestInvalid("expected a region of this deployment that has a database")
    gallery_keys, certificates = folder_in(found.gallery_keys or ""), folder_in(plan.certificates or "")
    engine = open_database(_database(settings, plan, name))
    try:
        with opened_keys(found.keys or "", gallery_keys, certificates) as keys:
            yield ledger_in(engine, name, keys.service)
    finally:
        engine.dispose()


def trust_in_own(settings: Settings) -> Trust:
    """Trust in every key with which a region of this deployment ever signed, read from their databases without any master key.

    Raises:
        RequestInvalid: nothing was signed yet: name a key.
        StorageUnusable: a database cannot be used.
    """
    found = [key.public_key for one in opened_databases(settings) for key in SqlSigningKeyStore(one).signing_keys()]
    if not found:
        raise RequestInvalid("this deployment has not signed anything yet: name the public key with --key")
    return Trust(tuple(found), is_signed_by)


def opened_databases(settings: Settings) -> Iterator[Engine]:
    """The database of each region of this deployment, opened while it is looked at. Raises `StorageUnusable`."""
    plan = _plan(settings)
    for name in plan.homes():
        engine = open_database(_database(settings, plan, name))
        try:
            yield engine
        finally:
            engine.dispose()


def _plan(settings: Settings) -> RegionsPlan:
    return local_plan(settings.data_dir) if settings.regions_file is None else read_regions(settings.regions_file)


def _database(settings: Settings, plan: RegionsPlan, name: str) -> Path | str:
    if settings.regions_file is None:
        return database_place(settings, DATABASE_NAME)
    return plan.regions[name].database or ""
