"""Consents are given with a key, a passkey or on paper; whatever does not hold is refused by its name and leaves nothing."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.consent_rig import Authenticator, Ed25519Subject, P256Subject, altered
from tests.consents_place import SCAN, Desk, a_desk
from tests.policies import CLOSED
from tests.recognition_rig import COMPANY, OTHER_COMPANY

from moretta.core.consent import Age, Challenge, ConsentMethod, ConsentState
from moretta.core.consent_proof import PaperProof, PasskeyProof
from moretta.core.errors import (
    AgeUnknown,
    ChallengeExpired,
    ChallengeUsed,
    GuardianRequired,
    NotFound,
    NoticeChanged,
    PurposeUnknown,
    RequestInvalid,
    SignatureRejected,
    SubjectMismatch,
)
from moretta.core.ledger import EntryKind, content_commitment, subject_commitment
from moretta.core.policy import BUILT_IN, Minors, Policy
from moretta.core.recognition import PersonState
from moretta.use_cases.consent.facade import Consents


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with a_desk(tmp_path / "place") as desk:
        yield desk


def _asked(desk: Desk, person_id: str | None = None) -> Challenge:
    found = desk.consents.challenge(COMPANY, desk.collection.collection_id, desk.notice.sha256, person_id=person_id)
    return found.challenge


@pytest.mark.parametrize("kind", [Ed25519Subject, P256Subject])
def test_a_subject_consents_with_a_key_of_their_own(desk: Desk, kind: type[Ed25519Subject | P256Subject]) -> None:
    subject = kind()
    consent = desk.signed(subject)
    assert (consent.state, consent.method, consent.purpose) == (ConsentState.GIVEN, ConsentMethod.KEY, "access")
    assert consent.details is not None
    assert consent.details.public_key == subject.public_key
    assert consent.person_id is not None
    person = desk.place.recognition.person(COMPANY, consent.person_id)
    assert (person.state, person.faces) == (PersonState.ACTIVE, 0)


def test_a_subject_consents_with_a_passkey_and_again_with_the_same_one(desk: Desk) -> None:
    authenticator = Authenticator()
    first = desk.touched(authenticator)
    assert first.method is ConsentMethod.PASSKEY
    again = desk.touched(authenticator, first.person_id)
    assert again.person_id == first.person_id
    assert first.details is not None
    assert again.details is not None
    assert again.details.credential_id == authenticator.credential_id == first.details.credential_id
    assert again.details.sign_count > first.details.sign_count


def test_an_operator_records_paper_with_the_hash_of_its_scan(desk: Desk) -> None:
    consent = desk.on_paper(name="Erika", attributes=(("badge", "4711"),), guardian="mother", age=Age.MINOR)
    assert consent.details is not None
    assert consent.details.evidence_sha256 == SCAN
    assert consent.details.recorded_by == "0011223344556677"
    assert consent.details.guardian == "mother"
    person = desk.place.recognition.person(COMPANY, str(consent.person_id))
    assert (person.name, person.attributes) == ("Erika", (("badge", "4711"),))


def test_the_log_commits_to_subject_and_document_and_names_neither(desk: Desk) -> None:
    consent = desk.on_paper(name="Erika")
    logged = desk.place.region.log.entries(desk.log_size - 1, 1)[0].entry
    assert logged.kind is EntryKind.CONSENT_GIVEN
    region = desk.place.region
    key = region.cipher.opened(str(consent.person_id), region.store.subject_key(str(consent.person_id)))
    assert logged.subject == subject_commitment(key.key, key.subject_id, logged.nonce)
    assert len(logged.content) == len(content_commitment(logged.nonce, b""))
    for hidden in (consent.consent_id, str(consent.person_id), SCAN):
        assert hidden.encode() not in logged.leaf()


def test_a_forged_signature_is_refused(desk: Desk) -> None:
    subject, other = Ed25519Subject(), Ed25519Subject()
    challenge = _asked(desk)
    proof = subject.proof(challenge)
    forged = [
        replace(proof, signature=other.proof(challenge).signature),
        replace(proof, signature=proof.signature[:-1] + bytes([proof.signature[-1] ^ 1])),
        replace(proof, signature=b""),
        replace(proof, public_key=bytes(32)),
        replace(proof, public_key=b"\x04" + bytes(64)),
        replace(proof, signature=subject.proof(_asked(desk)).signature),
    ]
    for wrong in forged:
        act = lambda wrong=wrong: desk.consents.give(COMPANY, desk.agreement(wrong))  # noqa: E731
        error = desk.untouched_by(act, SignatureRejected)
        assert error.code == "consent.signature_invalid"
    # The right one can still be given: a failed attempt costs nobody their challenge.
    assert desk.consents.give(COMPANY, desk.agreement(proof)).state is ConsentState.GIVEN


@pytest.mark.parametrize("part", ["signature", "authenticatorData", "clientDataJSON"])
def test_a_forged_passkey_answer_is_refused(desk: Desk, part: str) -> None:
    authenticator = Authenticator()
    asked = desk.consents.challenge(COMPANY, desk.collection.collection_id, desk.notice.sha256)
    assert asked.passkey is not None
    proof = authenticator.proof(asked.challenge, asked.passkey)
    wrong = replace(proof, assertion=altered(proof.assertion, part))
    desk.untouched_by(lambda: desk.consents.give(COMPANY, desk.agreement(wrong)), SignatureRejected)
    assert desk.consents.give(COMPANY, desk.agreement(proof)).state is ConsentState.GIVEN


@pytest.mark.parametrize(
    "authenticator",
    [Authenticator(origin="https://evil.example.org"), Authenticator(verifies_user=False)],
    ids=["another origin", "user not verified"],
)
def test_a_passkey_of_another_origin_or_without_verifying_its_user_is_refused(
    desk: Desk, authenticator: Authenticator
) -> None:
    error = desk.untouched_by(lambda: desk.touched(authenticator), SignatureRejected)
    assert "evil" not in error.detail


def test_rubbish_for_a_passkey_answer_is_refused(desk: Desk) -> None:
    asked = desk.consents.challenge(COMPANY, desk.collection.collection_id, desk.notice.sha256)
    assert asked.passkey is not None
    proof = Authenticator().proof(asked.challenge, asked.passkey)
    for rubbish in ("", "{}", "[]", "null", "\x00", '{"id": 1}', proof.registration):
        wrong = replace(proof, assertion=rubbish)
        desk.untouched_by(lambda wrong=wrong: desk.consents.give(COMPANY, desk.agreement(wrong)), SignatureRejected)
    large = replace(proof, assertion="x" * 20_000)
    desk.untouched_by(lambda: desk.consents.give(COMPANY, desk.agreement(large)), RequestInvalid)
    bare = replace(proof, registration="")
    desk.untouched_by(lambda: desk.consents.give(COMPANY, desk.agreement(bare)), RequestInvalid)


def test_a_cloned_passkey_is_refused(desk: Desk) -> None:
    authenticator = Authenticator()
    first = desk.touched(authenticator)
    authenticator.count = 0
    desk.untouched_by(lambda: desk.touched(authenticator, first.person_id), SignatureRejected)


@pytest.mark.parametrize("waits", [timedelta(minutes=5), timedelta(days=3)])
def test_an_answer_that_comes_late_is_refused(desk: Desk, waits: timedelta) -> None:
    challenge = _asked(desk)
    proof = Ed25519Subject().proof(challenge)
    desk.clock.offset = waits
    error = desk.untouched_by(lambda: desk.consents.give(COMPANY, desk.agreement(proof)), ChallengeExpired)
    assert error.code == "consent.challenge_expired"


def test_a_replayed_answer_is_refused(desk: Desk) -> None:
    proof = Ed25519Subject().proof(_asked(desk))
    consent = desk.consents.give(COMPANY, desk.agreement(proof))
    error = desk.untouched_by(lambda: desk.consents.give(COMPANY, desk.agreement(proof)), ChallengeUsed)
    assert (error.code, error.status) == ("consent.challenge_used", 409)
    again = desk.agreement(proof, person_id=consent.person_id)
    desk.untouched_by(lambda: desk.consents.give(COMPANY, again), ChallengeUsed)


def test_a_replayed_passkey_answer_does_not_answer_another_challenge(desk: Desk) -> None:
    authenticator = Authenticator()
    asked = desk.consents.challenge(COMPANY, desk.collection.collection_id, desk.notice.sha256)
    assert asked.passkey is not None
    proof = authenticator.proof(asked.challenge, asked.passkey)
    desk.consents.give(COMPANY, desk.agreement(proof))
    replayed = replace(proof, challenge_id=_asked(desk).challenge_id)
    desk.untouched_by(lambda: desk.consents.give(COMPANY, desk.agreement(replayed)), SubjectMismatch)


def test_the_challenge_of_another_person_collection_or_notice_is_refused(desk: Desk) -> None:
    subject = Ed25519Subject()
    person_id = desk.signed(subject).person_id
    somebody = desk.on_paper().person_id
    other = desk.place.recognition.create_collection(COMPANY, "guests", "access")
    shown = desk.consents.add_notice(COMPANY, other.collection_id, language="en", controller="x", text="another\n")
    mine = subject.proof(_asked(desk, person_id))
    wrong = [
        desk.agreement(mine),
        desk.agreement(mine, person_id=somebody),
        desk.agreement(mine, person_id=person_id, collection_id=other.collection_id, notice_sha256=shown.sha256),
        desk.agreement(subject.proof(_asked(desk)), person_id=person_id),
    ]
    for agreement in wrong:
        act = lambda agreement=agreement: desk.consents.give(COMPANY, agreement)  # noqa: E731
        assert desk.untouched_by(act, SubjectMismatch).code == "consent.wrong_subject"
    assert desk.consents.give(COMPANY, desk.agreement(mine, person_id=person_id)).person_id == person_id


def test_another_key_or_passkey_than_the_persons_is_refused(desk: Desk) -> None:
    with_key, with_passkey = desk.signed(Ed25519Subject()), desk.touched(Authenticator())
    for other in (Ed25519Subject(), P256Subject()):
        desk.untouched_by(lambda other=other: desk.signed(other, with_key.person_id), SubjectMismatch)
        desk.untouched_by(lambda other=other: desk.signed(other, with_passkey.person_id), SubjectMismatch)
    stranger = Authenticator()
    desk.untouched_by(lambda: desk.touched(stranger, with_passkey.person_id), SubjectMismatch)
    asked = desk.consents.challenge(
        COMPANY, desk.collection.collection_id, desk.notice.sha256, person_id=with_passkey.person_id
    )
    assert asked.passkey is not None
    assert asked.passkey.registration == ""
    fresh = desk.consents.challenge(COMPANY, desk.collection.collection_id, desk.notice.sha256)
    assert fresh.passkey is not None
    made = replace(
        stranger.proof(asked.challenge, asked.passkey), registration=stranger.create(fresh.passkey.registration)
    )
    act = lambda: desk.consents.give(COMPANY, desk.agreement(made, person_id=with_passkey.person_id))  # noqa: E731
    desk.untouched_by(act, SubjectMismatch)


def test_a_notice_that_changed_meanwhile_is_not_agreed_to(desk: Desk) -> None:
    proof = Ed25519Subject().proof(_asked(desk))
    desk.consents.add_notice(
        COMPANY, desk.collection.collection_id, language="en", controller="x", text="we keep more\n"
    )
    desk.untouched_by(lambda: desk.consents.give(COMPANY, desk.agreement(proof)), NoticeChanged)
    desk.untouched_by(desk.on_paper, NoticeChanged)
    collection_id = desk.collection.collection_id
    desk.untouched_by(lambda: desk.consents.refuse(COMPANY, collection_id, desk.notice.sha256), NoticeChanged)


def test_a_notice_of_another_purpose_is_not_agreed_to(desk: Desk) -> None:
    desk.place.recognition.update_collection(COMPANY, desk.collection.collection_id, purpose="marketing")
    desk.untouched_by(desk.on_paper, NoticeChanged)
    desk.untouched_by(lambda: _asked(desk), NoticeChanged)


def test_another_companys_collection_and_challenge_are_unknown(desk: Desk) -> None:
    proof = Ed25519Subject().proof(_asked(desk))
    desk.untouched_by(lambda: desk.consents.give(OTHER_COMPANY, desk.agreement(proof)), NotFound)
    person_id = desk.on_paper().person_id
    collection_id = desk.collection.collection_id
    acts = [
        lambda: desk.consents.challenge(OTHER_COMPANY, collection_id, desk.notice.sha256),
        lambda: desk.consents.refuse(OTHER_COMPANY, collection_id, desk.notice.sha256),
        lambda: desk.consents.withdraw_all(OTHER_COMPANY, str(person_id)),
        lambda: desk.consents.notice(OTHER_COMPANY, desk.notice.notice_id),
        lambda: desk.consents.shown(OTHER_COMPANY, collection_id),
    ]
    for act in acts:
        desk.untouched_by(act, NotFound)


def test_what_does_not_fit_is_refused_before_anything_is_kept(desk: Desk) -> None:
    person_id = desk.on_paper().person_id
    past = desk.clock() - timedelta(seconds=1)
    for wishes in (
        {"notice_sha256": "abc"},
        {"proof": PaperProof("", "x")},
        {"expires_at": past},
        {"guardian": "x" * 201},
        {"name": "x" * 201},
        {"name": "Erika", "person_id": person_id},
    ):
        agreement = replace(desk.agreement(PaperProof(SCAN, "x")), **wishes)
        desk.untouched_by(lambda agreement=agreement: desk.consents.give(COMPANY, agreement), RequestInvalid)


def test_a_minor_needs_a_guardian_and_an_unknown_age_is_refused_where_the_policy_asks(tmp_path: Path) -> None:
    purpose = replace(BUILT_IN.purposes[0], minors=Minors.GUARDIAN)
    policy = Policy(BUILT_IN.controller, (purpose,), "minors with a guardian")
    with a_desk(tmp_path / "place", policy=policy) as desk:
        unknown = desk.untouched_by(lambda: desk.on_paper(age=Age.UNKNOWN), AgeUnknown)
        assert unknown.legal_ref == "GDPR Art. 8(2)"
        alone = desk.untouched_by(lambda: desk.on_paper(age=Age.MINOR), GuardianRequired)
        assert alone.legal_ref == "GDPR Art. 8(1)"
        assert desk.on_paper(age=Age.MINOR, guardian="father").state is ConsentState.GIVEN
        assert desk.on_paper(age=Age.ADULT).state is ConsentState.GIVEN


def test_nobody_is_asked_to_consent_to_what_the_policy_forbids(desk: Desk) -> None:
    recognition = desk.means.recognition
    closed = replace(recognition, guard=replace(recognition.guard, policy=CLOSED))
    desk.consents = Consents(replace(desk.means, recognition=closed))
    desk.untouched_by(lambda: _asked(desk), PurposeUnknown)
    desk.untouched_by(desk.on_paper, PurposeUnknown)


def test_a_refusal_is_on_record_and_keeps_nothing_of_whoever_is_new(desk: Desk) -> None:
    refusal = desk.consents.refuse(COMPANY, desk.collection.collection_id, desk.notice.sha256)
    assert (refusal.state, refusal.person_id, refusal.details) == (ConsentState.REFUSED, None, None)
    assert desk.place.recognition.persons(COMPANY, desk.collection.collection_id) == []
    logged = desk.place.region.log.entries(desk.log_size - 1, 1)[0].entry
    assert (logged.kind, logged.subject) == (EntryKind.CONSENT_REFUSED, b"")
    person_id = desk.on_paper().person_id
    known = desk.consents.refuse(COMPANY, desk.collection.collection_id, desk.notice.sha256, person_id=person_id)
    assert known.person_id == person_id
    assert desk.place.region.log.entries(desk.log_size - 1, 1)[0].entry.subject != b""


def test_without_pages_of_its_own_a_deployment_takes_keys_and_paper_and_no_passkeys(tmp_path: Path) -> None:
    with a_desk(tmp_path / "place", passkeys=False) as desk:
        asked = desk.consents.challenge(COMPANY, desk.collection.collection_id, desk.notice.sha256)
        assert asked.passkey is None
        assert desk.signed(Ed25519Subject()).state is ConsentState.GIVEN
        proof = PasskeyProof(_asked(desk).challenge_id, json.dumps({}), json.dumps({}))
        error = desk.untouched_by(lambda: desk.consents.give(COMPANY, desk.agreement(proof)), RequestInvalid)
        assert "MORETTA_SUBJECT_ORIGIN" in error.detail
