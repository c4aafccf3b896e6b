"""`moretta notice` and `moretta consent`, on a real deployment in a folder of the test's own."""

import hashlib
import json
from pathlib import Path

import pytest
from command_line import Moretta
from tests.consent_rig import TEXT, Ed25519Subject

from moretta.core.consent_proof import key_to_jwk
from moretta.core.jws import from_base64url, to_base64url


@pytest.fixture
def collection(moretta: Moretta, tmp_path: Path) -> str:
    """A collection that shows a notice in English."""
    made = moretta(
        "collections", "create", "Plant", "--purpose", "door", "--scheme", "plain", "--match", 0.5, "--fmr", 0.001
    )
    assert made.status == 0, made.err
    found = made.out.strip()
    (tmp_path / "notice.md").write_text(TEXT)
    added = moretta("notice", "add", found, tmp_path / "notice.md", "--controller", "Example Ltd")
    assert (added.status, added.out.split()[1:3]) == (0, ["version", "1"]), added.err
    return found


def test_paper_is_recorded_by_its_hash_listed_proved_and_withdrawn(
    moretta: Moretta, collection: str, tmp_path: Path
) -> None:
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(b"a signed form")
    given = moretta(
        "consent", "give", collection, "--paper", scan, "--age", "minor", "--guardian", "mother", "--days", 30
    )
    assert given.status == 0, given.err
    consent, person = given.out.split()
    [shown] = [json.loads(line) for line in moretta("consent", "list", "--json", "-").out.splitlines()]
    assert (shown["id"], shown["state"], shown["age"], shown["guardian"]) == (consent, "given", "minor", "mother")
    assert consent in moretta("consent", "list", "--person", person).out
    receipt = tmp_path / "receipt.json"
    assert moretta("consent", "receipt", consent, "--output", receipt).status == 0
    assert hashlib.sha256(b"a signed form").hexdigest() in moretta("verify", receipt).out
    altered = json.loads(receipt.read_text())
    altered["jws"] = altered["jws"][:-8] + "AAAAAAAA"
    receipt.write_text(json.dumps(altered))
    assert moretta("verify", receipt).status == 65
    asked = moretta("consent", "withdraw", consent)
    assert (asked.status, "--yes" in asked.err) == (64, True)
    ended = moretta("consent", "withdraw", consent, "--yes")
    assert (ended.status, "the person is erased" in ended.err) == (0, True)
    assert moretta("persons", "show", person).status == 66
    assert moretta("consent", "sweep").out.strip() == "0 expired, 0 erased, 0 still to be erased"


def test_a_subject_signs_a_challenge_with_a_key_of_their_own(moretta: Moretta, collection: str, tmp_path: Path) -> None:
    asked = json.loads(moretta("consent", "challenge", collection).out)
    subject = Ed25519Subject()
    signature = to_base64url(subject.sign(from_base64url(asked["to_sign"])))
    answer = {"challenge_id": asked["id"], "jwk": key_to_jwk(subject.public_key), "signature": signature}
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    given = moretta("consent", "give", collection, "--key", tmp_path / "answer.json")
    assert given.status == 0, given.err
    again = moretta("consent", "give", collection, "--key", tmp_path / "answer.json")
    assert (again.status, "used already" in again.err) == (77, True)
    ended = moretta("consent", "withdraw", given.out.split()[1], "--yes", "--json", "-")
    assert json.loads(ended.out)["erased"] is True


def test_a_refusal_is_recorded_and_nobody_is_made(moretta: Moretta, collection: str) -> None:
    refused = moretta("consent", "refuse", collection)
    assert (refused.status, refused.out[:4]) == (0, "con_")
    assert "refused" in moretta("consent", "list", "--collection", collection).out
    assert moretta("persons", "list", collection, "--json", "-").out == ""


def test_a_notice_is_shown_as_it_is_and_its_language_is_asked_for_where_there_are_two(
    moretta: Moretta, collection: str, tmp_path: Path
) -> None:
    (tmp_path / "notice.md").write_text("# Ihr Gesicht\n")
    added = moretta("notice", "add", collection, tmp_path / "notice.md", "--controller", "x", "--language", "de")
    notice = added.out.split()[0]
    assert moretta("notice", "show", notice).out == "# Ihr Gesicht\n"
    assert len(moretta("notice", "list", collection, "--json", "-").out.splitlines()) == 2
    assert notice in moretta("notice", "list").out
    several = moretta("consent", "refuse", collection)
    assert (several.status, "--language" in several.err) == (64, True)
    assert moretta("consent", "refuse", collection, "--language", "de").status == 0
    assert moretta("consent", "refuse", collection, "--language", "fr").status == 66


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("consent", "give", "{collection}"), 64),
        (("consent", "give", "{collection}", "--paper", "/nowhere"), 66),
        (("consent", "give", "{collection}", "--key", "/nowhere"), 66),
        (("consent", "withdraw", "con_local_0123456789abcdef01234567", "--yes"), 66),
        (("consent", "withdraw", "per_local_0123456789abcdef01234567", "--yes"), 66),
        (("consent", "receipt", "nonsense"), 66),
        (("notice", "show", "not_local_0123456789abcdef01234567"), 66),
        (("notice", "add", "{collection}", "/nowhere", "--controller", "x"), 66),
    ],
)
def test_what_is_not_there_is_one_line_and_a_status(
    moretta: Moretta, collection: str, words: tuple[str, ...], status: int
) -> None:
    told = moretta(*(word.format(collection=collection) for word in words))
    assert (told.status, len(told.err.splitlines())) == (status, 1), told.err
