"""Erasing a person from every store, step by step, and certifying it.

Belongs here: the order of the steps, and going on after a crash. Does not belong here: how each store deletes, what a certificate
says (see `certify`).

    plan      what is held, counted; a window of each sealed value; the person's templates as probes, in memory only
    stop      the person is restricted: nothing compares them from here on
    delete    rows, key, photos, segments packed anew, nodes told (`recognition.persons.delete`)
    sweep     overwrite, forget answers, ask every node, search with the probes, look for the windows in the database's bytes
    certify   the certificate's digest is an entry of the log; the certificate with the log's proof is signed and kept

A step is recorded when it is done, and each may be repeated: whoever comes after a crash goes on from the last record.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from moretta.core.erasure import Erasure, ErasureStep, StoredCertificate
from moretta.core.errors import KeyUnusable, MorettaError, NotFound, PersonErased
from moretta.core.policy import Action
from moretta.core.recognition import IdKind, PersonState
from moretta.use_cases.recognition import acts, packing, persons
from moretta.use_cases.recognition.leftovers import sweep
from moretta.use_cases.recognition.means import Region
from moretta.use_cases.rights import certify, collection
from moretta.use_cases.rights.means import RightsMeans
from moretta.use_cases.rights.planning import RESUMED, Probes, planned, probes_of
from moretta.use_cases.rights.sweep import swept, waiting_still

# Enough for one round; the next one takes the rest.
_ROUND = 100


@dataclass(frozen=True, slots=True)
class Erased:
    """A person who was erased, and the certificate; `waiting` are nodes that have not acknowledged it yet."""

    person_id: str
    certificate: StoredCertificate
    faces: int
    photos: int
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """What a round of finishing did: certificates that were made, and erasures that are still to be finished."""

    certified: int = 0
    pending: int = 0


def erase(
    means: RightsMeans,
    company_id: str,
    person_id: str,
    *,
    request_id: str | None = None,
    requested_at: datetime | None = None,
) -> Erased:
    """See `Rights.erase`."""
    region = means.home(person_id, IdKind.PERSON)
    begun = _begun(region, company_id, person_id)
    if begun is not None and begun.step is ErasureStep.CERTIFIED:
        region.erasures.whereabouts(company_id, person_id)  # raises: it was done before
    collection_id = begun.collection_id if begun else region.erasures.whereabouts(company_id, person_id).collection_id
    with means.locks.of(collection_id):
        erasure = _begun(region, company_id, person_id)
        probes = Probes(unavailable=RESUMED)
        if erasure is None:
            erasure = _begin(means, region, company_id, person_id, request_id, requested_at)
        if erasure.step.place < ErasureStep.DELETED.place:
            probes = probes_of(region, erasure)
        return _run(means, region, erasure, probes)


def finish_all(means: RightsMeans) -> Finished:
    """See `Rights.finish_erasures`."""
    certified = pending = 0
    for region in _regions(means):
        certified += collection.go_on(means, region)
        for erasure in region.erasures.unfinished(_ROUND):
            try:
                done = _finish(means, region, erasure)
            except MorettaError:
                done = False
            certified, pending = certified + done, pending + (not done)
        collection.end(means, region)
    return Finished(certified, pending)


def _finish(means: RightsMeans, region: Region, erasure: Erasure) -> bool:
    with means.locks.of(erasure.collection_id):
        present = region.erasures.erasure_of(erasure.company_id, erasure.person_id)
        if present.step is not ErasureStep.CERTIFIED:
            early = present.step.place < ErasureStep.DELETED.place
            probes = probes_of(region, present) if early else Probes(unavailable=RESUMED)
            return not _run(means, region, present, probes).waiting
        certify.signed(means, region, present)
        if not present.findings.waiting:
            return True
        findings = waiting_still(region, present)
        if findings.waiting == present.findings.waiting:
            return False
        certify.certified(means, region, replace(present, findings=findings))
        return not findings.waiting


def _begin(
    means: RightsMeans,
    region: Region,
    company_id: str,
    person_id: str,
    request_id: str | None,
    requested_at: datetime | None,
) -> Erasure:
    person = region.erasures.whereabouts(company_id, person_id)
    means.recognition.guard.on(region.store.collection(company_id, person.collection_id), Action.DELETE)
    first = planned(means, region, person, request_id, requested_at or means.recognition.clock())
    means.recognition.checkpoint("erase:planned")
    return region.erasures.begin(first)


def _run(means: RightsMeans, region: Region, erasure: Erasure, probes: Probes) -> Erased:
    """From the step that is recorded to the certificate."""
    steps = {
        ErasureStep.PLANNED: (_stop, ErasureStep.STOPPED),
        ErasureStep.STOPPED: (_delete, ErasureStep.DELETED),
    }
    while erasure.step in steps:
        work, following = steps[erasure.step]
        work(means, region, erasure)
        means.recognition.checkpoint(f"erase:{following}")
        erasure = region.erasures.advance(replace(erasure, step=following))
    if erasure.step is ErasureStep.DELETED:
        findings = swept(means, region, erasure, probes)
        means.recognition.checkpoint("erase:swept")
        done = replace(erasure, step=ErasureStep.SWEPT, findings=findings)
        erasure = region.erasures.advance(replace(done, completed_at=means.recognition.clock().replace(microsecond=0)))
    if erasure.step is ErasureStep.SWEPT:
        certify.certified(means, region, erasure)
    certify.signed(means, region, erasure)
    certificate = region.erasures.certificate(erasure.company_id, erasure.certificate_id)
    photos, faces = len(erasure.traces.photos), len(erasure.traces.rows)
    return Erased(erasure.person_id, certificate, faces, photos, erasure.findings.waiting)


def _stop(means: RightsMeans, region: Region, erasure: Erasure) -> None:
    """Nothing compares the person any more, whatever the deletion that follows meets."""
    try:
        person = region.store.person(erasure.company_id, erasure.person_id)
        if person.state.comparable:
            stopped = replace(person, state=PersonState.RESTRICTED)
            key = acts.data_key(region, person.person_id)
            entries = acts.person_changed(means.recognition.clock, person, stopped, key)
            region.store.update_person(stopped, entries=entries)
            region.galleries.follow(region.store.collection(erasure.company_id, erasure.collection_id))
    except (PersonErased, NotFound):
        return
    except KeyUnusable:
        return  # their key is gone: nothing of theirs can be sealed anew, and all the more is to be deleted


def _delete(means: RightsMeans, region: Region, erasure: Erasure) -> None:
    try:
        persons.delete(means.recognition, erasure.company_id, erasure.person_id)
        return
    except (PersonErased, NotFound):
        pass  # a process before us deleted the rows and died, or the whole collection was deleted
    sweep(means.recognition, region)
    try:
        collection = region.store.collection(erasure.company_id, erasure.collection_id)
    except NotFound:
        return
    packing.rewrite_without(means.recognition, region, collection, erasure.traces.rows)
    region.galleries.follow(region.store.collection(erasure.company_id, erasure.collection_id))


def _begun(region: Region, company_id: str, person_id: str) -> Erasure | None:
    try:
        return region.erasures.erasure_of(company_id, person_id)
    except NotFound:
        return None


def _regions(means: RightsMeans) -> Iterator[Region]:
    for name in means.recognition.regions:
        yield means.recognition.regions[name]
