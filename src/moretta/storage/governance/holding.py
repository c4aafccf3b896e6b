"""Whether somebody is held, asked by every transaction that would delete something of a person; and what goes with the person.

Belongs here: the check, which its callers make after they locked the collection: placing a hold locks it too, so neither passes
the other unseen. Does not belong here: placing and releasing (see `retention`).
"""

from collections.abc import Iterable

from sqlalchemy import Connection, Select, select

from moretta.core.errors import PersonHeld
from moretta.storage.tables_governance import holds


def require_not_held(connection: Connection, people: Select[tuple[str]] | Iterable[str]) -> None:
    """Nothing of these persons may be deleted while a hold is on one of them. Raises `PersonHeld`."""
    wanted = people if isinstance(people, Select) else list(people)
    query = select(holds.c.hold_id).where(holds.c.held.in_(wanted)).limit(1)
    if connection.execute(query).first() is not None:
        raise PersonHeld(
            "a legal hold keeps what would be deleted; release it first, with a reason: `moretta retention release`"
        )


def forget_words_about(connection: Connection, people: Select[tuple[str]]) -> None:
    """Empty what was said of released holds on these people, who are being erased in this transaction."""
    theirs = (holds.c.person_id.in_(people), holds.c.words.is_not(None))
    connection.execute(holds.update().where(*theirs).values(words=None))
