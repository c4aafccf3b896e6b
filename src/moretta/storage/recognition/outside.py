"""What lies outside of the database and belongs to it: photos, segment files, gallery keys.

Belongs here: announcing, taking into use, and telling what is left over. Does not belong here: the things themselves.

A row of `announced` means: this exists, or is about to, and nothing in the database uses it. Its owner is the process that is
about to; without one it is to be deleted. Putting a thing to use deletes its row, in the transaction that uses it.

Transactions that touch several rows here go through them in the order of kind and id, or skip what is locked, so that none of
them waits for another in a circle.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum

from sqlalchemy import Connection, select

from moretta.core.errors import Conflict
from moretta.core.recognition_store import Unfinished
from moretta.storage.schema import announced
from moretta.storage.upsert import insert_into


class Kind(StrEnum):
    """What is announced."""

    BLOB = "blob"
    KEY = "key"
    SEGMENT = "segment"


def announce(connection: Connection, kind: Kind, some_id: str, owner: str, now: str) -> None:
    """`owner` is about to make it. Raises `Conflict` where it was announced before: ids are random, and never used twice."""
    row = {"kind": kind.value, "id": some_id, "owner": owner, "announced_at": now}
    new = insert_into(connection, announced).values(row).on_conflict_do_nothing()
    if connection.execute(new.returning(announced.c.id)).one_or_none() is None:
        raise Conflict(f"expected the id of a new {kind}; make a random one")


def take(connection: Connection, kind: Kind, ids: Iterable[str]) -> None:
    """Put announced things to use.

    Raises:
        Conflict: one is not announced, or its owner was taken for dead and it is being deleted.
    """
    for some_id in sorted(set(ids)):
        mine = (announced.c.kind == kind.value, announced.c.id == some_id, announced.c.owner.is_not(None))
        if connection.execute(announced.delete().where(*mine)).rowcount != 1:
            raise Conflict(f"the {kind} is not announced, or no longer; make it again under a new id")


def doom(connection: Connection, kind: Kind, ids: Iterable[str], now: str) -> None:
    """These are no longer used: they are to be deleted."""
    rows = [{"kind": kind.value, "id": some_id, "owner": None, "announced_at": now} for some_id in sorted(set(ids))]
    if rows:
        connection.execute(announced.insert(), rows)


def left_over(connection: Connection, is_alive: Callable[[str], bool]) -> Unfinished:
    """What is to be deleted, from now on with what the dead announced: none of it can be taken any more."""
    owners = connection.execute(select(announced.c.owner).where(announced.c.owner.is_not(None)).distinct()).scalars()
    dead = [owner for owner in owners if not is_alive(owner)]
    if dead:
        theirs = select(announced).where(announced.c.owner.in_(dead))
        for row in connection.execute(theirs.with_for_update(skip_locked=True)).all():
            mine = (announced.c.kind == row.kind, announced.c.id == row.id)
            connection.execute(announced.update().where(*mine).values(owner=None))
    doomed = connection.execute(select(announced.c.kind, announced.c.id).where(announced.c.owner.is_(None)))
    found: dict[str, list[str]] = {kind: [] for kind in Kind}
    for kind, some_id in sorted((row.kind, row.id) for row in doomed):
        found[kind].append(some_id)
    return Unfinished(tuple(found[Kind.BLOB]), tuple(found[Kind.SEGMENT]), tuple(found[Kind.KEY]))


def abandon(connection: Connection, made: Unfinished) -> Unfinished:
    """Which of these are still announced; nobody can take them from now on."""
    found: dict[str, list[str]] = {kind: [] for kind in Kind}
    for kind, some_id in _named(made):
        mine = (announced.c.kind == kind.value, announced.c.id == some_id)
        if connection.execute(announced.update().where(*mine).values(owner=None)).rowcount == 1:
            found[kind].append(some_id)
    return Unfinished(tuple(found[Kind.BLOB]), tuple(found[Kind.SEGMENT]), tuple(found[Kind.KEY]))


def forget(connection: Connection, finished: Unfinished) -> None:
    """These are gone."""
    for kind, some_id in _named(finished):
        connection.execute(announced.delete().where(announced.c.kind == kind.value, announced.c.id == some_id))


def _named(things: Unfinished) -> list[tuple[Kind, str]]:
    named = [(Kind.BLOB, some_id) for some_id in things.blobs]
    named += [(Kind.KEY, some_id) for some_id in things.keys]
    named += [(Kind.SEGMENT, some_id) for some_id in things.segments]
    return sorted(named)
