"""What goes of a person's links when the person goes.

Their session stays for the minutes that it lives: it shows the certificate of the erasure, and nothing else is left to show.
"""

from sqlalchemy import Connection, Select

from moretta.storage.tables_subjects import subject_links


def forget_links_of(connection: Connection, its_people: Select[tuple[str]]) -> None:
    """Delete these people's links: they are being erased in this transaction."""
    connection.execute(subject_links.delete().where(subject_links.c.person_id.in_(its_people)))
