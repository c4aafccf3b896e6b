"""What becomes of consents when their people are erased: the rows stay as evidence, what is sealed in them goes.

Belongs here: the two statements, for the transactions that erase. Does not belong here: reading consents (see `rows`).
"""

from sqlalchemy import Connection, Select

from moretta.storage.tables_consent import consent_challenges, consents


def forget_people(connection: Connection, its_people: Select[tuple[str]]) -> None:
    """Empty what is sealed of these people's consents, and delete their challenges: they are erased in this transaction."""
    theirs = consents.c.person_id.in_(its_people)
    connection.execute(consents.update().where(theirs).values(details=None, erasure_due=False))
    connection.execute(consent_challenges.delete().where(consent_challenges.c.person_id.in_(its_people)))


def forget_challenges(connection: Connection, collection_id: str) -> None:
    """Delete the challenges of a collection that is deleted."""
    connection.execute(consent_challenges.delete().where(consent_challenges.c.collection_id == collection_id))
