"""`moretta evaluate` and `moretta calibrate`: how well recognition works on an operator's own photos.

Belongs here: arguments, progress, a readable table. Does not belong here: any measure.
"""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from moretta.cli.outputs import STDIO, write_output
from moretta.cli.people import CollectionId, opened_office
from moretta.cli.terminal import console
from moretta.core.errors import RequestInvalid
from moretta.core.policy import Action
from moretta.core.protection import Scheme
from moretta.core.recognising import EmbedderCard
from moretta.settings import Settings
from moretta.use_cases.guard import require_action
from moretta.wiring.dataset import Tell, read_dataset
from moretta.wiring.evaluation import Accuracy, calibrated, evaluate_accuracy
from moretta.wiring.policy import policy_in_force

app = typer.Typer(no_args_is_help=True, help="Measure recognition on your own photos.")

Dataset = Annotated[Path, typer.Argument(help="A folder with a folder of photos for each person.", metavar="DATASET")]


@app.callback()
def _evaluate() -> None:
    """A group, so that more measurements can join."""


@app.command()
def accuracy(
    dataset: Dataset,
    scheme: Annotated[
        str, typer.Option(help=f"Comma-separated, out of {', '.join(Scheme)}; plain is always told.")
    ] = "plain,he",
    model: Annotated[str | None, typer.Option(help="An embedder's name; left out: the default one.")] = None,
    purpose: Annotated[
        str | None, typer.Option(help="Why: a purpose of the policy; left out, the only one that allows comparing.")
    ] = None,
    json_out: Annotated[str | None, typer.Option("--json", help="Write JSON to this file, or to `-`.")] = None,
) -> None:
    """Error rates (FMR, FNMR, DET, EER), thresholds with intervals, and what protection changes about decisions."""
    schemes = _schemes(scheme)
    settings = Settings()
    require_action(policy_in_force(settings), Action.COMPARE, purpose)
    found = _measured(settings, dataset, schemes, _card(settings, model))
    if json_out is not None:
        write_output(json_out, json.dumps(found.to_json(), indent=1) + "\n")
        if json_out == STDIO:
            return
    _show(found)


def calibrate(
    collection: CollectionId,
    dataset: Dataset,
    fmr: Annotated[float, typer.Option(help="The rate at which two strangers may match.")] = 1e-4,
) -> None:
    """Set a collection's thresholds to where strangers of your own photos match at a rate."""
    from moretta.wiring.executor import start_executor

    settings = Settings()
    photos = read_dataset(dataset)
    with opened_office() as office, closing(start_executor(settings)) as executor:
        present = office.people.collection(office.company_id, collection)
        office.guard.on(present, Action.COMPARE)
        card = _card(settings, present.model_id)
        with _bar() as tell:
            thresholds = calibrated(photos, executor.faces, card, fmr, tell, at_once=settings.workers)
        changed = office.people.update_collection(office.company_id, collection, thresholds=thresholds)
    typer.echo(
        f"Matches from similarity {changed.thresholds.match:.3f} on, for FMR {fmr:g}; before: {present.thresholds.match:.3f} "
        f"({present.thresholds.source}, FMR {present.thresholds.fmr:g})."
    )


def _measured(settings: Settings, folder: Path, schemes: list[Scheme], card: EmbedderCard) -> Accuracy:
    from moretta.wiring.executor import start_executor

    dataset = read_dataset(folder)
    with closing(start_executor(settings)) as executor, _bar() as tell:
        return evaluate_accuracy(dataset, executor.faces, card, schemes, tell, at_once=settings.workers)


def _card(settings: Settings, model: str | None) -> EmbedderCard:
    from moretta.wiring.embedders import cards

    found = cards(settings.models_dir)
    for card in found:
        if model is None or model in (card.name, card.model_id):
            return card
    raise RequestInvalid(f"expected an installed embedder ({', '.join(card.name for card in found)}); got another one")


def _schemes(text: str) -> list[Scheme]:
    try:
        return list(dict.fromkeys(Scheme(word.strip()) for word in text.split(",") if word.strip()))
    except ValueError:
        raise RequestInvalid(f"expected schemes out of {', '.join(Scheme)}; got another word") from None


@contextmanager
def _bar() -> Iterator[Tell]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    notes = console(stderr=True)
    with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as bar:
        task = bar.add_task("starting", total=None)

        def tell(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield tell


def _show(found: Accuracy) -> None:
    """The figures as tables."""
    output = console()
    sample, plain = found.sample, found.plain
    failed = sum(sample.failures.values())
    output.print(
        f"{sample.photos_compared} photos of {sample.people_compared} people compared, {failed} without a template "
        f"(FTE {sample.fte:.2%}); {plain.genuine} genuine and {plain.impostor} impostor comparisons.",
        markup=False,
        highlight=False,
    )
    table = _table("FMR", "threshold", "95 %", "FNMR", "95 %")
    for rate in plain.at:
        low, high = rate.threshold_interval
        missed = f"{rate.fnmr_interval[0]:.2%} to {rate.fnmr_interval[1]:.2%}"
        table.add_row(
            f"{rate.target:g}", f"{rate.threshold:.3f}", f"{low:.3f} to {high:.3f}", f"{rate.fnmr:.2%}", missed
        )
    low, high = plain.eer_interval
    table.add_row("EER", f"{plain.eer_threshold:.3f}", "", f"{plain.eer:.2%}", f"{low:.2%} to {high:.2%}")
    output.print(table)
    for _, reason in plain.unsupported:
        output.print(f"Not told: {reason}.", markup=False, highlight=False)
    if found.search:
        rates = _table("searched at FMR", "FPIR", "FNIR", "gallery", "mated searches", "strangers")
        for one in found.search:
            rates.add_row(
                f"{one.target:g}",
                f"{one.fpir:.2%}",
                f"{one.fnir:.2%}",
                *map(str, (one.gallery, one.mated, one.strangers)),
            )
        output.print(rates)
    if found.schemes:
        output.print(_scheme_table(found))


def _scheme_table(found: Accuracy) -> Table:
    table = _table(
        "scheme", "at FMR", "FMR", "FNMR", "change of FNMR", "decisions other than plain", "beyond its error"
    )
    for scheme, rates in found.schemes.items():
        told = {agreement.threshold: agreement for agreement in rates.agreements}
        for rate in found.plain.at:
            at = told[rate.threshold]
            table.add_row(
                scheme.value,
                f"{rate.target:g}",
                f"{at.fmr:.2e}",
                f"{at.fnmr:.2%}",
                f"{at.fnmr_change:+.3%}",
                f"{at.differing} of {at.comparisons}",
                str(at.outside_error),
            )
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading)
    return table
