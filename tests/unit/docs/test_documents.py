"""The documents say what the program does."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from sqlalchemy import inspect
from typer.main import get_command

from moretta.cli.docs import generated_documents
from moretta.cli.main import app
from moretta.settings import Settings
from moretta.storage.schema import service_metadata
from moretta.vision.models import MODELS
from moretta.wiring.service import opened
from moretta.wiring.whitepaper import PURPOSE, whitepaper

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# In pieces, so that this file does not hold what it searches for.
FOREIGN = (
    "pypi" + ".org",
    "python" + "hosted.org",
    "registry." + "npmjs",
    "npm" + "js.com",
    "proxy." + "golang",
    "debian" + ".org",
    "/work" + "/main",
    "/tmp" + "/dl",
    "/root" + "/",
    "arti" + "factory",
)
OUTSIDE_ADDRESS = re.compile(r"https?://(?P<host>[\w.-]+)")


def test_the_generated_documents_are_the_ones_that_are_checked_in() -> None:
    for name, content in generated_documents().items():
        assert (ROOT / "docs" / name).read_text() == content, f"docs/{name} is of another version: run `make docs`"


def test_every_setting_is_described_and_documented() -> None:
    reference = (ROOT / "docs" / "reference" / "settings.md").read_text()
    for name, field in Settings.model_fields.items():
        assert field.description
        assert field.description.endswith((".", ")")), name
        assert f"`MORETTA_{name.upper()}`" in reference


def test_the_whitepaper_lists_every_table_and_column_of_a_database_with_its_purpose(tmp_path: Path) -> None:
    with opened(Settings(data_dir=tmp_path)) as deployment:
        found = inspect(deployment.engine)
        tables = {name: [str(column["name"]) for column in found.get_columns(name)] for name in found.get_table_names()}
    assert set(PURPOSE) == set(tables)
    paper = whitepaper()
    for name, columns in tables.items():
        assert f"| `{name}` | {', '.join(columns)} | {PURPOSE[name]} |" in paper


def test_no_column_could_hold_media_or_measurements() -> None:
    binary = {
        f"{table.name}.{column.name}"
        for table in service_metadata.tables.values()
        for column in table.columns
        if "BLOB" in str(column.type).upper() or "BINARY" in str(column.type).upper()
    }
    assert binary == {
        "api_keys.secret_hash",
        "subject_links.secret_hash",
        "subject_sessions.secret_hash",
        # A random number; a notice's bytes as they were shown; documents and log entries without personal data.
        "consent_challenges.nonce",
        "consent_events.entry",
        "consent_events.record",
        "notices.text",
        # Policies as written; certificates of counts and commitments, and how far an erasure is; requests' words are sealed.
        "certificates.body",
        "certificates.document",
        "certificates.entry",
        "erasures.record",
        "policies.content",
        "rights_requests.details",
        # The operator's own words about an event, and signed reports of counts and ids.
        "incidents.record",
        "retention_runs.document",
        # Hashes, entries without personal data, public keys, and a private key that is wrapped.
        "log_checkpoints.root",
        "log_entries.leaf",
        "log_entries.leaf_hash",
        "log_head.edge",
        "log_nodes.hash",
        "signing_keys.endorsement",
        "signing_keys.public_key",
        "signing_keys.wrapped",
        "egress_bytes.sha256",
        "egress_bytes.content",
        "egress_writes.sha256",
        # Sealed under a person's own key, or wrapped, or row numbers: `test_storage_no_plaintext.py` searches all files.
        "consents.details",
        "faces.payload",
        "holds.words",
        "persons.profile",
        "segments.row_numbers",
        "subject_keys.wrapped",
        "usage_batches.envelope",
    }


def test_the_whitepaper_names_every_model_by_its_digest() -> None:
    paper = whitepaper()
    for model in MODELS:
        assert f"`{model.sha256}`" in paper


def test_the_whitepaper_of_a_running_service_tells_its_settings_but_no_place_on_the_machine(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path / "marked-place", sandbox="best-effort", max_bytes=123_456, hub_ca_file=tmp_path
    )
    paper = whitepaper(settings)
    assert str(tmp_path) not in paper
    assert "| `MORETTA_MAX_BYTES` | 123456 |" in paper
    assert "`best-effort` in this process" in paper


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_of_a_document_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for words in _commands(path.read_text()):
        if words[0] == "make":
            named = [word for word in words[1:] if "=" not in word]
            assert set(named) <= targets, words
        else:
            _assert_is_a_command(words[1:])


def test_the_readme_leads_with_the_two_demonstrations() -> None:
    first = re.findall(r"```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    assert [line.split("#")[0].split() for line in first.splitlines()] == [["make", "demo"], ["make", "demo-recognise"]]


def test_no_tracked_file_names_a_registry_or_a_machine() -> None:
    for path in _tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        assert [word for word in FOREIGN if word in text] == [], path


def test_the_service_and_its_pages_name_no_outside_address() -> None:
    # RFC 2606 keeps `.example` for documents; "host" stands for one.
    allowed = {"json-schema.org", "www.w3.org", "127.0.0.1", "localhost", "hub.example", "host"}
    for path in sorted((ROOT / "src" / "moretta").rglob("*")):
        if path.suffix in {".py", ".html", ".css"}:
            hosts = {found["host"] for found in OUTSIDE_ADDRESS.finditer(path.read_text())}
            assert hosts <= allowed, path


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def _commands(text: str) -> Iterator[list[str]]:
    """The `moretta` and `make` commands in a document's code, without pipes and comments."""
    blocks = re.findall(r"```(?:\w*)\n(.*?)```", text, re.DOTALL)
    spans = re.findall(r"`((?:moretta|make) [^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    for line in [*"\n".join(blocks).splitlines(), *spans]:
        for part in re.split(r"\s[|&]+\s", line.split(" #")[0]):
            words = _words(part)
            if words and words[0] in {"moretta", "make"}:
                yield words


def _words(part: str) -> list[str]:
    try:
        return shlex.split(part)
    except ValueError:
        return []


def _assert_is_a_command(words: list[str]) -> None:
    command: object = get_command(app)
    while words and not words[0].startswith("-") and hasattr(command, "commands"):
        assert words[0] in command.commands, words
        command, words = command.commands[words[0]], words[1:]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}  # type: ignore[attr-defined]
    asked = {word.split("=")[0] for word in words if word.startswith("--")}
    assert asked <= known | {"--help"}, words
    assert isinstance(app, typer.Typer)
