"""Import many photos: one transaction each, resumable, each item once.

Belongs here: what an item is known by, progress, and the report. Does not belong here: folders and lists (doors read those).
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from moretta.core.errors import (
    ConsentError,
    MediaError,
    NotFound,
    PersonErased,
    PolicyProhibited,
    TimeLimitExceeded,
    WorkerLost,
)
from moretta.core.policy import Action, Output
from moretta.core.recognition import Collection, Enrolled, FailureToEnrol, IdKind, StoreWish, new_id, region_of
from moretta.use_cases.guard import ANYBODY
from moretta.use_cases.recognition import enrol
from moretta.use_cases.recognition.means import Means, Region
from moretta.use_cases.recognition.results import ImportFailure, ImportItem, ImportProgress, ImportReport, OnImport

_PIECE = 1 << 20
# A report names failures one by one only so far; the counts go on.
MAX_FAILURES_TOLD = 10_000
_FAILED = "failed:"
# The attribute of a person that says from where their photos were imported.
SOURCE = "source"
# What is the item's own fault, or ended with it: the import goes on with the next one.
_ITEMS_FAULT = (ConsentError, MediaError, PersonErased, PolicyProhibited, TimeLimitExceeded, WorkerLost)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is kept of each item, and which are refused. `source`: of items that name none."""

    store: StoreWish
    refuse_duplicates: bool
    purpose: str | None
    source: str = ""


@dataclass(slots=True)
class _Tally:
    done: int = 0
    enrolled: int = 0
    failed: int = 0
    skipped: int = 0
    duplicates: int = 0
    failures: list[ImportFailure] = field(default_factory=list)
    persons: dict[str, str] = field(default_factory=dict)
    people: set[str] = field(default_factory=set)

    def fail(self, item: ImportItem, code: str, detail: str) -> None:
        """Count a failure; the first `MAX_FAILURES_TOLD` are told one by one."""
        self.failed += 1
        if len(self.failures) < MAX_FAILURES_TOLD:
            self.failures.append(ImportFailure(item.key, code, detail))


def run(
    means: Means,
    company_id: str,
    collection_id: str,
    import_id: str | None,
    items: Iterable[ImportItem],
    wishes: Wishes,
    on_progress: OnImport | None,
) -> ImportReport:
    """See `Recognition.import_items`."""
    region, collection = means.opened(company_id, collection_id)
    outputs = frozenset({Output.PHOTO}) if wishes.store is StoreWish.PHOTO else frozenset()
    # A look ahead: what would refuse every item refuses the import. Each item is looked at again, with its source and consent.
    means.guard.on(
        collection, Action.IMPORT, named=wishes.purpose, outputs=outputs, standing=lambda: ANYBODY, sourced=True
    )
    means.require_model(collection)
    chosen = _import_id(region, import_id)
    region.store.create_import(chosen, collection_id, company_id)
    before = region.store.import_items(chosen)
    tally = _Tally()
    for item in items:
        _one(means, region, collection, chosen, item, wishes, before, tally)
        tally.done += 1
        if on_progress is not None:
            on_progress(ImportProgress(tally.done, tally.enrolled, tally.failed, tally.skipped))
    return ImportReport(
        chosen, tally.enrolled, tally.skipped, len(tally.people), tally.duplicates, tuple(tally.failures)
    )


def _one(
    means: Means,
    region: Region,
    collection: Collection,
    import_id: str,
    item: ImportItem,
    wishes: Wishes,
    before: dict[str, str],
    tally: _Tally,
) -> None:
    """Deal with one item; only what is not its own fault is raised."""
    person_key = item.key if item.person_key is None else item.person_key
    try:
        media_fd = item.open()
    except (NotFound, MediaError) as error:
        tally.fail(item, error.code, error.detail)
        return
    try:
        name = item_digest(item.key, media_fd)
        known = before.get(name, _FAILED)
        if not known.startswith(_FAILED):
            tally.skipped += 1
            tally.persons.setdefault(person_key, known)
            return
        outcome = _enrolled(means, collection, media_fd, item, wishes, tally.persons.get(person_key), (import_id, name))
    finally:
        os.close(media_fd)
    if isinstance(outcome, ImportFailure):
        region.store.import_failed(import_id, name, outcome.code)
        tally.fail(item, outcome.code, outcome.detail)
        return
    before[name] = outcome.person_id
    tally.persons.setdefault(person_key, outcome.person_id)
    tally.people.add(outcome.person_id)
    tally.enrolled += 1
    tally.duplicates += bool(outcome.duplicates)


def _enrolled(
    means: Means,
    collection: Collection,
    media_fd: int,
    item: ImportItem,
    wishes: Wishes,
    person_id: str | None,
    import_item: tuple[str, str],
) -> Enrolled | ImportFailure:
    source = (item.source or wishes.source).strip()
    asked = enrol.Wishes(
        item.person_name,
        _with_source(item.attributes, source),
        person_id,
        wishes.store,
        wishes.refuse_duplicates,
        import_item=import_item,
        consent_id=item.consent_id,
        source=source,
    )
    try:
        (outcome,) = enrol.enrol(means, collection.company_id, collection.collection_id, [media_fd], asked)
    except _ITEMS_FAULT as error:
        return ImportFailure(item.key, error.code, error.detail)
    if isinstance(outcome, FailureToEnrol):
        return ImportFailure(item.key, outcome.reason, outcome.detail)
    return outcome


def _with_source(attributes: tuple[tuple[str, str], ...], source: str) -> tuple[tuple[str, str], ...]:
    """The attributes, and from where the person's data come: whom it is about has a right to know (GDPR Art. 14(2)(f))."""
    if not source or any(name == SOURCE for name, _ in attributes):
        return attributes
    return (*attributes, (SOURCE, source))


def item_digest(key: str, media_fd: int) -> str:
    """By what an item is known within its import: a digest of its key and content, from which neither can be read.

    The same photo under the same key is the same item; a changed photo is a new one.
    """
    content, offset = hashlib.sha256(), 0
    while piece := os.pread(media_fd, _PIECE, offset):
        content.update(piece)
        offset += len(piece)
    return hashlib.sha256(content.digest() + key.encode()).hexdigest()


def _import_id(region: Region, given: str | None) -> str:
    if given is None:
        return new_id(IdKind.IMPORT, region.name)
    if region_of(given, IdKind.IMPORT) != region.name:
        raise NotFound("expected the id of an import into this collection; got one of another region")
    return given
