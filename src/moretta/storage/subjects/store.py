"""`core.subject_access.SubjectAccessStore` in SQL: each method one transaction.

Belongs here: transactions and rows. Does not belong here: deciding whether a code or a session opens anything.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, func, select

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.clock import from_second, to_second
from moretta.core.errors import CodeUsed, NotFound, RateLimited
from moretta.core.ledger import LogEntry
from moretta.core.subject_access import LINKS_PER_DAY, SESSION_IDLE, SESSION_LIFE, SubjectLink, SubjectSession
from moretta.storage.database import between_checkpoints, reading, writing_rows
from moretta.storage.ledger import append
from moretta.storage.recognition.persons import absent_person
from moretta.storage.schema import persons
from moretta.storage.tables_subjects import subject_links, subject_sessions

_DAY = timedelta(days=1)


class SqlSubjectAccessStore:
    """One region's links and sessions. Safe to share between threads and processes; the engine stays open.

    Each write that is told in the log passes two checkpoints, `<what>:before-commit` and `<what>:after-commit`.
    """

    def __init__(self, engine: Engine, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._engine, self._checkpoint = engine, checkpoint

    def add_link(self, link: SubjectLink, entries: Sequence[LogEntry] = ()) -> None:
        """As `SubjectAccessStore.add_link`."""
        self._forget_old(link.created_at)
        with self._writing("subject-link") as connection:
            _lock_person(connection, link)
            recent = select(func.count()).where(
                subject_links.c.person_id == link.person_id,
                subject_links.c.created_at > to_second(link.created_at - _DAY),
            )
            if connection.execute(recent).scalar_one() >= LINKS_PER_DAY:
                raise RateLimited(
                    f"expected at most {LINKS_PER_DAY} links for one person within a day; wait, or use one of those",
                    retry_after_s=3600.0,
                )
            connection.execute(subject_links.insert().values(_link_columns(link)))
            append(connection, entries)

    def link(self, link_id: str) -> SubjectLink:
        """As `SubjectAccessStore.link`."""
        with reading(self._engine) as connection:
            row = connection.execute(select(subject_links).where(subject_links.c.link_id == link_id)).one_or_none()
        if row is None:
            raise NotFound("expected the id of a link to a person's own pages")
        return SubjectLink(
            link_id=row.link_id,
            company_id=row.company_id,
            person_id=row.person_id,
            secret_hash=bytes(row.secret_hash),
            made_by=row.made_by,
            created_at=from_second(row.created_at),
            expires_at=from_second(row.expires_at),
            used_at=None if row.used_at is None else from_second(row.used_at),
            wrong=row.wrong,
        )

    def wrong_code(self, link_id: str) -> None:
        """As `SubjectAccessStore.wrong_code`."""
        counted = subject_links.update().where(subject_links.c.link_id == link_id)
        with writing_rows(self._engine) as connection:
            if connection.execute(counted.values(wrong=subject_links.c.wrong + 1)).rowcount == 0:
                raise NotFound("expected the id of a link to a person's own pages")

    def open_session(self, link_id: str, session: SubjectSession, entries: Sequence[LogEntry] = ()) -> None:
        """As `SubjectAccessStore.open_session`."""
        unused = (subject_links.c.link_id == link_id, subject_links.c.used_at.is_(None))
        self._forget_old(session.opened_at)
        with self._writing("subject-session") as connection:
            used = subject_links.update().where(*unused).values(used_at=to_second(session.opened_at))
            if connection.execute(used).rowcount == 0:
                raise CodeUsed("the code was used before, and each opens the pages once; ask for a new link")
            connection.execute(subject_sessions.insert().values(_session_columns(session)))
            append(connection, entries)

    def session(self, session_id: str) -> SubjectSession:
        """As `SubjectAccessStore.session`."""
        query = select(subject_sessions).where(subject_sessions.c.session_id == session_id)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFound("expected the id of a session")
        return SubjectSession(
            session_id=row.session_id,
            company_id=row.company_id,
            person_id=row.person_id,
            secret_hash=bytes(row.secret_hash),
            opened_at=from_second(row.opened_at),
            seen_at=from_second(row.seen_at),
        )

    def seen(self, session_id: str, at: datetime) -> None:
        """As `SubjectAccessStore.seen`."""
        # Never back: of two requests at once, the later one counts.
        mine = (subject_sessions.c.session_id == session_id, subject_sessions.c.seen_at < to_second(at))
        with writing_rows(self._engine) as connection:
            connection.execute(subject_sessions.update().where(*mine).values(seen_at=to_second(at)))

    def end_session(self, session_id: str) -> None:
        """As `SubjectAccessStore.end_session`."""
        with writing_rows(self._engine) as connection:
            connection.execute(subject_sessions.delete().where(subject_sessions.c.session_id == session_id))

    def _forget_old(self, now: datetime) -> None:
        """Delete what opens nothing any more, but for links whose holder can still be told what became of them."""
        idle, old = to_second(now - SESSION_IDLE), to_second(now - SESSION_LIFE)
        over = (subject_sessions.c.seen_at < idle) | (subject_sessions.c.opened_at < old)
        with writing_rows(self._engine) as connection:
            connection.execute(subject_links.delete().where(subject_links.c.expires_at < to_second(now - _DAY)))
            connection.execute(subject_sessions.delete().where(over))

    def _writing(self, what: str) -> AbstractContextManager[Connection]:
        return between_checkpoints(writing_rows(self._engine), self._checkpoint, what)


def _lock_person(connection: Connection, link: SubjectLink) -> None:
    """Keep the person's other links, and their erasure, out until the transaction ends."""
    mine = (persons.c.person_id == link.person_id, persons.c.company_id == link.company_id)
    if connection.execute(select(persons.c.person_id).where(*mine).with_for_update()).one_or_none() is None:
        raise absent_person(connection, link.person_id, link.company_id)


def _link_columns(link: SubjectLink) -> dict[str, object]:
    return {
        "link_id": link.link_id,
        "company_id": link.company_id,
        "person_id": link.person_id,
        "secret_hash": link.secret_hash,
        "made_by": link.made_by,
        "created_at": to_second(link.created_at),
        "expires_at": to_second(link.expires_at),
        "used_at": None if link.used_at is None else to_second(link.used_at),
        "wrong": link.wrong,
    }


def _session_columns(session: SubjectSession) -> dict[str, object]:
    return {
        "session_id": session.session_id,
        "company_id": session.company_id,
        "person_id": session.person_id,
        "secret_hash": session.secret_hash,
        "opened_at": to_second(session.opened_at),
        "seen_at": to_second(session.seen_at),
    }
