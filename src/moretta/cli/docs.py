"""`moretta docs`: write the generated documents."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer


def docs(folder: Annotated[Path, typer.Argument(help="The documentation folder.")] = Path("docs")) -> None:
    """Write the whitepaper, the evidence map, the settings reference and the schemas, as this release generates them."""
    for name, content in generated_documents().items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        typer.echo(name)


def generated_documents() -> dict[str, str]:
    """Every generated document by its path in the documentation folder."""
    from moretta.api.schemas import analysis_schema
    from moretta.settings import Settings
    from moretta.wiring.governance.documents import evidence_map
    from moretta.wiring.whitepaper import whitepaper

    receipts = files("moretta") / "schemas" / "consent-receipt.schema.json"
    rows = [
        f"| `MORETTA_{name.upper()}` | {_default(field.default, field.default_factory)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    head = "# Settings\n\nEnvironment variables, read by the `moretta` command, the service and the SDK.\n\n"
    table = "| Variable | Default | Meaning |\n|---|---|---|\n"
    return {
        "WHITEPAPER.md": whitepaper(),
        "EVIDENCE.md": evidence_map(),
        "reference/settings.md": head + table + "\n".join(rows) + "\n",
        "reference/analysis.schema.json": json.dumps(analysis_schema(), indent=2, sort_keys=True) + "\n",
        "reference/consent-receipt.schema.json": receipts.read_text("utf-8"),
    }


def _default(default: object, factory: object) -> str:
    if factory is not None:
        return "depends on the machine"
    return "not set" if default is None else f"`{default}`"
