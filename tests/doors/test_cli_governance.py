"""`moretta retention`, `moretta incidents` and `moretta governance`, on a real deployment in a folder of the test's own."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from command_line import Moretta
from tests.consent_rig import TEXT


@pytest.fixture
def collection(moretta: Moretta) -> str:
    """A collection in which nobody is enrolled."""
    made = moretta(
        "collections", "create", "Plant", "--purpose", "door", "--scheme", "plain", "--match", 0.5, "--fmr", 0.001
    )
    assert made.status == 0, made.err
    return made.out.strip()


@pytest.fixture
def notice(moretta: Moretta, collection: str, tmp_path: Path) -> str:
    """What people of the collection are shown."""
    (tmp_path / "notice.md").write_text(TEXT)
    added = moretta("notice", "add", collection, tmp_path / "notice.md", "--controller", "Example Ltd")
    assert added.status == 0, added.err
    return added.out.split()[0]


@pytest.fixture
def person(moretta: Moretta, collection: str, notice: str, tmp_path: Path) -> str:
    """Somebody who consented; nothing was enrolled yet."""
    assert notice
    (tmp_path / "scan.pdf").write_bytes(b"a signed form")
    given = moretta("consent", "give", collection, "--paper", tmp_path / "scan.pdf", "--age", "adult")
    assert given.status == 0, given.err
    return given.out.split()[1]


def day(days: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"


def test_what_is_done_at_a_terminal_names_the_local_user_by_number(moretta: Moretta, person: str) -> None:
    assert person
    told = [json.loads(line) for line in moretta("log", "show").out.splitlines()]
    done = {one["kind"]: one["facts"].get("by") for one in told}
    assert {"collection.changed", "notice.changed", "consent.given"} <= done.keys()
    assert {done[kind] for kind in ("collection.changed", "notice.changed", "consent.given")} == {f"uid:{os.getuid()}"}


def test_retention_is_set_swept_and_reported_with_a_hold_as_exception(
    moretta: Moretta, collection: str, person: str, tmp_path: Path
) -> None:
    assert "no limit in days" in moretta("retention", "show", collection).out
    set_ = moretta("retention", "set", collection, "--photo-days", 7, "--purpose-ends", day(-1), "--json", "-")
    assert (set_.status, json.loads(set_.out)["photo_days"]) == (0, 7), set_.err
    held = moretta("retention", "hold", person, "--reason", "case 7", "--placed-by", "counsel", "--until", day(9))
    assert held.status == 0, held.err
    hold = held.out.strip()
    dry = moretta("retention", "sweep", "--dry-run")
    assert (dry.status, "0 would be" in dry.out, hold in dry.err) == (0, True, True), dry.err
    assert moretta("retention", "sweep").status == 0
    assert moretta("persons", "show", person).status == 0
    assert moretta("persons", "erase", person, "--yes").status == 77
    [shown] = [json.loads(line) for line in moretta("retention", "holds", "--active", "--json", "-").out.splitlines()]
    assert (shown["id"], shown["reason"], shown["recorded_by"]) == (hold, "case 7", "cli")
    asked = moretta("retention", "release", hold, "--reason", "settled")
    assert (asked.status, "--yes" in asked.err) == (64, True)
    assert moretta("retention", "release", hold, "--reason", "settled", "--yes").status == 0
    assert "released" in moretta("retention", "holds").out
    swept = moretta("retention", "sweep")
    assert swept.status == 0, swept.err
    assert moretta("persons", "show", person).status == 66
    [report] = [line.split()[0] for line in moretta("retention", "reports").out.splitlines() if "run_" in line]
    target = tmp_path / "report.json"
    assert moretta("retention", "report", report, "--out", target).status == 0
    told = json.loads(target.read_text())
    assert told["persons_erased"] == 1
    assert told["certificates"][0].startswith("cer_")
    assert moretta("retention", "report", "run_local_0123456789abcdef01234567", "--out", target).status == 66


def test_an_incident_is_recorded_changed_and_drafted(moretta: Moretta, person: str, tmp_path: Path) -> None:
    made = moretta("incidents", "record", "a laptop was lost", "--kind", "confidentiality", "--noticed", day(-4))
    assert made.status == 0, made.err
    incident = made.out.strip()
    assert "OVERDUE" in moretta("incidents", "list").out
    found = moretta("incidents", "affected", "--incident", incident, "--region", "local")
    assert (found.status, found.out.split()) == (0, [person]), found.err
    changed = moretta(
        "incidents", "change", incident, "--risk", "unlikely", "--decision", "do not tell", "--close", "--json", "-"
    )
    assert changed.status == 0, changed.err
    told = json.loads(changed.out)
    assert (told["overdue"], told["people"], told["revision"]) == (False, 1, 3)
    assert "do not tell" in moretta("incidents", "show", incident).out
    drafted = moretta("incidents", "draft", incident, "--out", tmp_path / "draft.md")
    assert (drafted.status, "missing: the measures" in drafted.err) == (0, True)
    assert "a laptop was lost" in (tmp_path / "draft.md").read_text()
    assert "Art. 34" in moretta("incidents", "draft", incident, "--subjects", "--out", "-").out
    again = moretta("incidents", "change", incident, "--risk", "unlikely")
    assert again.status == 64


def test_documents_are_written_from_the_configuration(
    moretta: Moretta, collection: str, notice: str, tmp_path: Path
) -> None:
    assert collection in moretta("governance", "ropa").out
    assert "## Missing" in moretta("governance", "dpia").out
    assert moretta("governance", "evidence", "--out", tmp_path / "evidence.md").status == 0
    assert "Art. 33" in (tmp_path / "evidence.md").read_text()
    assert "Your face at the door" in moretta("governance", "notice", notice).out
    sign = tmp_path / "sign.pdf"
    nowhere = moretta("governance", "sign", notice, "--out", sign)
    assert (nowhere.status, "MORETTA_SUBJECT_ORIGIN" in nowhere.err) == (64, True)
    assert (
        moretta("governance", "sign", notice, "--out", sign, subject_origin="https://privacy.example.org").status == 0
    )
    assert sign.read_bytes().startswith(b"%PDF-")
    assert moretta("governance", "ropa", "--out", tmp_path / "none" / "ropa.md").status == 64
