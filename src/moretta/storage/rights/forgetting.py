"""What goes of rights requests when their person goes: whatever is sealed. That there was a request stays."""

from sqlalchemy import Connection, Select

from moretta.storage.tables_rights import rights_requests


def forget_requests_of(connection: Connection, its_people: Select[tuple[str]]) -> None:
    """Empty what is sealed of these people's requests: they are being erased in this transaction."""
    theirs = (rights_requests.c.person_id.in_(its_people), rights_requests.c.details.is_not(None))
    connection.execute(rights_requests.update().where(*theirs).values(details=None))
