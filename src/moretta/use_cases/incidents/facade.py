"""The one object through which doors reach the breach register.

Belongs here: recording, changing, and the query of the affected over regions. Does not belong here: drafts (see `drafting`).
"""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime

from moretta.core.errors import NotFound, RequestInvalid
from moretta.core.incidents import Affected, AffectedQuery, BreachKind, Decision, Incident, Risk
from moretta.core.ledger import EntryKind, LogEntry
from moretta.core.recognition import IdKind, new_id, region_of
from moretta.core.usage import canonical_json
from moretta.use_cases.incidents.drafting import Draft, authority_draft, subjects_draft
from moretta.use_cases.recognition import acts
from moretta.use_cases.recognition.collections import require_page
from moretta.use_cases.recognition.means import Means


@dataclass(frozen=True, slots=True)
class NewIncident:
    """What is known when an incident is recorded; `noticed_at` None: now. See `core.incidents.Incident`."""

    what: str = field(repr=False)
    kinds: frozenset[BreachKind]
    noticed_at: datetime | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to change; None leaves it. `decision` is added to the others. `close`: whether it is over."""

    what: str | None = field(default=None, repr=False)
    kinds: frozenset[BreachKind] | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None
    data_categories: tuple[str, ...] | None = None
    affected: AffectedQuery | None = None
    people: int | None = None
    risk: Risk | None = None
    consequences: str | None = field(default=None, repr=False)
    measures: str | None = field(default=None, repr=False)
    delay_reason: str | None = field(default=None, repr=False)
    decision: str | None = field(default=None, repr=False)
    authority_notified_at: datetime | None = None
    subjects_notified_at: datetime | None = None
    close: bool = False


_PLAIN = (
    "what",
    "kinds",
    "began_at",
    "ended_at",
    "data_categories",
    "affected",
    "people",
    "risk",
    "consequences",
    "measures",
    "delay_reason",
    "authority_notified_at",
    "subjects_notified_at",
)


class Incidents:
    """A company's breach register. Safe for several threads. What is not the company's own is not there: `NotFound`."""

    def __init__(self, means: Means) -> None:
        self._means = means

    def record(self, company_id: str, new: NewIncident, by: str) -> Incident:
        """Record an incident; its 72 hours run from `noticed_at`.

        Raises:
            RequestInvalid: a text is missing, or it was noticed in the future.
        """
        now = self._now()
        region = self._means.region(new.region)
        incident = Incident(
            new_id(IdKind.INCIDENT, region.name), company_id, 1, new.what, new.kinds, new.noticed_at or now, by
        )
        self._require_past(incident)
        region.incidents.keep(incident, [self._told(incident, "recorded")])
        return incident

    def change(self, company_id: str, incident_id: str, changes: Changes, by: str) -> Incident:
        """Change an incident; every revision is kept.

        Raises:
            RequestInvalid: nothing changes, a moment is in the future, or it is closed while somebody is still to be told.
            Conflict: it changed meanwhile.
        """
        region = self._means.home(incident_id, IdKind.INCIDENT)
        before = region.incidents.incident(company_id, incident_id)
        after = self._changed(before, changes, by)
        self._require_past(after)
        if changes.close:
            _require_settled(after)
        fields = sorted(
            name for name in (*_PLAIN, "decisions", "closed_at") if getattr(before, name) != getattr(after, name)
        )
        if not fields:
            raise RequestInvalid("expected something to change; this is what the register says already")
        region.incidents.keep(after, [self._told(after, ",".join(fields))])
        return after

    def incident(self, company_id: str, incident_id: str) -> Incident:
        """The incident as it stands."""
        return self._means.home(incident_id, IdKind.INCIDENT).incidents.incident(company_id, incident_id)

    def history(self, company_id: str, incident_id: str) -> list[Incident]:
        """Every revision, the oldest first."""
        return self._means.home(incident_id, IdKind.INCIDENT).incidents.history(company_id, incident_id)

    def incidents(self, company_id: str, limit: int = 200) -> list[Incident]:
        """The company's incidents, at most `limit` of each region; whose clock ends first comes first."""
        require_page(limit)
        regions = self._means.regions
        found = [one for name in sorted(regions) for one in regions[name].incidents.incidents(company_id, limit)]
        return sorted(found, key=lambda one: (not one.needs_authority, one.due_at, one.incident_id))

    def affected(self, company_id: str, query: AffectedQuery, limit: int = 200, after: str | None = None) -> Affected:
        """Persons who meet the query, in the order of their regions and ids.

        Raises:
            NotFound: a collection or region that is not there; `after` is no person's id.
        """
        require_page(limit)
        names = self._regions(company_id, query)
        start = None if after is None else region_of(after, IdKind.PERSON)
        found: list[str] = []
        erased = 0
        for name in names:
            store = self._means.regions[name].incidents
            wanted = limit - len(found)
            if start is not None and name < start:
                continue
            if wanted == 0:
                return Affected(tuple(found), found[-1], erased)
            page = store.affected(company_id, query, wanted, after if name == start else None)
            found, erased = [*found, *page.person_ids], erased + page.erased
            if page.following is not None:
                return Affected(tuple(found), page.following, erased)
        return Affected(tuple(found), None, erased)

    def count_affected(self, company_id: str, query: AffectedQuery) -> int:
        """How many persons meet the query."""
        count, after = 0, None
        while True:
            page = self.affected(company_id, query, after=after)
            count, after = count + len(page.person_ids), page.following
            if after is None:
                return count

    def drafts(self, company_id: str, incident_id: str) -> tuple[Draft, Draft]:
        """Drafts of the notices to the authority (Art. 33(3)) and to the subjects (Art. 34(2)), for a person to finish."""
        incident, controller = self.incident(company_id, incident_id), self._means.guard.policy.controller
        return authority_draft(incident, controller, self._now()), subjects_draft(incident, controller)

    def is_overdue(self, incident: Incident) -> bool:
        """Whether the 72 hours are over now and the authority was not told."""
        return incident.is_overdue(self._means.clock())

    def _changed(self, before: Incident, changes: Changes, by: str) -> Incident:
        now = self._now()
        given = {name: getattr(changes, name) for name in _PLAIN if getattr(changes, name) is not None}
        decisions = before.decisions
        if changes.decision is not None:
            if not changes.decision.strip():
                raise RequestInvalid("expected what was decided")
            decisions = (*decisions, Decision(now, by, changes.decision))
        closed = now if changes.close and before.closed_at is None else before.closed_at
        changed = replace(before, revision=before.revision + 1, decisions=decisions, closed_at=closed, **given)
        if changes.affected is not None and changes.people is None:
            changed = replace(changed, people=self.count_affected(before.company_id, changes.affected))
        return changed

    def _regions(self, company_id: str, query: AffectedQuery) -> list[str]:
        regions = self._means.regions
        if query.region is not None and query.region not in regions:
            raise NotFound("expected a region of this deployment in the query")
        names = sorted(regions) if query.region is None else [query.region]
        if query.collection_id is None:
            return names
        home, _ = self._means.opened(company_id, query.collection_id)
        return [name for name in names if name == home.name]

    def _told(self, incident: Incident, change: str) -> LogEntry:
        facts: dict[str, acts.Fact] = {
            "incident": incident.incident_id,
            "revision": incident.revision,
            "change": acts.word(change),
        }
        digest = hashlib.sha256(canonical_json(incident.fields())).digest()
        return acts.entry(EntryKind.BREACH, self._means.clock, incident.company_id, facts, document=digest)

    def _require_past(self, incident: Incident) -> None:
        now = self._means.clock()
        told = (incident.noticed_at, incident.began_at, incident.authority_notified_at, incident.subjects_notified_at)
        if any(moment is not None and moment > now for moment in told):
            raise RequestInvalid("expected moments of an incident in the past: it is a record of what was")

    def _now(self) -> datetime:
        return self._means.clock().replace(microsecond=0)


def _require_settled(incident: Incident) -> None:
    if incident.risk is Risk.NOT_ASSESSED:
        raise RequestInvalid("expected the risk to be assessed before the incident is closed (GDPR Art. 33(1))")
    if incident.needs_authority:
        raise RequestInvalid("expected the authority to be told before it is closed, or a risk that is unlikely")
    if incident.needs_subjects:
        raise RequestInvalid("expected the subjects to be told before it is closed: the risk is high (GDPR Art. 34(1))")
