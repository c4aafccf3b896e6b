"""The shapes of retention, holds and incidents, and how core's values turn into them and back.

Belongs here: what the API takes and shows of them. Does not belong here: addresses, checking.
"""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field

from moretta.core.incidents import MAX_TEXT, Affected, AffectedQuery, BreachKind, Incident, Risk
from moretta.core.retention import MAX_REASON, MAX_WORDS, CountsFrom, Hold, RetentionRule
from moretta.use_cases.incidents import Changes, NewIncident
from moretta.use_cases.incidents.drafting import Draft
from moretta.use_cases.retention.facade import Kept

Id = Annotated[str, Field(max_length=64)]
Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
Reason = Annotated[str, Field(min_length=1, max_length=MAX_REASON, description="Your own words; name nobody.")]


class RetentionBody(BaseModel, extra="forbid"):
    """How a collection's retention counts. All of it is set: what is left out is what a new collection has."""

    counts_from: CountsFrom = CountsFrom.LAST_INTERACTION
    photo_days: Annotated[int | None, Field(ge=1, le=36500, description="Photos go earlier than templates.")] = None
    purpose_ends: Annotated[AwareDatetime | None, Field(description="When everybody goes.")] = None
    bipa: Annotated[bool, Field(description="Nobody stays over three years after their last interaction.")] = True


class RetentionView(BaseModel):
    """How long people of a collection are kept: `days` is the shorter of `own_days` and `policy_days`; null: no limit in days."""

    collection_id: str
    days: int | None
    own_days: int | None
    policy_days: int | None
    counts_from: CountsFrom
    photo_days: int | None
    purpose_ends: datetime | None
    bipa: bool


class NewHold(BaseModel, extra="forbid"):
    """A legal hold: while it holds, nothing of the person is erased, and they are not compared."""

    person_id: Id
    reason: Reason
    placed_by: Annotated[str, Field(min_length=1, max_length=MAX_WORDS, description="An office rather than a name.")]
    until: Annotated[
        AwareDatetime, Field(description="When it is to be looked at again; it holds until it is released.")
    ]


class HoldRelease(BaseModel, extra="forbid"):
    """Why a hold is released."""

    reason: Reason


class HoldView(BaseModel):
    """A hold as it stands. `overdue`: its date has passed, and nobody released it."""

    id: str
    person_id: str
    collection_id: str
    reason: str
    placed_by: str
    recorded_by: str
    placed_at: datetime
    until: datetime
    holds: bool
    overdue: bool
    released_at: datetime | None
    released_by: str
    release_reason: str


class HoldList(BaseModel):
    """Holds."""

    data: list[HoldView]


class SweepReport(BaseModel):
    """The report of a sweep: signed JSON, which `moretta verify` checks; no person is named."""

    id: str
    ended_at: datetime
    document: str


class SweepReports(BaseModel):
    """Reports of sweeps."""

    data: list[SweepReport]


class QueryBody(BaseModel, extra="forbid"):
    """Whom an incident may have met; everything given must hold."""

    collection_id: Id | None = None
    region: Annotated[str | None, Field(max_length=16)] = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    key_id: Annotated[
        str | None, Field(max_length=64, description="An API key: whom it met; a gallery key: all under it.")
    ] = None

    def query(self) -> AffectedQuery:
        """The core's value."""
        return AffectedQuery(self.collection_id, self.region, self.since, self.until, self.key_id)


class NewIncidentBody(BaseModel, extra="forbid"):
    """An incident; the 72 hours run from `noticed_at` (left out: now)."""

    what: Annotated[Text, Field(description="What happened; name nobody.")]
    kinds: Annotated[set[BreachKind], Field(min_length=1)]
    noticed_at: AwareDatetime | None = None
    region: Annotated[str | None, Field(max_length=16, description="Whose register.")] = None

    def new(self) -> NewIncident:
        """The core's value."""
        return NewIncident(self.what, frozenset(self.kinds), self.noticed_at, self.region)


