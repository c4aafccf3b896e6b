"""`moretta analyze` and `moretta demo`.

Belongs here: reading arguments, showing progress, a readable summary. Does not belong here: any step of the analysis.
"""

import json
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from moretta.cli.summary import summary
from moretta.cli.terminal import console
from moretta.core import analysis as core
from moretta.core.errors import MorettaError, RequestInvalid
from moretta.core.ports import OnProgress
from moretta.core.values import Profile
from moretta.sdk import Analyzer, parse_features
from moretta.settings import Settings

_STDIN = "-"

Files = Annotated[
    list[str], typer.Argument(help="Images or videos; `-` reads one from standard input.", metavar="FILE...")
]
ProfileOption = Annotated[Profile, typer.Option(help="How much work is spent on a frame.")]
Features = Annotated[
    str | None,
    typer.Option(help=f"Comma-separated, out of {', '.join(core.Feature)}; `+age` adds to the default ones."),
]
Json = Annotated[
    str | None, typer.Option("--json", help="Write one JSON object per file, a line each, to this file or `-`.")
]
PurposeOption = Annotated[
    str | None, typer.Option("--purpose", help="Why: a purpose of the policy, which the feature expression needs.")
]
Report = Annotated[Path | None, typer.Option(help="Write an HTML report to this file.")]


def analyze(
    files: Files,
    profile: ProfileOption = Profile.ACCURATE,
    features: Features = None,
    json_out: Json = None,
    report: Report = None,
    purpose: PurposeOption = None,
) -> None:
    """Analyse images and videos where they are: people, measurements and a trust score."""
    settings = Settings()
    wanted = parse_features(features.split(",") if features is not None else None)
    if report is not None:
        wanted |= {core.Feature.MESH, core.Feature.SERIES}
    for target in (report, None if json_out in (None, _STDIN) else Path(json_out)):
        _check_target(target)
    with Analyzer(profile, wanted, settings, door="cli:analyze", purpose=purpose) as analyzer:
        done, lines, failure = _analysed(analyzer, files, to_stdout=json_out == _STDIN)
    if json_out not in (None, _STDIN):
        _write(Path(json_out), b"".join(lines))
    if report is not None and done:
        from moretta.pages.report import render_report

        _write(report, render_report(done).encode())
        console(stderr=True).print(f"Report: {report}", markup=False, highlight=False, soft_wrap=True)
    if failure is not None:
        raise typer.Exit(failure.exit_code)


def _analysed(
    analyzer: Analyzer, files: Sequence[str], *, to_stdout: bool
) -> tuple[list[tuple[str, core.Analysis]], list[bytes], MorettaError | None]:
    """The analyses that succeeded with their labels, a line of JSON for every file, and the first failure."""
    output, notes = console(), console(stderr=True)
    done: list[tuple[str, core.Analysis]] = []
    lines: list[bytes] = []
    failure: MorettaError | None = None
    for number, name in enumerate(files, 1):
        label = _label(name)
        try:
            with progress_bar(notes, f"{number}/{len(files)}") as on_progress:
                result = analyzer.analyze(_source(name), on_progress)
        except MorettaError as error:
            failure = failure or error
            message = f"{label}: {error.title}: {error.detail}"
            notes.print(message, style="red", markup=False, highlight=False, soft_wrap=not notes.is_terminal)
            lines.append(_problem_line(error))
        else:
            done.append((label, result))
            lines.append(_line(result))
            if not to_stdout:
                output.print(summary(label, result))
        if to_stdout:
            # Each line as soon as it is known: a reader need not wait for the last file.
            sys.stdout.buffer.write(lines[-1])
            sys.stdout.buffer.flush()
    return done, lines, failure


def demo(
    media: Annotated[Path | None, typer.Argument(help="Your own clip or picture instead of the demo's.")] = None,
    profile: ProfileOption = Profile.FAST,
    report: Report = Path("report.html"),
) -> None:
    """Analyse a real clip of a talking person, print the result and write an HTML report."""
    if media is None:
        from moretta.vision.models import fetch_demo_clip

        media = fetch_demo_clip(Settings().media_dir)
    analyze([str(media)], profile=profile, report=report)
    typer.echo(
        f"Open {report} in a browser. The clip did not leave this machine; `moretta egress` lists all that ever did."
    )


def _label(name: str) -> str:
    return "standard input" if name == _STDIN else Path(name).name or name


def _source(name: str) -> BinaryIO | Path:
    if name != _STDIN:
        return Path(name)
    if sys.stdin.isatty():
        raise RequestInvalid("expected media on standard input, got a terminal; pipe a file into it")
    return sys.stdin.buffer


def _line(result: core.Analysis) -> bytes:
    from moretta.wiring.wire import analysis_json

    return analysis_json(result) + b"\n"


def _problem_line(error: MorettaError) -> bytes:
    problem = {"code": error.code, "title": error.title, "detail": error.detail}
    return json.dumps({"problem": problem}).encode() + b"\n"


def _check_target(path: Path | None) -> None:
    """Refuse before the work what could not be written after it."""
    if path is None or _is_stream(path):
        return
    if path.is_dir() or not os.access(_followed(path).parent, os.W_OK | os.X_OK):
        raise RequestInvalid("expected the output to be a file in a folder that exists and can be written to")


def _write(path: Path, content: bytes) -> None:
    """Put `content` into a file as a whole; a pipe or a device is written to, and never replaced by a file."""
    # Its name cannot be foreseen and it must be new: nobody who may write to the folder decides what is overwritten.
    partial = _followed(path).with_name(f".moretta-{secrets.token_hex(8)}.partial")
    try:
        if _is_stream(path):
            path.write_bytes(content)
            return
        with partial.open("xb") as file:
            file.write(content)
        partial.replace(_followed(path))
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise RequestInvalid(f"expected a place to write the output; it cannot be written: {error.strerror}") from None


def _is_stream(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def _followed(path: Path) -> Path:
    """Where `path` leads, links resolved, whether or not something is there."""
    return Path(os.path.realpath(path))


@contextmanager
def progress_bar(console: Console, title: str) -> Iterator[OnProgress]:
    """A bar on a terminal while the context lasts; gives what to call with each `Progress`."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"{title} start", total=None, note="")

        def show(progress: core.Progress) -> None:
            note = f"{progress.fps:.0f} frames/s, faces {progress.faces_seen}" if progress.frames_done else ""
            bar.update(
                task,
                description=f"{title} {progress.stage}",
                total=progress.frames_total,
                completed=progress.frames_done,
                note=note,
            )

        yield show
