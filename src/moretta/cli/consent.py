"""`moretta consent`.

Belongs here: arguments and tables. Does not belong here: what must hold of a consent.
"""

from datetime import datetime, timedelta
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Annotated

import typer

from moretta.api.consent_schemas import (
    ChallengeView,
    ConsentView,
    KeyAnswer,
    ReceiptView,
    WithdrawalView,
    challenge_view,
    consent_view,
    receipt_view,
    signature_in,
    withdrawal_view,
)
from moretta.cli.consent_desk import TERMINAL, Language, file_sha256, opened_consent_desk, text_of
from moretta.cli.people import CollectionId, Json, confirmed, note, print_json, show, table
from moretta.core.clock import to_second, utc_now
from moretta.core.consent import Age, ConsentState
from moretta.core.consent_proof import KeyProof, PaperProof, key_from_jwk
from moretta.core.errors import NotFound, RequestInvalid
from moretta.core.paging import every
from moretta.core.recognition import IdKind, region_of
from moretta.use_cases.consent.end import Ended
from moretta.use_cases.consent.give import Agreement

app = typer.Typer(no_args_is_help=True, help="Record, list and withdraw consents; print receipts.")

_PAGE = 200
ConsentId = Annotated[str, typer.Argument(help="The consent's id, such as con_local_0123456789abcdef01234567.")]
Person = Annotated[str | None, typer.Option(help="The id of a person who is known already; left out, somebody new.")]


@app.command("challenge")
def challenge(collection: CollectionId, person: Person = None, language: Language = None) -> None:
    """What a subject signs with a key of their own, within five minutes: JSON whose `to_sign` is to be signed."""
    with opened_consent_desk() as desk:
        notice = desk.shown(collection, language)
        asked = desk.consents.challenge(desk.company_id, collection, notice.sha256, person_id=person)
    print_json("-", [(ChallengeView, challenge_view(asked))])


@app.command("give")
def give(
    collection: CollectionId,
    paper: Annotated[
        Path | None, typer.Option(help="The scan of a form signed by hand: its SHA-256 is recorded, the file is not.")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            help="JSON with `challenge_id`, `jwk` and `signature`: the answer to `moretta consent challenge`."
        ),
    ] = None,
    person: Person = None,
    name: Annotated[
        str, typer.Option(help="The operator's own word for somebody new; encrypted where it is kept.")
    ] = "",
    age: Annotated[Age, typer.Option(help="What the subject says about their age.")] = Age.UNKNOWN,
    guardian: Annotated[
        str, typer.Option(help="In which relation a guardian consented, such as mother; no name.")
    ] = "",
    days: Annotated[int | None, typer.Option(min=1, help="For how long; left out, until it is withdrawn.")] = None,
    language: Language = None,
    json_out: Json = None,
) -> None:
    """Record a consent, which makes the person: prints the ids of consent and person."""
    proof = _proof(paper, key)
    with opened_consent_desk() as desk:
        agreement = Agreement(
            collection_id=collection,
            notice_sha256=desk.shown(collection, language).sha256,
            proof=proof,
            person_id=person,
            age=age,
            guardian=guardian,
            expires_at=_until(days),
            name=name,
        )
        made = desk.consents.give(desk.company_id, agreement)
    if json_out is not None:
        print_json(json_out, [(ConsentView, consent_view(made))])
    else:
        typer.echo(f"{made.consent_id} {made.person_id}")


@app.command("refuse")
def refuse(collection: CollectionId, person: Person = None, language: Language = None, json_out: Json = None) -> None:
    """Record that somebody refused; of whoever is new nothing else is kept."""
    with opened_consent_desk() as desk:
        notice = desk.shown(collection, language)
        made = desk.consents.refuse(desk.company_id, collection, notice.sha256, person_id=person)
    if json_out is not None:
        print_json(json_out, [(ConsentView, consent_view(made))])
    else:
        typer.echo(made.consent_id)


@app.command("withdraw")
def withdraw(
    which: Annotated[str, typer.Argument(help="The id of a consent, or of a person: then every consent of theirs.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json_out: Json = None,
) -> None:
    """End a consent and erase what rests on it."""
    confirmed("End the consent and erase what rests on it?", yes)
    with opened_consent_desk() as desk:
        if _is(which, IdKind.PERSON):
            ended = desk.consents.withdraw_all(desk.company_id, which)
        else:
            ended = [desk.consents.withdraw(desk.company_id, which)]
    if json_out is not None:
        print_json(json_out, [(WithdrawalView, withdrawal_view(one)) for one in ended])
    for one in ended:
        note(_told(one))


@app.command("list")
def list_consents(
    collection: Annotated[str | None, typer.Option(help="Of this collection alone.")] = None,
    person: Annotated[str | None, typer.Option(help="Of this person alone.")] = None,
    json_out: Json = None,
) -> None:
    """Consents and refusals, with their states."""
    with opened_consent_desk() as desk:
        page = partial(desk.consents.consents, desk.company_id, _PAGE, collection_id=collection, person_id=person)
        found = list(every(page, attrgetter("consent_id")))
    if json_out is not None:
        print_json(json_out, [(ConsentView, consent_view(one)) for one in found])
        return
    rows = table("CONSENT", "PERSON", "STATE", "METHOD", "GIVEN", "UNTIL", "PURPOSE")
    for one in found:
        until = "" if one.expires_at is None else to_second(one.expires_at)
        state, method = one.state.value, one.method.value
        rows.add_row(one.consent_id, one.person_id or "", state, method, to_second(one.given_at), until, one.purpose)
    show(rows)


@app.command("receipt")
def receipt(
    consent: ConsentId,
    event: Annotated[ConsentState | None, typer.Option(help="Which event; left out, the newest.")] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="Where to write it; `-`: standard output.")] = "-",
) -> None:
    """What proves a consent, for the subject to keep: `moretta verify` checks it with the public key alone."""
    with opened_consent_desk() as desk:
        found = desk.consents.receipt(desk.company_id, consent, event)
    print_json(output, [(ReceiptView, receipt_view(found))])


@app.command("sweep")
def sweep() -> None:
    """End consents whose time is over, and finish erasures that are due."""
    with opened_consent_desk() as desk:
        swept = desk.consents.sweep()
    typer.echo(f"{swept.expired} expired, {swept.erased} erased, {swept.pending} still to be erased")


def _proof(paper: Path | None, key: Path | None) -> PaperProof | KeyProof:
    if paper is not None and key is None:
        return PaperProof(file_sha256(paper), TERMINAL)
    if key is None or paper is not None:
        raise RequestInvalid("expected either --paper or --key")
    from moretta.api.bodies import checked

    answer = checked(text_of(key), KeyAnswer, "the answer to a challenge")
    return KeyProof(answer.challenge_id, key_from_jwk(answer.jwk), signature_in(answer.signature))


def _until(days: int | None) -> datetime | None:
    return None if days is None else (utc_now() + timedelta(days=days)).replace(microsecond=0)


def _is(some_id: str, kind: IdKind) -> bool:
    try:
        region_of(some_id, kind)
    except NotFound:
        return False
    return True


def _told(ended: Ended) -> str:
    consent = ended.consent
    if ended.erased:
        return f"{consent.consent_id}: {consent.state}; the person is erased"
    if ended.pending is not None:
        return f"{consent.consent_id}: {consent.state}; erasing is still to be done ({ended.pending}): `moretta consent sweep`"
    return f"{consent.consent_id}: {consent.state}; another consent carries the person"
