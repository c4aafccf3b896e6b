"""Breaches of personal data as values: what happened, the clock, whom it met, what was decided; and the port that keeps them.

Belongs here: the register's entries and their pure checks. Does not belong here: finding the affected and drafts of letters (see
`use_cases.incidents`), SQL.

Sources: GDPR Art. 33 (72 hours after having become aware; phases; documentation), Art. 34 (the subjects, where the risk is high).
The words are the operator's own and describe an event: no name of a subject belongs in them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from moretta.core.clock import to_second
from moretta.core.errors import RequestInvalid
from moretta.core.ledger import LogEntry

# GDPR Art. 33(1): "not later than 72 hours after having become aware of it".
AUTHORITY_WITHIN = timedelta(hours=72)
MAX_TEXT = 4000
MAX_DECISIONS = 200


class BreachKind(StrEnum):
    """What was breached (EDPB Guidelines 9/2022, 16)."""

    CONFIDENTIALITY = "confidentiality"
    INTEGRITY = "integrity"
    AVAILABILITY = "availability"


class Risk(StrEnum):
    """The risk for people: `UNLIKELY` needs no notification (Art. 33(1)), `HIGH` the subjects' as well (Art. 34(1)).

    Until it is assessed, the clock runs as for a risk.
    """

    NOT_ASSESSED = "not_assessed"
    UNLIKELY = "unlikely"
    RISK = "risk"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class AffectedQuery:
    """Whom an incident may have met. Everything given must hold; nothing given: everybody of the company.

    `since` and `until`: persons who were there at some time in between; with `key_id` of an API key, whom its searches and
    verifications in that time named or matched; with that of a gallery key, everybody under it.
    """

    collection_id: str | None = None
    region: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    key_id: str | None = None

    def __post_init__(self) -> None:
        if self.since is not None and self.until is not None and self.until < self.since:
            raise RequestInvalid("expected the time window to end after it begins")

    def fields(self) -> dict[str, str | None]:
        """The query as JSON."""
        return {
            "collection_id": self.collection_id,
            "region": self.region,
            "since": None if self.since is None else to_second(self.since),
            "until": None if self.until is None else to_second(self.until),
            "key_id": self.key_id,
        }


@dataclass(frozen=True, slots=True)
class Affected:
    """The answer: ids of persons who are there, in their order, and `following`, from which to go on (None: that was all).

    `erased`: how many persons of the company were erased since the window began, in the regions that this answer read: they may
    have been met, and nothing is kept by which to reach them.
    """

    person_ids: tuple[str, ...]
    following: str | None = None
    erased: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """Something that was decided, when, and by whom (an API key's id, or a local user)."""

    at: datetime
    by: str
    what: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Incident:
    """An entry of the register as it stands. `revision` counts its changes from 1; earlier revisions are kept.

    `noticed_at`: when the controller became aware, which starts the clock; `began_at` and `ended_at`: when it happened, as far
    as known. `data_categories`, `consequences`, `measures`, `delay_reason` (Art. 33(1)): the operator's words. `people`: how
    many were affected, as last counted or estimated.

    Raises:
        RequestInvalid: a text is missing or too long, or moments are in another order.
    """

    incident_id: str
    company_id: str
    revision: int
    what: str = field(repr=False)
    kinds: frozenset[BreachKind]
    noticed_at: datetime
    recorded_by: str
    began_at: datetime | None = None
    ended_at: datetime | None = None
    data_categories: tuple[str, ...] = ()
    affected: AffectedQuery | None = None
    people: int | None = None
    risk: Risk = Risk.NOT_ASSESSED
    consequences: str = field(default="", repr=False)
    measures: str = field(default="", repr=False)
    delay_reason: str = field(default="", repr=False)
    decisions: tuple[Decision, ...] = ()
    authority_notified_at: datetime | None = None
    subjects_notified_at: datetime | None = None
    closed_at: datetime | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.what.strip()) <= MAX_TEXT:
            raise RequestInvalid(f"expected what happened in 1 to {MAX_TEXT} characters")
        if any(len(text) > MAX_TEXT for text in (self.consequences, self.measures, self.delay_reason)):
            raise RequestInvalid(f"expected texts of an incident of at most {MAX_TEXT} characters")
        if not self.kinds:
            raise RequestInvalid(f"expected what was breached: {', '.join(BreachKind)}")
        if self.began_at is not None and self.ended_at is not None and self.ended_at < self.began_at:
            raise RequestInvalid("expected an incident to end after it begins")
        if len(self.decisions) > MAX_DECISIONS or (self.people is not None and self.people < 0):
            raise RequestInvalid(f"expected at most {MAX_DECISIONS} decisions, and a number of people from 0 on")

    @property
    def due_at(self) -> datetime:
        """Until when the authority is to be told."""
        return self.noticed_at + AUTHORITY_WITHIN

    @property
    def needs_authority(self) -> bool:
        """Whether the authority is still to be told."""
        return self.authority_notified_at is None and self.risk is not Risk.UNLIKELY

    @property
    def needs_subjects(self) -> bool:
        """Whether the subjects are still to be told, without undue delay (Art. 34(1))."""
        return self.subjects_notified_at is None and self.risk is Risk.HIGH

    def is_overdue(self, now: datetime) -> bool:
        """Whether the 72 hours are over and the authority was not told."""
        return self.needs_authority and now > self.due_at

    def fields(self) -> dict[str, object]:
        """The entry as JSON, of which the log commits to the canonical form."""
        told: dict[str, object] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            told[one.name] = to_second(value) if isinstance(value, datetime) else value
        told["kinds"] = sorted(self.kinds)
        told["data_categories"] = list(self.data_categories)
        told["affected"] = None if self.affected is None else self.affected.fields()
        told["risk"] = self.risk.value
        told["decisions"] = [{"at": to_second(one.at), "by": one.by, "what": one.what} for one in self.decisions]
        return told


class IncidentStore(Protocol):
    """One region's register, and its answer about the affected. Unknown ids raise `NotFound`; another company's are unknown."""

    def keep(self, incident: Incident, entries: Sequence[LogEntry] = ()) -> None:
        """Keep a revision. Raises `Conflict` where it does not follow on the newest one."""

    def incident(self, company_id: str, incident_id: str) -> Incident:
        """The newest revision."""

    def history(self, company_id: str, incident_id: str) -> list[Incident]:
        """Every revision, the oldest first."""

    def incidents(self, company_id: str, limit: int, after: str | None = None) -> list[Incident]:
        """The newest revision of each: at most `limit`, in the order of their ids, from after the id `after`."""

    def affected(self, company_id: str, query: AffectedQuery, limit: int, after: str | None = None) -> Affected:
        """Persons of this region who meet the query, whose `region` is this one or none."""
