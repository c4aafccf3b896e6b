"""Consents: ask, give or refuse, list, look at, withdraw, and have a receipt.

Belongs here: the addresses. Does not belong here: what must hold of a consent (see `use_cases.consent`), notices.
"""

from functools import partial
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, FastAPI, Path, Query, Request, Response

from moretta.api.auth import Guard
from moretta.api.bodies import read_json
from moretta.api.calls import REPEATED, IdempotencyHeader, json_answer
from moretta.api.consent_schemas import (
    ChallengeView,
    ConsentPage,
    ConsentView,
    NewChallenge,
    NewConsentBody,
    ReceiptView,
    WithdrawalsView,
    WithdrawalView,
    agreement_in,
    challenge_view,
    consent_view,
    receipt_view,
    require_bare_refusal,
    withdrawal_view,
)
from moretta.api.idempotency import Answer
from moretta.api.openapi import PEOPLE, json_body, problems
from moretta.api.people_work import NAMING
from moretta.api.repeats import answered_once
from moretta.api.schemas import to_json
from moretta.api.v1.collections import Cursor, Limit, json_response, mark
from moretta.api.v1.notices import CollectionFilter, RegionFilter
from moretta.api.v1.persons import PersonId
from moretta.api.work import Desk
from moretta.core.consent import Consent, ConsentState
from moretta.core.keys import ApiKeyInfo
from moretta.core.recognition import IdKind
from moretta.use_cases.consent.facade import Consents

CONSENTS = "/v1/consents"
CHALLENGES = "/v1/consents/challenges"
# Two answers of a browser of 16 KiB each at most, and attributes.
_MAX_BYTES = 128 * 1024

ConsentId = Annotated[str, Path(max_length=64, examples=["con_local_0123456789abcdef01234567"])]
PersonFilter = Annotated[str | None, Query(max_length=64, description="Of this person alone.")]
EventFilter = Annotated[ConsentState | None, Query(description="Which event of the consent; left out, the newest.")]


def add_consent_routes(app: FastAPI, desk: Desk, consents: Consents, may_manage: Guard) -> None:
    """Add the addresses to `app`."""
    _add_asking(app, desk, consents, may_manage)
    _add_deciding(app, desk, consents, may_manage)
    _add_reading(app, desk, consents, may_manage)
    _add_withdrawing(app, desk, consents, may_manage)


def _add_asking(app: FastAPI, desk: Desk, consents: Consents, may_manage: Guard) -> None:
    @app.post(
        CHALLENGES,
        operation_id="challengeConsent",
        tags=["consent"],
        summary="What a subject signs, once and within five minutes, to agree to a notice",
        status_code=201,
        responses={201: {"model": ChallengeView}, **problems(*PEOPLE, 409, 410, 413, 415)},
        openapi_extra=json_body("NewChallenge"),
    )
    async def challenge_consent(request: Request, key: Annotated[ApiKeyInfo, Depends(may_manage)]) -> Response:
        body = await read_json(request, NewChallenge, "what is to be agreed to")
        ask = partial(
            consents.challenge, key.company_id, body.collection_id, body.notice_sha256, person_id=body.person_id
        )
        asked = await anyio.to_thread.run_sync(ask, limiter=desk.inline)
        return json_response(ChallengeView, challenge_view(asked), 201)


def _add_deciding(app: FastAPI, desk: Desk, consents: Consents, may_manage: Guard) -> None:
    @app.post(
        CONSENTS,
        operation_id="recordConsent",
        tags=["consent"],
        summary="Record that a subject consented, which makes the person whom photos are enrolled to, or that they refused",
        status_code=201,
        responses={201: {"model": ConsentView, "headers": REPEATED}, **problems(*PEOPLE, 409, 410, 413, 415)},
        openapi_extra=json_body("NewConsentBody"),
    )
    async def record_consent(
        request: Request, key: Annotated[ApiKeyInfo, Depends(may_manage)], idempotency: IdempotencyHeader = None
    ) -> Response:
        body = await read_json(request, NewConsentBody, "a consent", _MAX_BYTES)

        def make() -> Answer:
            made = _recorded(consents, key, body)
            where = [("Location", f"{CONSENTS}/{made.consent_id}")]
            return json_answer(to_json(ConsentView, consent_view(made)), 201, where)

        return await answered_once(desk, key, CONSENTS, idempotency, body, make)


