"""Notices: what a collection shows, and each new version of it.

Belongs here: making versions, and which of them counts. Does not belong here: what people are asked on them (see `give`).
"""

from datetime import datetime

from moretta.core.clock import to_second
from moretta.core.consent import Notice
from moretta.core.errors import Conflict, NoticeChanged
from moretta.core.ledger import EntryKind, LogEntry
from moretta.core.recognition import Collection, IdKind, new_id
from moretta.use_cases.consent.means import ConsentMeans
from moretta.use_cases.recognition.acts import by_whom
from moretta.use_cases.recognition.collections import require_page
from moretta.use_cases.recognition.means import Region

# Two operators who change one notice at the same moment are rare; three times in a row is no accident.
_ATTEMPTS = 3


def add(means: ConsentMeans, company_id: str, collection_id: str, language: str, controller: str, text: str) -> Notice:
    """See `Consents.add_notice`."""
    for attempt in range(1, _ATTEMPTS + 1):
        region, collection = means.recognition.opened(company_id, collection_id)
        shown = {notice.language: notice for notice in region.consents.shown(company_id, collection_id)}
        notice = _next(collection, shown.get(language), language, controller, text, means.recognition.clock())
        if notice is shown.get(language):
            return notice
        try:
            region.consents.add_notice(notice, [_entry(notice)])
        except Conflict:
            if attempt == _ATTEMPTS:
                raise
            continue
        return notice
    raise AssertionError("unreachable: the last attempt returns or raises")


def notice(means: ConsentMeans, company_id: str, notice_id: str, version: int | None) -> Notice:
    """See `Consents.notice`."""
    return means.home(notice_id, IdKind.NOTICE).consents.notice(company_id, notice_id, version)


def listed(
    means: ConsentMeans, company_id: str, limit: int, after: str | None, collection_id: str | None, region: str | None
) -> list[Notice]:
    """See `Consents.notices`."""
    require_page(limit)
    found = region_of_list(means, after, IdKind.NOTICE, collection_id, region)
    return found.consents.notices(company_id, limit, after, collection_id=collection_id)


def shown(means: ConsentMeans, company_id: str, collection_id: str) -> list[Notice]:
    """See `Consents.shown`."""
    region, _ = means.recognition.opened(company_id, collection_id)
    return region.consents.shown(company_id, collection_id)


def require_shown(region: Region, collection: Collection, sha256: str) -> Notice:
    """The notice with that hash, which the collection shows now, for its present purpose.

    Raises:
        NoticeChanged: it shows another one, or its purpose changed since.
    """
    for one in region.consents.shown(collection.company_id, collection.collection_id):
        if one.sha256 == sha256:
            if one.purpose != collection.purpose:
                raise NoticeChanged(
                    "the collection has another purpose than its notice tells; write a new notice first"
                )
            return one
    raise NoticeChanged("expected the SHA-256 of a notice that the collection shows now; show that one and ask again")


def region_of_list(
    means: ConsentMeans, after: str | None, kind: IdKind, collection_id: str | None, region: str | None
) -> Region:
    """The region whose list is asked for: that of the collection, of the page before, or the one named."""
    if collection_id is not None:
        return means.home(collection_id, IdKind.COLLECTION)
    if after is not None:
        return means.home(after, kind)
    return means.recognition.region(region)


def _next(
    collection: Collection, before: Notice | None, language: str, controller: str, text: str, now: datetime
) -> Notice:
    """The next version; `before` itself where nothing changed."""
    purpose = collection.purpose
    if before is not None and (before.text, before.controller, before.purpose) == (text, controller, purpose):
        return before
    return Notice(
        notice_id=new_id(IdKind.NOTICE, collection.home) if before is None else before.notice_id,
        version=1 if before is None else before.version + 1,
        company_id=collection.company_id,
        collection_id=collection.collection_id,
        language=language,
        controller=controller,
        purpose=purpose,
        text=text,
        created_at=now.replace(microsecond=0),
    )


def _entry(notice: Notice) -> LogEntry:
    facts = (
        ("notice", notice.notice_id),
        ("version", str(notice.version)),
        ("collection", notice.collection_id),
        ("language", notice.language),
        ("sha256", notice.sha256),
        *by_whom(),
    )
    return LogEntry(EntryKind.NOTICE_CHANGED, to_second(notice.created_at), notice.company_id, facts)
