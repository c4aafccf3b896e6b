"""`moretta retention`.

Belongs here: arguments and tables. Does not belong here: deadlines, sweeping, holds.
"""

from dataclasses import replace
from datetime import datetime
from typing import Annotated

import typer

from moretta.api.governance_schemas import HoldView, RetentionView, hold_view, retention_view
from moretta.cli.governance_desk import TERMINAL, Moment, Out, in_utc, opened_governance
from moretta.cli.outputs import write_output
from moretta.cli.people import SOME_FAILED, CollectionId, Json, PersonId, confirmed, note, print_json, show, table
from moretta.core.errors import NotFound, RequestInvalid
from moretta.core.recognition import IdKind, region_of
from moretta.core.retention import CollectionSwept, CountsFrom

app = typer.Typer(no_args_is_help=True, help="How long people are kept: show, set, sweep, and hold for legal claims.")

HoldId = Annotated[str, typer.Argument(help="The hold's id, such as hol_local_0123456789abcdef01234567.")]
Reason = Annotated[str, typer.Option(help="Why, in your own words; name nobody.")]


@app.command("show")
def show_retention(collection: CollectionId, json_out: Json = None) -> None:
    """How long people and photos of a collection are kept."""
    with opened_governance() as desk:
        view = retention_view(desk.governance.retention.kept(desk.company_id, collection))
    _tell(view, json_out)


@app.command("set")
def set_retention(
    collection: CollectionId,
    counts_from: Annotated[CountsFrom | None, typer.Option(help="From when the days count.")] = None,
    photo_days: Annotated[
        int | None, typer.Option(min=0, max=36500, help="Photos go after so many days, templates stay; 0: with them.")
    ] = None,
    purpose_ends: Moment = None,
    bipa: Annotated[
        bool | None, typer.Option("--bipa/--no-bipa", help="Nobody stays over three years after the last interaction.")
    ] = None,
    json_out: Json = None,
) -> None:
    """Change how a collection's retention counts; the days are those of the collection and the policy."""
    with opened_governance() as desk:
        retention = desk.governance.retention
        rule = retention.kept(desk.company_id, collection).rule
        if counts_from is not None:
            rule = replace(rule, counts_from=counts_from)
        if photo_days is not None:
            rule = replace(rule, photo_days=photo_days or None)
        if purpose_ends is not None:
            rule = replace(rule, purpose_ends=in_utc(purpose_ends))
        if bipa is not None:
            rule = replace(rule, bipa=bipa)
        view = retention_view(retention.set_rule(desk.company_id, rule))
    _tell(view, json_out)


@app.command("sweep")
def sweep(dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False) -> None:
    """Erase who and what is over its time, with certificates; a running service does it by itself."""
    with opened_governance() as desk:
        done = desk.governance.retention.sweep(dry_run=dry_run)
    rows = table("collection", "over their time", "erased", "photos destroyed", "held", "failed")
    for one in done:
        rows.add_row(one.collection_id, str(one.due), *_counts(one, dry_run=dry_run))
    show(rows)
    for one in done:
        for hold in one.held:
            note(f"{hold.hold_id} keeps a person until {hold.until:%Y-%m-%d}: {hold.reason}")
    if any(one.failed for one in done):
        raise typer.Exit(SOME_FAILED)


@app.command("hold")
def hold(
    person: PersonId,
    reason: Reason,
    placed_by: Annotated[str, typer.Option(help="Who decided it: an office rather than a name.")],
    until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="When it is to be looked at again, in UTC.")],
) -> None:
    """Keep a person from being erased and compared until the hold is released."""
    end = in_utc(until)
    if end is None:
        raise RequestInvalid("expected --until")
    with opened_governance() as desk:
        made = desk.governance.retention.place_hold(
            desk.company_id, person, reason=reason, placed_by=placed_by, until=end, recorded_by=TERMINAL
        )
    typer.echo(made.hold_id)


@app.command("release")
def release(
    hold_id: HoldId, reason: Reason, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Release a hold: the person stays restricted, and is erased by the next sweep where they are over their time."""
    confirmed("Release the hold? What is over its time is erased then", yes)
    with opened_governance() as desk:
        desk.governance.retention.release_hold(desk.company_id, hold_id, reason=reason, released_by=TERMINAL)


@app.command("holds")
def holds(
    active: Annotated[bool, typer.Option("--active", help="Only those that hold.")] = False, json_out: Json = None
) -> None:
    """Who is held, and who was."""
    with opened_governance() as desk:
        now = desk.clock()
        found = [hold_view(one, now) for one in desk.governance.retention.holds(desk.company_id, active=active)]
    if json_out is not None:
        print_json(json_out, [(HoldView, one) for one in found])
        return
    rows = table("hold", "person", "placed by", "reason", "until", "state")
    for one in found:
        state = "overdue" if one.overdue else "holds" if one.holds else "released"
        rows.add_row(one.id, one.person_id, one.placed_by, one.reason, f"{one.until:%Y-%m-%d}", state)
    show(rows)


@app.command("reports")
def reports() -> None:
    """The signed reports of sweeps that destroyed something."""
    with opened_governance() as desk:
        found = desk.governance.retention.runs(desk.company_id)
    rows = table("report", "ended")
    for one in sorted(found, key=lambda run: run.ended_at):
        rows.add_row(one.run_id, f"{one.ended_at:%Y-%m-%d %H:%M}")
    show(rows)


@app.command("report")
def report(
    report_id: Annotated[str, typer.Argument(help="The report's id, such as run_local_0123456789abcdef01234567.")],
    out: Out,
) -> None:
    """Write the signed report of a sweep, which `moretta verify` checks."""
    region_of(report_id, IdKind.RETENTION_RUN)
    with opened_governance() as desk:
        found = [one for one in desk.governance.retention.runs(desk.company_id) if one.run_id == report_id]
    if not found:
        raise NotFound("expected the id of a report; `moretta retention reports` lists them")
    write_output(out, found[0].document)


def _counts(one: CollectionSwept, *, dry_run: bool) -> tuple[str, str, str, str]:
    erased, photos = ("would be", f"{one.photos} would be") if dry_run else (str(one.erased), str(one.photos))
    failed = ", ".join(f"{count} {code}" for code, count in one.failed) or "0"
    return (str(one.due - len(one.held)) + " would be" if dry_run else erased), photos, str(len(one.held)), failed


def _tell(view: RetentionView, json_out: str | None) -> None:
    if json_out is not None:
        print_json(json_out, [(RetentionView, view)])
        return
    days = "no limit in days" if view.days is None else f"{view.days} days"
    show(
        f"people: {days}, counted from {'enrolment' if view.counts_from is CountsFrom.ENROLMENT else 'the last interaction'}"
    )
    show(f"photos: {'as long as their person' if view.photo_days is None else f'{view.photo_days} days'}")
    show(f"the purpose ends: {'not set' if view.purpose_ends is None else f'{view.purpose_ends:%Y-%m-%d}'}")
    show(f"three years after the last interaction at most: {'yes' if view.bipa else 'no'}")
