"""Rights requests from receipt to answer: opened, extended, refused, fulfilled, each step logged and told.

Belongs here: which step is permitted when, and what fulfils each right. Does not belong here: erasing (see `erase`), the package
of an access (see `access`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from moretta.core.errors import PersonErased, RequestInvalid
from moretta.core.ledger import EntryKind, LogEntry
from moretta.core.policy import Action
from moretta.core.recognition import IdKind, Person, PersonState, new_id
from moretta.core.rights import (
    NoticeEvent,
    RequestDetails,
    RequestedBy,
    RequestState,
    Right,
    RightsRequest,
    due_at,
    require_open,
    require_reason,
)
from moretta.use_cases.recognition import acts, persons
from moretta.use_cases.recognition.means import Region
from moretta.use_cases.recognition.words import require_words
from moretta.use_cases.rights import erase as erasing
from moretta.use_cases.rights.means import RightsMeans
from moretta.use_cases.rights.notices import notice

_NAME, _ATTRIBUTE = "name", "attribute:"
# That no attribute is to be left: leaving all of them out means that they stay.
_NO_ATTRIBUTES = ("attributes", "none")
# Rights whose purpose is that comparing stops: it stops when the request comes in, not when somebody has looked at it.
_STOPS_AT_ONCE = {Right.RESTRICTION: PersonState.RESTRICTED, Right.OBJECTION: PersonState.OBJECTED}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a request asks for beside its right: new words for a rectification, grounds in the subject's own words."""

    name: str | None = None
    attributes: tuple[tuple[str, str], ...] | None = None
    reason: str = ""


def open_request(
    means: RightsMeans, company_id: str, person_id: str, right: Right, wishes: Wishes, by: RequestedBy
) -> RightsRequest:
    """See `Rights.open`."""
    region = means.home(person_id, IdKind.PERSON)
    person = region.store.person(company_id, person_id)
    _require_fitting(person, right, wishes)
    now = means.recognition.clock().replace(microsecond=0)
    request = RightsRequest(
        request_id=new_id(IdKind.REQUEST, region.name),
        company_id=company_id,
        person_id=person_id,
        right=right,
        state=RequestState.RECEIVED,
        by=by,
        received_at=now,
        due_at=due_at(now),
        details=RequestDetails(_written(wishes), wishes.reason.strip()),
    )
    entries = [_entry(means, region, request, person_id)]
    region.requests.open_request(request, notice(means, region, request, NoticeEvent.RECEIVED), entries)
    stop = _STOPS_AT_ONCE.get(right)
    if stop is not None and person.state.comparable:
        persons.update(means.recognition, company_id, person_id, None, None, stop)
    return region.requests.request(company_id, request.request_id)


def extend(means: RightsMeans, company_id: str, request_id: str, reason: str) -> RightsRequest:
    """See `Rights.extend`."""
    region, request = _found(means, company_id, request_id)
    if request.state is RequestState.EXTENDED:
        raise RequestInvalid(
            "expected a request that was not extended yet: the time is extended once (GDPR Art. 12(3))"
        )
    now = means.recognition.clock()
    if now > request.due_at:
        raise RequestInvalid("expected a request that is not over its time: it is extended within the first month")
    extended = replace(
        request,
        state=RequestState.EXTENDED,
        due_at=due_at(request.received_at, extended=True),
        details=replace(request.details, reason=require_reason(reason)),
    )
    return _changed(means, region, request, extended, NoticeEvent.EXTENDED)


def refuse(means: RightsMeans, company_id: str, request_id: str, reason: str) -> RightsRequest:
    """See `Rights.refuse`."""
    region, request = _found(means, company_id, request_id)
    told = require_reason(reason)
    closed = replace(
        request,
        state=RequestState.REFUSED,
        closed_at=means.recognition.clock().replace(microsecond=0),
        details=replace(
            request.details, reason=told, outcome="refused; the subject may complain to a supervisory authority"
        ),
    )
    return _changed(means, region, request, closed, NoticeEvent.REFUSED)


def fulfil(means: RightsMeans, company_id: str, request_id: str) -> RightsRequest:
    """See `Rights.fulfil`."""
    region, request = _found(means, company_id, request_id)
    certificate_id, outcome = None, ""
    match request.right:
        case Right.ERASURE:
            certificate_id = _erased(means, region, request)
            outcome = "erased; see the certificate"
        case Right.RECTIFICATION:
            name, attributes = wishes_in(request.details)
            persons.update(means.recognition, company_id, request.person_id, name, attributes, None)
            outcome = "put right"
        case Right.RESTRICTION | Right.OBJECTION:
            _stopped(means, company_id, request)
            outcome = "kept, and compared no more"
        case Right.ACCESS | Right.PORTABILITY:
            region.store.person(company_id, request.person_id)
            outcome = "the package was handed out"
    closed = replace(
        request,
        state=RequestState.FULFILLED,
        closed_at=means.recognition.clock().replace(microsecond=0),
        certificate_id=certificate_id,
        details=replace(request.details, outcome=outcome),
    )
    return _changed(means, region, request, closed, NoticeEvent.FULFILLED)


