"""Holds, rules and incidents as rows and back, and what is sealed of a hold.

Belongs here: their form. Does not belong here: transactions.
"""

import json
from datetime import datetime

from sqlalchemy import Row

from moretta.core.clock import from_second, to_second
from moretta.core.incidents import AffectedQuery, BreachKind, Decision, Incident, Risk
from moretta.core.key_service import Place, SubjectCipher, SubjectKey
from moretta.core.recognition import PersonState
from moretta.core.retention import CountsFrom, Hold, RetentionRule
from moretta.core.usage import canonical_json
from moretta.storage.recognition.sealed import OpenedKeys

# A sealed value is as long as what it holds: padding hides it but for steps of this many bytes.
_STEP = 256

AnyRow = Row[tuple[object, ...]]


def hold_values(hold: Hold) -> dict[str, object]:
    """The row of a hold."""
    return {
        "hold_id": hold.hold_id,
        "company_id": hold.company_id,
        "person_id": hold.person_id,
        "held": hold.person_id if hold.holds else None,
        "collection_id": hold.collection_id,
        "recorded_by": hold.recorded_by,
        "placed_at": to_second(hold.placed_at),
        "until": to_second(hold.until),
        "state_before": hold.before.value,
        "released_at": _text(hold.released_at),
        "released_by": hold.released_by,
    }


def seal_words(cipher: SubjectCipher, key: SubjectKey, hold: Hold) -> bytes:
    """The operator's words about a hold, sealed; as long as they are, but for steps of `_STEP` bytes."""
    words = {"reason": hold.reason, "placed_by": hold.placed_by, "release_reason": hold.release_reason}
    text = json.dumps(words, ensure_ascii=False).encode()
    return cipher.seal(key, _words_of(hold.hold_id), text.ljust(-(-len(text) // _STEP) * _STEP))


def to_hold(row: AnyRow, keys: OpenedKeys) -> Hold:
    """The hold that a row (with its person's wrapped key) stands for; without words once the person is erased."""
    words = {"reason": "", "placed_by": "", "release_reason": ""}
    if row.words is not None and row.wrapped is not None:
        key = keys.key(row.person_id, bytes(row.wrapped))
        words = json.loads(keys.cipher.open(key, _words_of(row.hold_id), bytes(row.words)))
    return Hold(
        hold_id=row.hold_id,
        company_id=row.company_id,
        person_id=row.person_id,
        collection_id=row.collection_id,
        reason=words["reason"],
        placed_by=words["placed_by"],
        recorded_by=row.recorded_by,
        placed_at=from_second(row.placed_at),
        until=from_second(row.until),
        before=PersonState(row.state_before),
        released_at=_moment(row.released_at),
        released_by=row.released_by,
        release_reason=words["release_reason"],
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


def _words_of(hold_id: str) -> Place:
    return Place("holds", hold_id, "words")


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else to_second(moment)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else from_second(text)
