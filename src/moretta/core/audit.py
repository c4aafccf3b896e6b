"""Who was compared, when and why: what answers "who searched me".

Belongs here: the record of an act of comparing, and the port that keeps it. Does not belong here: SQL, entries of the log (see
`ledger`), who may ask.

The log proves that an act took place and says nothing about whom it met once the person's key is gone. The record says it while
the person is there, and goes with them.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from moretta.core.errors import NotFound
from moretta.core.ledger import LogEntry

# The purpose of the search that each enrolment is for those whom the new face resembles.
DUPLICATE_CHECK = "duplicate check"
_SEARCH_ID = re.compile(r"sea_[0-9a-f]{24}")


class SearchKind(StrEnum):
    """How people were compared: one face with a gallery (1:N), or with one person who was named (1:1)."""

    SEARCH = "search"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True)
class SearchRecord:
    """One act of comparing.

    `time` to the second; `purpose` is the collection's, or `DUPLICATE_CHECK`; `caller` the API key's id, or a word such as `cli`;
    `compared` how many references were compared; `claimed` the person that a verification named; `matched` the persons who
    matched, each once.
    """

    search_id: str
    kind: SearchKind
    collection_id: str
    company_id: str
    time: str
    purpose: str
    caller: str
    compared: int
    claimed: str | None = None
    matched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchAbout:
    """An act of comparing that compared a person's references, and whether it matched them.

    `record.matched` holds that person at most, never the others. `log_index` is where the log's entry of the act stands.
    """

    record: SearchRecord
    matched: bool
    log_index: int


class AuditStore(Protocol):
    """One region's records. Safe for threads and processes."""

    def record(self, search: SearchRecord, entries: Sequence[LogEntry]) -> int:
        """Keep the record and append the entries, the act's own first, in one transaction; the index of the first.

        A matched or claimed person who was erased meanwhile is left out of the record.

        Raises:
            NotFound: the collection was deleted meanwhile.
        """

    def searches_about(
        self, company_id: str, person_id: str, limit: int, before: int | None = None
    ) -> list[SearchAbout]:
        """At most `limit` acts that compared the person, the latest first, from before the log index `before`.

        A search counts while the person was there and not kept out of comparisons (restricted, objected); a verification counts
        where it named the person. Two moments within one second count as the same.

        Raises:
            NotFound: no such person of that company.
            PersonErased: there was one.
        """

    def search(self, company_id: str, search_id: str) -> SearchRecord:
        """One record, with all who matched and are still there. Raises `NotFound`."""


def new_search_id() -> str:
    """A random id (96 bits) of an act of comparing."""
    return f"sea_{secrets.token_hex(12)}"


def require_search_id(text: str) -> str:
    """`text`, which is such an id. Raises `NotFound` where it is not."""
    if _SEARCH_ID.fullmatch(text) is None:
        raise NotFound("expected an id such as sea_ and 24 hexadecimal digits")
    return text