class IncidentChanges(BaseModel, extra="forbid"):
    """What is to change; what is left out stays. `decision` is added to the others. `close`: it is over."""

    what: Text | None = None
    kinds: Annotated[set[BreachKind] | None, Field(min_length=1)] = None
    began_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    data_categories: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=200)]] | None, Field(max_length=50)
    ] = None
    affected: QueryBody | None = None
    people: Annotated[int | None, Field(ge=0, le=2**31 - 1)] = None
    risk: Risk | None = None
    consequences: Text | None = None
    measures: Text | None = None
    delay_reason: Text | None = None
    decision: Text | None = None
    authority_notified_at: AwareDatetime | None = None
    subjects_notified_at: AwareDatetime | None = None
    close: bool = False

    def changes(self) -> Changes:
        """The core's value."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        if self.kinds is not None:
            given["kinds"] = frozenset(self.kinds)
        if self.data_categories is not None:
            given["data_categories"] = tuple(self.data_categories)
        if self.affected is not None:
            given["affected"] = self.affected.query()
        return Changes(**given)


class DecisionView(BaseModel):
    """What was decided, when, and by which key."""

    at: datetime
    by: str
    what: str


class IncidentView(BaseModel):
    """An entry of the breach register. `due_at`: when the authority must have been told; `overdue`: that moment has passed."""

    id: str
    revision: int
    what: str
    kinds: list[BreachKind]
    noticed_at: datetime
    due_at: datetime
    overdue: bool
    needs_authority: bool
    needs_subjects: bool
    recorded_by: str
    began_at: datetime | None
    ended_at: datetime | None
    data_categories: list[str]
    affected: QueryBody | None
    people: int | None
    risk: Risk
    consequences: str
    measures: str
    delay_reason: str
    decisions: list[DecisionView]
    authority_notified_at: datetime | None
    subjects_notified_at: datetime | None
    closed_at: datetime | None


class IncidentList(BaseModel):
    """Incidents; whose clock ends first comes first."""

    data: list[IncidentView]


class AffectedPage(BaseModel):
    """Ids of persons in their order. `erased`: persons erased since the window began, who cannot be reached by what is kept."""

    person_ids: list[str]
    next_cursor: str | None
    erased: int


class DraftView(BaseModel):
    """A letter as Markdown, for a person to finish and send, and what is missing in it."""

    text: str
    missing: list[str]


class DraftsView(BaseModel):
    """Drafts to the supervisory authority (GDPR Art. 33) and to the people concerned (Art. 34)."""

    authority: DraftView
    subjects: DraftView


def retention_view(kept: Kept) -> RetentionView:
    """How the API shows it."""
    rule = kept.rule
    return RetentionView(
        collection_id=rule.collection_id,
        days=kept.days,
        own_days=kept.own,
        policy_days=kept.policy,
        counts_from=rule.counts_from,
        photo_days=rule.photo_days,
        purpose_ends=rule.purpose_ends,
        bipa=rule.bipa,
    )


def rule_in(body: RetentionBody, collection_id: str) -> RetentionRule:
    """The core's value."""
    return RetentionRule(collection_id, body.counts_from, body.photo_days, body.purpose_ends, body.bipa)


def hold_view(hold: Hold, now: datetime) -> HoldView:
    """How the API shows it."""
    return HoldView(
        id=hold.hold_id,
        person_id=hold.person_id,
        collection_id=hold.collection_id,
        reason=hold.reason,
        placed_by=hold.placed_by,
        recorded_by=hold.recorded_by,
        placed_at=hold.placed_at,
        until=hold.until,
        holds=hold.holds,
        overdue=hold.is_overdue(now),
        released_at=hold.released_at,
        released_by=hold.released_by,
        release_reason=hold.release_reason,
    )


def incident_view(incident: Incident, now: datetime) -> IncidentView:
    """How the API shows it."""
    told = {name: getattr(incident, name) for name in IncidentView.model_fields if hasattr(incident, name)}
    query = incident.affected
    return IncidentView(
        **{
            **told,
            "id": incident.incident_id,
            "kinds": sorted(incident.kinds),
            "overdue": incident.is_overdue(now),
            "data_categories": list(incident.data_categories),
            "affected": None if query is None else QueryBody.model_validate(query.fields()),
            "decisions": [DecisionView(at=one.at, by=one.by, what=one.what) for one in incident.decisions],
        }
    )


def affected_page(found: Affected) -> AffectedPage:
    """How the API shows it."""
    return AffectedPage(person_ids=list(found.person_ids), next_cursor=found.following, erased=found.erased)


def draft_view(draft: Draft) -> DraftView:
    """How the API shows it."""
    return DraftView(text=draft.text, missing=list(draft.missing))
