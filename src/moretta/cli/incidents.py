"""`moretta incidents`.

Belongs here: arguments and tables. Does not belong here: the clock, the query, the drafts.
"""

from typing import Annotated

import typer

from moretta.api.governance_schemas import IncidentView, incident_view
from moretta.cli.governance_desk import TERMINAL, GovernanceDesk, Moment, Out, in_utc, opened_governance
from moretta.cli.outputs import write_output
from moretta.cli.people import Json, note, print_json, show, table
from moretta.core.clock import to_second
from moretta.core.incidents import AffectedQuery, BreachKind, Incident, Risk
from moretta.use_cases.incidents import Changes, NewIncident

app = typer.Typer(
    no_args_is_help=True, help="The breach register: record, list, change, find the affected, draft notices."
)

IncidentId = Annotated[str, typer.Argument(help="The incident's id, such as inc_local_0123456789abcdef01234567.")]
Collection = Annotated[str | None, typer.Option(help="Of this collection alone.")]
Region = Annotated[str | None, typer.Option(help="Of this region alone.")]
Key = Annotated[str | None, typer.Option(help="Whom an API key met, or everybody under a gallery key.")]
Text = Annotated[str | None, typer.Option(help="In your own words; name nobody.")]


@app.command("record")
def record(
    what: Annotated[str, typer.Argument(help="What happened, in your own words; name nobody.")],
    kind: Annotated[list[BreachKind], typer.Option(help="What was breached; several are possible.")],
    noticed: Moment = None,
) -> None:
    """Record an incident: the 72 hours in which the authority must be told run from when it was noticed."""
    with opened_governance() as desk:
        new = NewIncident(what, frozenset(kind), in_utc(noticed))
        made = desk.governance.incidents.record(desk.company_id, new, TERMINAL)
    typer.echo(made.incident_id)
    note(f"the authority is to be told until {to_second(made.due_at)}, unless a risk for people is unlikely")


@app.command("list")
def list_incidents(json_out: Json = None) -> None:
    """The register; whose clock ends first comes first."""
    with opened_governance() as desk:
        now = desk.clock()
        found = desk.governance.incidents.incidents(desk.company_id)
    if json_out is not None:
        print_json(json_out, [(IncidentView, incident_view(one, now)) for one in found])
        return
    rows = table("incident", "noticed", "authority until", "risk", "people", "state")
    for one in found:
        people = "unknown" if one.people is None else str(one.people)
        state = "OVERDUE" if one.is_overdue(now) else _state(one)
        rows.add_row(one.incident_id, to_second(one.noticed_at), to_second(one.due_at), one.risk, people, state)
    show(rows)


@app.command("show")
def show_incident(incident: IncidentId, json_out: Json = None) -> None:
    """An incident as it stands, and what was decided."""
    with opened_governance() as desk:
        _show(desk, desk.governance.incidents.incident(desk.company_id, incident), json_out)


@app.command("change")
def change(
    incident: IncidentId,
    began: Moment = None,
    ended: Moment = None,
    data: Annotated[list[str] | None, typer.Option(help="A category of data, such as templates; several.")] = None,
    people: Annotated[int | None, typer.Option(min=0, help="How many people, counted or estimated.")] = None,
    risk: Annotated[Risk | None, typer.Option(help="For the people concerned.")] = None,
    consequences: Text = None,
    measures: Text = None,
    delay_reason: Text = None,
    decision: Text = None,
    authority_told: Moment = None,
    subjects_told: Moment = None,
    close: Annotated[bool, typer.Option("--close", help="It is over, and everybody was told who had to be.")] = False,
    json_out: Json = None,
) -> None:
    """Add what is known by now; every revision is kept."""
    changes = Changes(
        began_at=in_utc(began),
        ended_at=in_utc(ended),
        data_categories=None if data is None else tuple(data),
        people=people,
        risk=risk,
        consequences=consequences,
        measures=measures,
        delay_reason=delay_reason,
        decision=decision,
        authority_notified_at=in_utc(authority_told),
        subjects_notified_at=in_utc(subjects_told),
        close=close,
    )
    with opened_governance() as desk:
        _show(desk, desk.governance.incidents.change(desk.company_id, incident, changes, TERMINAL), json_out)


@app.command("affected")
def affected(
    incident: Annotated[str | None, typer.Option(help="Keep the query and the count with this incident.")] = None,
    collection: Collection = None,
    region: Region = None,
    since: Moment = None,
    until: Moment = None,
    key: Key = None,
) -> None:
    """The ids of persons whom an incident may have met, one a line."""
    query = AffectedQuery(collection, region, in_utc(since), in_utc(until), key)
    with opened_governance() as desk:
        incidents = desk.governance.incidents
        after, count = None, 0
        while True:
            page = incidents.affected(desk.company_id, query, after=after)
            for person_id in page.person_ids:
                typer.echo(person_id)
            count, after = count + len(page.person_ids), page.following
            if after is None:
                break
        if incident is not None:
            incidents.change(desk.company_id, incident, Changes(affected=query, people=count), TERMINAL)
    note(f"{count} persons; {page.erased} were erased since and cannot be reached by what is kept")


@app.command("draft")
def draft(
    incident: IncidentId,
    out: Out,
    subjects: Annotated[
        bool, typer.Option("--subjects", help="To the people concerned, not to the authority.")
    ] = False,
) -> None:
    """A draft of the notice to the authority (GDPR Art. 33) or to the people concerned (Art. 34)."""
    with opened_governance() as desk:
        made = desk.governance.incidents.drafts(desk.company_id, incident)[1 if subjects else 0]
    write_output(out, made.text)
    for what in made.missing:
        note(f"missing: {what}")


def _show(desk: GovernanceDesk, incident: Incident, json_out: str | None) -> None:
    view = incident_view(incident, desk.clock())
    if json_out is not None:
        print_json(json_out, [(IncidentView, view)])
        return
    show(f"{view.id}  revision {view.revision}  {'OVERDUE' if view.overdue else _state(incident)}")
    show(f"{incident.what}")
    show(f"noticed {to_second(incident.noticed_at)}; the authority is to be told until {to_second(incident.due_at)}")
    show(f"risk: {view.risk}; people: {'unknown' if view.people is None else view.people}")
    for one in incident.decisions:
        show(f"{to_second(one.at)} {one.by}: {one.what}")


def _state(incident: Incident) -> str:
    if incident.closed_at is not None:
        return "closed"
    if incident.needs_authority:
        return "authority to be told"
    return "people to be told" if incident.needs_subjects else "open"
