"""The sweeper erases who and what is over its time, leaves the rest, and tells what a hold kept."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from tests.governance_rig import Office, an_office
from tests.recognition_rig import COMPANY, OTHER_COMPANY

from moretta.core.documents import Trust
from moretta.core.errors import (
    Conflict,
    NodeUnavailable,
    NotFound,
    PersonErased,
    PersonHeld,
    ProofRejected,
    RequestInvalid,
)
from moretta.core.recognition import PersonState, StoreWish
from moretta.core.retention import (
    BIPA_DAYS,
    CollectionSwept,
    CountsFrom,
    Deadlines,
    RetentionRule,
    deadlines,
    kept_days,
)
from moretta.keys.signing import is_signed_by
from moretta.use_cases.retention import sweep
from moretta.wiring.verifying import verified

DAY = timedelta(days=1)


class Killed(Exception):
    """The process ends here."""


def swept(office: Office, *, dry_run: bool = False) -> CollectionSwept | None:
    found = office.retention.sweep(dry_run=dry_run)
    return found[0] if found else None


def held(office: Office, person_id: str) -> str:
    until = office.clock() + 900 * DAY
    hold = office.retention.place_hold(
        COMPANY, person_id, reason="case 4711 of Mr Smith", placed_by="counsel", until=until, recorded_by="key1"
    )
    return hold.hold_id


def people_of(office: Office) -> set[str]:
    return {one.person_id for one in office.place.recognition.persons(COMPANY, office.collection_id)}


def test_the_shorter_of_two_retentions_counts() -> None:
    assert [kept_days(own, policy) for own, policy in ((30, 90), (90, 30), (None, 7), (7, None), (None, None))] == [
        30,
        30,
        7,
        7,
        None,
    ]


def test_nobody_is_kept_over_three_years_unless_that_is_switched_off(tmp_path: Path) -> None:
    with an_office(tmp_path) as office:
        now = office.clock()
    rule = RetentionRule("col")
    assert deadlines(rule, None, now) == Deadlines(interacted=now - BIPA_DAYS * DAY)
    assert deadlines(rule, 30, now).interacted == now - 30 * DAY
    assert deadlines(rule, 4000, now).interacted == now - BIPA_DAYS * DAY
    by_enrolment = RetentionRule("col", CountsFrom.ENROLMENT)
    assert deadlines(by_enrolment, 30, now) == Deadlines(now - 30 * DAY, now - BIPA_DAYS * DAY)
    off = RetentionRule("col", bipa=False)
    assert not deadlines(off, None, now).limits_persons
    assert deadlines(RetentionRule("col", purpose_ends=now, bipa=False), None, now).everybody
    assert not deadlines(RetentionRule("col", purpose_ends=now + DAY, bipa=False), None, now).everybody


def test_a_sweep_erases_who_is_over_their_time_and_nobody_else(tmp_path: Path) -> None:
    with an_office(tmp_path) as office:
        old = office.place.enrolled(office.collection_id, "anna", "anna/1").person_id
        office.clock.offset = 50 * DAY
        new = office.place.enrolled(office.collection_id, "bert", "bert/1").person_id
        assert swept(office) is None
        office.clock.offset = 61 * DAY
        dry = swept(office, dry_run=True)
        assert dry is not None
        assert (dry.due, dry.erased) == (1, 0)
        assert people_of(office) == {old, new}
        done = swept(office)
        assert done is not None
        assert (done.due, done.erased, done.held, done.failed) == (1, 1, (), ())
        assert people_of(office) == {new}
        with pytest.raises(PersonErased):
            office.place.recognition.person(COMPANY, old)
        assert swept(office) is None


def test_a_policy_with_a_shorter_retention_wins_and_the_end_of_the_purpose_ends_everything(tmp_path: Path) -> None:
    with an_office(tmp_path) as office:
        office.place.enrolled(office.collection_id, "anna", "anna/1")
        rule = RetentionRule(office.collection_id, purpose_ends=office.clock() + 2 * DAY)
        kept = office.retention.set_rule(COMPANY, rule)
        assert (kept.own, kept.policy, kept.days) == (60, 90, 60)
        office.clock.offset = DAY
        assert swept(office) is None
        office.clock.offset = 3 * DAY
        done = swept(office)
        assert done is not None
        assert done.erased == 1
        assert people_of(office) == set()


def test_photos_go_before_their_templates(tmp_path: Path) -> None:
    with an_office(tmp_path) as office:
        person = office.place.enrolled(office.collection_id, "anna", "anna/1", store=StoreWish.PHOTO).person_id
        with pytest.raises(RequestInvalid):
            office.retention.set_rule(COMPANY, RetentionRule(office.collection_id, photo_days=61))
        office.retention.set_rule(COMPANY, RetentionRule(office.collection_id, photo_days=7))
        assert len(list(office.place.region.photos.ids())) == 1
        office.clock.offset = 8 * DAY
        dry = swept(office, dry_run=True)
        assert dry is not None
        assert dry.photos == 1
        done = swept(office)
        assert done is not None
        assert (done.due, done.photos) == (0, 1)
        assert list(office.place.region.photos.ids()) == []
        assert [face.photo_id for face in office.place.recognition.faces(COMPANY, person)] == [None]
        assert office.place.found(office.collection_id, "anna/2")
        told = [one for one in office.entries() if one["kind"] == "retention"]
        assert [dict(one["facts"])["change"] for one in told] == ["rule", "photos", "swept"]  # type: ignore[call-overload]
        assert told[1]["subject"]


def test_a_held_person_is_skipped_told_and_erased_once_released(tmp_path: Path) -> None:
    with an_office(tmp_path) as office:
        one, other = (
            office.place.enrolled(office.collection_id, name, f"{name}/1").person_id for name in ("anna", "bert")
        )
        hold_id = held(office, one)
        assert office.place.recognition.person(COMPANY, one).state is PersonState.RESTRICTED
        with pytest.raises(PersonHeld):
            office.place.recognition.delete_person(COMPANY, one)
        office.clock.offset = 61 * DAY
        done = swept(office)
        assert done is not None
        assert (done.due, done.erased, [hold.hold_id for hold in done.held]) == (2, 1, [hold_id])
        assert people_of(office) == {one}
        del other
        office.retention.release_hold(COMPANY, hold_id, reason="settled", released_by="key1")
        assert office.place.recognition.person(COMPANY, one).state is PersonState.RESTRICTED
        again = swept(office)
        assert again is not None
        assert again.erased == 1
        assert people_of(office) == set()


def test_the_report_of_a_sweep_is_signed_names_no_person_and_tells_holds_as_exceptions(tmp_path: Path) -> None:
    certificate = "cer_local_0123456789abcdef01234567"
    with an_office(tmp_path) as office:
        delete = office.retention._means.erase

        def erase(company_id: str, person_id: str, reason: str) -> str:
            assert reason == "retention"
            delete(company_id, person_id, reason)
            return certificate

        object.__setattr__(office.retention._means, "erase", erase)
        one, _ = (office.place.enrolled(office.collection_id, name, f"{name}/1").person_id for name in ("anna", "bert"))
        hold_id = held(office, one)
        office.clock.offset = 61 * DAY
        office.retention.sweep()
        (run,) = office.retention.runs(COMPANY)
        document = json.loads(run.document)
        trust = Trust((office.place.region.signing.signer().public_key,), is_signed_by)
        assert (
            "1 persons erased, 0 photos destroyed, 1 persons kept by a legal hold"
            in verified(run.document, trust).statements[1]
        )
        with pytest.raises(ProofRejected):
            verified(run.document.replace(b'"persons_erased":1', b'"persons_erased":2'), trust)
        assert (document["persons_erased"], document["certificates"]) == (1, [certificate])
        assert [exception["hold_id"] for exception in document["exceptions"]] == [hold_id]
        assert b"per_local" not in run.document
        assert b"4711" not in run.document
        assert office.retention.runs(OTHER_COMPANY) == []
        assert "4711" not in json.dumps(office.entries())
        assert one not in json.dumps(office.entries())


def test_a_long_sweep_is_reported_piece_by_piece_so_that_a_crash_loses_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "PAGE", 2)
    reported = 0

    def kill(step: str) -> None:
        nonlocal reported
        reported += step == "retention:reported"
        if reported == 1 and step == "retention:erased":
            raise Killed

    with an_office(tmp_path, checkpoint=kill) as office:
        for name in ("anna", "bert", "cleo", "dora"):
            office.place.enrolled(office.collection_id, name, f"{name}/1")
        office.clock.offset = 61 * DAY
        with pytest.raises(Killed):
            office.retention.sweep()
        collection_id = office.collection_id
        assert [json.loads(run.document)["persons_erased"] for run in office.retention.runs(COMPANY)] == [2]
    with an_office(tmp_path) as office:
        office.clock.offset = 61 * DAY
        (done,) = office.retention.sweep()
        assert (done.collection_id, done.due, done.erased) == (collection_id, 1, 1)


def test_an_erasure_that_fails_is_told_by_its_code_and_done_by_the_next_sweep(tmp_path: Path) -> None:
    with an_office(tmp_path) as office:
        office.place.enrolled(office.collection_id, "anna", "anna/1")
        office.clock.offset = 61 * DAY
        delete = office.retention._means.erase

        def down(_company: str, _person: str, _reason: str) -> str | None:
            raise NodeUnavailable("a node is down")

        object.__setattr__(office.retention._means, "erase", down)
        failed = swept(office)
        assert failed is not None
        assert (failed.erased, failed.failed) == (0, (("node.unavailable", 1),))
        assert office.retention.runs(COMPANY) == []
        object.__setattr__(office.retention._means, "erase", delete)
        done = swept(office)
        assert done is not None
        assert done.erased == 1


@pytest.mark.parametrize("step", ["retention:photos", "retention:erased", "retention:reported", "hold:placed"])
def test_what_a_dying_process_leaves_the_next_sweep_takes(tmp_path: Path, step: str) -> None:
    def kill(at: str) -> None:
        if at == step:
            raise Killed

    with an_office(tmp_path, checkpoint=kill) as office:
        office.retention.set_rule(COMPANY, RetentionRule(office.collection_id, photo_days=7))
        person = office.place.enrolled(office.collection_id, "anna", "anna/1", store=StoreWish.PHOTO).person_id
        office.clock.offset = (8 if step == "retention:photos" else 61) * DAY
        with pytest.raises(Killed):
            if step == "hold:placed":
                held(office, person)
            else:
                office.retention.sweep()
        collection_id, offset = office.collection_id, office.clock.offset
    with an_office(tmp_path) as office:
        office.clock.offset = offset
        office.retention.sweep()
        left = {one.person_id for one in office.place.recognition.persons(COMPANY, collection_id)}
        assert left == ({person} if step in ("retention:photos", "hold:placed") else set())
        assert (list(office.place.region.photos.ids()) == []) is (step != "hold:placed")
        assert bool(office.retention.holds(COMPANY, active=True)) is (step == "hold:placed")


def test_a_hold_needs_a_reason_somebody_and_an_end(tmp_path: Path) -> None:
    with an_office(tmp_path) as office:
        person = office.place.enrolled(office.collection_id, "anna", "anna/1").person_id
        wishes = {"reason": "case 1", "placed_by": "counsel", "until": office.clock() + DAY, "recorded_by": "key1"}
        for wrong in ({"reason": " "}, {"placed_by": ""}, {"until": office.clock()}, {"reason": "x" * 1001}):
            with pytest.raises(RequestInvalid):
                office.retention.place_hold(COMPANY, person, **{**wishes, **wrong})  # type: ignore[arg-type]
        with pytest.raises(NotFound):
            office.retention.place_hold(OTHER_COMPANY, person, **wishes)  # type: ignore[arg-type]
        hold = office.retention.place_hold(COMPANY, person, **wishes)  # type: ignore[arg-type]
        with pytest.raises(Conflict):
            office.retention.place_hold(COMPANY, person, **wishes)  # type: ignore[arg-type]
        office.clock.offset = 2 * DAY
        assert hold.is_overdue(office.clock())
        with pytest.raises(RequestInvalid):
            office.retention.release_hold(COMPANY, hold.hold_id, reason="", released_by="key1")
        with pytest.raises(NotFound):
            office.retention.release_hold(OTHER_COMPANY, hold.hold_id, reason="done", released_by="key1")
        office.retention.release_hold(COMPANY, hold.hold_id, reason="done", released_by="key1")
        assert [dict(one["facts"])["change"] for one in office.entries() if one["kind"] == "hold"] == [  # type: ignore[call-overload]
            "placed",
            "released",
        ]
