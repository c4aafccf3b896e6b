"""A drill from beginning to end: enrol, find, erase, search every byte, say what came of it.

Belongs here: the order of it. Does not belong here: the subject, the marks, the stores.

It runs under a company of its own, which no API key belongs to, so that nobody sees or counts what it makes up; whatever comes of
it, its collection is deleted again.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from moretta.core.erasure import MARKER_BYTES
from moretta.core.errors import DrillFailed, MorettaError, NotFound, PersonErased
from moretta.core.ledger import EntryKind
from moretta.core.policy import ANY, Action, Basis, Context, Controller, Output, Policy, Purpose
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection, Enrolled, StoreWish
from moretta.core.rights import Right
from moretta.settings import Settings
from moretta.storage.database import is_postgresql
from moretta.storage.server_cleaning import clean_server
from moretta.use_cases.guard import Guard
from moretta.use_cases.recognition import Recognition, acts
from moretta.use_cases.recognition.brakes import Brakes
from moretta.use_cases.recognition.means import Means, Region
from moretta.use_cases.rights import Rights
from moretta.use_cases.rights.erase import Erased
from moretta.wiring.drill.marks import Mark, plain_marks, sealed_marks
from moretta.wiring.drill.places import Store, search, stores_of
from moretta.wiring.drill.report import DrillReport
from moretta.wiring.drill.subject import CARD, DrillReader, Somebody, somebody
from moretta.wiring.rights import rights_as_set

COMPANY = "co_00000000000000000000"
PURPOSE = "erasure drill"
# Nobody is enrolled who would have to consent, and nothing leaves the drill.
_POLICY = Policy(
    Controller("this deployment"),
    (
        Purpose(
            ANY,
            Basis.LEGAL_OBLIGATION,
            contexts=frozenset({Context.OTHER}),
            actions=frozenset(Action),
            outputs=frozenset(Output),
            consent_required=False,
        ),
    ),
    "erasure drill",
)
# A drill takes seconds: what one has left after an hour, its process left behind.
_LEFT_BEHIND = timedelta(hours=1)
_SEALED_NONCE = 1


@dataclass(frozen=True, slots=True)
class _Drill:
    """The parts of one drill."""

    region: Region
    recognition: Recognition
    rights: Rights
    stores: Callable[[], Sequence[Store]]
    engines: Sequence[tuple[str, Engine]]


def run_drill(
    means: Means,
    settings: Settings,
    engines: Mapping[str, Engine],
    *,
    scheme: Scheme = Scheme.HE,
    region: str | None = None,
    also: Sequence[Path] = (),
    vacuum: bool = False,
) -> DrillReport:
    """What a drill in one region found; see `DrillReport.require_clean`. That it was held, and how it went, is logged.

    Args:
        means: the deployment's own stores, keys and nodes.
        engines: the databases of its regions, by name.
        also: more folders to search.
        vacuum: write the tables of a PostgreSQL server anew after the erasure, which locks each of them meanwhile.

    Raises:
        DrillFailed: the subject could not be enrolled, found and erased.
    """
    began, since = time.monotonic(), time.time()
    home = means.region(region)
    subject, bystander = somebody(), somebody()
    own = replace(means, reader=DrillReader(subject, bystander), cards=(CARD,), brakes=Brakes(), guard=Guard(_POLICY))
    recognition = Recognition(own)
    rights = rights_as_set(own, settings)
    _clear(own, rights, home)
    named = [(name, engine) for name, engine in engines.items() if name == home.name]
    with _collection(recognition, rights, home, scheme) as collection:
        drill = _Drill(home, recognition, rights, partial(stores_of, settings, also, since), named)
        _enrol(drill, collection, bystander)
        person_id = _enrol(drill, collection, subject)
        recognition.repack(COMPANY, collection.collection_id)
        _require_found(drill, collection, subject, person_id)
        drill.rights.open(COMPANY, person_id, Right.ACCESS, reason=subject.name)
        marks = _marks(drill, collection, subject, person_id)
        sealed = [mark for mark in marks if mark.sealed]
        before = search(drill.stores(), drill.engines, sealed)
        erased = _erased(drill, person_id)
        cleaned = {name: clean_server(engine) for name, engine in named if vacuum and is_postgresql(engine)}
        found = search(drill.stores(), drill.engines, marks)
        _require_gone(drill, collection, subject, person_id)
    report = DrillReport(
        searched=found.searched,
        marks=len(marks),
        sealed=len(sealed),
        control=before.marks,
        findings=found.findings,
        kept=found.kept,
        certificate=erased.certificate,
        seconds=time.monotonic() - began,
        rows_only=found.rows_only,
        cleaned=sum(one.tables for one in cleaned.values()),
        log_kept=tuple(name for name, one in cleaned.items() if not one.log),
    )
    _log(own, home, scheme, report)
    return report


def _marks(drill: _Drill, collection: Collection, subject: Somebody, person_id: str) -> list[Mark]:
    region = drill.region
    templates = region.erasures.templates(COMPANY, person_id)
    windows = list(region.erasures.holdings(COMPANY, person_id).markers)
    for photo_id in {one.face.photo_id for one in templates}:
        if photo_id is not None:
            windows.append(region.photos.get(photo_id)[_SEALED_NONCE : _SEALED_NONCE + MARKER_BYTES])
    segments = [region.segments.get(name) for name in {one.segment_id for one in templates} if name is not None]
    terms = region.keys.terms(collection.key_id)
    return [*plain_marks(subject, terms), *sealed_marks(windows, segments)]


def _enrol(drill: _Drill, collection: Collection, who: Somebody) -> str:
    with _in_memory(who.photo) as fd:
        (outcome,) = drill.recognition.enrol(
            COMPANY,
            collection.collection_id,
            [fd],
            name=who.name,
            attributes=(("mark", who.name),),
            store=StoreWish.PHOTO,
        )
    if not isinstance(outcome, Enrolled):
        raise DrillFailed("the made-up subject could not be enrolled; see the log for what is down")
    return outcome.person_id


def _require_found(drill: _Drill, collection: Collection, who: Somebody, person_id: str) -> None:
    if person_id not in _candidates(drill, collection, who):
        raise DrillFailed("the made-up subject was enrolled and not found: what follows would prove nothing")


def _require_gone(drill: _Drill, collection: Collection, who: Somebody, person_id: str) -> None:
    if person_id in _candidates(drill, collection, who):
        raise DrillFailed("the erased subject is still found by a search")
    try:
        drill.recognition.person(COMPANY, person_id)
    except PersonErased:
        return
    raise DrillFailed("the erased subject is still there")


def _candidates(drill: _Drill, collection: Collection, who: Somebody) -> list[str]:
    with _in_memory(who.photo) as fd:
        found = drill.recognition.search(COMPANY, collection.collection_id, fd)
    return [candidate.person_id for face in found.faces for candidate in face.candidates]


def _erased(drill: _Drill, person_id: str) -> Erased:
    done = drill.rights.erase(COMPANY, person_id)
    if done.waiting:
        raise DrillFailed(f"{', '.join(done.waiting)} did not acknowledge the erasure: a node or party is down")
    return done


def _log(means: Means, region: Region, scheme: Scheme, report: DrillReport) -> None:
    facts: dict[str, acts.Fact] = {
        "certificate": report.certificate.certificate_id,
        "scheme": scheme.value,
        "marks": report.marks,
        "control": report.control,
        "found": len(report.findings),
        "bytes": sum(one.size for one in report.searched),
    }
    region.log.append([acts.entry(EntryKind.DRILL, means.clock, COMPANY, facts)])


@contextlib.contextmanager
def _collection(recognition: Recognition, rights: Rights, region: Region, scheme: Scheme) -> Iterator[Collection]:
    made = recognition.create_collection(COMPANY, PURPOSE, PURPOSE, scheme=scheme, region=region.name)
    try:
        yield made
    finally:
        with contextlib.suppress(NotFound):
            rights.delete_collection(COMPANY, made.collection_id)


def _clear(means: Means, rights: Rights, region: Region) -> None:
    """Delete what a drill left whose process died."""
    for one in region.store.collections(COMPANY, 100):
        if one.created_at < means.clock() - _LEFT_BEHIND:
            with contextlib.suppress(MorettaError):
                rights.delete_collection(COMPANY, one.collection_id)


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[int]:
    fd = os.memfd_create("drill")
    try:
        os.write(fd, content)
        yield fd
    finally:
        os.close(fd)
