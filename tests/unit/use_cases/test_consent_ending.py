"""Consents end: by one call or by themselves; what rested on them is erased, and nothing is compared meanwhile."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.consents_place import Desk, a_desk
from tests.recognition_rig import COMPANY, OTHER_COMPANY

from moretta.core.consent import ConsentState, WithdrawnBy
from moretta.core.errors import (
    Conflict,
    ConsentExpired,
    ConsentRequired,
    ConsentWithdrawn,
    NodeUnavailable,
    NotFound,
    PersonErased,
    SubjectMismatch,
)
from moretta.core.ledger import EntryKind
from moretta.use_cases.consent import validity
from moretta.use_cases.guard import Standing


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with a_desk(tmp_path / "place") as desk:
        yield desk


def _kinds(desk: Desk, since: int) -> list[EntryKind]:
    return [one.entry.kind for one in desk.place.region.log.entries(since, 50)]


def test_one_call_withdraws_and_erases(desk: Desk) -> None:
    consent = desk.on_paper(name="Erika")
    before = desk.log_size
    ended = desk.consents.withdraw(COMPANY, consent.consent_id, by=WithdrawnBy.SUBJECT)
    assert (ended.erased, ended.pending) == (True, None)
    assert ended.consent.state is ConsentState.WITHDRAWN
    assert ended.consent.details is None
    assert _kinds(desk, before)[0] is EntryKind.CONSENT_WITHDRAWN
    assert desk.erasure.erased == [(consent.person_id, "consent.withdrawn")]
    with pytest.raises(PersonErased):
        desk.place.recognition.person(COMPANY, str(consent.person_id))


def test_withdrawing_again_changes_nothing(desk: Desk) -> None:
    consent = desk.on_paper()
    first = desk.consents.withdraw(COMPANY, consent.consent_id)
    size = desk.log_size
    assert desk.consents.withdraw(COMPANY, consent.consent_id) == first
    assert (desk.log_size, len(desk.erasure.erased)) == (size, 1)


def test_a_person_withdraws_everything_by_their_own_id(desk: Desk) -> None:
    first = desk.on_paper()
    second = desk.on_paper(person_id=first.person_id)
    ended = desk.consents.withdraw_all(COMPANY, str(first.person_id))
    assert {one.consent.consent_id for one in ended} == {first.consent_id, second.consent_id}
    assert all(one.erased for one in ended)
    with pytest.raises(PersonErased):
        desk.consents.withdraw_all(COMPANY, str(first.person_id))


def test_only_the_consent_that_is_withdrawn_ends_while_another_carries_the_person(desk: Desk) -> None:
    first = desk.on_paper()
    desk.on_paper(person_id=first.person_id)
    ended = desk.consents.withdraw(COMPANY, first.consent_id)
    assert (ended.erased, ended.pending, desk.erasure.erased) == (False, None, [])
    assert desk.place.recognition.person(COMPANY, str(first.person_id)).state.comparable


def test_a_withdrawal_in_one_collection_leaves_another_collections_person_alone(desk: Desk) -> None:
    here = desk.on_paper()
    other = desk.place.recognition.create_collection(COMPANY, "guests", "access")
    notice = desk.consents.add_notice(COMPANY, other.collection_id, language="en", controller="x", text="guests\n")
    there = desk.on_paper(collection_id=other.collection_id, notice_sha256=notice.sha256)
    desk.consents.withdraw(COMPANY, here.consent_id)
    assert desk.place.recognition.person(COMPANY, str(there.person_id)).state.comparable
    assert desk.consents.consent(COMPANY, there.consent_id).state is ConsentState.GIVEN


def test_a_refusal_and_another_companys_consent_cannot_be_withdrawn(desk: Desk) -> None:
    refusal = desk.consents.refuse(COMPANY, desk.collection.collection_id, desk.notice.sha256)
    consent = desk.on_paper()
    desk.untouched_by(lambda: desk.consents.withdraw(COMPANY, refusal.consent_id), Conflict)
    desk.untouched_by(lambda: desk.consents.withdraw(OTHER_COMPANY, consent.consent_id), NotFound)


def test_where_erasing_fails_the_withdrawal_stands_and_the_sweep_erases_later(desk: Desk) -> None:
    consent = desk.on_paper()
    desk.erasure.fails = NodeUnavailable("down")
    ended = desk.consents.withdraw(COMPANY, consent.consent_id)
    assert (ended.erased, ended.pending) == (False, "node.unavailable")
    assert ended.consent.erasure_due
    assert not desk.place.recognition.person(COMPANY, str(consent.person_id)).state.comparable
    assert desk.consents.sweep().pending == 1
    assert desk.consents.withdraw(COMPANY, consent.consent_id).pending == "node.unavailable"
    desk.erasure.fails = None
    swept = desk.consents.sweep()
    assert (swept.expired, swept.erased, swept.pending) == (0, 1, 0)
    assert desk.consents.sweep().erased == 0
    assert desk.consents.withdraw(COMPANY, consent.consent_id).erased


def test_somebody_erased_by_other_means_leaves_nothing_to_erase(desk: Desk) -> None:
    consent = desk.on_paper()
    desk.place.recognition.delete_person(COMPANY, str(consent.person_id))
    ended = desk.consents.withdraw(COMPANY, consent.consent_id)
    assert (ended.consent.state, ended.erased, desk.erasure.erased) == (ConsentState.WITHDRAWN, True, [])


def test_a_consent_ends_with_its_time_and_the_person_is_erased(desk: Desk) -> None:
    short = desk.on_paper(expires_at=desk.clock() + timedelta(hours=1))
    long = desk.on_paper(expires_at=desk.clock() + timedelta(hours=3))
    assert desk.consents.sweep().expired == 0
    desk.clock.offset = timedelta(hours=2)
    before = desk.log_size
    swept = desk.consents.sweep()
    assert (swept.expired, swept.erased, swept.pending) == (1, 1, 0)
    assert desk.consents.consent(COMPANY, short.consent_id).state is ConsentState.EXPIRED
    assert desk.consents.consent(COMPANY, long.consent_id).state is ConsentState.GIVEN
    assert _kinds(desk, before)[0] is EntryKind.CONSENT_EXPIRED
    assert desk.erasure.erased == [(short.person_id, "consent.expired")]


def test_each_way_of_having_no_consent_has_its_own_error_with_the_article(desk: Desk) -> None:
    store = desk.place.region.consents
    lasting, short = desk.on_paper(), desk.on_paper(expires_at=desk.clock() + timedelta(hours=1))
    withdrawn = desk.on_paper()
    desk.erasure.fails = NodeUnavailable("down")
    desk.consents.withdraw(COMPANY, withdrawn.consent_id)
    now = desk.clock() + timedelta(hours=2)

    def required(person_id: str | None, purpose: str = "access") -> str:
        return validity.require_consent(store, COMPANY, str(person_id), purpose, now).consent_id

    assert required(lasting.person_id) == lasting.consent_id
    cases = [
        (short.person_id, "access", ConsentExpired, "consent.expired", "GDPR Art. 5(1)(e)"),
        (withdrawn.person_id, "access", ConsentWithdrawn, "consent.withdrawn", "GDPR Art. 7(3)"),
        (lasting.person_id, "marketing", ConsentRequired, "consent.required", "GDPR Art. 9(2)(a)"),
        ("per_local_0123456789abcdef01234567", "access", ConsentRequired, "consent.required", "GDPR Art. 9(2)(a)"),
    ]
    for person_id, purpose, kind, code, article in cases:
        with pytest.raises(kind) as raised:
            required(person_id, purpose)
        assert (raised.value.status, raised.value.code, raised.value.legal_ref) == (403, code, article)


def test_a_new_consent_counts_where_an_older_one_ended_and_a_refusal_ends_none(desk: Desk) -> None:
    store, now = desk.place.region.consents, desk.clock()
    first = desk.on_paper()
    second = desk.on_paper(person_id=first.person_id)
    desk.consents.withdraw(COMPANY, first.consent_id)
    desk.consents.refuse(COMPANY, desk.collection.collection_id, desk.notice.sha256, person_id=first.person_id)
    found = validity.require_consent(store, COMPANY, str(first.person_id), "access", now)
    assert found.consent_id == second.consent_id


def test_the_guard_is_told_of_consent_age_and_guardian(desk: Desk) -> None:
    store, now = desk.place.region.consents, desk.clock()
    consent = desk.on_paper(guardian="mother")
    assert consent.details is not None
    told = validity.standing(store, COMPANY, consent.person_id, "access", now, None)
    assert told == Standing(consent=True, age=consent.details.age, guardian=True)
    assert validity.standing(store, COMPANY, None, "access", now, None) == Standing()
    assert validity.standing(store, COMPANY, consent.person_id, "marketing", now, None) == Standing()


def test_a_consent_names_its_person_for_its_own_collection_alone(desk: Desk) -> None:
    store, now = desk.place.region.consents, desk.clock()
    consent = desk.on_paper()
    refusal = desk.consents.refuse(COMPANY, desk.collection.collection_id, desk.notice.sha256)
    other = replace(desk.collection, collection_id="col_local_0123456789abcdef01234567")
    assert validity.person_of(store, desk.collection, consent.consent_id, now) == consent.person_id
    with pytest.raises(SubjectMismatch):
        validity.person_of(store, other, consent.consent_id, now)
    with pytest.raises(ConsentRequired):
        validity.person_of(store, desk.collection, refusal.consent_id, now)
    with pytest.raises(NotFound):
        validity.person_of(store, replace(desk.collection, company_id=OTHER_COMPANY), consent.consent_id, now)


def test_a_notice_that_says_the_same_is_the_same_version_and_a_change_is_the_next_one(desk: Desk) -> None:
    collection_id, notice = desk.collection.collection_id, desk.notice

    def added(text: str, controller: str = notice.controller, language: str = "en") -> tuple[str, int]:
        found = desk.consents.add_notice(COMPANY, collection_id, language=language, controller=controller, text=text)
        return found.notice_id, found.version

    size = desk.log_size
    assert added(notice.text) == (notice.notice_id, 1)
    assert desk.log_size == size
    assert added("changed\n") == (notice.notice_id, 2)
    assert added(notice.text) == (notice.notice_id, 3)
    assert added(notice.text, "Another Ltd") == (notice.notice_id, 4)
    german, version = added("geändert\n", language="de")
    assert (german != notice.notice_id, version) == (True, 1)
    assert _kinds(desk, size) == [EntryKind.NOTICE_CHANGED] * 4
    assert [one.version for one in desk.consents.shown(COMPANY, collection_id)] == [1, 4]
    assert desk.consents.notice(COMPANY, notice.notice_id, 2).text == "changed\n"
    # A consent to version 1 counts where version 3 has the same bytes, for they are what was shown.
    assert desk.on_paper(notice_sha256=notice.sha256).state is ConsentState.GIVEN
