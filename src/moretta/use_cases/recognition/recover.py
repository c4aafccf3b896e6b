"""At start: end what a dead process had begun, and delete what it left behind.

Belongs here: the order of it. Everything here is idempotent: a recovery may be cut off as well.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from operator import attrgetter

from moretta.core.errors import Conflict, MorettaError, NotFound
from moretta.core.paging import every
from moretta.core.recognition import Collection, CollectionState
from moretta.core.recognition_store import Unfinished
from moretta.use_cases.recognition import packing
from moretta.use_cases.recognition.leftovers import remove, sweep
from moretta.use_cases.recognition.means import Means, Region
from moretta.use_cases.recognition.results import Recovered

_PAGE = 200

_log = logging.getLogger(__name__)


def recover(means: Means) -> Recovered:
    """See `Recognition.recover`."""
    total = Recovered()
    for name in means.regions:
        try:
            found = _recovered(means, means.regions[name])
        except MorettaError as error:
            # A part of it is out of reach: what was left there waits, and the other regions go on.
            _log.warning("recover.later: %s: %s", name, error.code)
            continue
        total = Recovered(total.photos + found.photos, total.segments + found.segments, total.keys + found.keys)
    return total


def _recovered(means: Means, region: Region) -> Recovered:
    found = sweep(means, region)
    collections = list(_collections(region))
    # Whoever is changing a key has announced the new one before the collection says so; dead processes' went with the sweep.
    changing = region.store.known_keys() - {collection.key_id for collection in collections}
    for collection in collections:
        try:
            _settle(means, region, collection, somebody_is_changing_keys=bool(changing))
        except (Conflict, NotFound):
            continue  # another process is at it
    more = sweep(means, region)
    keys = len({*found.keys, *more.keys}) + _stray_keys(means, region)
    return Recovered(len({*found.blobs, *more.blobs}), len({*found.segments, *more.segments}), keys)


def _settle(means: Means, region: Region, collection: Collection, *, somebody_is_changing_keys: bool) -> None:
    """Bring one collection into a state that its use cases know."""
    if collection.state is CollectionState.DELETED:
        # Whoever is in it still is erased with a certificate, which is not recovery's to make: `rights.collection` goes on.
        return
    if collection.state is CollectionState.REISSUING:
        if somebody_is_changing_keys:
            return
        region.store.update_collection(replace(collection, state=CollectionState.ACTIVE))
    packing.settle_removed(means, region, collection)


def _stray_keys(means: Means, region: Region) -> int:
    """Destroy keys of this region's holder that no database of the deployment knows; how many."""
    with region.store.keys_alone():
        try:
            known = set().union(*(means.regions[name].store.known_keys() for name in means.regions))
        except MorettaError:
            # A database is out of reach: what a shared holder keeps for it must not be taken for strays.
            return 0
        strays = tuple(sorted(set(region.keys.keys()) - known))
        remove(means, region, Unfinished(keys=strays))
    return len(strays)


def _collections(region: Region) -> Iterator[Collection]:
    return every(partial(region.store.collections, None, _PAGE), attrgetter("collection_id"))
