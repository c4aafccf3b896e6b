"""Placing and releasing legal holds.

Belongs here: the acts and what the log is told of them. Does not belong here: what a hold prevents (the store does: it refuses to
delete anything of somebody who is held).
"""

import hashlib
from dataclasses import replace
from datetime import datetime

from moretta.core.ledger import EntryKind, LogEntry
from moretta.core.recognition import IdKind, new_id
from moretta.core.retention import MAX_REASON, MAX_WORDS, Hold, require_words
from moretta.use_cases.recognition import acts
from moretta.use_cases.recognition.means import Means, Region


def place(
    means: Means, company_id: str, person_id: str, reason: str, placed_by: str, until: datetime, recorded_by: str
) -> Hold:
    """See `Retention.place_hold`."""
    require_words(reason, "the reason of the hold", MAX_REASON)
    require_words(placed_by, "who placed the hold", MAX_WORDS)
    region = means.home(person_id, IdKind.PERSON)
    person = region.store.person(company_id, person_id)
    hold = Hold(
        hold_id=new_id(IdKind.HOLD, region.name),
        company_id=company_id,
        person_id=person_id,
        collection_id=person.collection_id,
        reason=reason,
        placed_by=placed_by,
        recorded_by=recorded_by,
        placed_at=means.clock().replace(microsecond=0),
        until=until.replace(microsecond=0),
    )
    kept = region.retention.place(hold, [_told(means, region, hold, "placed", reason)])
    means.checkpoint("hold:placed")
    region.galleries.follow(region.store.collection(company_id, person.collection_id))
    return kept


def release(means: Means, company_id: str, hold_id: str, reason: str, released_by: str) -> Hold:
    """See `Retention.release_hold`."""
    require_words(reason, "the reason for releasing the hold", MAX_REASON)
    region = means.home(hold_id, IdKind.HOLD)
    standing = region.retention.hold(company_id, hold_id)
    released = replace(
        standing,
        released_at=means.clock().replace(microsecond=0),
        released_by=released_by,
        release_reason=reason,
    )
    return region.retention.release(released, [_told(means, region, released, "released", reason)])


def _told(means: Means, region: Region, hold: Hold, change: str, words: str) -> LogEntry:
    facts: dict[str, acts.Fact] = {"hold": hold.hold_id, "collection": hold.collection_id, "change": change}
    return acts.entry(
        EntryKind.HELD,
        means.clock,
        hold.company_id,
        facts,
        subject=acts.data_key(region, hold.person_id),
        document=hashlib.sha256(words.encode()).digest(),
    )
