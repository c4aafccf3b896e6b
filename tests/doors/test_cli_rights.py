"""`moretta rights`, `moretta drill` and `moretta verify` of certificates, as an operator meets them."""

import json
from pathlib import Path

import pytest
from tests.doors.command_line import Moretta, Told
from tests.recognition_rig import COMPANY, opened


def test_a_drill_from_the_command_line_writes_a_certificate_that_verifies(moretta: Moretta, tmp_path: Path) -> None:
    certificate = tmp_path / "certificate.json"
    told = moretta("drill", "erasure", "--certificate", certificate)
    assert told.status == 0, told.err
    assert "Nothing was found" in told.err
    verified = moretta("verify", certificate)
    assert verified.status == 0, verified.err
    changed = json.loads(certificate.read_bytes())
    changed["completed_at"] = "2020-01-01T00:00:00Z"
    certificate.write_text(json.dumps(changed))
    assert moretta("verify", certificate).status == 65


def test_a_leak_ends_the_command_with_its_own_status(
    moretta: Moretta, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moretta.wiring.drill import run

    def kept(*arguments: object, **named: object) -> object:
        subject = made()
        with (tmp_path / "data" / "dump").open("ab") as dump:
            dump.write(b"x" + subject.name.encode())
        return subject

    made = run.somebody
    monkeypatch.setattr(run, "somebody", kept)
    told = moretta("drill", "erasure")
    assert told.status == 76
    assert "name (UTF-8) in data folder" in told.err


def enrolled(folder: Path, name: str) -> str:
    """The id of somebody enrolled in the data folder of the commands, without a model."""
    with opened(folder) as place:
        made = place.recognition.create_collection(COMPANY, "staff", "access")
        anna = place.enrolled(made.collection_id, name)
        place.found(made.collection_id, f"{name}/2")
        return anna.person_id


def test_requests_are_opened_answered_and_handed_out(moretta: Moretta, tmp_path: Path) -> None:
    anna = enrolled(tmp_path / "data", "anna")

    def call(*words: object) -> Told:
        return moretta(*words, company_id=COMPANY)

    asked = call("rights", "open", anna, "access").out.strip()
    assert call("rights", "extend", asked, "--reason", "forty requests at once").status == 0
    listed = json.loads(call("rights", "list", "--json", "-").out)
    assert (listed["id"], listed["state"], listed["late"]) == (asked, "extended", False)
    archive = tmp_path / "anna.zip"
    assert call("rights", "access", asked, "--out", archive).status == 0
    assert archive.stat().st_mode & 0o777 == 0o600
    assert "2 files" not in call("verify", archive).out
    assert call("verify", archive).status == 0
    assert call("rights", "access", asked, "--out", archive).status == 64, "a file that is there is not written over"
    assert json.loads(call("rights", "list", "--state", "fulfilled", "--json", "-").out)["id"] == asked
    (search,) = call("rights", "searches", anna, "--json", "-").out.splitlines()
    assert json.loads(search)["matched"] is True
    events = [json.loads(line)["event"] for line in call("rights", "notices", "--json", "-").out.splitlines()]
    assert events == ["received", "extended", "fulfilled"]
    assert call("rights", "delivered", 1).status == 0
    assert len(call("rights", "notices", "--json", "-").out.splitlines()) == 2


def test_a_restricted_person_is_released_with_a_reason_and_erased_with_a_certificate(
    moretta: Moretta, tmp_path: Path
) -> None:
    anna = enrolled(tmp_path / "data", "anna")

    def call(*words: object) -> Told:
        return moretta(*words, company_id=COMPANY)

    assert call("rights", "open", anna, "objection").status == 0
    assert "objected" in call("persons", "show", anna).out
    assert call("persons", "release", anna).status == 2, "without a reason"
    assert call("persons", "release", anna, "--reason", "they changed their mind").status == 0
    assert "active" in call("persons", "show", anna).out
    certificate = call("persons", "erase", anna, "--yes").out.strip()
    again = call("persons", "show", anna)
    assert (again.status, certificate in again.err) == (66, True)
    out = tmp_path / "certificate.json"
    assert call("rights", "certificate", certificate, "--out", out).status == 0
    assert call("verify", out).status == 0
    assert call("rights", "finish").err.startswith("0 certified, 0 still pending")
    assert call("rights", "open", anna, "access").status == 66
