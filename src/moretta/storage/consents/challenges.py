"""Challenges as rows: each can be used once.

Belongs here: keeping, using, forgetting. Does not belong here: what is signed, and whether it was.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from moretta.core.clock import from_second, to_second
from moretta.core.consent import Challenge
from moretta.core.errors import ChallengeUsed, NotFound
from moretta.storage.tables_consent import consent_challenges

# A replay is told as such for a day; after that the challenge is unknown, which is refused as well.
_REMEMBERED = timedelta(days=1)


def add_challenge(connection: Connection, challenge: Challenge) -> None:
    """Keep it, and forget those that nobody can use any more."""
    forgotten = consent_challenges.c.expires_at < to_second(challenge.created_at - _REMEMBERED)
    connection.execute(consent_challenges.delete().where(forgotten))
    values = {
        "challenge_id": challenge.challenge_id,
        "company_id": challenge.company_id,
        "collection_id": challenge.collection_id,
        "purpose": challenge.purpose,
        "notice_sha256": challenge.notice_sha256,
        "person_id": challenge.person_id,
        "nonce": challenge.nonce,
        "created_at": to_second(challenge.created_at),
        "expires_at": to_second(challenge.expires_at),
        "used_at": None,
    }
    connection.execute(consent_challenges.insert().values(values))


def find_challenge(connection: Connection, company_id: str, challenge_id: str) -> Challenge:
    """The challenge. Raises `NotFound`."""
    query = select(consent_challenges).where(
        consent_challenges.c.challenge_id == challenge_id, consent_challenges.c.company_id == company_id
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound("expected the id of a challenge of this company; ask for a new challenge")
    return Challenge(
        challenge_id=row.challenge_id,
        company_id=row.company_id,
        collection_id=row.collection_id,
        purpose=row.purpose,
        notice_sha256=row.notice_sha256,
        person_id=row.person_id,
        nonce=bytes(row.nonce),
        created_at=from_second(row.created_at),
        expires_at=from_second(row.expires_at),
        used_at=None if row.used_at is None else from_second(row.used_at),
    )


def use_challenge(connection: Connection, company_id: str, challenge_id: str, at: datetime) -> None:
    """Mark it used. Raises `ChallengeUsed` where it was, `NotFound` where there is none."""
    mine = (consent_challenges.c.challenge_id == challenge_id, consent_challenges.c.company_id == company_id)
    unused = consent_challenges.c.used_at.is_(None)
    used = connection.execute(consent_challenges.update().where(*mine, unused).values(used_at=to_second(at)))
    if used.rowcount == 0:
        find_challenge(connection, company_id, challenge_id)
        raise ChallengeUsed("the challenge was answered before; ask for a new one")
