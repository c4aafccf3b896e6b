"""Every command but `analyze`: what it says, what it leaves, how it ends."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import onnx
import pytest
from command_line import Moretta, Told
from onnx import TensorProto, helper
from tests.service_rig import Place, wait_for

from moretta import __version__
from moretta.cli.main import Commands
from moretta.settings import Settings
from moretta.wiring.service import opened


def test_the_version_is_the_packages(moretta: Moretta) -> None:
    assert moretta("--version") == Told(0, f"moretta {__version__}\n", "")


def test_help_is_there_for_every_command_and_says_what_it_does(moretta: Moretta) -> None:
    whole = moretta("--help").out
    for name, entry in Commands.entries.items():
        assert f" {name} " in whole
        told = moretta(name, "--help")
        assert (told.status, told.err) == (0, "")
        assert f"moretta {name}" in told.out
        assert entry.help in " ".join(told.out.split()), "the list of commands says what the command says"


def test_help_loads_no_command() -> None:
    program = "import sys; from moretta.cli.main import run\ntry: run()\nexcept SystemExit: print(*sys.modules, file=sys.stderr)"
    told = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, check=True)
    assert b"master-keys" in told.stdout
    loaded = set(told.stderr.decode().split())
    assert not loaded & {"sqlalchemy", "numpy", "fastapi", "pydantic", "numba", "onnxruntime"}


@pytest.mark.parametrize("words", [["nonsense"], ["usage", "--nonsense"], ["keys", "nonsense"], ["keys", "revoke"]])
def test_an_unknown_word_is_refused_with_the_way_to_help(moretta: Moretta, words: list[str]) -> None:
    told = moretta(*words)
    assert (told.status, told.out) == (2, "")
    assert "--help" in told.err


def test_a_setting_that_cannot_be_used_is_one_line(moretta: Moretta) -> None:
    told = moretta("usage", port="marked-text")
    assert (told.status, told.out) == (64, "")
    assert "MORETTA_PORT" in told.err
    assert "marked-text" not in told.err
    assert len(told.err.splitlines()) == 1


def test_a_data_directory_that_cannot_be_used_is_one_line(moretta: Moretta, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    told = moretta("usage", data_dir=tmp_path / "file" / "data")
    assert told.status == 78
    assert len(told.err.splitlines()) == 1
    assert str(tmp_path) not in told.err


def test_a_key_is_shown_once_listed_without_its_secret_and_revoked(moretta: Moretta, tmp_path: Path) -> None:
    made = moretta(
        "keys", "create", "--scope", "media:analyze", "--scope", "stats:read", "--label", "[bold]shop", "--days", 3
    )
    token = made.out.strip()
    key_id = token.split("_")[1]
    assert made.status == 0
    assert re.fullmatch(r"mk_[0-9a-f]{16}_[\w-]{20,}", token)
    assert key_id in made.err
    listed = moretta("keys", "list")
    [row] = [line for line in listed.out.splitlines() if key_id in line]
    assert "media:analyze stats:read" in row
    assert "active" in row
    assert "[bold]shop" in row, "a label is text, not markup"
    assert token.split("_", 2)[2] not in listed.out + made.err

    assert moretta("keys", "revoke", key_id).out == f"Key {key_id} is revoked.\n"
    assert moretta("keys", "revoke", key_id).status == 0, "again is no error"
    assert "revoked" in moretta("keys", "list").out
    unknown = moretta("keys", "revoke", "0" * 16)
    assert (unknown.status, unknown.out) == (66, "")
    assert moretta("keys", "create", "--scope", "everything").status == 2
    assert moretta("keys", "create", "--company", "ACME").status == 65
    log = moretta("log", "show").out
    told = [facts for line in log.splitlines() if (facts := json.loads(line)["facts"])["key"] == key_id]
    assert [one["change"] for one in told] == ["api-key-created", "api-key-revoked", "api-key-revoked"]
    assert {one["by"] for one in told} == {f"uid:{os.getuid()}"}
    assert token.split("_", 2)[2] not in log


def test_usage_tells_what_was_counted(moretta: Moretta, tmp_path: Path) -> None:
    assert "0 media items in all" in moretta("usage").out
    with opened(Settings(data_dir=tmp_path / "data")) as deployment:
        company = deployment.company_id
        deployment.meter.record("cli:analyze", 0, company)
        deployment.meter.record("cli:analyze", 0, company)
        deployment.meter.record("/v1/analyze", 200, company, 1, "0" * 16)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    told = moretta("usage")
    assert "3 media items in all" in told.out
    rows = [json.loads(line) for line in moretta("usage", "--json").out.splitlines()]
    assert {(row["endpoint"], row["status"], row["items"], row["key_id"]) for row in rows} == {
        ("cli:analyze", 0, 2, None),
        ("/v1/analyze", 200, 1, "0" * 16),
    }
    assert {row["company_id"] for row in rows} == {company}
    assert len(moretta("usage", "--json", "--since", today).out.splitlines()) == 2
    assert moretta("usage", "--json", "--since", "2999-01-01").out == ""
    assert moretta("usage", "--since", "yesterday").status == 2


def test_egress_is_empty_where_nothing_was_sent(moretta: Moretta) -> None:
    told = moretta("egress")
    assert told.out.splitlines() == [
        "Reporting: off. Attempts: 0. Bytes sent to the vendor: 0.",
        "Allowed: no address outside this machine.",
    ]
    assert json.loads(moretta("egress", "--json").out) == {
        "summary": {"reporter": "off", "attempts": 0, "bytes_sent": 0, "addresses": []}
    }
    assert moretta("egress", "--preview").out == "Reporting is off.\n"


def test_egress_previews_the_exact_bytes_that_wait(moretta: Moretta, tmp_path: Path) -> None:
    issued = dict(
        line.split(": ", 1)
        for line in moretta("hub", "companies", "create", data_dir=tmp_path / "hub").out.splitlines()
    )
    company, key = issued["company id"].strip(), tmp_path / "key"
    key.write_text(issued["signing key"].strip())
    key.chmod(0o600)
    with opened(Settings(data_dir=tmp_path / "data", company_id=company)) as deployment:
        deployment.meter.record("cli:analyze", 0, company)
    settings = {
        "company_id": company,
        "usage_report": "file",
        "usage_report_file": tmp_path / "sent",
        "hub_key_file": key,
    }
    preview = moretta("egress", "--preview", **settings)
    batch = json.loads(preview.out)["batch"]
    [record] = batch["records"]
    assert set(batch) == {"batch_id", "company_id", "records"}
    assert set(record) == {"time", "endpoint", "status", "company_id", "count"}
    assert moretta("egress", "--preview", **settings).out == preview.out
    assert not (tmp_path / "sent").exists(), "a preview sends nothing"
    assert "Attempts: 0" in moretta("egress", **settings).out
    key.chmod(0o644)
    assert "chmod 600" in moretta("egress", **settings).err


def test_a_hub_knows_ids_and_no_names(moretta: Moretta) -> None:
    first, second = (moretta("hub", "companies", "create") for _ in range(2))
    ids = [re.search(r"co_[0-9a-f]{20}", told.out)[0] for told in (first, second)]  # type: ignore[index]
    assert sorted(moretta("hub", "companies", "list").out.split()) == sorted(ids)
    assert "Keep key and token now" in first.err
    assert moretta("hub", "counts").out == ""
    assert len(moretta("hub", "token").out.split()) == 1
    assert moretta("hub", "companies", "create", "ACME").status == 2


def test_a_hub_listens_elsewhere_only_with_a_certificate(moretta: Moretta, tmp_path: Path) -> None:
    told = moretta("hub", "serve", "--host", "0.0.0.0")
    assert (told.status, told.out) == (64, "")
    assert "--cert and --key" in told.err
    assert "together" in moretta("hub", "serve", "--cert", tmp_path / "cert.pem").err


def test_a_hub_says_where_it_listens_and_ends_on_a_signal(models_dir: Path, tmp_path: Path) -> None:
    place = Place(tmp_path, models_dir)
    with place.started("hub", "serve", "--port", "0", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline().decode())
        assert found is not None
        answer = wait_for(lambda: httpx.post(f"{found[0]}/v1/batches", content=b"nonsense", trust_env=False))
        assert 400 <= answer.status_code < 500
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


@pytest.mark.models
class TestModels:
    """`moretta models` on a copy of the installed models."""

    @pytest.fixture
    def copy(self, models_dir: Path, tmp_path: Path) -> Path:
        folder = tmp_path / "models"
        folder.mkdir()
        for path in models_dir.iterdir():
            if path.is_file():
                (folder / path.name).symlink_to(path)
        return folder

    def test_a_file_that_is_another_one_is_told_with_what_mends_it(self, moretta: Moretta, copy: Path) -> None:
        whole = moretta("models", "verify", models_dir=copy)
        assert (whole.status, whole.err) == (0, "")
        assert all(line.startswith("ok ") for line in whole.out.splitlines() if "expression" not in line)
        spoilt = copy / "age.onnx"
        shutil.copyfile(spoilt.resolve(), copy / "other")
        spoilt.unlink()
        (copy / "other").rename(spoilt)
        with spoilt.open("r+b") as file:
            file.seek(1000)
            file.write(b"\0\1\2\3")
        (copy / "centerface.onnx").unlink()
        told = moretta("models", "verify", models_dir=copy)
        assert told.status == 78
        states = {line.split()[1]: line.split()[0] for line in told.out.splitlines()}
        assert (states["age"], states["centerface"], states["gender"]) == ("corrupt", "missing", "ok")
        assert told.err == "To mend: moretta models install centerface age\n"
        listed = moretta("models", "list", models_dir=copy).out
        assert re.search(r"age +corrupt", listed)
        assert re.search(r"centerface +missing", listed)

    def test_ones_own_embedder_is_added_with_a_card(self, moretta: Moretta, copy: Path, tmp_path: Path) -> None:
        own = tmp_path / "My_Embedder.onnx"
        own.write_bytes(tiny_embedder())
        told = moretta("models", "add", own, "--dim", 3, models_dir=copy)
        assert told.status == 0, told.err
        assert told.out.startswith("Added my-embedder: 3 dimensions, nchw input, SHA-256 ")
        assert re.search(r"my-embedder +added", moretta("models", "list", models_dir=copy).out)
        assert "not measured by Moretta" in (copy / "custom-my-embedder.card.md").read_text()
        refused = moretta("models", "add", own, "--dim", 512, models_dir=copy)
        assert refused.status == 65
        assert "(1, 512)" in refused.err
        assert moretta("models", "add", own, "--dim", 3, "--sha256", "0" * 64, models_dir=copy).status == 65
        assert moretta("models", "add", tmp_path / "none.onnx", "--dim", 3, models_dir=copy).status == 65

    def test_doctor_finds_nothing_to_mend_on_a_machine_that_is_set_up(self, moretta: Moretta, models_dir: Path) -> None:
        told = moretta("doctor", "--json", models_dir=models_dir)
        findings = {row["what"]: row for row in json.loads(told.out)}
        assert [row for row in findings.values() if row["needed"] and not row["ok"]] == []
        assert told.status == 0
        assert findings["analysis of a made-up picture"]["ok"]
        assert findings["sandbox, tried: reach the network"]["found"] == "denied by the kernel"

    def test_doctor_without_models_says_how_to_get_them(self, moretta: Moretta, tmp_path: Path) -> None:
        told = moretta("doctor", models_dir=tmp_path / "none")
        assert told.status == 78
        [row] = [line for line in told.out.splitlines() if re.match(r"broken +model centerface ", line)]
        assert "moretta models install centerface" in row

    def test_an_analysis_without_models_says_how_to_get_them(self, moretta: Moretta, tmp_path: Path) -> None:
        (tmp_path / "picture").write_bytes(b"anything")
        told = moretta("analyze", tmp_path / "picture", models_dir=tmp_path / "none")
        assert (told.status, told.out) == (78, "")
        assert "moretta models install" in told.err
        assert len(told.err.splitlines()) == 1, "said once"
        assert "0 media items" in moretta("usage").out


def tiny_embedder() -> bytes:
    """An ONNX network that gives the mean colour of a face as its vector."""
    shapes = {"face": [1, 3, 112, 112], "vector": [1, 3]}
    face, vector = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    nodes = [
        helper.make_node("GlobalAveragePool", ["face"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["vector"], axis=1),
    ]
    graph = helper.make_graph(nodes, "embedder", [face], [vector])
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return bytes(model.SerializeToString())
