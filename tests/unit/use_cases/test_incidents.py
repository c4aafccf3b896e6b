"""The breach register: its clock, its revisions, whom an incident met, and drafts that say what is missing."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.governance_rig import Office, an_office
from tests.recognition_rig import COMPANY, OTHER_COMPANY

from moretta.core.errors import NotFound, RequestInvalid
from moretta.core.incidents import AffectedQuery, BreachKind, Incident, Risk
from moretta.core.policy import BUILT_IN
from moretta.use_cases.incidents import Changes, NewIncident

HOUR = timedelta(hours=1)
LOST = NewIncident("a laptop with a key was lost", frozenset({BreachKind.CONFIDENTIALITY}))


def recorded(office: Office, new: NewIncident = LOST) -> Incident:
    return office.incidents.record(COMPANY, new, "key1")


def test_the_clock_of_72_hours_runs_from_when_it_was_noticed(tmp_path: Path) -> None:
    with an_office(tmp_path) as office:
        noticed = office.clock().replace(microsecond=0) - 70 * HOUR
        incident = recorded(office, NewIncident(LOST.what, LOST.kinds, noticed))
        assert incident.due_at == noticed + 72 * HOUR
        assert not office.incidents.is_overdue(incident)
        office.clock.offset = 3 * HOUR
        assert office.incidents.is_overdue(incident)
        unlikely = office.incidents.change(COMPANY, incident.incident_id, Changes(risk=Risk.UNLIKELY), "key1")
        assert not office.incidents.is_overdue(unlikely)
        high = office.incidents.change(COMPANY, incident.incident_id, Changes(risk=Risk.HIGH), "key1")
        assert office.incidents.is_overdue(high)
        told = Changes(authority_notified_at=office.clock().replace(microsecond=0))
        assert not office.incidents.is_overdue(office.incidents.change(COMPANY, incident.incident_id, told, "key1"))


def test_every_change_is_a_revision_and_an_entry_of_the_log(tmp_path: Path) -> None:
    with an_office(tmp_path) as office:
        incident_id = recorded(office).incident_id
        office.incidents.change(
            COMPANY, incident_id, Changes(measures="keys were changed", decision="tell them"), "key2"
        )
        history = office.incidents.history(COMPANY, incident_id)
        assert [one.revision for one in history] == [1, 2]
        assert [(one.what, one.by) for one in history[1].decisions] == [("tell them", "key2")]
        told = [one for one in office.entries() if one["kind"] == "breach"]
        assert [dict(one["facts"])["change"] for one in told] == ["recorded", "decisions,measures"]  # type: ignore[call-overload]
        assert all(one["content"] for one in told)
        assert "laptop" not in str(office.entries())
        with pytest.raises(RequestInvalid):
            office.incidents.change(COMPANY, incident_id, Changes(measures="keys were changed"), "key2")
        with pytest.raises(NotFound):
            office.incidents.change(OTHER_COMPANY, incident_id, Changes(measures="x"), "key2")


def test_an_incident_is_not_closed_while_somebody_is_still_to_be_told(tmp_path: Path) -> None:
    with an_office(tmp_path) as office:
        incident_id = recorded(office).incident_id
        now = office.clock().replace(microsecond=0)

        def changed(**changes: object) -> Incident:
            return office.incidents.change(COMPANY, incident_id, Changes(**changes), "key1")  # type: ignore[arg-type]

        for changes in ({}, {"risk": Risk.RISK}, {"risk": Risk.HIGH, "authority_notified_at": now}):
            with pytest.raises(RequestInvalid):
                changed(close=True, **changes)
        closed = changed(close=True, risk=Risk.HIGH, authority_notified_at=now, subjects_notified_at=now)
        assert closed.closed_at is not None


def test_what_has_not_happened_yet_cannot_be_recorded(tmp_path: Path) -> None:
    with an_office(tmp_path) as office:
        later = office.clock() + HOUR
        with pytest.raises(RequestInvalid):
            recorded(office, NewIncident(LOST.what, LOST.kinds, later))
        incident_id = recorded(office).incident_id
        for changes in (
            Changes(began_at=later),
            Changes(authority_notified_at=later),
            Changes(what=" "),
            Changes(people=-1),
        ):
            with pytest.raises(RequestInvalid):
                office.incidents.change(COMPANY, incident_id, changes, "key1")
        with pytest.raises(RequestInvalid):
            AffectedQuery(since=later, until=later - HOUR)


def test_whose_clock_ends_first_comes_first(tmp_path: Path) -> None:
    with an_office(tmp_path) as office:
        noticed = [office.clock().replace(microsecond=0) - hours * HOUR for hours in (1, 50, 9)]
        ids = [recorded(office, NewIncident(LOST.what, LOST.kinds, moment)).incident_id for moment in noticed]
        office.incidents.change(COMPANY, ids[2], Changes(risk=Risk.UNLIKELY), "key1")
        assert [one.incident_id for one in office.incidents.incidents(COMPANY)] == [ids[1], ids[0], ids[2]]
        assert office.incidents.incidents(OTHER_COMPANY) == []


def test_the_affected_are_found_in_real_searches_and_counted(tmp_path: Path) -> None:
    with an_office(tmp_path) as office:
        one, other = (
            office.place.enrolled(office.collection_id, name, f"{name}/1").person_id for name in ("anna", "bert")
        )
        office.place.recognition.search(COMPANY, office.collection_id, office.place.fd("anna/2"), caller="stolen")
        everybody = office.incidents.affected(COMPANY, AffectedQuery(collection_id=office.collection_id))
        assert set(everybody.person_ids) == {one, other}
        assert office.incidents.affected(COMPANY, AffectedQuery(key_id="stolen")).person_ids == (one,)
        assert office.incidents.affected(COMPANY, AffectedQuery(region="local"), limit=1).following is not None
        incident_id = recorded(office).incident_id
        changed = office.incidents.change(COMPANY, incident_id, Changes(affected=AffectedQuery(region="local")), "key1")
        assert changed.people == 2
        assert office.incidents.affected(OTHER_COMPANY, AffectedQuery()).person_ids == ()
        for query in (AffectedQuery(region="moon"), AffectedQuery(collection_id="col_local_0123456789abcdef01234567")):
            with pytest.raises(NotFound):
                office.incidents.affected(COMPANY, query)
        with pytest.raises(NotFound):
            office.incidents.affected(COMPANY, AffectedQuery(), after="nobody")


def test_drafts_are_filled_from_the_register_and_say_what_is_missing(tmp_path: Path) -> None:
    with an_office(tmp_path) as office:
        incident_id = recorded(office).incident_id
        authority, subjects = office.incidents.drafts(COMPANY, incident_id)
        assert "a laptop with a key was lost" in authority.text
        assert "dpo@example.org" in authority.text
        assert "the measures" in authority.missing
        office.incidents.change(
            COMPANY,
            incident_id,
            Changes(
                began_at=office.clock().replace(microsecond=0) - HOUR,
                data_categories=("templates",),
                people=7,
                risk=Risk.RISK,
                consequences="somebody may be taken for another",
                measures="the key was destroyed",
            ),
            "key1",
        )
        authority, subjects = office.incidents.drafts(COMPANY, incident_id)
        assert authority.missing == ()
        for fact in ("approximately 7", "templates", "somebody may be taken for another", "the key was destroyed"):
            assert fact in authority.text
        assert "the key was destroyed" in subjects.text
        # What the people are told of the event is for a person to write: the register's words are not for them.
        assert len(subjects.missing) == 1
        assert "laptop" not in subjects.text
        office.clock.offset = 80 * HOUR
        late, _ = office.incidents.drafts(COMPANY, incident_id)
        assert late.missing == ("the reasons for the delay",)


def test_a_draft_under_the_built_in_policy_says_that_nobody_is_named(tmp_path: Path) -> None:
    with an_office(tmp_path, policy=BUILT_IN) as office:
        authority, _ = office.incidents.drafts(COMPANY, recorded(office).incident_id)
    assert any("controller.name" in what for what in authority.missing)
    assert BUILT_IN.controller.name not in authority.text
