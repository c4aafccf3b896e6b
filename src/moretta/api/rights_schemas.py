"""The shapes of rights requests, notices and records of searches, and how core's values turn into them.

Belongs here: what the API takes and shows of people's rights. Does not belong here: addresses, deciding.
"""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from moretta.api.people_schemas import Attributes, PersonName
from moretta.core.audit import SearchAbout
from moretta.core.documents import Verified
from moretta.core.recognition import PersonState
from moretta.core.rights import MAX_REASON, RequestState, Right, RightsNotice, RightsRequest
from moretta.use_cases.rights.requests import wishes_in

Reason = Annotated[str, Field(min_length=3, max_length=MAX_REASON)]


class NewRightsRequest(BaseModel, extra="forbid"):
    """A right that a person uses. `name` and `attributes` (all of them) are as they should be, with a rectification alone."""

    person_id: Annotated[str, Field(max_length=64)]
    right: Right
    name: PersonName | None = None
    attributes: Attributes | None = None
    reason: Annotated[
        str, Field(max_length=MAX_REASON, description="The person's own grounds, where they gave any.")
    ] = ""


class RequestReason(BaseModel, extra="forbid"):
    """Why: it is recorded, sealed, and told to the person."""

    reason: Reason


class RightsRequestView(BaseModel):
    """A request as it stands. `due_at`: by when it must be answered (GDPR Art. 12(3)); `late`: its time is over.

    What stands in `name`, `attributes`, `reason` and `outcome` goes with the person.
    """

    id: str
    person_id: str
    right: Right
    article: str
    state: RequestState
    requested_by: str
    received_at: datetime
    due_at: datetime
    late: bool
    closed_at: datetime | None
    certificate_id: str | None
    name: str | None
    attributes: dict[str, str] | None
    reason: str
    outcome: str


class RightsRequestPage(BaseModel):
    """Requests in the order of their ids."""

    data: list[RightsRequestView]
    next_cursor: str | None


class RightsNoticeView(BaseModel):
    """A signed message about a request that waits to be delivered: `jws` names the request, never a person."""

    number: int
    request_id: str
    event: str
    made_at: datetime
    jws: str
    delivered_at: datetime | None


class RightsNoticePage(BaseModel):
    """Messages in the order in which they were made; ask from after the last number on."""

    data: list[RightsNoticeView]


class SearchAboutView(BaseModel):
    """An act that compared a person. `caller`: the API key's id, or `cli`; `log_index`: where the log tells it."""

    id: str
    kind: str
    time: str
    collection_id: str
    purpose: str
    caller: str
    compared: int
    named: bool
    matched: bool
    log_index: int


class SearchPage(BaseModel):
    """Who searched a person, the latest first; `next_before` is where the next page begins."""

    data: list[SearchAboutView]
    next_before: int | None


class ComparedAgain(BaseModel):
    """A person who may be compared again."""

    id: str
    state: PersonState


class VerifiedView(BaseModel):
    """A document that holds, which key signed it (hexadecimal), and what it proves."""

    type: str
    public_key: str
    statements: list[str]


def request_view(request: RightsRequest, now: datetime) -> RightsRequestView:
    """The request as it is shown."""
    name, attributes = wishes_in(request.details)
    return RightsRequestView(
        id=request.request_id,
        person_id=request.person_id,
        right=request.right,
        article=request.right.article,
        state=request.state,
        requested_by=request.by.value,
        received_at=request.received_at,
        due_at=request.due_at,
        late=request.is_late(now),
        closed_at=request.closed_at,
        certificate_id=request.certificate_id,
        name=name,
        attributes=None if attributes is None else dict(attributes),
        reason=request.details.reason,
        outcome=request.details.outcome,
    )


def notice_view(notice: RightsNotice) -> RightsNoticeView:
    """The message as it is shown."""
    return RightsNoticeView(
        number=notice.number,
        request_id=notice.request_id,
        event=notice.event.value,
        made_at=notice.made_at,
        jws=notice.jws,
        delivered_at=notice.delivered_at,
    )


def search_about_view(about: SearchAbout) -> SearchAboutView:
    """The act as it is shown."""
    record = about.record
    return SearchAboutView(
        id=record.search_id,
        kind=record.kind.value,
        time=record.time,
        collection_id=record.collection_id,
        purpose=record.purpose,
        caller=record.caller,
        compared=record.compared,
        named=record.claimed is not None,
        matched=about.matched,
        log_index=about.log_index,
    )


def verified_view(verified: Verified) -> VerifiedView:
    """What a document proves."""
    return VerifiedView(type=verified.type, public_key=verified.public_key.hex(), statements=list(verified.statements))
