"""`moretta rights`, `moretta drill` and `moretta verify` of certificates, as an operator meets them."""

import json
from pathlib import Path

import pytest
from tests.doors.command_line import Moretta


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
