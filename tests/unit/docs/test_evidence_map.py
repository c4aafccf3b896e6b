"""Everything that the evidence map names exists, and nothing in it claims that a law is met."""

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path

import pytest

from moretta.cli.main import Commands
from moretta.core.governance import EvidenceRow, ShownBy
from moretta.core.ledger import EntryKind
from moretta.wiring.governance.documents import evidence_map
from moretta.wiring.governance.evidence import EVIDENCE, FRAMEWORKS

REPOSITORY = Path(__file__).parents[3]
TEMPLATES = REPOSITORY / "src" / "moretta" / "pages" / "templates"


def names(rows: tuple[EvidenceRow, ...], kind: ShownBy) -> list[str]:
    return sorted({one.what for row in rows for one in row.shown_by if one.kind is kind})


@cache
def functions_in(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("named", names(EVIDENCE, ShownBy.TEST))
def test_each_test_that_is_named_exists(named: str) -> None:
    path, _, name = named.partition("::")
    assert (REPOSITORY / path).is_file(), path
    assert name in functions_in(REPOSITORY / path), named


@pytest.mark.parametrize("named", names(EVIDENCE, ShownBy.DOCUMENT))
def test_each_document_that_is_named_exists(named: str) -> None:
    assert (REPOSITORY / named).is_file()


@pytest.mark.parametrize("named", names(EVIDENCE, ShownBy.LOG))
def test_each_kind_of_entry_that_is_named_exists_and_something_writes_it(named: str) -> None:
    kind = EntryKind(named)
    telling = ("ledger.py", "evidence_eu.py", "evidence_elsewhere.py", "shown.py")
    sources = [path for path in (REPOSITORY / "src").rglob("*.py") if path.name not in telling]
    assert any(f"EntryKind.{kind.name}" in path.read_text() for path in sources), f"nothing writes {named}"


@pytest.mark.parametrize("named", names(EVIDENCE, ShownBy.COMMAND))
def test_each_command_that_is_named_exists(named: str) -> None:
    program, command, *_ = named.split()
    assert program == "moretta"
    assert command in Commands.entries


@pytest.mark.parametrize("module", sorted({one for row in EVIDENCE for one in row.enforced_by}))
def test_each_module_that_is_named_exists(module: str) -> None:
    assert importlib.util.find_spec(module) is not None


def test_each_row_names_what_enforces_it_what_shows_it_and_what_remains() -> None:
    for row in EVIDENCE:
        assert row.enforced_by, row.reference
        assert row.shown_by, row.reference
        assert row.remains, row.reference
    assert {row.framework for row in EVIDENCE} == set(FRAMEWORKS)
    assert len({(row.framework, row.reference) for row in EVIDENCE}) == len(EVIDENCE)


def test_every_row_stands_in_the_map() -> None:
    told = evidence_map()
    for row in EVIDENCE:
        assert f"| {row.reference} | {row.asks} |" in told


def test_nothing_claims_that_a_law_is_met() -> None:
    claims = re.compile(r"complian|conform|certified under|gdpr-ready", re.IGNORECASE)
    for name in ("ropa.md", "dpia.md", "evidence.md", "notice.html"):
        assert not claims.search((TEMPLATES / name).read_text()), name
    assert not claims.search(evidence_map())
