"""The policies that held, and since when.

Belongs here: noting that another policy holds from now on. Does not belong here: reading policy files.
"""

from sqlalchemy import Connection, Engine, select

from moretta.core.errors import NotFound
from moretta.core.ledger import LogEntry
from moretta.core.policy import Policy
from moretta.core.usage import canonical_json
from moretta.storage import ledger
from moretta.storage.database import reading, writing
from moretta.storage.tables_review import policies


def note_policy(engine: Engine, policy: Policy, now: str, entry: LogEntry) -> bool:
    """Note that `policy` holds from `now` on, and append `entry`, in one transaction; False where it held already.

    However many processes start at once, it is noted once.
    """
    newest = select(policies.c.number, policies.c.sha256).order_by(policies.c.number.desc()).limit(1)
    with reading(engine) as connection:
        row = connection.execute(newest).one_or_none()
        if row is not None and row.sha256 == policy.sha256:
            return False
    with writing(engine) as connection:
        row = connection.execute(newest).one_or_none()
        if row is not None and row.sha256 == policy.sha256:
            return False
        values = {
            "number": 1 if row is None else row.number + 1,
            "sha256": policy.sha256,
            "since": now,
            "content": canonical_json(policy.fields()),
        }
        connection.execute(policies.insert().values(values))
        ledger.append(connection, [entry])
    return True


def policy_held(connection: Connection, sha256: str) -> bytes:
    """The canonical form of a policy that held, by its hash. Raises `NotFound`."""
    query = select(policies.c.content).where(policies.c.sha256 == sha256).limit(1)
    found = connection.execute(query).scalar_one_or_none()
    if found is None:
        raise NotFound("expected the SHA-256 of a policy that held here, as entries of the log tell it")
    return bytes(found)