def compare_again(means: RightsMeans, company_id: str, person_id: str, reason: str) -> Person:
    """See `Rights.compare_again`."""
    region = means.home(person_id, IdKind.PERSON)
    present = region.store.person(company_id, person_id)
    means.recognition.guard.on(region.store.collection(company_id, present.collection_id), Action.RESTRICT)
    if present.state.comparable:
        return present
    told = require_reason(reason)
    key = acts.data_key(region, person_id)
    facts = {
        "collection": present.collection_id,
        "before": present.state.value,
        "state": PersonState.ACTIVE.value,
        "grounds": acts.word(told),
    }
    entry = acts.entry(EntryKind.RESTRICTED, means.recognition.clock, company_id, facts, subject=key)
    region.store.update_person(replace(present, state=PersonState.ACTIVE), entries=[entry])
    region.galleries.follow(region.store.collection(company_id, present.collection_id))
    _record_grounds(region, company_id, present, told)
    return region.store.person(company_id, person_id)


def wishes_in(details: RequestDetails) -> tuple[str | None, tuple[tuple[str, str], ...] | None]:
    """The name and the attributes that a rectification asks for; None leaves a value."""
    named: Mapping[str, str] = dict(details.wishes)
    attributes = tuple(
        (key.removeprefix(_ATTRIBUTE), value) for key, value in details.wishes if key.startswith(_ATTRIBUTE)
    )
    return named.get(_NAME), attributes if attributes or _NO_ATTRIBUTES in details.wishes else None


def _stopped(means: RightsMeans, company_id: str, request: RightsRequest) -> None:
    """Comparing stopped when the request came in; who was made comparable since is stopped again."""
    region = means.home(request.person_id, IdKind.PERSON)
    if region.store.person(company_id, request.person_id).state.comparable:
        state = _STOPS_AT_ONCE[request.right]
        persons.update(means.recognition, company_id, request.person_id, None, None, state)


def _erased(means: RightsMeans, region: Region, request: RightsRequest) -> str:
    try:
        done = erasing.erase(
            means,
            request.company_id,
            request.person_id,
            request_id=request.request_id,
            requested_at=request.received_at,
        )
    except PersonErased:
        # Erased meanwhile, or by this request in a process that died before it could say so.
        return region.erasures.erasure_of(request.company_id, request.person_id).certificate_id
    return done.certificate.certificate_id


def _record_grounds(region: Region, company_id: str, person: Person, grounds: str) -> None:
    """Keep the grounds, sealed, with the latest request that comparing stopped for."""
    theirs = region.requests.requests(company_id, 200, person_id=person.person_id)
    stopping = [one for one in theirs if one.right in _STOPS_AT_ONCE]
    if stopping:
        latest = max(stopping, key=lambda one: one.received_at)
        details = replace(latest.details, reason=grounds, outcome="compared again, on the recorded grounds")
        region.requests.change_request(replace(latest, details=details), latest.state, None, [])


def _changed(
    means: RightsMeans, region: Region, before: RightsRequest, after: RightsRequest, event: NoticeEvent
) -> RightsRequest:
    entries = [_entry(means, region, after, after.person_id)]
    region.requests.change_request(after, before.state, notice(means, region, after, event), entries)
    return region.requests.request(after.company_id, after.request_id)


def _entry(means: RightsMeans, region: Region, request: RightsRequest, person_id: str) -> LogEntry:
    facts = {"request": request.request_id, "right": request.right.value, "state": request.state.value}
    if request.certificate_id is not None:
        facts["certificate"] = request.certificate_id
    try:
        key = acts.key_if_it_opens(region, person_id)
    except PersonErased:
        key = None
    return acts.entry(EntryKind.REQUEST, means.recognition.clock, request.company_id, facts, subject=key)


def _found(means: RightsMeans, company_id: str, request_id: str) -> tuple[Region, RightsRequest]:
    region = means.home(request_id, IdKind.REQUEST)
    request = region.requests.request(company_id, request_id)
    require_open(request)
    return region, request


def _require_fitting(person: Person, right: Right, wishes: Wishes) -> None:
    asks = wishes.name is not None or wishes.attributes is not None
    if right is Right.RECTIFICATION:
        if not asks:
            raise RequestInvalid("expected what is to be put right: a name, attributes, or both")
        name = person.name if wishes.name is None else wishes.name
        require_words(name, person.attributes if wishes.attributes is None else wishes.attributes)
    elif asks:
        raise RequestInvalid("expected a name or attributes with a rectification alone")
    if wishes.reason.strip():
        require_reason(wishes.reason)


def _written(wishes: Wishes) -> tuple[tuple[str, str], ...]:
    named = () if wishes.name is None else ((_NAME, wishes.name),)
    if wishes.attributes == ():
        return (*named, _NO_ATTRIBUTES)
    return named + tuple((_ATTRIBUTE + key, value) for key, value in wishes.attributes or ())
