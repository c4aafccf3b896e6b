"""Settings are read from the environment, strictly, and a bad one is one message."""

import subprocess
import sys
from pathlib import Path

import pytest

from moretta.core.errors import RequestInvalid
from moretta.core.limits import MediaLimits
from moretta.settings import Settings


def test_the_environment_sets_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "DATA_DIR": str(tmp_path),
        "MAX_BYTES": "1000",
        "MAX_DURATION_S": "2.5",
        "WORKERS": "3",
    }.items():
        monkeypatch.setenv(f"MORETTA_{name}", value)
    settings = Settings()
    assert (settings.data_dir, settings.workers) == (tmp_path, 3)
    assert settings.limits == MediaLimits(bytes=1000, duration_s=2.5)


def test_the_defaults_are_the_safe_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"MORETTA_{name.upper()}", raising=False)
    settings = Settings()
    assert (settings.host, settings.sandbox, settings.usage_report) == ("127.0.0.1", "required", "off")
    assert settings.allow_expression is False
    assert settings.limits == MediaLimits()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "marked-text"),
        ("SANDBOX", "marked-text"),
        ("COMPANY_ID", "marked-text"),
        ("WORKERS", "0"),
        ("MAX_BYTES", "-5"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name_and_never_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"MORETTA_{name}", value)
    with pytest.raises(RequestInvalid) as refused:
        Settings()
    assert f"MORETTA_{name}: " in refused.value.detail
    assert "marked-text" not in repr((refused.value.detail, refused.value.field_errors))
    assert refused.value.__cause__ is None


def test_an_address_with_credentials_is_refused_and_not_repeated() -> None:
    """The hub takes none, and `/v1/whitepaper` tells the settings to whoever asks."""
    with pytest.raises(RequestInvalid) as refused:
        Settings(hub_url="https://user:marked-text@hub.example")
    assert "MORETTA_HUB_URL" in refused.value.detail
    assert "marked-text" not in refused.value.detail
    assert Settings(hub_url="https://hub.example:8443/below").hub_url is not None


def test_importing_the_sdk_does_not_load_the_libraries_of_the_workers() -> None:
    heavy = ("av", "cv2", "onnxruntime", "scipy", "ai_edge_litert", "fastapi", "sqlalchemy")
    code = f"import sys; import moretta; moretta.Analyzer; print([name for name in {heavy} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert told.stdout == b"[]\n"
