"""Lists of people to import: read strictly, refused without a word of what stands in them."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moretta.api.manifest import ManifestRow, read_manifest
from moretta.core.errors import MorettaError, RequestInvalid

LINE = st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp")), max_size=50).map(str.strip)


def test_every_column_that_is_not_ours_is_an_attribute_and_empty_cells_say_nothing() -> None:
    rows = read_manifest("\ufefffile, name ,desk,person,key\r\na.jpg, Ann ,4,e1,k1\r\n\r\nb.jpg,Bob,,,\r\n")
    assert rows == [
        ManifestRow("Ann", "e1", "k1", "a.jpg", (("desk", "4"),)),
        ManifestRow("Bob", None, None, "b.jpg", ()),
    ]


def test_json_says_the_same() -> None:
    given_rows = [{"name": "Ann", "person": "e1", "key": "k1", "file": "a.jpg", "attributes": {"desk": "4"}}, {}]
    assert read_manifest(f"  {json.dumps(given_rows)}") == [
        ManifestRow("Ann", "e1", "k1", "a.jpg", (("desk", "4"),)),
        ManifestRow(),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "expected CSV"),
        ("desk\n4", "expected each heading once"),
        ("name,name\nAnn,Ann", "expected each heading once"),
        ("name,\nAnn,", "expected each heading once"),
        ("name,desk\nAnn", "expected 2 columns"),
        ('name\n"Ann', "expected CSV"),
        ("name\n" + "A" * 201, "at most 200 characters"),
        ("[{]", "expected a JSON list"),
        ('[{"nom": "Ann"}]', "expected no field but file, name, person, key, consent_id, source and attributes"),
        ("[" * 100_000, "expected a JSON list"),
    ],
)
def test_a_refusal_tells_the_row_and_what_was_expected(text: str, told: str) -> None:
    with pytest.raises(RequestInvalid) as refused:
        read_manifest(text)
    details = " ".join(wrong.detail for wrong in refused.value.field_errors)
    assert told in details
    assert "Ann" not in details + refused.value.detail


@given(st.lists(st.tuples(LINE, LINE, LINE), min_size=1, max_size=5))
def test_what_a_spreadsheet_writes_is_read_back(rows: list[tuple[str, str, str]]) -> None:
    sink = io.StringIO()
    writer = csv.writer(sink)
    writer.writerow(("name", "person", "team"))
    writer.writerows(rows)
    found = read_manifest(sink.getvalue())
    assert [(row.name, row.person or "", dict(row.attributes).get("team", "")) for row in found] == rows


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        rows = read_manifest(text)
    except MorettaError:
        return
    assert all(isinstance(row, ManifestRow) for row in rows)
