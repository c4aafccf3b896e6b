"""Erasing everybody of a collection, each with a certificate, and then the collection with its key.

Belongs here: the order of it, a batch of persons at a time, so that memory is bounded and each batch costs one search of the
database's bytes. Does not belong here: erasing one person (see `erase`), which goes through the same steps.

    close     in one transaction the collection is out of use: nobody is added or compared, nobody can be held any more
    batch     plan each; templates as probes, in memory only; delete; sweep; certify each
    end       the collection's key is destroyed; row and galleries go once no node's acknowledgement is awaited

Whatever ends it, the collection stays closed, and whoever comes next (`Rights.finish_erasures`, or the same call again) goes on.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter

from moretta.core.erasure import Erasure, ErasureStep
from moretta.core.errors import MorettaError, NotFound, PersonErased
from moretta.core.paging import every
from moretta.core.recognition import Collection, CollectionState, IdKind
from moretta.use_cases.recognition import collections, persons
from moretta.use_cases.recognition.means import Region
from moretta.use_cases.recognition.results import OnStep, StepProgress
from moretta.use_cases.rights import certify
from moretta.use_cases.rights.means import RightsMeans
from moretta.use_cases.rights.planning import RESUMED, Probes, planned, probes_of
from moretta.use_cases.rights.sweep import Searched, searched, swept

_PAGE = 500

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CollectionErased:
    """What became of a collection: how many were erased with it, and the ids of their certificates.

    `waiting`: nodes that have not acknowledged yet; the collection's row stays until they have.
    """

    collection_id: str
    persons: int
    certificates: tuple[str, ...]
    waiting: tuple[str, ...] = ()


def erase_collection(
    means: RightsMeans, company_id: str, collection_id: str, on_step: OnStep | None = None
) -> CollectionErased:
    """See `Rights.delete_collection`."""
    closed = close(means, company_id, collection_id)
    region = means.home(collection_id, IdKind.COLLECTION)
    if closed is not None:
        _emptied(means, region, closed, on_step)
        _ended(means, region, closed)
    return _told(region, company_id, collection_id)


def close(means: RightsMeans, company_id: str, collection_id: str) -> Collection | None:
    """See `Rights.close_collection`; None where it was deleted, with people of whom certificates tell."""
    try:
        return collections.close(means.recognition, company_id, collection_id)
    except NotFound:
        if not _told(means.home(collection_id, IdKind.COLLECTION), company_id, collection_id).persons:
            raise
        return None


def go_on(means: RightsMeans, region: Region) -> int:
    """Erase whoever is in a closed collection of a region still; how many were certified."""
    certified = 0
    for closed in _closed(region):
        try:
            certified += _emptied(means, region, closed, None)
        except MorettaError as error:
            _log.warning("delete_collection.later: %s", error.code)
    return certified


def end(means: RightsMeans, region: Region) -> None:
    """Take down the closed collections of a region that nobody is in any more."""
    for closed in _closed(region):
        try:
            if not region.erasures.count(closed.collection_id):
                _ended(means, region, closed)
        except MorettaError as error:
            _log.warning("delete_collection.later: %s", error.code)


def _emptied(means: RightsMeans, region: Region, closed: Collection, on_step: OnStep | None) -> int:
    """Erase everybody of a closed collection, batch after batch; how many were certified."""
    done = 0
    while True:
        with means.locks.of(closed.collection_id):
            batch = _batch(means, region, closed)
            if batch is None:
                return done
            _erased(means, region, closed, batch)
        done += len(batch)
        if on_step is not None:
            on_step(StepProgress("erase", done, done + region.erasures.count(closed.collection_id)))


def _batch(means: RightsMeans, region: Region, closed: Collection) -> list[Erasure] | None:
    """Erasures that are begun and not certified, else the next ones, begun now; None once there are none."""
    company_id, collection_id = closed.company_id, closed.collection_id
    begun = region.erasures.of_collection(company_id, collection_id, means.batch, unfinished=True)
    if begun:
        return begun
    people = region.erasures.people(collection_id, means.batch)
    if not people:
        return None
    now = means.recognition.clock()
    for person in people:
        with suppress(PersonErased, NotFound):  # another process was faster
            first = planned(means, region, person, None, now, with_collection=True)
            begun.append(region.erasures.begin(first))
            means.recognition.checkpoint("erase:planned")
    return begun


def _erased(means: RightsMeans, region: Region, closed: Collection, batch: Sequence[Erasure]) -> None:
    """From whatever step each of a batch is at to its certificate."""
    early = [one for one in batch if one.step.place < ErasureStep.DELETED.place]
    probes = {one.person_id: probes_of(region, one, 1) for one in early}
    if early:
        # That the collection is closed has stopped every comparison already.
        stopped = [_advanced(region, one, ErasureStep.STOPPED) for one in early]
        rows = [row for one in stopped for row in one.traces.rows]
        persons.delete_several(means.recognition, region, closed, [one.person_id for one in stopped], rows)
        means.recognition.checkpoint("erase:deleted")
        deleted = {one.person_id: _advanced(region, one, ErasureStep.DELETED) for one in stopped}
        batch = [deleted.get(one.person_id, one) for one in batch]
    looked = _looked(region, [one for one in batch if one.step is ErasureStep.DELETED])
    for one in batch:
        _certified(means, region, one, probes.get(one.person_id, Probes(unavailable=RESUMED)), looked)


def _certified(means: RightsMeans, region: Region, erasure: Erasure, probes: Probes, looked: Searched | None) -> None:
    if erasure.step is ErasureStep.DELETED:
        findings = swept(means, region, erasure, probes, looked)
        means.recognition.checkpoint("erase:swept")
        now = means.recognition.clock().replace(microsecond=0)
        done = replace(erasure, step=ErasureStep.SWEPT, findings=findings, completed_at=now)
        erasure = region.erasures.advance(done)
    if erasure.step is ErasureStep.SWEPT:
        certify.certified(means, region, erasure)
    certify.signed(means, region, erasure)


def _advanced(region: Region, erasure: Erasure, step: ErasureStep) -> Erasure:
    return erasure if erasure.step.place >= step.place else region.erasures.advance(replace(erasure, step=step))


def _looked(region: Region, erasures: Sequence[Erasure]) -> Searched | None:
    """One search for the traces of all of them; None where something was found: each is searched for alone then."""
    looked = searched(region, [marker for one in erasures for marker in one.traces.markers]) if erasures else None
    return None if looked is None or looked.found.found else looked


def _ended(means: RightsMeans, region: Region, closed: Collection) -> None:
    """Destroy the key of a collection that nobody is in any more; take it down once every node has acknowledged."""
    region.keys.destroy(closed.key_id)
    means.recognition.checkpoint("delete_collection:key")
    if any(one.findings.waiting for one in _erasures(region, closed.company_id, closed.collection_id)):
        return
    with suppress(NotFound):  # another process was faster
        collections.take_down(means.recognition, region, closed)


def _told(region: Region, company_id: str, collection_id: str) -> CollectionErased:
    certificates, waiting = [], set[str]()
    for one in _erasures(region, company_id, collection_id):
        waiting |= set(one.findings.waiting)
        if one.with_collection and one.revision:
            certificates.append(one.certificate_id)
    return CollectionErased(collection_id, len(certificates), tuple(certificates), tuple(sorted(waiting)))


def _erasures(region: Region, company_id: str, collection_id: str) -> Iterator[Erasure]:
    of_collection = partial(region.erasures.of_collection, company_id, collection_id, _PAGE)
    return every(of_collection, attrgetter("certificate_id"))


def _closed(region: Region) -> list[Collection]:
    known = every(partial(region.store.collections, None, _PAGE), attrgetter("collection_id"))
    return [one for one in known if one.state is CollectionState.DELETED]
