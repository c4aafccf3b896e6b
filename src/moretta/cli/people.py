"""What the commands about people share: recognition opened in this process, photos in memory, counting, printing.

Belongs here: the passage from arguments and files to calls, and back. Does not belong here: any one command, deciding.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from moretta.api.people import People
from moretta.api.schemas import to_json
from moretta.cli.items import source
from moretta.cli.opened import opened_here
from moretta.cli.outputs import STDIO, write_output
from moretta.cli.terminal import console
from moretta.core.errors import MorettaError, RequestInvalid
from moretta.core.limits import MediaLimits
from moretta.sdk import media_held
from moretta.use_cases.guard import Guard
from moretta.use_cases.rights import Rights

# A decision against: grep's and diff's way of saying no.
NO = 1
# Some of several photos could not be used (as `core.errors.MediaError`).
SOME_FAILED = 65

Json = Annotated[
    str | None, typer.Option("--json", help="Write JSON, a line an answer, to this file or `-`, as the API shows it.")
]
CollectionId = Annotated[str, typer.Argument(help="The collection's id, such as col_local_0123456789abcdef01234567.")]
PersonId = Annotated[str, typer.Argument(help="The person's id, such as per_local_0123456789abcdef01234567.")]
Purpose = Annotated[str | None, typer.Option(help="Why; where it is given, it must be the purpose of the collection.")]


@dataclass(frozen=True, slots=True)
class Office:
    """Recognition as a command meets it. `count(endpoint, exit_status, number)` keeps a usage record.

    `rights` are people's own, and erase with certificates. `guard` is the policy's.
    """

    people: People
    company_id: str
    limits: MediaLimits
    count: Callable[[str, int, int], object]
    rights: Rights
    guard: Guard = field(default_factory=Guard)

    @contextmanager
    def counted(self, endpoint: str, number: int = 1) -> Iterator[None]:
        """Count `number` photos where what is done meanwhile fails because of them."""
        try:
            yield
        except MorettaError as error:
            from moretta.api.people_work import ABOUT_THE_PHOTO

            if isinstance(error, ABOUT_THE_PHOTO):
                self.count(endpoint, error.exit_code, number)
            raise


@contextmanager
def opened_office() -> Iterator[Office]:
    """Recognition of this deployment, in this process, until the context ends; it works beside a running service."""
    from moretta.use_cases.recognition import Recognition

    with opened_here() as here:

        def count(endpoint: str, status: int, number: int) -> None:
            if number:
                here.deployment.meter.record(endpoint, status, here.company_id, number)

        limits, means = here.settings.limits, here.means
        yield Office(Recognition(means), here.company_id, limits, count, here.rights(), means.guard)


@contextmanager
def photos_in_memory(photos: Sequence[str], limits: MediaLimits) -> Iterator[list[int]]:
    """Descriptors of the photos' bytes in anonymous memory, closed at the end.

    Raises:
        NotFound, MediaTooLarge: one of them cannot be read.
        RequestInvalid: standard input is asked for twice, or is a terminal.
    """
    if list(photos).count(STDIO) > 1:
        raise RequestInvalid("expected `-` once: standard input holds one photo")
    with ExitStack() as held:
        yield [held.enter_context(media_held(source(photo, "a photo"), limits)) for photo in photos]


def print_json(target: str, answers: Sequence[tuple[type[BaseModel], BaseModel]]) -> None:
    """Write answers as lines of JSON to a file or, for `-`, to standard output."""
    lines = b"".join(to_json(kind, answer) + b"\n" for kind, answer in answers)
    write_output(target, lines)


def table(*headings: str) -> Table:
    """A table without lines; the first column is an id, which is never broken."""
    made = Table(box=None, padding=(0, 2, 0, 0))
    for number, heading in enumerate(headings):
        made.add_column(heading, overflow="fold", no_wrap=number == 0)
    return made


def show(what: Any) -> None:
    """Print for a person."""
    console().print(what, markup=False, highlight=False, soft_wrap=True)


def note(text: str) -> None:
    """Print beside the answer, on standard error."""
    notes = console(stderr=True)
    notes.print(text, markup=False, highlight=False, soft_wrap=True)


def confirmed(question: str, yes: bool) -> None:
    """Ask before what cannot be undone. Raises `RequestInvalid` where nobody can answer and `--yes` was not given."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise RequestInvalid("expected --yes: this cannot be undone, and nobody is here to be asked")
    typer.confirm(question, abort=True, err=True)


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int | None, str], None]]:
    """A bar on a terminal's standard error: done, in all, and a word beside it."""
    notes = console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[beside]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as shown:
        task = shown.add_task(title, total=None, beside="")

        def tell(done: int, total: int | None, beside: str = "") -> None:
            shown.update(task, completed=done, total=total, beside=beside)

        yield tell
