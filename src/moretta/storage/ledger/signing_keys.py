"""`core.signing.SigningKeyStore` in SQL: each method one transaction."""

from collections.abc import Sequence

from sqlalchemy import Engine, select

from moretta.core.errors import Conflict
from moretta.core.ledger import LogEntry
from moretta.core.signing import SigningKey
from moretta.storage.database import reading, writing
from moretta.storage.ledger.appending import append
from moretta.storage.tables_ledger import signing_keys


class SqlSigningKeyStore:
    """One region's signing keys. Safe to share between threads and processes; the engine stays open."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def signing_keys(self) -> list[SigningKey]:
        """As `SigningKeyStore.signing_keys`."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(signing_keys).order_by(signing_keys.c.number)).all()
        return [
            SigningKey(row.key_id, bytes(row.public_key), row.made_at, bytes(row.wrapped), bytes(row.endorsement))
            for row in rows
        ]

    def add_signing_key(self, key: SigningKey, after: str | None, entries: Sequence[LogEntry] = ()) -> None:
        """As `SigningKeyStore.add_signing_key`."""
        latest = select(signing_keys.c.number, signing_keys.c.key_id).order_by(signing_keys.c.number.desc()).limit(1)
        with writing(self._engine) as connection:
            last = connection.execute(latest).one_or_none()
            if (None if last is None else last.key_id) != after:
                raise Conflict("another signing key was made meanwhile; use that one")
            values = {
                "number": 1 if last is None else last.number + 1,
                "key_id": key.key_id,
                "public_key": key.public_key,
                "made_at": key.made_at,
                "wrapped": key.wrapped,
                "endorsement": key.endorsement,
            }
            connection.execute(signing_keys.update().values(wrapped=b""))
            connection.execute(signing_keys.insert().values(values))
            append(connection, entries)

    def rewrap_signing_key(self, key_id: str, old: bytes, new: bytes) -> None:
        """As `SigningKeyStore.rewrap_signing_key`."""
        mine = (signing_keys.c.key_id == key_id, signing_keys.c.wrapped == old)
        with writing(self._engine) as connection:
            connection.execute(signing_keys.update().where(*mine).values(wrapped=new))
