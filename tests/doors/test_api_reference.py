"""The reference of the API is whole: each address and each problem code has a row, and no row tells of what is not there."""

import re
from pathlib import Path

from starlette.routing import Route
from whole_house import that_describes_itself

from moretta.api.problems import error_classes

REFERENCE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "api.md").read_text()
ADDRESS = re.compile(r"^\| `((?:GET|POST|PUT|PATCH|DELETE) /[^`]*)` \|", re.MULTILINE)
CODE = re.compile(r"^\| `([a-z_.]+)` \| (\d{3}) \|", re.MULTILINE)


def test_every_address_has_a_row_and_every_row_an_address() -> None:
    section = REFERENCE.split("## Every address\n")[1].split("\n## ")[0]
    there = {
        f"{method} {route.path}"
        for route in that_describes_itself().routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert len(there) > 90
    rows = ADDRESS.findall(section)
    assert sorted(rows) == sorted(set(rows))
    assert sorted(there - set(rows)) == [], "addresses without a row in docs/reference/api.md"
    assert sorted(set(rows) - there) == [], "rows in docs/reference/api.md of addresses that are not there"


def test_every_problem_code_has_a_row_with_its_status_and_every_row_a_code() -> None:
    section = REFERENCE.split("## Every problem code\n")[1]
    there = {(kind.code, str(kind.status)) for kind in error_classes() if kind.__module__.startswith("moretta.")}
    assert len(there) > 70
    rows = CODE.findall(section)
    assert sorted(rows) == sorted(set(rows))
    assert sorted(there - set(rows)) == [], "problem codes without a row in docs/reference/api.md"
    assert sorted(set(rows) - there) == [], "rows in docs/reference/api.md of problem codes that are not there"
