"""The sweeper: erases persons and photos that are over their time, tells what a hold kept, and signs a report of what it did.

Belongs here: the order of it. Does not belong here: deadlines, erasing a person (handed in), when it runs.

Nothing is marked before it is destroyed and nothing is skipped for good: whatever a dead process or a node that is down left over
is over its time still, and the next sweep takes it.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from operator import attrgetter

from moretta.core.clock import to_second
from moretta.core.errors import MorettaError, NotFound, PersonErased, PersonHeld
from moretta.core.ledger import EntryKind
from moretta.core.paging import every
from moretta.core.recognition import Collection, CollectionState, IdKind, new_id
from moretta.core.retention import (
    RETENTION_REPORT_TYPE,
    CollectionSwept,
    Deadlines,
    Hold,
    OverdueFace,
    RetentionRun,
    deadlines,
    kept_days,
)
from moretta.core.signing import signed_document
from moretta.core.usage import canonical_json
from moretta.use_cases.recognition import acts
from moretta.use_cases.recognition.leftovers import sweep as sweep_leftovers
from moretta.use_cases.recognition.means import Means, Region
from moretta.use_cases.retention.means import RetentionMeans

_log = logging.getLogger(__name__)

PAGE = 500
REASON = "retention"


def sweep(means: RetentionMeans, *, dry_run: bool) -> list[CollectionSwept]:
    """See `Retention.sweep`."""
    done: list[CollectionSwept] = []
    for name in sorted(means.recognition.regions):
        region = means.recognition.regions[name]
        for collection in _collections(region):
            whole = CollectionSwept(collection.collection_id, collection.company_id)
            for part in _parts(means, region, collection, dry_run=dry_run):
                if not dry_run and (part.erased or part.photos):
                    _report(means.recognition, region, part)
                whole = whole.and_also(part)
            if not whole.is_empty:
                done.append(whole)
    return done


def limits_of(means: Means, region: Region, collection: Collection, now: datetime) -> Deadlines:
    """What of a collection is over its time at `now`: the shorter of its own retention and the policy's counts."""
    purpose = means.guard.policy.purpose(collection.purpose)
    days = kept_days(collection.retention_days, None if purpose is None else purpose.retention_days)
    return deadlines(region.retention.rule(collection.collection_id), days, now)


def _collections(region: Region) -> Iterator[Collection]:
    known = every(partial(region.store.collections, None, PAGE), attrgetter("collection_id"))
    return (one for one in known if one.state is CollectionState.ACTIVE)


def _parts(
    means: RetentionMeans, region: Region, collection: Collection, *, dry_run: bool
) -> Iterator[CollectionSwept]:
    """What is done of a collection, a page of persons at a time, so that a report is not long in coming."""
    limits = limits_of(means.recognition, region, collection, means.recognition.clock())
    for page in _over_time(region, collection, limits):
        yield _persons(means, region, collection, page, dry_run=dry_run)
    photos = _photos(means.recognition, region, collection, limits, dry_run=dry_run)
    yield CollectionSwept(collection.collection_id, collection.company_id, photos=photos)


def _persons(
    means: RetentionMeans, region: Region, collection: Collection, person_ids: list[str], *, dry_run: bool
) -> CollectionSwept:
    held: list[Hold] = []
    certificates: list[str] = []
    failed: Counter[str] = Counter()
    erased = 0
    for person_id in person_ids:
        hold = region.retention.hold_on(person_id)
        if hold is not None:
            held.append(hold)
        elif not dry_run:
            try:
                certificate = means.erase(collection.company_id, person_id, REASON)
            except (
                PersonErased,
                NotFound,
                PersonHeld,
            ):  # somebody else was faster, or a hold was placed at this moment
                continue
            except MorettaError as error:
                _log.warning("retention.pending: %s", error.code)
                failed[error.code] += 1
                continue
            means.recognition.checkpoint("retention:erased")
            erased += 1
            certificates += [certificate] if certificate is not None else []
    return CollectionSwept(
        collection.collection_id,
        collection.company_id,
        due=len(person_ids),
        erased=erased,
        held=tuple(held),
        failed=tuple(sorted(failed.items())),
        certificates=tuple(certificates),
    )


def _over_time(region: Region, collection: Collection, limits: Deadlines) -> Iterator[list[str]]:
    after = None
    while limits.limits_persons:
        page = region.retention.overdue_persons(collection.collection_id, limits, PAGE, after)
        if page:
            yield page
        if len(page) < PAGE:
            return
        after = page[-1]


def _photos(means: Means, region: Region, collection: Collection, limits: Deadlines, *, dry_run: bool) -> int:
    """Destroy photos over their time; the templates stay. How many."""
    if limits.photos is None:
        return 0
    if dry_run:
        return len({one.photo_id for one in region.retention.overdue_photos(collection.collection_id, limits, 1 << 31)})
    dropped = 0
    while faces := region.retention.overdue_photos(collection.collection_id, limits, PAGE):
        count = _drop(means, region, collection, faces)
        if not count:  # all of them were held or went at this moment: the next sweep sees what is left
            break
        dropped += count
    # Also what a process that died between the two left: it is listed as no longer used.
    sweep_leftovers(means, region)
    return dropped


def _drop(means: Means, region: Region, collection: Collection, faces: list[OverdueFace]) -> int:
    entries = []
    for person_id, photos in Counter(one.person_id for one in faces).items():
        facts: dict[str, acts.Fact] = {"collection": collection.collection_id, "photos": photos, "change": "photos"}
        try:
            key = acts.data_key(region, person_id)
        except (PersonErased, NotFound):
            continue
        entries.append(acts.entry(EntryKind.RETENTION, means.clock, collection.company_id, facts, subject=key))
    dropped = region.retention.drop_photos(collection.collection_id, [one.photo_id for one in faces], entries)
    means.checkpoint("retention:photos")
    return dropped


def _report(means: Means, region: Region, swept: CollectionSwept) -> None:
    """A signed report of what was destroyed; what a hold kept is told as an exception."""
    now = means.clock().replace(microsecond=0)
    run_id = new_id(IdKind.RETENTION_RUN, region.name)
    signed = signed_document(report_fields(run_id, region.name, now, swept), region.signing.signer())
    document = canonical_json(signed)
    facts: dict[str, acts.Fact] = {
        "run": run_id,
        "collection": swept.collection_id,
        "change": "swept",
        "erased": swept.erased,
        "photos": swept.photos,
        "held": len(swept.held),
    }
    digest = hashlib.sha256(document).digest()
    entry = acts.entry(EntryKind.RETENTION, means.clock, swept.company_id, facts, document=digest)
    region.retention.keep_run(RetentionRun(run_id, swept.company_id, now, document), [entry])
    means.checkpoint("retention:reported")


def report_fields(run_id: str, region: str, now: datetime, swept: CollectionSwept) -> dict[str, object]:
    """A report as JSON, before it is signed. No person and no reason of a hold is in it."""
    return {
        "type": RETENTION_REPORT_TYPE,
        "run_id": run_id,
        "company_id": swept.company_id,
        "region": region,
        "ended_at": to_second(now),
        "collection_id": swept.collection_id,
        "over_their_time": swept.due,
        "persons_erased": swept.erased,
        "photos_destroyed": swept.photos,
        "certificates": list(swept.certificates),
        "exceptions": [_exception(hold) for hold in swept.held],
        "failed": dict(swept.failed),
    }


def _exception(hold: Hold) -> dict[str, str]:
    return {"hold_id": hold.hold_id, "reason": "legal hold (GDPR Art. 17(3)(e))", "until": to_second(hold.until)}