def _recorded(consents: Consents, key: ApiKeyInfo, body: NewConsentBody) -> Consent:
    if body.decision == "refused":
        require_bare_refusal(body)
        return consents.refuse(key.company_id, body.collection_id, body.notice_sha256, person_id=body.person_id)
    return consents.give(key.company_id, agreement_in(body, key.key_id))


def _add_reading(app: FastAPI, desk: Desk, consents: Consents, may_manage: Guard) -> None:
    @app.get(
        CONSENTS,
        operation_id="listConsents",
        tags=["consent"],
        summary="Consents of a region, of a collection or of a person",
        responses={200: {"model": ConsentPage}, **problems(*PEOPLE)},
    )
    async def list_consents(
        key: Annotated[ApiKeyInfo, Depends(may_manage)],
        collection_id: CollectionFilter = None,
        person_id: PersonFilter = None,
        region: RegionFilter = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        after = mark(cursor, IdKind.CONSENT)
        find = partial(
            consents.consents,
            key.company_id,
            limit,
            after,
            collection_id=collection_id,
            person_id=person_id,
            region=region,
        )
        found = await anyio.to_thread.run_sync(find, limiter=desk.inline)
        following = found[-1].consent_id if len(found) == limit else None
        page = ConsentPage(data=[consent_view(one) for one in found], next_cursor=following)
        return json_response(ConsentPage, page)

    @app.get(
        "/v1/consents/{consent_id}",
        operation_id="getConsent",
        tags=["consent"],
        summary="A consent as it stands",
        responses={200: {"model": ConsentView}, **problems(*PEOPLE)},
    )
    async def get_consent(key: Annotated[ApiKeyInfo, Depends(may_manage)], consent_id: ConsentId) -> Response:
        find = partial(consents.consent, key.company_id, consent_id)
        return json_response(ConsentView, consent_view(await anyio.to_thread.run_sync(find, limiter=desk.inline)))

    @app.get(
        "/v1/consents/{consent_id}/receipt",
        operation_id="getConsentReceipt",
        tags=["consent"],
        summary="What proves an event of a consent: signed, with its place in the transparency log",
        responses={200: {"model": ReceiptView}, **problems(*PEOPLE, 410)},
    )
    async def get_receipt(
        key: Annotated[ApiKeyInfo, Depends(may_manage)], consent_id: ConsentId, event: EventFilter = None
    ) -> Response:
        find = partial(consents.receipt, key.company_id, consent_id, event)
        return json_response(ReceiptView, receipt_view(await anyio.to_thread.run_sync(find, limiter=desk.inline)))


def _add_withdrawing(app: FastAPI, desk: Desk, consents: Consents, may_manage: Guard) -> None:
    @app.post(
        "/v1/consents/{consent_id}/withdraw",
        operation_id="withdrawConsent",
        tags=["consent"],
        summary="End a consent and erase what rests on it; sending it again changes nothing",
        responses={200: {"model": WithdrawalView}, **problems(*PEOPLE, 409)},
    )
    async def withdraw_consent(key: Annotated[ApiKeyInfo, Depends(may_manage)], consent_id: ConsentId) -> Response:
        work = partial(consents.withdraw, key.company_id, consent_id)
        ended = await anyio.to_thread.run_sync(work, limiter=desk.inline)
        _forget(desk, key)
        return json_response(WithdrawalView, withdrawal_view(ended))

    @app.post(
        "/v1/persons/{person_id}/consents/withdraw",
        operation_id="withdrawConsentsOfPerson",
        tags=["consent"],
        summary="End every consent of a person and erase them",
        responses={200: {"model": WithdrawalsView}, **problems(*PEOPLE, 409, 410)},
    )
    async def withdraw_of_person(key: Annotated[ApiKeyInfo, Depends(may_manage)], person_id: PersonId) -> Response:
        work = partial(consents.withdraw_all, key.company_id, person_id)
        ended = await anyio.to_thread.run_sync(work, limiter=desk.inline)
        _forget(desk, key)
        return json_response(WithdrawalsView, WithdrawalsView(data=[withdrawal_view(one) for one in ended]))


def _forget(desk: Desk, key: ApiKeyInfo) -> None:
    """No repetition of an earlier answer names whoever withdrew, or tells their age."""
    desk.memory.forget(key.company_id, NAMING | {CONSENTS})
