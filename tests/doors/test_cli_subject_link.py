"""`moretta subject-link`, on a real deployment in a folder of the test's own."""

import hashlib
import json
from pathlib import Path

import pytest
from command_line import Moretta
from tests.consent_rig import TEXT

from moretta.core.subject_access import LINKS_PER_DAY


@pytest.fixture
def person(moretta: Moretta, tmp_path: Path) -> str:
    """The id of somebody who consented on paper."""
    made = moretta(
        "collections", "create", "Plant", "--purpose", "door", "--scheme", "plain", "--match", 0.5, "--fmr", 0.001
    )
    collection = made.out.strip()
    (tmp_path / "notice.md").write_text(TEXT)
    moretta("notice", "add", collection, tmp_path / "notice.md", "--controller", "Example Ltd")
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(b"a signed form")
    return moretta("consent", "give", collection, "--paper", scan).out.split()[1]


def test_a_link_is_printed_with_its_code_which_is_stored_nowhere(moretta: Moretta, person: str, tmp_path: Path) -> None:
    told = moretta("subject-link", person, "--json", "-", subject_origin="https://privacy.example.org")
    assert told.status == 0, told.err
    view = json.loads(told.out)
    assert view["person_id"] == person
    assert view["direct_url"] == f"https://privacy.example.org/me/start/{view['id']}/{view['code']}"
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert view["id"].encode() in kept
    assert not any(secret.encode() in kept for secret in (view["code"], view["code"].replace("-", "")))
    plain = moretta("subject-link", person, "--hours", 2)
    assert (plain.status, "Code: " in plain.out, "/me/start/lnk_local_" in plain.out) == (0, True, True)


def test_links_are_for_people_who_are_there_and_not_for_all_times(moretta: Moretta, person: str) -> None:
    assert moretta("subject-link", f"per_local_{'0' * 24}").status == 66
    assert moretta("subject-link", hashlib.sha256(b"x").hexdigest()).status == 66
    assert moretta("subject-link", person, "--hours", 0).status == 2
    told = [moretta("subject-link", person).status for _ in range(LINKS_PER_DAY + 1)]
    assert told == [0] * LINKS_PER_DAY + [75]
