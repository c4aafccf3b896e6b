"""At start: end what a dead process had begun, and delete what it left behind.

Belongs here: the order of it. Everything here is idempotent: a recovery may be cut off as well.
"""

from collections.abc import Iterator
from dataclasses import replace

from moretta.core.errors import MorettaError
from moretta.core.recognition import Collection, CollectionState
from moretta.core.recognition_store import Unfinished
from moretta.use_cases.recognition import packing
from moretta.use_cases.recognition.collections import take_down
from moretta.use_cases.recognition.leftovers import remove, sweep
from moretta.use_cases.recognition.means import Means, Region
from moretta.use_cases.recognition.results import Recovered

_PAGE = 200


def recover(means: Means) -> Recovered:
    """See `Recognition.recover`."""
    total = Recovered()
    for region in means.regions.values():
        for collection in _collections(region):
            _settle(means, region, collection)
        found = sweep(means, region)
        keys = _stray_keys(means, region)
        total = Recovered(
            total.photos + len(found.blobs), total.segments + len(found.segments), total.keys + len(found.keys) + keys
        )
    return total


def _settle(means: Means, region: Region, collection: Collection) -> None:
    """Bring one collection into a state that its use cases know."""
    if collection.state is CollectionState.DELETED:
        take_down(means, region, collection)
        return
    if collection.state is CollectionState.REISSUING:
        # Whoever is at it elsewhere finds that the collection has changed, and begins again.
        region.store.update_collection(replace(collection, state=CollectionState.ACTIVE))
    packing.settle_removed(means, region, collection)


def _stray_keys(means: Means, region: Region) -> int:
    """Destroy keys of this region's holder that no database of the deployment knows; how many."""
    with region.store.keys_alone():
        try:
            known = set().union(*(other.store.known_keys() for other in means.regions.values()))
        except MorettaError:
            # A database is out of reach: what a shared holder keeps for it must not be taken for strays.
            return 0
        strays = tuple(sorted(set(region.keys.keys()) - known))
        remove(means, region, Unfinished(keys=strays))
    return len(strays)


def _collections(region: Region) -> Iterator[Collection]:
    after: str | None = None
    while page := region.store.collections(None, _PAGE, after):
        yield from page
        after = page[-1].collection_id
