"""Media items on the command line, one after another: where their bytes come from, a bar each, and what is said of each.

Belongs here: what commands that work through items share. Does not belong here: any one command's work or words.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from moretta.cli.outputs import STDIO, write_output
from moretta.cli.terminal import console
from moretta.core import analysis as core
from moretta.core.errors import MorettaError, RequestInvalid
from moretta.core.ports import OnProgress

Item = TypeVar("Item")
Result = TypeVar("Result")


def label(name: str) -> str:
    """What an item is called on the caller's own terminal."""
    return "standard input" if name == STDIO else Path(name).name or name


def source(name: str, kind: str) -> BinaryIO | Path:
    """Where the bytes of an item are; `kind` says what one is.

    Raises:
        RequestInvalid: standard input is asked for and is a terminal.
    """
    if name != STDIO:
        return Path(name)
    if sys.stdin.isatty():
        raise RequestInvalid(f"expected {kind} on standard input, got a terminal; pipe a file into it")
    return sys.stdin.buffer


def one_by_one(
    items: Sequence[tuple[str, Item]],
    work: Callable[[Item, OnProgress], Result],
    line: Callable[[Result], bytes],
    summary: Callable[[str, Result], RenderableType],
    json_out: str | None,
) -> tuple[list[tuple[str, Result]], MorettaError | None]:
    """Work through `items`, each with its label; one that fails does not stop the others.

    Each is told by its `summary`, or by a `line` of JSON where `json_out` is `-`; any other `json_out` is the file that gets all
    lines in the end.

    Returns:
        The results with their labels, and the first failure.

    Raises:
        RequestInvalid: the file of lines cannot be written.
    """
    done: list[tuple[str, Result]] = []
    lines: list[bytes] = []
    failure: MorettaError | None = None
    for number, (name, item) in enumerate(items, 1):
        try:
            with progress_bar(console(stderr=True), f"{number}/{len(items)}") as on_progress:
                result = work(item, on_progress)
        except MorettaError as error:
            failure = failure or error
            _tell_failure(name, error)
            lines.append(_problem_line(error))
        else:
            done.append((name, result))
            lines.append(line(result))
            if json_out != STDIO:
                console().print(summary(name, result))
        if json_out == STDIO:
            write_output(STDIO, lines[-1])  # As soon as it is known: a reader need not wait for the last item.
    if json_out not in (None, STDIO):
        write_output(json_out, b"".join(lines))
    return done, failure


@contextmanager
def progress_bar(notes: Console, title: str) -> Iterator[OnProgress]:
    """A bar on a terminal while the context lasts; gives what to call with each `Progress`."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as bar:
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


def _tell_failure(name: str, error: MorettaError) -> None:
    notes = console(stderr=True)
    message = f"{name}: {error.title}: {error.detail}"
    notes.print(message, style="red", markup=False, highlight=False, soft_wrap=not notes.is_terminal)


def _problem_line(error: MorettaError) -> bytes:
    problem = {"code": error.code, "title": error.title, "detail": error.detail}
    return json.dumps({"problem": problem}).encode() + b"\n"
