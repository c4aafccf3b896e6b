"""Holds, rules and incidents as rows and back. Belongs here: their form alone; no transactions."""

import json
from datetime import datetime

from sqlalchemy import Row

from moretta.core.clock import from_second, to_second
from moretta.core.incidents import AffectedQuery, BreachKind, Decision, Incident, Risk
from moretta.core.recognition import PersonState
from moretta.core.retention import CountsFrom, Hold, RetentionRule
from moretta.core.usage import canonical_json

AnyRow = Row[tuple[object, ...]]


def hold_values(hold: Hold) -> dict[str, object]:
    """The row of a hold."""
    return {
        "hold_id": hold.hold_id,
        "company_id": hold.company_id,
        "person_id": hold.person_id,
        "held": hold.person_id if hold.holds else None,
        "collection_id": hold.collection_id,
        "reason": hold.reason,
        "placed_by": hold.placed_by,
        "recorded_by": hold.recorded_by,
        "placed_at": to_second(hold.placed_at),
        "until": to_second(hold.until),
        "state_before": hold.before.value,
        "released_at": _text(hold.released_at),
        "released_by": hold.released_by,
        "release_reason": hold.release_reason,
    }


def to_hold(row: AnyRow) -> Hold:
    """The hold that a row stands for."""
    return Hold(
        hold_id=row.hold_id,
        company_id=row.company_id,
        person_id=row.person_id,
        collection_id=row.collection_id,
        reason=row.reason,
        placed_by=row.placed_by,
        recorded_by=row.recorded_by,
        placed_at=from_second(row.placed_at),
        until=from_second(row.until),
        before=PersonState(row.state_before),
        released_at=_moment(row.released_at),
        released_by=row.released_by,
        release_reason=row.release_reason,
    )


def rule_values(rule: RetentionRule) -> dict[str, object]:
    """The row of a rule."""
    return {
        "collection_id": rule.collection_id,
        "counts_from": rule.counts_from.value,
        "photo_days": rule.photo_days,
        "purpose_ends": _text(rule.purpose_ends),
        "bipa": rule.bipa,
    }


def to_rule(row: AnyRow) -> RetentionRule:
    """The rule that a row stands for."""
    return RetentionRule(
        row.collection_id, CountsFrom(row.counts_from), row.photo_days, _moment(row.purpose_ends), row.bipa
    )


def incident_record(incident: Incident) -> bytes:
    """An incident as it is kept: canonical JSON."""
    return canonical_json(incident.fields())


def to_incident(record: bytes) -> Incident:
    """The incident that a record stands for."""
    told = json.loads(record)
    query = told.pop("affected")
    moments = ("noticed_at", "began_at", "ended_at", "authority_notified_at", "subjects_notified_at", "closed_at")
    return Incident(
        **{
            **told,
            **{name: _moment(told[name]) for name in moments},
            "kinds": frozenset(BreachKind(kind) for kind in told["kinds"]),
            "risk": Risk(told["risk"]),
            "data_categories": tuple(told["data_categories"]),
            "affected": None if query is None else _to_query(query),
            "decisions": tuple(Decision(from_second(one["at"]), one["by"], one["what"]) for one in told["decisions"]),
        }
    )


def _to_query(told: dict[str, str | None]) -> AffectedQuery:
    return AffectedQuery(
        told["collection_id"], told["region"], _moment(told["since"]), _moment(told["until"]), told["key_id"]
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else to_second(moment)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else from_second(text)
