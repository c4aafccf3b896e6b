"""Settings become the right parts, and a missing one is a message."""

from pathlib import Path
from typing import cast

import pytest

from moretta.api import serving
from moretta.core.errors import ModelCorrupt, ModelMissing, RequestInvalid, ScopeMissing
from moretta.core.recognising import FaceReader
from moretta.sandbox.pool import WorkerPool
from moretta.settings import Settings
from moretta.usage.envelope import new_signing_key
from moretta.use_cases.recognition.means import Means
from moretta.wiring import executor
from moretta.wiring.health import Finding, examine
from moretta.wiring.instruments import Workshop
from moretta.wiring.reporting import build_egress, build_reporter
from moretta.wiring.service import opened
from moretta.wiring.whitepaper import PURPOSE

COMPANY = "co_" + "0" * 20


def a_key(folder: Path, mode: int = 0o600) -> Path:
    path = folder / "signing.key"
    path.write_text(new_signing_key().secret)
    path.chmod(mode)
    return path


def test_a_deployment_keeps_its_company_and_keys(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    with opened(settings) as first:
        company, key = first.company_id, first.keys.create(first.company_id, ["admin"])  # type: ignore[list-item]
    with opened(settings) as second:
        assert second.company_id == company
        assert second.keys.authenticate(key.token).key_id == key.info.key_id
    assert (settings.data_dir / "moretta.db").stat().st_mode & 0o777 == 0o600
    assert key.token.encode() not in (settings.data_dir / "moretta.db").read_bytes()


def test_nothing_is_reported_unless_asked_for(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with opened(settings) as deployment:
        assert build_reporter(settings, deployment) is None
        summary = build_egress(settings, deployment).summary()
    assert (summary.reporter, summary.attempts, summary.bytes_sent, summary.addresses) == ("off", 0, 0, ())


def test_the_ledger_is_shown_to_the_operators_companies_and_to_no_other(tmp_path: Path) -> None:
    """A deployment may hold keys of several companies; the batches in its ledger are those of one."""
    with opened(Settings(data_dir=tmp_path)) as before:
        made_up = before.company_id
    settings = Settings(data_dir=tmp_path, company_id=COMPANY)
    with opened(settings) as deployment:
        means = Means({}, "local", cast(FaceReader, None), ())
        services = serving._services(settings, deployment, executor.PoolExecutor(cast(WorkerPool, None)), means)
        for own in (COMPANY, made_up):
            assert services.egress(own)["reporter"] == "off"
        with pytest.raises(ScopeMissing):
            services.egress("co_" + "f" * 20)


@pytest.mark.parametrize(
    ("lacking", "told"),
    [
        ("company_id", "MORETTA_COMPANY_ID"),
        ("hub_key_file", "MORETTA_HUB_KEY_FILE"),
        ("hub_url", "MORETTA_HUB_URL"),
    ],
)
def test_reporting_to_a_hub_names_the_setting_that_is_missing(tmp_path: Path, lacking: str, told: str) -> None:
    given = {"company_id": COMPANY, "hub_key_file": a_key(tmp_path), "hub_url": "https://hub.example"}
    del given[lacking]
    settings = Settings(data_dir=tmp_path, usage_report="hub", **given)
    with opened(settings) as deployment, pytest.raises(RequestInvalid, match=told):
        build_reporter(settings, deployment)


def test_a_signing_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        usage_report="hub",
        company_id=COMPANY,
        hub_key_file=a_key(tmp_path, 0o644),
        hub_url="https://hub.example",
    )
    with opened(settings) as deployment, pytest.raises(RequestInvalid, match="chmod 600"):
        build_reporter(settings, deployment)


def test_a_hub_is_the_one_address_that_the_settings_allow(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        usage_report="hub",
        company_id=COMPANY,
        hub_key_file=a_key(tmp_path),
        hub_url="https://hub.example",
    )
    with opened(settings) as deployment:
        [address] = build_egress(settings, deployment).addresses()
    assert (address.purpose, address.count) == ("usage hub", 0)
    assert address.address.startswith("https://hub.example")


def test_a_worker_inherits_what_it_must_know_and_nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the data directory nor the hub, nor anything of the environment."""
    monkeypatch.setenv("SOME_SECRET", "marked-text")
    given = executor._environment(Settings(data_dir=tmp_path / "data", models_dir=tmp_path / "models"))
    assert set(given) == {
        "MORETTA_MODELS_DIR",
        "MORETTA_ALLOW_EXPRESSION",
        "MORETTA_MAX_BYTES",
        "MORETTA_MAX_PIXELS",
        "MORETTA_MAX_FRAMES",
        "MORETTA_MAX_DURATION_S",
    }
    assert Settings(**{name.removeprefix("MORETTA_").lower(): value for name, value in given.items()}).max_bytes > 0


def test_a_workshop_without_models_says_what_mends_it(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="moretta models install"):
        Workshop(tmp_path)


@pytest.mark.models
def test_a_workshop_refuses_a_model_that_is_another_file(models_dir: Path, tmp_path: Path) -> None:
    for path in models_dir.iterdir():
        (tmp_path / path.name).symlink_to(path)
    spoilt = tmp_path / "centerface.onnx"
    content = bytearray(spoilt.read_bytes())
    spoilt.unlink()
    content[len(content) // 2] ^= 1
    spoilt.write_bytes(content)
    with pytest.raises(ModelCorrupt, match="centerface"):
        Workshop(tmp_path)


def test_doctor_says_of_a_bare_machine_what_is_missing_and_how_to_mend_it(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"a file, where a folder should be")
    findings = {finding.what: finding for finding in examine(Settings(models_dir=tmp_path, data_dir=tmp_path / "data"))}
    broken = {what: finding for what, finding in findings.items() if finding.needed and not finding.ok}
    assert {"model centerface", "data directory", "analysis of a made-up picture"} <= set(broken)
    assert all(finding.mend for finding in broken.values())
    assert findings["model centerface"].mend == "run `moretta models install centerface`"
    assert findings["sandbox: seccomp"].ok
    assert isinstance(findings["Python"], Finding)
    assert not any(str(tmp_path) in finding.found for finding in findings.values())


def test_the_purposes_are_whole_sentences() -> None:
    assert all(purpose.endswith(".") for purpose in PURPOSE.values())
