"""Nobody is enrolled without a valid consent where the policy asks for one; with it, the consent says who they are."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.consents_place import Desk, a_desk
from tests.recognition_rig import COMPANY

from moretta.core.consent import ConsentState
from moretta.core.errors import (
    ConsentExpired,
    ConsentRequired,
    ConsentWithdrawn,
    MorettaError,
    NodeUnavailable,
    NoticeChanged,
    SubjectMismatch,
)
from moretta.core.policy import BUILT_IN
from moretta.core.recognition import Enrolled
from moretta.use_cases.consent.facade import Consents
from moretta.use_cases.guard import Guard
from moretta.use_cases.recognition import Recognition


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with a_desk(tmp_path / "place") as desk:
        yield desk


def _enrolled(desk: Desk, face: str = "erika/1", **wishes: object) -> Enrolled:
    fds = [desk.place.fd(face)]
    outcome = desk.place.recognition.enrol(COMPANY, desk.collection.collection_id, fds, **wishes)[0]  # type: ignore[arg-type]
    assert isinstance(outcome, Enrolled)
    return outcome


def test_a_face_is_enrolled_to_the_person_whom_the_consent_made(desk: Desk) -> None:
    consent = desk.on_paper()
    enrolled = _enrolled(desk, consent_id=consent.consent_id, name="Erika", attributes=(("badge", "7"),))
    assert enrolled.person_id == consent.person_id
    person = desk.place.recognition.person(COMPANY, enrolled.person_id)
    assert (person.name, person.attributes, person.faces) == ("Erika", (("badge", "7"),), 1)
    assert desk.place.found(desk.collection.collection_id, "erika/2") == [[consent.person_id]]


def test_words_given_with_the_consent_are_not_overwritten(desk: Desk) -> None:
    consent = desk.on_paper(name="Erika")
    _enrolled(desk, consent_id=consent.consent_id, name="Somebody else")
    assert desk.place.recognition.person(COMPANY, str(consent.person_id)).name == "Erika"


def test_another_photo_of_a_person_needs_their_consent_to_be_valid_still(desk: Desk) -> None:
    consent = desk.on_paper(expires_at=desk.clock() + timedelta(hours=1))
    person_id = _enrolled(desk, consent_id=consent.consent_id).person_id
    added = desk.place.recognition.add_faces(COMPANY, person_id, [desk.place.fd("erika/2")])
    assert isinstance(added[0], Enrolled)
    desk.clock.offset = timedelta(hours=2)
    with pytest.raises(ConsentExpired):
        desk.place.recognition.add_faces(COMPANY, person_id, [desk.place.fd("erika/3")])
    assert desk.place.recognition.person(COMPANY, person_id).faces == 2


def test_without_a_valid_consent_of_that_person_nothing_is_enrolled(desk: Desk) -> None:
    consent, other = desk.on_paper(), desk.on_paper()
    withdrawn = desk.on_paper()
    desk.erasure.fails = NodeUnavailable("down")
    desk.consents.withdraw(COMPANY, withdrawn.consent_id)
    refusal = desk.consents.refuse(COMPANY, desk.collection.collection_id, desk.notice.sha256)
    cases: list[tuple[dict[str, object], type[MorettaError]]] = [
        ({}, ConsentRequired),
        ({"consent_id": "con_local_0123456789abcdef01234567"}, ConsentRequired),
        ({"consent_id": refusal.consent_id}, ConsentRequired),
        ({"consent_id": withdrawn.consent_id}, ConsentWithdrawn),
        ({"person_id": withdrawn.person_id}, ConsentWithdrawn),
        ({"consent_id": consent.consent_id, "person_id": other.person_id}, SubjectMismatch),
    ]
    for wishes, error in cases:
        desk.untouched_by(lambda wishes=wishes: _enrolled(desk, **wishes), error)


def test_a_withdrawn_person_is_found_by_no_search_even_before_they_are_erased(desk: Desk) -> None:
    consent = desk.on_paper()
    _enrolled(desk, consent_id=consent.consent_id)
    collection_id = desk.collection.collection_id
    assert desk.place.found(collection_id, "erika/2") == [[consent.person_id]]
    desk.erasure.fails = NodeUnavailable("down")
    desk.consents.withdraw(COMPANY, consent.consent_id)
    assert desk.place.found(collection_id, "erika/2") == [[]]
    desk.erasure.fails = None
    desk.consents.sweep()
    assert desk.place.recognition.persons(COMPANY, collection_id) == []


def test_where_the_policy_names_notices_a_consent_to_another_carries_nobody(tmp_path: Path) -> None:
    with a_desk(tmp_path / "place") as desk:
        collection_id = desk.collection.collection_id
        german = desk.consents.add_notice(COMPANY, collection_id, language="de", controller="Beispiel", text="Text\n")
        before = desk.on_paper()
        ours = replace(BUILT_IN.purposes[0], name="access", consent_required=True, notices=(german.notice_id,))
        means = replace(desk.place.means, clock=desk.clock, guard=Guard(replace(BUILT_IN, purposes=(ours,))))
        desk.place.recognition = Recognition(means)
        desk.consents = Consents(replace(desk.means, recognition=means))
        desk.untouched_by(lambda: _enrolled(desk, consent_id=before.consent_id), NoticeChanged)
        refused = desk.untouched_by(desk.on_paper, NoticeChanged)
        assert refused.code == "consent.notice_changed"
        consent = desk.on_paper(notice_sha256=german.sha256)
        enrolled = _enrolled(desk, consent_id=consent.consent_id)
        newer = desk.consents.add_notice(COMPANY, collection_id, language="de", controller="Beispiel", text="Neu\n")
        assert newer.notice_id == german.notice_id
        added = desk.place.recognition.add_faces(COMPANY, enrolled.person_id, [desk.place.fd("erika/2")])
        assert isinstance(added[0], Enrolled), "another version of the same notice"
        again = desk.on_paper(person_id=before.person_id, notice_sha256=newer.sha256)
        assert _enrolled(desk, "frida/1", consent_id=again.consent_id).person_id == before.person_id
        # Saying no needs no certain notice.
        assert desk.consents.refuse(COMPANY, collection_id, desk.notice.sha256).state is ConsentState.REFUSED
