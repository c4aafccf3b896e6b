"""The list that goes with photos to import: who is on each.

Belongs here: reading it, as CSV or JSON, strictly. Does not belong here: photos, importing.

    file,name,person,desk           CSV: a line of headings; every other column is an attribute
    a.jpg,Employee 17,e17,4
    b.jpg,Employee 17,e17,4         the same `person`: another photo of the same person

JSON is a list of objects with `name`, `person`, `key`, `file`, `consent_id`, `source` and `attributes`. `key` names a row in a
later run of the same import; left out, the photo itself does. `consent_id`: the consent on which it rests; `source`: from where
the photo is. Refusals tell the row, never what stands in it.
"""

import csv
import io
import json
from dataclasses import dataclass, field

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from moretta.api.people_schemas import Attributes, PersonName
from moretta.core.errors import FieldError, RequestInvalid

_OWN = ("file", "name", "person", "key", "consent_id", "source")


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One photo: `file` is where it is found (only by the command line), `person` groups photos of one person."""

    name: str = field(default="", repr=False)
    person: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)
    file: str = field(default="", repr=False)
    attributes: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    consent_id: str | None = None
    source: str = field(default="", repr=False)


class _Row(BaseModel, extra="forbid"):
    name: PersonName = ""
    person: str | None = Field(default=None, max_length=500)
    key: str | None = Field(default=None, max_length=4096)
    file: str = Field(default="", max_length=4096)
    attributes: Attributes = {}
    consent_id: str | None = Field(default=None, max_length=64)
    source: str = Field(default="", max_length=500)


_ROWS: TypeAdapter[list[_Row]] = TypeAdapter(list[_Row])


def read_manifest(text: str) -> list[ManifestRow]:
    """The rows of `text`, which is CSV with a line of headings, or a JSON list.

    Raises:
        RequestInvalid: it is neither, or a row does not describe a photo.
    """
    text = text.removeprefix("\ufeff")
    given = _from_json(text) if text.lstrip().startswith("[") else _from_csv(text)
    try:
        rows = _ROWS.validate_python(given)
    except ValidationError as error:
        wrong = tuple(
            FieldError(f"manifest, row {int(issue['loc'][0]) + 1}", _expected(issue["type"], str(issue["msg"])))
            for issue in error.errors(include_input=False, include_url=False, include_context=False)[:20]
        )
        raise _invalid(*wrong) from None
    return [
        ManifestRow(
            row.name,
            row.person or None,
            row.key or None,
            row.file,
            tuple(row.attributes.items()),
            row.consent_id or None,
            row.source.strip(),
        )
        for row in rows
    ]


def _from_json(text: str) -> object:
    try:
        given: object = json.loads(text)
    except (ValueError, RecursionError):
        raise _invalid(FieldError("manifest", "expected a JSON list of objects, or CSV")) from None
    return given


def _from_csv(text: str) -> list[dict[str, object]]:
    try:
        head, *lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
    except (csv.Error, ValueError):
        raise _invalid(FieldError("manifest", "expected CSV with a line of headings, or a JSON list")) from None
    names = [name.strip() for name in head]
    if len(set(names)) != len(names) or "" in names or not set(names) & set(_OWN):
        expected = f"expected each heading once, {', '.join(_OWN)} among them or some of these"
        raise _invalid(FieldError("manifest", expected))
    uneven = [number for number, line in enumerate(lines, 1) if len(line) != len(names)]
    if uneven:
        raise _invalid(FieldError(f"manifest, row {uneven[0]}", f"expected {len(names)} columns, as in the headings"))
    return [_csv_row(names, line) for line in lines]


def _csv_row(names: list[str], line: list[str]) -> dict[str, object]:
    cells = {name: cell.strip() for name, cell in zip(names, line, strict=True)}
    row: dict[str, object] = {name: cells[name] for name in _OWN if name in cells}
    # An empty cell says nothing, so it is no attribute.
    row["attributes"] = {name: cell for name, cell in cells.items() if name not in _OWN and cell}
    return row


def _expected(kind: str, message: str) -> str:
    return f"expected no field but {', '.join(_OWN)} and attributes" if kind == "extra_forbidden" else message[:300]


def _invalid(*wrong: FieldError) -> RequestInvalid:
    return RequestInvalid("The list of photos cannot be used; see field_errors.", field_errors=wrong)
