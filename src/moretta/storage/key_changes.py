"""What changing master keys on a schedule must remember, in each region's database, and whom it is for.

Belongs here: one small record, and reading who was erased since. Does not belong here: keys, and when a change is due (see
`wiring.scheduled_keys`).
"""

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, exists, select, true

from moretta.core.clock import from_second, to_second
from moretta.core.errors import StorageUnusable
from moretta.core.protection import Scheme
from moretta.storage.database import reading, writing
from moretta.storage.schema import collections, deployment, erased_persons
from moretta.storage.tables_rights import erasures
from moretta.storage.upsert import insert_into

_NAME = "master-key-change"

# A collection: its company's id and its own.
Named = tuple[str, str]


@dataclass(frozen=True, slots=True)
class KeyChange:
    """How far a region is.

    `covered`: what was deleted before that moment stands under destroyed master keys alone; None: never yet. `begun`: when the
    change that is under way was begun, and `old`: the ids of all master keys that there were. `left`: collections whose key is to
    be renewed still.
    """

    covered: datetime | None = None
    begun: datetime | None = None
    old: tuple[str, ...] = ()
    left: tuple[Named, ...] = ()


def key_change_in(engine: Engine) -> KeyChange:
    """The record; an empty one where there is none. Raises `StorageUnusable` where it has another form."""
    with reading(engine) as connection:
        query = select(deployment.c.value).where(deployment.c.name == _NAME)
        kept = connection.execute(query).scalar_one_or_none()
    if kept is None:
        return KeyChange()
    try:
        told = json.loads(kept)
        covered, begun = (None if told[name] is None else from_second(told[name]) for name in ("covered", "begun"))
        old = tuple(str(master_key_id) for master_key_id in told["old"])
        left = tuple((str(company_id), str(collection_id)) for company_id, collection_id in told["left"])
    except (ValueError, KeyError, TypeError):
        raise StorageUnusable(
            "the record of the last change of the master key was altered; restore the database"
        ) from None
    return KeyChange(covered, begun, old, left)


def keep_key_change(engine: Engine, change: KeyChange) -> None:
    """Keep the record in place of the one before; durable when it returns."""
    moments = {"covered": change.covered, "begun": change.begun}
    told = {name: None if moment is None else to_second(moment) for name, moment in moments.items()}
    value = json.dumps({**told, "old": list(change.old), "left": [list(one) for one in change.left]})
    with writing(engine) as connection:
        inserted = insert_into(connection, deployment).values(name=_NAME, value=value)
        connection.execute(inserted.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


def erased_since(engine: Engine, since: datetime | None, but: str) -> bool:
    """Whether somebody was erased at or after `since` (None: ever), of any company but `but`."""
    with reading(engine) as connection:
        found = select(erased_persons.c.person_id).where(erased_persons.c.company_id != but, _since(since))
        return bool(connection.execute(select(exists(found))).scalar_one())


def packed_collections_erased_from(engine: Engine, since: datetime | None, but: str) -> tuple[Named, ...]:
    """Collections that are there, pack their references, and lost somebody at or after `since`, in the order of their ids."""
    found = (
        select(collections.c.company_id, collections.c.collection_id)
        .join(erasures, erasures.c.collection_id == collections.c.collection_id)
        .join(erased_persons, erased_persons.c.person_id == erasures.c.person_id)
        .where(collections.c.scheme == Scheme.HE.value, collections.c.company_id != but, _since(since))
        .distinct()
        .order_by(collections.c.collection_id)
    )
    with reading(engine) as connection:
        return tuple((row.company_id, row.collection_id) for row in connection.execute(found).all())


def _since(moment: datetime | None) -> ColumnElement[bool]:
    return true() if moment is None else erased_persons.c.erased_at >= to_second(moment)
