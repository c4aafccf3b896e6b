"""`moretta policy`: look at the policy, check a file, ask what it decides.

Belongs here: arguments and words. Does not belong here: deciding (see `core.policy`).
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from moretta.core.consent import Age
from moretta.core.errors import NotFound, PolicyProhibited
from moretta.core.policy import Action, Allow, Context, Output, Situation, decide
from moretta.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Look at the policy in force, check a policy file, ask what it decides.")

# Something is decided otherwise than expected: grep's and diff's way of saying no.
DIFFERENT = 1

File = Annotated[Path, typer.Argument(help="A policy file.", metavar="FILE")]


@app.command("check")
def check(file: File) -> None:
    """Whether a file can be used as a policy; what its author should know is printed."""
    from moretta.core.policy_soundness import notes
    from moretta.wiring.policy_file import read_policy

    found = read_policy(file)
    for note in notes(found.policy):
        typer.echo(f"note: {note}", err=True)
    count = len(found.policy.purposes)
    typer.echo(f"{count} purpose{'' if count == 1 else 's'}, {len(found.expectations)} expected decisions")
    typer.echo(f"sha256 {found.policy.sha256}")


@app.command("test")
def test(file: File) -> None:
    """Compare what a file decides with the decisions that it expects (`[[expect]]`); exit status 1 on a difference."""
    from moretta.wiring.policy_file import read_policy

    found = read_policy(file)
    if not found.expectations:
        raise NotFound("expected [[expect]] tables in the file: decisions that its author expects")
    differences = 0
    for number, expectation in enumerate(found.expectations, 1):
        difference = expectation.difference(found.policy)
        if difference is not None:
            differences += 1
            typer.echo(f"[[expect]] number {number} ({_asked(expectation.situation)}): {difference}")
    typer.echo(
        f"{len(found.expectations) - differences} of {len(found.expectations)} decisions are as expected", err=True
    )
    if differences:
        raise typer.Exit(DIFFERENT)


@app.command("explain")
def explain(
    action: Annotated[Action, typer.Argument(help="What is asked.")],
    purpose: Annotated[str | None, typer.Option(help="The purpose of the collection.")] = None,
    context: Annotated[Context | None, typer.Option(help="Where; left out: every context of the purpose.")] = None,
    retention_days: Annotated[int | None, typer.Option(help="The collection's retention.")] = None,
    region: Annotated[list[str] | None, typer.Option(help="Where the collection is; may be repeated.")] = None,
    output: Annotated[list[Output] | None, typer.Option(help="What is asked for; may be repeated.")] = None,
    age: Annotated[Age, typer.Option(help="What the consent says.")] = Age.UNKNOWN,
    consent: Annotated[bool, typer.Option("--consent", help="A valid consent is on record.")] = False,
    guardian: Annotated[bool, typer.Option("--guardian", help="A guardian gave it.")] = False,
    approved: Annotated[bool, typer.Option("--approved", help="An approval is on record.")] = False,
    sourced: Annotated[bool, typer.Option("--sourced", help="Each picture has a source and a basis.")] = False,
    real_time: Annotated[bool, typer.Option("--real-time", help="People are identified as they pass.")] = False,
    file: Annotated[Path | None, typer.Option(help="A policy file; left out: the policy in force.")] = None,
) -> None:
    """What the policy decides, with the rule of law and how to mend a refusal; exit status 77 where it denies."""
    from moretta.wiring.policy import policy_in_force
    from moretta.wiring.policy_file import read_policy

    policy = policy_in_force(Settings()) if file is None else read_policy(file).policy
    situation = Situation(
        action,
        purpose,
        context=context,
        regions=frozenset(region or ()),
        retention_days=retention_days,
        outputs=frozenset(output or ()),
        consent=consent,
        guardian=guardian,
        age=age,
        approved=approved,
        sourced=sourced,
        real_time=real_time,
    )
    decision = decide(policy, situation)
    if isinstance(decision, Allow):
        typer.echo("allow")
        if decision.purpose is not None:
            basis = f"GDPR Art. 6(1)({decision.purpose.basis})"
            condition = f", 9(2)({decision.purpose.condition})" if decision.purpose.condition else ""
            typer.echo(f"basis: {basis}{condition}, as the policy says")
        if decision.review:
            typer.echo(f"review: {decision.review} person{'' if decision.review == 1 else 's'} must confirm a match")
        return
    typer.echo(f"deny: {decision.code} ({decision.legal_ref})")
    typer.echo(f"expected: {decision.expected}")
    typer.echo(f"mend: {decision.mend}")
    raise typer.Exit(PolicyProhibited.exit_code)


@app.command("show")
def show(
    preset: Annotated[
        str | None,
        typer.Argument(
            help="A preset to begin a file with; left out: the policy in force, as JSON.", metavar="[PRESET]"
        ),
    ] = None,
    sha256: Annotated[
        str | None, typer.Option(help="The policy that held once, by the hash that entries of the log tell.")
    ] = None,
) -> None:
    """Print the policy in force as JSON, one that held once, or a preset as a file to begin with."""
    from moretta.wiring.policy import policy_in_force
    from moretta.wiring.policy_file import preset_text

    if preset is not None:
        typer.echo(preset_text(preset), nl=False)
        return
    if sha256 is not None:
        from moretta.cli.reviews import opened_reviews

        with opened_reviews() as desk:
            typer.echo(desk.approvals.policy(sha256))
        return
    policy = policy_in_force(Settings())
    typer.echo(json.dumps({**policy.fields(), "sha256": policy.sha256}, indent=2, ensure_ascii=False))


@app.command("presets")
def presets() -> None:
    """The names of the presets."""
    from moretta.wiring.policy_file import PRESETS

    for name in PRESETS:
        typer.echo(name)


def _asked(situation: Situation) -> str:
    parts = [situation.action.value, situation.purpose or situation.named or "no purpose"]
    return ", ".join(parts + ([situation.context.value] if situation.context else []))
