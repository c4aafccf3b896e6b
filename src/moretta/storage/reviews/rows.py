"""Proposals as rows: keeping, reading, voting, forgetting.

Belongs here: SQL. Does not belong here: transactions (see `store`), how votes decide (see `core.review`).
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select

from moretta.core.clock import from_second, to_second
from moretta.core.errors import NotFound
from moretta.core.purposes import Action
from moretta.core.recognition import Candidate
from moretta.core.review import RECORD_LIFE, Choice, Proposal, ProposedFace, ReviewState, Vote
from moretta.storage.schema import collections, persons
from moretta.storage.tables_review import (
    proposal_candidates,
    proposal_choices,
    proposal_faces,
    proposal_votes,
    proposals,
)


def keep_proposal(connection: Connection, proposal: Proposal) -> None:
    """A new proposal, without the candidates who are not there any more."""
    own = {"proposal_id": proposal.proposal_id}
    connection.execute(
        proposals.insert().values(
            **own,
            company_id=proposal.company_id,
            collection_id=proposal.collection_id,
            purpose=proposal.purpose,
            action=proposal.action.value,
            needed=proposal.needed,
            requested_by=proposal.requested_by,
            search_id=proposal.search_id,
            false_match_rate=proposal.fmr,
            created_at=to_second(proposal.created_at),
            expires_at=to_second(proposal.expires_at),
            state=proposal.state.value,
        )
    )
    named = {one.person_id for face in proposal.faces for one in face.candidates}
    query = select(persons.c.person_id).where(persons.c.person_id.in_(named)).order_by(persons.c.person_id)
    there = set(connection.execute(query.with_for_update(read=True, key_share=True)).scalars())
    for position, face in enumerate(proposal.faces):
        x1, y1, x2, y2 = face.box
        place = {**own, "position": position}
        connection.execute(proposal_faces.insert().values(**place, x1=x1, y1=y1, x2=x2, y2=y2, quality=face.quality))
        rows = [
            {**place, "person_id": one.person_id, "face_id": one.face_id, "rank": one.rank, "band": one.band}
            for one in face.candidates
            if one.person_id in there
        ]
        if rows:
            connection.execute(proposal_candidates.insert(), rows)


def find_proposal(connection: Connection, company_id: str, proposal_id: str, *, lock: bool = False) -> Proposal:
    """The proposal. Raises `NotFound`: unknown, or of another company."""
    query = select(proposals).where(proposals.c.proposal_id == proposal_id, proposals.c.company_id == company_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound("expected the id of a proposed match of this company; list them to see the ids")
    return _filled(connection, [row])[0]


def list_proposals(
    connection: Connection, company_id: str, limit: int, after: str | None, state: ReviewState | None
) -> list[Proposal]:
    """Proposals in the order of their ids."""
    query = select(proposals).where(proposals.c.company_id == company_id).order_by(proposals.c.proposal_id)
    if after is not None:
        query = query.where(proposals.c.proposal_id > after)
    if state is not None:
        query = query.where(proposals.c.state == state.value)
    return _filled(connection, connection.execute(query.limit(limit)).all())


def keep_vote(connection: Connection, proposal: Proposal, vote: Vote, state: ReviewState) -> None:
    """A vote, and the state to which it leads; a rejected proposal loses its candidates."""
    own = {"proposal_id": proposal.proposal_id, "reviewer": vote.reviewer}
    number = len(proposal.votes) + 1
    values = {**own, "number": number, "cast_at": to_second(vote.at), "confirms": vote.confirms}
    connection.execute(proposal_votes.insert().values(values))
    chosen = [{**own, "position": one.face, "person_id": one.person_id} for one in sorted(vote.choices)]
    if chosen:
        connection.execute(proposal_choices.insert(), chosen)
    mine = proposals.c.proposal_id == proposal.proposal_id
    connection.execute(proposals.update().where(mine).values(state=state.value))
    if state is ReviewState.REJECTED:
        _forget_candidates(connection, [proposal.proposal_id])


def lock_due(connection: Connection, now: datetime) -> None:
    """Lock the collections of proposals that are due, in the order of their ids, before anything of theirs is touched."""
    due = select(proposals.c.collection_id).where(or_(_over(now), _old(now)))
    query = select(collections.c.collection_id).where(collections.c.collection_id.in_(due))
    connection.execute(query.order_by(collections.c.collection_id).with_for_update()).all()


def any_due(connection: Connection, now: datetime) -> bool:
    """Whether `expire` or `delete_old` would do anything."""
    query = select(func.count()).select_from(proposals).where(or_(_over(now), _old(now)))
    return connection.execute(query).scalar_one() > 0


def expire(connection: Connection, now: datetime) -> int:
    """Mark what is over, and forget its candidates; how many."""
    ids = list(connection.execute(select(proposals.c.proposal_id).where(_over(now))).scalars())
    if ids:
        mine = proposals.c.proposal_id.in_(ids)
        connection.execute(proposals.update().where(mine).values(state=ReviewState.EXPIRED.value))
        _forget_candidates(connection, ids)
    return len(ids)


def delete_old(connection: Connection, now: datetime) -> int:
    """Delete records that are kept no longer; how many."""
    return connection.execute(proposals.delete().where(_old(now))).rowcount


def _over(now: datetime) -> ColumnElement[bool]:
    return and_(proposals.c.state == ReviewState.PENDING.value, proposals.c.expires_at <= to_second(now))


def _old(now: datetime) -> ColumnElement[bool]:
    return proposals.c.created_at < to_second(now - RECORD_LIFE)


def _forget_candidates(connection: Connection, ids: Sequence[str]) -> None:
    connection.execute(proposal_candidates.delete().where(proposal_candidates.c.proposal_id.in_(ids)))


def _filled(connection: Connection, rows: Sequence[Row[tuple[object, ...]]]) -> list[Proposal]:
    ids = [row.proposal_id for row in rows]
    faces = _faces(connection, ids)
    votes = _votes(connection, ids)
    return [_proposal(row, faces[row.proposal_id], votes[row.proposal_id]) for row in rows]


def _proposal(row: Row[tuple[object, ...]], faces: Sequence[ProposedFace], votes: Sequence[Vote]) -> Proposal:
    state = ReviewState(row.state)
    if state is ReviewState.PENDING and not any(face.candidates for face in faces):
        state = ReviewState.VOID
    return Proposal(
        proposal_id=row.proposal_id,
        company_id=row.company_id,
        collection_id=row.collection_id,
        purpose=row.purpose,
        action=Action(row.action),
        needed=row.needed,
        requested_by=row.requested_by,
        search_id=row.search_id,
        fmr=row.false_match_rate,
        created_at=from_second(row.created_at),
        expires_at=from_second(row.expires_at),
        state=state,
        faces=tuple(faces),
        votes=tuple(votes),
    )


def _faces(connection: Connection, ids: Sequence[str]) -> dict[str, list[ProposedFace]]:
    proposed: defaultdict[tuple[str, int], list[Candidate]] = defaultdict(list)
    table = proposal_candidates
    query = select(table).where(table.c.proposal_id.in_(ids)).order_by(table.c.rank, table.c.person_id)
    for row in connection.execute(query):
        candidate = Candidate(row.person_id, row.face_id, row.rank, row.band)
        proposed[row.proposal_id, row.position].append(candidate)
    found: defaultdict[str, list[ProposedFace]] = defaultdict(list)
    of_these = select(proposal_faces).where(proposal_faces.c.proposal_id.in_(ids))
    for row in connection.execute(of_these.order_by(proposal_faces.c.position)):
        box = (row.x1, row.y1, row.x2, row.y2)
        face = ProposedFace(box, row.quality, tuple(proposed[row.proposal_id, row.position]))
        found[row.proposal_id].append(face)
    return found


def _votes(connection: Connection, ids: Sequence[str]) -> dict[str, list[Vote]]:
    chosen: defaultdict[tuple[str, str], set[Choice]] = defaultdict(set)
    for row in connection.execute(select(proposal_choices).where(proposal_choices.c.proposal_id.in_(ids))):
        chosen[row.proposal_id, row.reviewer].add(Choice(row.position, row.person_id))
    found: defaultdict[str, list[Vote]] = defaultdict(list)
    of_these = select(proposal_votes).where(proposal_votes.c.proposal_id.in_(ids))
    for row in connection.execute(of_these.order_by(proposal_votes.c.number)):
        choices = frozenset(chosen[row.proposal_id, row.reviewer])
        found[row.proposal_id].append(Vote(row.reviewer, from_second(row.cast_at), row.confirms, choices))
    return found
