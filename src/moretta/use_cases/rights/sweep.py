"""After the deletion: is anything left? Every store is looked at, and what cannot be shown to be gone is named.

Belongs here: looking. Does not belong here: deleting, certifying.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from moretta.core.erasure import (
    BytesSearched,
    Erasure,
    Findings,
    Held,
    Keeper,
    NegativeSearch,
    PersonHoldings,
    PlannedStore,
    Remainder,
    StoreOutcome,
)
from moretta.core.errors import MorettaError, NotFound
from moretta.core.recognition_store import BlobStore
from moretta.use_cases.recognition.means import Region
from moretta.use_cases.rights.means import RightsMeans
from moretta.use_cases.rights.planning import Probes, met

_ATTEMPTS = 3
_ROWS = "counted anew in every table that names persons"


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search of the database's bytes found once what was deleted was overwritten; `emptied`: so was the old log."""

    found: BytesSearched
    emptied: bool


def swept(
    means: RightsMeans, region: Region, erasure: Erasure, probes: Probes, looked: Searched | None = None
) -> Findings:
    """What every store holds now. `looked`: a search that was made already, for the traces of several persons."""
    forgotten = means.forget(erasure.company_id, erasure.person_id)
    looked = looked or searched(region, erasure.traces.markers)
    searched_bytes, emptied = looked.found, looked.emptied
    held = region.erasures.holdings(erasure.company_id, erasure.person_id)
    standing = _standing(region, erasure)
    outcomes = tuple(_outcome(region, erasure, one, held, searched_bytes, standing, forgotten) for one in erasure.plan)
    negative = _negative(region, erasure, probes, standing)
    remainders = [
        *_left(outcomes, standing),
        *_logs(emptied, searched_bytes),
        *_unsearched(erasure, searched_bytes),
        *_contradicted(negative),
    ]
    waiting = tuple(sorted(place for place, done in standing.items() if not done))
    return Findings(outcomes, tuple(remainders), negative, waiting)


def waiting_still(region: Region, erasure: Erasure) -> Findings:
    """What was found, with the nodes that acknowledged since."""
    standing = _standing(region, erasure)
    before = erasure.findings
    waiting = tuple(place for place in before.waiting if not standing.get(place, True))
    done = set(before.waiting) - set(waiting)
    outcomes = tuple(
        replace(one, after=0, verification=_acknowledged(one.store)) if one.store in done else one
        for one in before.outcomes
    )
    remainders = tuple(one for one in before.remainders if one.store not in done)
    return Findings(outcomes, remainders, before.negative_search, waiting)


def searched(region: Region, markers: Sequence[bytes]) -> Searched:
    """Look for windows of ciphertext in the database's bytes, once what was deleted was overwritten."""
    emptied, found = False, BytesSearched()
    for _ in range(_ATTEMPTS):
        emptied = region.erasures.overwrite_deleted()
        found = region.erasures.search_bytes(markers)
        if found.found == 0:
            break
    return Searched(found, emptied)


def _standing(region: Region, erasure: Erasure) -> Mapping[str, bool]:
    """Which nodes have acknowledged; none where the collection is gone with all of its galleries."""
    try:
        collection = region.store.collection(erasure.company_id, erasure.collection_id)
        return region.galleries.acknowledged(collection)
    except NotFound:
        return {}
    except MorettaError:
        return {one.store: False for one in erasure.plan if one.kind in (Held.GALLERIES, Held.SHARES)}


def _outcome(
    region: Region,
    erasure: Erasure,
    one: PlannedStore,
    held: PersonHoldings,
    searched: BytesSearched,
    standing: Mapping[str, bool],
    forgotten: int,
) -> StoreOutcome:
    before, after, verification = one.items, 0, ""
    if one.kind is Held.KEY:
        after = dict(held.rows).get("subject_keys", 0) or min(1, searched.found)
        verification = f"no wrapped key of the person in the database; {_bytes(searched, len(erasure.traces.markers))}"
    elif one.kind is Held.ROWS:
        after = dict(held.rows).get(one.store.removeprefix(f"{region.name} "), 0)
        verification = _ROWS
    elif one.kind is Held.PHOTOS:
        after, verification = count_there(region.photos, erasure.traces.photos), "each was asked for by its id"
    elif one.kind is Held.SEGMENTS:
        after = count_there(region.segments, erasure.traces.segments)
        verification = "each file that held a reference of the person was asked for by its id"
    elif one.kind in (Held.GALLERIES, Held.SHARES):
        done = standing.get(one.store, True)
        after = 0 if done else before
        verification = _acknowledged(one.store) if done else "no acknowledgement yet"
    else:
        before, verification = forgotten, "searches, verifications and enrolments that could be answered again"
    return StoreOutcome(one.kind, one.store, one.method, before, after, verification)


def _acknowledged(place: str) -> str:
    return f"{place} acknowledged that it stands at the database's last change of the gallery"


def _bytes(searched: BytesSearched, markers: int) -> str:
    if searched.unsearched:
        return f"its files were not searched: {searched.unsearched}"
    return f"{searched.size} bytes of its files, free pages and logs included, searched for {markers} windows of ciphertext"


def count_there(blobs: BlobStore, ids: Sequence[str]) -> int:
    """How many of these blobs can still be read."""
    count = 0
    for some_id in ids:
        try:
            blobs.get(some_id)
        except NotFound:
            continue
        count += 1
    return count


def _negative(region: Region, erasure: Erasure, probes: Probes, standing: Mapping[str, bool]) -> NegativeSearch:
    instead = "instead, every node was asked whether it has the last change of the gallery, which removes the person"
    if not probes.payloads:
        return NegativeSearch(0, 0, f"no probe was compared: {probes.unavailable}; {instead}")
    try:
        collection = region.store.collection(erasure.company_id, erasure.collection_id)
        found = sum(met(region, collection, payload, erasure.traces.rows) for payload in probes.payloads)
    except MorettaError as error:
        return NegativeSearch(0, 0, f"no probe was compared: the gallery does not answer ({error.code}); {instead}")
    told = (
        f"the person's own templates compared with the whole gallery as probes; before the erasure {probes.controls} of "
        f"{len(probes.payloads)} met the person"
    )
    return NegativeSearch(len(probes.payloads), found, told)


def _left(outcomes: Sequence[StoreOutcome], standing: Mapping[str, bool]) -> list[Remainder]:
    left = []
    for one in outcomes:
        if one.after and not standing.get(one.store, True):
            reason = "the node has not acknowledged yet; it deletes its copy as soon as it is reached, before it compares again"
            left.append(Remainder(one.store, reason))
        elif one.after:
            left.append(Remainder(f"{one.kind.value}: {one.store}", "still there after the deletion"))
    return left


def _logs(emptied: bool, searched: BytesSearched) -> list[Remainder]:
    if emptied or not searched.found:
        return []
    reason = "somebody reads the database's old write-ahead log still; it is emptied when that ends"
    return [Remainder("database log", reason)]


def _unsearched(erasure: Erasure, searched: BytesSearched) -> list[Remainder]:
    if erasure.keeper is Keeper.POSTGRESQL:
        reason = (
            "the server's dead row versions and its own log are not overwritten by this program: they hold what was sealed under "
            "the destroyed key, and the wrapped key itself until VACUUM FULL and the log's reuse"
        )
        return [Remainder("PostgreSQL's files", reason)]
    if searched.unsearched:
        return [Remainder("database files", searched.unsearched)]
    return []


def _contradicted(negative: NegativeSearch) -> list[Remainder]:
    if not negative.found:
        return []
    return [Remainder("negative search", f"{negative.found} of the person's references were still found")]
