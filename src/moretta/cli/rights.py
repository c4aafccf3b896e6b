"""`moretta rights`: what people ask for about their data, from receipt to answer.

Belongs here: arguments and tables. Does not belong here: what a right demands (see `use_cases.rights`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Annotated

import typer

from moretta.api.rights_schemas import (
    RightsNoticeView,
    RightsRequestView,
    SearchAboutView,
    notice_view,
    request_view,
    search_about_view,
)
from moretta.cli.opened import opened_here
from moretta.cli.outputs import write_output
from moretta.cli.people import Json, PersonId, confirmed, note, print_json, show, table
from moretta.core.clock import utc_now
from moretta.core.errors import NodeUnavailable, RequestInvalid
from moretta.core.paging import every
from moretta.core.rights import RequestState, Right, RightsRequest
from moretta.use_cases.rights import Rights
from moretta.use_cases.rights.deliver import Callbacks

app = typer.Typer(
    no_args_is_help=True, help="Requests of people about their data: open, follow, answer, hand out, notify."
)

RequestId = Annotated[str, typer.Argument(help="The request's id, such as req_local_0123456789abcdef01234567.")]
Reason = Annotated[str, typer.Option(help="Why: recorded, sealed, and told to the person.")]
Region = Annotated[str | None, typer.Option(help="Whose requests; left out: the default region's.")]
_PAGE = 200


@dataclass(frozen=True, slots=True)
class _Desk:
    rights: Rights
    company_id: str
    callbacks: Callable[[], Callbacks]


@contextmanager
def _opened() -> Iterator[_Desk]:
    """Rights over this deployment, in this process, until the context ends; it works beside a running service."""
    from moretta.wiring.callbacks import callbacks_over

    with opened_here() as here:
        callbacks = partial(callbacks_over, here.means, here.settings, here.deployment.engine, here.company_id)
        yield _Desk(here.rights(), here.company_id, callbacks)


@app.command("list")
def list_requests(
    person: Annotated[str | None, typer.Option(help="Of this person alone.")] = None,
    state: Annotated[RequestState | None, typer.Option(help="In this state alone.")] = None,
    region: Region = None,
    json_out: Json = None,
) -> None:
    """The requests, each with the day by which it must be answered."""
    with _opened() as desk:
        page = partial(desk.rights.requests, desk.company_id, _PAGE, person_id=person, state=state, region=region)
        found = list(every(page, attrgetter("request_id")))
    now = utc_now()
    if json_out is not None:
        print_json(json_out, [(RightsRequestView, request_view(one, now)) for one in found])
        return
    shown = table("request", "right", "state", "received", "due", "person")
    for one in sorted(found, key=lambda one: one.due_at):
        late = " (late)" if one.is_late(now) else ""
        shown.add_row(
            one.request_id,
            one.right,
            one.state,
            f"{one.received_at:%Y-%m-%d}",
            f"{one.due_at:%Y-%m-%d}{late}",
            one.person_id,
        )
    show(shown)


@app.command("open")
def open_request(
    person: PersonId,
    right: Annotated[Right, typer.Argument(help="Which right the person uses.")],
    name: Annotated[str | None, typer.Option(help="With rectification: the name as it should be.")] = None,
    attribute: Annotated[
        list[str] | None, typer.Option(help="With rectification: KEY=VALUE as it should be, all of them; repeatable.")
    ] = None,
    reason: Annotated[str, typer.Option(help="The person's own grounds, where they gave any.")] = "",
    json_out: Json = None,
) -> None:
    """Record that a person uses a right; a restriction or an objection stops comparing at once."""
    with _opened() as desk:
        made = desk.rights.open(
            desk.company_id, person, right, name=name, attributes=_attributes(attribute), reason=reason
        )
    _told(made, json_out)


@app.command()
def extend(request: RequestId, reason: Reason, json_out: Json = None) -> None:
    """Two more months, once, told to the person with the reason within the first (GDPR Art. 12(3))."""
    with _opened() as desk:
        _told(desk.rights.extend(desk.company_id, request, reason), json_out)


@app.command()
def refuse(request: RequestId, reason: Reason, json_out: Json = None) -> None:
    """Refuse a request, with the reason that is told to the person."""
    with _opened() as desk:
        _told(desk.rights.refuse(desk.company_id, request, reason), json_out)


@app.command()
def fulfil(
    request: RequestId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before erasing.")] = False,
    json_out: Json = None,
) -> None:
    """Do what is asked for, and close the request: put right, restrict, stop comparing, erase."""
    with _opened() as desk:
        if desk.rights.request(desk.company_id, request).right is Right.ERASURE:
            confirmed("Erase the person?", yes)
        _told(desk.rights.fulfil(desk.company_id, request), json_out)


@app.command()
def access(
    request: RequestId,
    out: Annotated[
        Path, typer.Option(help="Where the ZIP is written, readable by you alone; it must not be there yet.")
    ],
) -> None:
    """Write everything that is kept of the person to a signed ZIP, and close the request."""
    with _opened() as desk:
        asked = desk.rights.request(desk.company_id, request)
        try:
            out.touch(mode=0o600, exist_ok=False)
        except OSError as error:
            raise RequestInvalid(f"expected a new file to write to: {error.strerror}") from None
        try:
            with out.open("wb") as sink:
                desk.rights.package(desk.company_id, asked.person_id, sink, request_id=request)
        except BaseException:
            out.unlink(missing_ok=True)
            raise
        if asked.state.open:
            desk.rights.fulfil(desk.company_id, request)
    note("Written. It holds the person's template and photos: give it to that person and to nobody else.")


@app.command()
def searches(person: PersonId, json_out: Json = None) -> None:
    """Who searched a person: every act that compared their templates, the latest first."""
    with _opened() as desk:
        page = partial(desk.rights.searches, desk.company_id, person, _PAGE)
        views = [search_about_view(one) for one in every(page, attrgetter("log_index"))]
    if json_out is not None:
        print_json(json_out, [(SearchAboutView, one) for one in views])
        return
    shown = table("search", "kind", "time", "purpose", "by", "matched")
    for one in views:
        shown.add_row(one.id, one.kind, one.time, one.purpose, one.caller, "yes" if one.matched else "no")
    show(shown)


@app.command()
def again(person: PersonId, reason: Reason) -> None:
    """Let a person be compared again who was restricted or objected, on grounds that are recorded."""
    with _opened() as desk:
        desk.rights.compare_again(desk.company_id, person, reason)
    note("The person is compared again.")


@app.command()
def certificate(
    certificate_id: Annotated[str, typer.Argument(help="Its id, such as cer_local_0123456789abcdef01234567.")],
    out: Annotated[Path, typer.Option(help="Where it is written.")],
) -> None:
    """Write an erasure certificate; `moretta verify` checks it offline."""
    with _opened() as desk:
        found = desk.rights.certificate(desk.company_id, certificate_id)
    write_output(out, found.document)
    note(f"Revision {found.revision} written.")


@app.command()
def notices(region: Region = None, json_out: Json = None) -> None:
    """Signed messages about requests that wait to be delivered."""
    with _opened() as desk:
        found = desk.rights.notices(desk.company_id, _PAGE, region=region)
    if json_out is not None:
        print_json(json_out, [(RightsNoticeView, notice_view(one)) for one in found])
        return
    shown = table("number", "request", "event", "made")
    for one in found:
        shown.add_row(str(one.number), one.request_id, one.event, f"{one.made_at:%Y-%m-%d %H:%M}")
    show(shown)


@app.command()
def delivered(
    number: Annotated[int, typer.Argument(min=1, help="The message's number.")], region: Region = None
) -> None:
    """Say that a message was delivered; it is not listed again."""
    with _opened() as desk:
        desk.rights.delivered(desk.company_id, number, region=region)


@app.command()
def deliver(
    to: Annotated[str | None, typer.Option(help="To this receiver of MORETTA_CALLBACKS alone.")] = None,
    again: Annotated[bool, typer.Option("--again", help="What was given up as well, from the start.")] = False,
) -> None:
    """Send the messages that wait to the receivers of MORETTA_CALLBACKS now; exit status 75 where one did not take one.

    `moretta serve` does so by itself. Messages that wait for a next attempt are sent too.
    """
    failed = False
    with _opened() as desk:
        callbacks = desk.callbacks()
        names = callbacks.names if to is None else (to,)
        if not names:
            raise RequestInvalid("expected MORETTA_CALLBACKS to name who is told, as NAME=https://host/path")
        for name in names:
            if again:
                callbacks.again(name)
            passed = callbacks.deliver(name, early=True)
            left = callbacks.counts(name)
            because = f" ({passed.outcome})" if passed.outcome else ""
            typer.echo(f"{name}: {passed.taken} taken, {left.waiting} waiting, {left.given_up} given up{because}")
            failed = failed or passed.later + passed.given_up > 0
    if failed:
        raise typer.Exit(NodeUnavailable.exit_code)


@app.command()
def finish() -> None:
    """Go on with erasures that a crash, a hold or a node that was down kept from being finished."""
    with _opened() as desk:
        done = desk.rights.finish_erasures()
    note(f"{done.certified} certified, {done.pending} still pending.")


def _told(request: RightsRequest, json_out: str | None) -> None:
    view = request_view(request, utc_now())
    if json_out is not None:
        print_json(json_out, [(RightsRequestView, view)])
        return
    typer.echo(request.request_id)
    told = f"{view.right} ({view.article}): {view.state}, due {view.due_at:%Y-%m-%d}"
    note(told if view.certificate_id is None else f"{told}, certificate {view.certificate_id}")


def _attributes(given: list[str] | None) -> tuple[tuple[str, str], ...] | None:
    if given is None:
        return None
    pairs = [text.partition("=") for text in given]
    if any(not key or not sep for key, sep, _ in pairs):
        raise RequestInvalid("expected --attribute as KEY=VALUE")
    return tuple((key, value) for key, _, value in pairs)
