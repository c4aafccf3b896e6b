"""Links are made, codes open sessions, sessions are recognised and end.

Belongs here: the order of the checks. Does not belong here: what a person does once they are in (see `own`).

An attempt costs a token of the link's bucket and one of all links' before anything is looked up, so that unknown links cost the
same as known ones. No address of anybody is looked at or kept.
"""

from dataclasses import dataclass
from datetime import timedelta

from moretta.core.errors import CodeRejected, NotFound, RequestInvalid
from moretta.core.ledger import EntryKind
from moretta.core.recognition import IdKind
from moretta.core.subject_access import (
    LINK_LIFE,
    MAX_LINK_LIFE,
    SEEN_EVERY,
    IssuedLink,
    SessionToken,
    SubjectLink,
    SubjectSession,
    code_hash,
    new_code,
    new_link_id,
    new_session,
    parse_token,
    region_of_access,
    require_code,
    require_session,
    session_ended,
    session_hash,
    wrong_code,
)
from moretta.use_cases.recognition import acts
from moretta.use_cases.subject.means import SubjectMeans

_ALL = "all"


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody who is in: whose pages they see, and the token that their browser holds."""

    company_id: str
    person_id: str
    token: SessionToken


def make_link(means: SubjectMeans, company_id: str, person_id: str, made_by: str, life: timedelta | None) -> IssuedLink:
    """See `OwnPages.make_link`."""
    region = means.recognition.home(person_id, IdKind.PERSON)
    if life is not None and not timedelta(minutes=1) <= life <= MAX_LINK_LIFE:
        raise RequestInvalid(f"expected a link to be good for a minute to {MAX_LINK_LIFE.days} days")
    now = means.recognition.clock().replace(microsecond=0)
    region.store.person(company_id, person_id)  # another company's is not there
    link_id, code = new_link_id(region.name), new_code()
    link = SubjectLink(
        link_id, company_id, person_id, code_hash(link_id, code), made_by, now, now + (life or LINK_LIFE)
    )
    told = acts.entry(
        EntryKind.SUBJECT_LINK,
        means.recognition.clock,
        company_id,
        {"made_by": acts.word(made_by)},
        subject=acts.data_key(region, person_id),
    )
    region.subjects.add_link(link, [told])
    return IssuedLink(link, code)


def enter(means: SubjectMeans, link_id: str, code: str) -> Visit:
    """See `OwnPages.enter`."""
    means.all_links.take(_ALL)
    region = means.region(region_of_access(link_id))
    if region is None:
        raise wrong_code()
    means.per_link.take(link_id)
    presented = code_hash(link_id, code)
    try:
        link = region.subjects.link(link_id)
    except NotFound:
        raise wrong_code() from None
    now = means.recognition.clock().replace(microsecond=0)
    try:
        require_code(link, presented, now)
    except CodeRejected:
        region.subjects.wrong_code(link_id)
        raise
    token = new_session(region.name)
    session = SubjectSession(token.session_id, link.company_id, link.person_id, session_hash(token), now, now)
    told = acts.entry(
        EntryKind.SUBJECT_VISIT,
        means.recognition.clock,
        link.company_id,
        {},
        subject=acts.data_key(region, link.person_id),
    )
    region.subjects.open_session(link_id, session, [told])
    return Visit(link.company_id, link.person_id, token)


def visit(means: SubjectMeans, cookie: str | None) -> Visit:
    """See `OwnPages.visit`."""
    token = parse_token(cookie or "")
    region = None if token is None else means.region(region_of_access(token.session_id))
    if token is None or region is None:
        raise session_ended()
    store = region.subjects
    try:
        session = store.session(token.session_id)
    except NotFound:
        raise session_ended() from None
    now = means.recognition.clock().replace(microsecond=0)
    require_session(session, token, now)
    means.per_session.take(session.session_id)
    if now >= session.seen_at + SEEN_EVERY:
        store.seen(session.session_id, now)
    return Visit(session.company_id, session.person_id, token)


def leave(means: SubjectMeans, seen: Visit) -> None:
    """See `OwnPages.leave`."""
    region = means.region(region_of_access(seen.token.session_id))
    if region is not None:
        region.subjects.end_session(seen.token.session_id)
