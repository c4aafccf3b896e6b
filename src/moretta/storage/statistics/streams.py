"""The sites that `/v1/streams` watches, as rows.

Belongs here: what an operator drew, and the last receipt. Does not belong here: sources, which are never written anywhere.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, Row, select

from moretta.core.clock import from_second, to_second
from moretta.core.errors import NotFound
from moretta.storage.database import reading, writing_rows
from moretta.storage.tables_streams import streams


@dataclass(frozen=True, slots=True)
class StoredStream:
    """A row: `site` and `receipt` as JSON."""

    stream_id: str
    created_at: datetime
    site: str
    rate: float
    receipt: str | None = None


class SqlStreamStore:
    """Streams of all companies, each seen by its own alone. Safe to share between threads; the engine stays open."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, company_id: str, stream: StoredStream) -> None:
        """Keep a new one, durably."""
        row = {
            "company_id": company_id,
            "stream_id": stream.stream_id,
            "created_at": to_second(stream.created_at),
            "site": stream.site,
            "rate": stream.rate,
            "receipt": stream.receipt,
        }
        with writing_rows(self._engine) as connection:
            connection.execute(streams.insert().values(row))

    def streams(self, company_id: str) -> list[StoredStream]:
        """All of a company, the oldest first."""
        c = streams.c
        query = select(streams).where(c.company_id == company_id).order_by(c.created_at, c.stream_id)
        with reading(self._engine) as connection:
            return [_stream(row) for row in connection.execute(query)]

    def stream(self, company_id: str, stream_id: str) -> StoredStream:
        """That one. Raises `NotFound`."""
        c = streams.c
        query = select(streams).where(c.company_id == company_id, c.stream_id == stream_id)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFound("expected the id of a stream of this company; GET /v1/streams lists them")
        return _stream(row)

    def note_receipt(self, company_id: str, stream_id: str, receipt: str) -> None:
        """Keep the receipt of its last session instead of the one before."""
        mine = (streams.c.company_id == company_id, streams.c.stream_id == stream_id)
        with writing_rows(self._engine) as connection:
            connection.execute(streams.update().where(*mine).values(receipt=receipt))

    def remove(self, company_id: str, stream_id: str) -> None:
        """Forget it. Raises `NotFound`."""
        mine = (streams.c.company_id == company_id, streams.c.stream_id == stream_id)
        with writing_rows(self._engine) as connection:
            if connection.execute(streams.delete().where(*mine)).rowcount == 0:
                raise NotFound("expected the id of a stream of this company; GET /v1/streams lists them")


def _stream(row: Row[tuple[object, ...]]) -> StoredStream:
    return StoredStream(row.stream_id, from_second(row.created_at), row.site, row.rate, row.receipt)
