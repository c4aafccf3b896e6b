"""`moretta reviews` and `moretta approvals`: what people decide about recognition.

Belongs here: arguments and tables. Does not belong here: how votes decide, what needs an approval.

On a terminal, who reviews is the local user that the kernel knows: an option could name anybody, and one person must not be two.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Annotated

import typer

from moretta.api.review_schemas import ApprovalView, ReviewView, approval_view, review_view
from moretta.cli.opened import opened_here
from moretta.cli.people import Json, print_json, show, table
from moretta.cli.terminal import local_user
from moretta.core.clock import to_second, utc_now
from moretta.core.errors import RequestInvalid
from moretta.core.paging import every
from moretta.core.policy import Action
from moretta.core.review import Choice, ReviewState
from moretta.use_cases.review.facade import Approvals, Reviews

reviews = typer.Typer(no_args_is_help=True, help="Matches that people must confirm: list, confirm, reject.")
approvals = typer.Typer(no_args_is_help=True, help="Who approved which use: grant, list, revoke.")

ReviewId = Annotated[str, typer.Argument(help="The id, such as rev_local_0123456789abcdef01234567.")]
ApprovalId = Annotated[str, typer.Argument(help="The id, such as apr_local_0123456789abcdef01234567.")]
Region = Annotated[str | None, typer.Option(help="Of this region; left out, the deployment's first one.")]
_PAGE = 100


@dataclass(frozen=True, slots=True)
class ReviewDesk:
    """Reviews and approvals as a command meets them."""

    reviews: Reviews
    approvals: Approvals
    company_id: str


@reviews.command("list")
def list_reviews(
    state: Annotated[ReviewState, typer.Option(help="Which.")] = ReviewState.PENDING,
    region: Region = None,
    json_out: Json = None,
) -> None:
    """Matches that wait for people to confirm them."""
    with opened_reviews() as desk:
        page = partial(desk.reviews.proposals, desk.company_id, _PAGE, state=state, region=region)
        found = list(every(page, attrgetter("proposal_id")))
    if json_out is not None:
        print_json(json_out, [(ReviewView, review_view(one, for_reviewer=True)) for one in found])
        return
    rows = table("review", "purpose", "state", "confirmed", "proposed", "until")
    for one in found:
        confirmed = f"{sum(vote.confirms for vote in one.votes)} of {one.needed}"
        proposed = str(sum(len(face.candidates) for face in one.faces))
        rows.add_row(one.proposal_id, one.purpose, one.state.value, confirmed, proposed, to_second(one.expires_at))
    show(rows)


@reviews.command("show")
def show_review(review: ReviewId, json_out: Json = None) -> None:
    """One match with the persons proposed for each face, and what was said so far."""
    with opened_reviews() as desk:
        found = desk.reviews.proposal(desk.company_id, review)
    if json_out is not None:
        print_json(json_out, [(ReviewView, review_view(found, for_reviewer=True))])
        return
    rows = table("face", "place", "person", "rank", "confirmed by")
    for index, face in enumerate(found.faces):
        place = " ".join(f"{side:.0f}" for side in face.box)
        for one in face.candidates:
            choice = Choice(index, one.person_id)
            by = ", ".join(vote.reviewer for vote in found.votes if choice in vote.choices)
            rows.add_row(str(index), place, one.person_id, str(one.rank), by)
    show(f"{found.proposal_id}: {found.state}, {found.needed} must confirm, until {to_second(found.expires_at)}")
    show(rows)


@reviews.command("confirm")
def confirm(
    review: ReviewId,
    choices: Annotated[
        list[str] | None,
        typer.Option(
            "--choose", help="FACE=PERSON, such as 0=per_local_...; left out: the only candidate of each face."
        ),
    ] = None,
) -> None:
    """Confirm who it is, as the local user of this terminal."""
    chosen = None if choices is None else [_choice(text) for text in choices]
    with opened_reviews() as desk:
        found = desk.reviews.confirm(desk.company_id, review, local_user(), chosen)
    typer.echo(found.state.value)


@reviews.command("reject")
def reject(review: ReviewId) -> None:
    """Reject a match, as the local user of this terminal; those who were proposed are forgotten."""
    with opened_reviews() as desk:
        found = desk.reviews.reject(desk.company_id, review, local_user())
    typer.echo(found.state.value)


@approvals.command("grant")
def grant(
    purpose: Annotated[str, typer.Argument(help="A purpose of the policy.")],
    approver: Annotated[str, typer.Option(help="Who approved it: an office rather than a name.")],
    reason: Annotated[str, typer.Option(help="Why, and where the assessment lies.")],
    days: Annotated[int, typer.Option(min=1, max=3660, help="For how many days from now.")],
    collection: Annotated[str | None, typer.Option(help="For this collection alone.")] = None,
    action: Annotated[Action | None, typer.Option(help="For this action alone.")] = None,
) -> None:
    """Record that a use was approved: prints the id."""
    with opened_reviews() as desk:
        made = desk.approvals.grant(
            desk.company_id,
            purpose,
            approver=approver,
            reason=reason,
            until=datetime.now(UTC) + timedelta(days=days),
            recorded_by=local_user(),
            collection_id=collection,
            action=action,
        )
    typer.echo(made.approval_id)


@approvals.command("list")
def list_approvals(region: Region = None, json_out: Json = None) -> None:
    """Approvals, those that ended or were revoked too."""
    with opened_reviews() as desk:
        page = partial(desk.approvals.approvals, desk.company_id, _PAGE, region=region)
        found = list(every(page, attrgetter("approval_id")))
    now = utc_now()
    if json_out is not None:
        print_json(json_out, [(ApprovalView, approval_view(one, now)) for one in found])
        return
    rows = table("approval", "purpose", "collection", "action", "by", "until", "holds")
    for one in found:
        where, what = one.collection_id or "all", one.action.value if one.action else "all"
        holds = "yes" if one.holds(now) else "revoked" if one.revoked_at else "no"
        rows.add_row(one.approval_id, one.purpose, where, what, one.approver, to_second(one.until), holds)
    show(rows)


@approvals.command("revoke")
def revoke(approval: ApprovalId) -> None:
    """Take an approval back: what needs one is refused from now on."""
    with opened_reviews() as desk:
        desk.approvals.revoke(desk.company_id, approval, local_user())


@contextmanager
def opened_reviews() -> Iterator[ReviewDesk]:
    """Reviews and approvals of this deployment, in this process; it works beside a running service."""
    with opened_here() as here:
        yield ReviewDesk(Reviews(here.means), Approvals(here.means), here.company_id)


def _choice(text: str) -> Choice:
    face, _, person_id = text.partition("=")
    if not face.isdigit() or not person_id:
        raise RequestInvalid("expected FACE=PERSON, such as 0=per_local_ and 24 hexadecimal digits")
    return Choice(int(face), person_id)
