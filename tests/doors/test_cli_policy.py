"""`moretta policy`, `moretta reviews` and `moretta approvals`, as an operator meets them."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from command_line import Moretta, Told
from tests.policies import open_policy_file

from moretta.core.clock import utc_now
from moretta.core.policy import Action
from moretta.core.recognising import FaceReader
from moretta.core.recognition import Candidate, IdKind, Person, new_id
from moretta.core.recognition_store import NewFace
from moretta.core.review import PROPOSAL_LIFE, Choice, Proposal, ProposedFace
from moretta.settings import Settings
from moretta.use_cases.recognition.means import Means
from moretta.use_cases.review.facade import Reviews
from moretta.wiring.policy_file import PRESETS
from moretta.wiring.recognition import opened_means
from moretta.wiring.service import opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return open_policy_file(tmp_path, "door")


def _ok(told: Told) -> str:
    assert told.status == 0, told.err
    return told.out.strip()


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_a_file_that_passes_its_own_checks(moretta: Moretta, tmp_path: Path, preset: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(_ok(moretta("policy", "show", preset)))
    assert "expected decisions" in _ok(moretta("policy", "check", path))
    assert moretta("policy", "test", path).status == 0
    assert preset in _ok(moretta("policy", "presets"))


def test_a_file_that_decides_otherwise_than_expected_is_told_with_status_1(moretta: Moretta, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(_ok(moretta("policy", "show", "checkout")).replace('decision = "deny"', 'decision = "allow"', 1))
    told = moretta("policy", "test", path)
    assert told.status == 1
    assert "number 3 (search, pay by face): expected allow, got deny (policy.prohibited_use" in told.out
    assert "5 of 6" in told.err


def test_what_cannot_be_used_is_told_and_has_a_status(moretta: Moretta, tmp_path: Path, file: Path) -> None:
    assert moretta("policy", "check", tmp_path / "missing").status == 66
    (tmp_path / "broken.toml").write_text("purposes = 3")
    told = moretta("policy", "check", tmp_path / "broken.toml")
    assert (told.status, "controller" in told.err) == (64, True)
    assert moretta("policy", "test", file).status == 66, "nothing is expected of it"
    assert moretta("policy", "show", "casino").status == 66
    assert moretta("collections", "list", policy_file=tmp_path / "broken.toml").status == 64, "nothing begins"


def test_notes_are_for_the_author(moretta: Moretta, tmp_path: Path, file: Path) -> None:
    file.write_text(file.read_text().replace('contexts = ["other"]', 'contexts = ["public_space"]'))
    told = moretta("policy", "check", file)
    assert (told.status, "two persons" in told.err) == (0, True)


def test_a_decision_is_explained_with_its_article_and_how_to_mend_it(moretta: Moretta, file: Path) -> None:
    denied = moretta("policy", "explain", "enrol", "--purpose", "door")
    assert denied.status == 77
    assert denied.out.splitlines()[0] == "deny: consent.required (GDPR Art. 9(2)(a))"
    assert "mend: record it first" in denied.out
    allowed = moretta("policy", "explain", "enrol", "--purpose", "door", "--consent")
    assert (allowed.status, allowed.out.splitlines()[0]) == (0, "allow")
    by_file = ("policy", "explain", "search", "--purpose", "door", "--file", file)
    assert "GDPR Art. 6(1)(e), 9(2)(g)" in _ok(moretta(*by_file))
    assert moretta(*by_file, "--context", "retail").status == 77
    crime = moretta("policy", "explain", "score_criminality", "--purpose", "door", "--file", file)
    assert "AI Act Art. 5(1)(d)" in crime.out


def test_the_policy_in_force_is_shown_and_those_before_by_their_hash(moretta: Moretta, file: Path) -> None:
    before = json.loads(_ok(moretta("policy", "show")))
    assert before["purposes"][0]["name"] == "*"
    _ok(moretta("approvals", "list"))
    now = json.loads(_ok(moretta("policy", "show", policy_file=file)))
    assert now["controller"]["name"] == "a test"
    held = json.loads(_ok(moretta("policy", "show", "--sha256", before["sha256"], policy_file=file)))
    assert held == {name: value for name, value in before.items() if name != "sha256"}
    assert moretta("policy", "show", "--sha256", "0" * 64).status == 66


def test_an_approval_is_granted_listed_and_taken_back(moretta: Moretta, file: Path) -> None:
    def call(*words: object) -> Told:
        return moretta(*words, policy_file=file)

    words = ("approvals", "grant", "door", "--approver", "the board", "--reason", "[bold]assessment", "--days", 3)
    approval = _ok(call(*words, "--action", "search"))
    [shown] = [json.loads(line) for line in call("approvals", "list", "--json", "-").out.splitlines()]
    assert (shown["id"], shown["holds"], shown["action"]) == (approval, True, "search")
    assert (shown["recorded_by"], shown["reason"]) == (f"uid:{os.getuid()}", "[bold]assessment")
    assert "the board" in _ok(call("approvals", "list"))
    assert call("approvals", "revoke", approval).status == 0
    assert "revoked" in _ok(call("approvals", "list"))
    assert call("approvals", "revoke", approval).status == 75
    assert call("approvals", "grant", "ads", *words[3:]).status == 77
    assert call("approvals", "revoke", "apr_local_" + "0" * 24).status == 66


@contextmanager
def _means() -> Iterator[Means]:
    configured = Settings()
    with (
        opened(configured) as deployment,
        opened_means(configured, deployment.engine, cast(FaceReader, None)) as means,
    ):
        yield means


def _proposed(collection_id: str, needed: int) -> tuple[str, str]:
    """The ids of a proposal, and of the one person whom it names."""
    with _means() as means:
        region = means.region(None)
        [company_id] = {one.company_id for one in region.store.collections(None, 10)}
        collection = region.store.collection(company_id, collection_id)
        person = Person(new_id(IdKind.PERSON, "local"), collection_id, company_id, utc_now())
        [face] = region.store.enrol(collection, person, [NewFace(new_id(IdKind.FACE, "local"), b"payload", 80.0)])
        now = utc_now().replace(microsecond=0)
        made = Proposal(
            proposal_id=new_id(IdKind.REVIEW, "local"),
            company_id=company_id,
            collection_id=collection_id,
            purpose=collection.purpose,
            action=Action.SEARCH,
            needed=needed,
            requested_by="cli",
            search_id="sea_" + "0" * 24,
            fmr=1e-4,
            created_at=now,
            expires_at=now + PROPOSAL_LIFE,
            faces=(ProposedFace((1.0, 2.0, 3.0, 4.0), 80.0, (Candidate(person.person_id, face.face_id, 1),)),),
        )
        region.reviews.propose(made)
    return made.proposal_id, person.person_id


def test_a_local_user_confirms_once_and_another_person_must_be_another_user(
    moretta: Moretta, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MORETTA_POLICY_FILE", str(file))
    made = moretta("collections", "create", "Plant", "--purpose", "door", "--retention-days", 30)
    review, person = _proposed(_ok(made), needed=2)
    assert review in _ok(moretta("reviews", "list"))
    assert person in _ok(moretta("reviews", "show", review))
    assert _ok(moretta("reviews", "confirm", review)) == "pending"
    again = moretta("reviews", "confirm", review, "--choose", f"0={person}")
    assert (again.status, "another person" in again.err.lower()) == (77, True)
    assert f"uid:{os.getuid()}" in _ok(moretta("reviews", "show", review))
    with _means() as means:
        [company_id] = {one.company_id for one in means.region(None).store.collections(None, 10)}
        Reviews(means).confirm(company_id, review, "0123456789abcdef", [Choice(0, person)])
    [shown] = [
        json.loads(line) for line in moretta("reviews", "list", "--state", "confirmed", "--json", "-").out.splitlines()
    ]
    assert (shown["id"], shown["confirmations"]) == (review, 2)
    assert moretta("reviews", "reject", review).status == 77, "heard already"


def test_a_rejected_review_names_nobody(moretta: Moretta, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MORETTA_POLICY_FILE", str(file))
    made = moretta("collections", "create", "Plant", "--purpose", "door", "--retention-days", 30)
    review, person = _proposed(_ok(made), needed=1)
    assert moretta("reviews", "confirm", review, "--choose", "nonsense").status == 64
    assert moretta("reviews", "confirm", review, "--choose", "7=" + person).status == 64
    assert _ok(moretta("reviews", "reject", review)) == "rejected"
    assert person not in _ok(moretta("reviews", "show", review))
    assert moretta("reviews", "show", "rev_local_" + "0" * 24).status == 66


def test_measuring_photos_asks_the_policy_too(moretta: Moretta, tmp_path: Path, file: Path) -> None:
    """What is measured are templates of people, whether or not anything is kept."""
    (tmp_path / "photos").mkdir()
    counting = tmp_path / "counting.toml"
    counting.write_text(_ok(moretta("policy", "show", "retail-statistics")))
    told = moretta("evaluate", "accuracy", tmp_path / "photos", policy_file=counting)
    assert (told.status, "GDPR Art. 5(1)(b)" in told.err) == (77, True)
    told = moretta("evaluate", "accuracy", tmp_path / "photos", "--purpose", "ads", policy_file=file)
    assert told.status == 77
    made = _ok(moretta("collections", "create", "Plant", "--purpose", "door", "--retention-days", 30, policy_file=file))
    for photo in ("ann/1.jpg", "ann/2.jpg", "ben/1.jpg"):
        (tmp_path / "photos" / photo).parent.mkdir(exist_ok=True)
        (tmp_path / "photos" / photo).write_bytes(b"no picture")
    file.write_text(file.read_text().replace('"compare", ', ""))
    assert moretta("calibrate", made, tmp_path / "photos", policy_file=file).status == 77
