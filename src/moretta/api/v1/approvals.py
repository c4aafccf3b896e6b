"""Approvals and the policy: what may be done here, and who approved what needs approval.

Belongs here: the addresses. Does not belong here: deciding (see `core.policy`).
"""

from functools import partial
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, FastAPI, Path, Request, Response

from moretta.api.auth import Guard
from moretta.api.bodies import read_json
from moretta.api.calls import REPEATED, IdempotencyHeader, json_answer
from moretta.api.idempotency import Answer
from moretta.api.openapi import GUARDED, LOCATION, PEOPLE, json_body, problems
from moretta.api.repeats import answered_once
from moretta.api.review_schemas import (
    ApprovalPage,
    ApprovalView,
    NewApproval,
    PolicyView,
    approval_view,
    policy_view,
)
from moretta.api.schemas import to_json
from moretta.api.services import Services
from moretta.api.v1.collections import Cursor, Limit, json_response, mark
from moretta.api.v1.notices import RegionFilter
from moretta.api.work import Desk
from moretta.core.errors import FieldError, RequestInvalid
from moretta.core.keys import ApiKeyInfo
from moretta.core.recognition import IdKind
from moretta.use_cases.review.facade import Approvals

APPROVALS = "/v1/approvals"
# As answers are remembered under an `Idempotency-Key`.
_REVOKE = "/v1/approvals/revoke"
_HEADERS = {**LOCATION, **REPEATED}
ApprovalId = Annotated[str, Path(max_length=64, examples=["apr_local_0123456789abcdef01234567"])]


def add_policy_route(app: FastAPI, services: Services, any_key: Guard) -> None:
    """Add the address of the policy to `app`."""

    @app.get(
        "/v1/policy",
        operation_id="getPolicy",
        tags=["governance"],
        summary="The policy in force: purposes, lawful bases, contexts, and what may be done",
        responses={200: {"model": PolicyView}, **problems(*GUARDED)},
    )
    async def get_policy(_: Annotated[ApiKeyInfo, Depends(any_key)]) -> Response:
        return json_response(PolicyView, policy_view(services.policy))


def add_approval_routes(app: FastAPI, desk: Desk, approvals: Approvals, may_administer: Guard) -> None:
    """Add the addresses to `app`."""
    _add_writing(app, desk, approvals, may_administer)
    _add_reading(app, desk, approvals, may_administer)


def _add_writing(app: FastAPI, desk: Desk, approvals: Approvals, may_administer: Guard) -> None:
    clock = desk.services.clock

    @app.post(
        APPROVALS,
        operation_id="grantApproval",
        tags=["governance"],
        summary="Record that a use was approved: by whom, why, and until when",
        status_code=201,
        responses={201: {"model": ApprovalView, "headers": _HEADERS}, **problems(*PEOPLE, 409, 413, 415)},
        openapi_extra=json_body("NewApproval"),
    )
    async def grant_approval(
        request: Request, key: Annotated[ApiKeyInfo, Depends(may_administer)], idempotency: IdempotencyHeader = None
    ) -> Response:
        body = await read_json(request, NewApproval, "an approval")
        if body.until.tzinfo is None:
            wrong = FieldError("until", "expected a moment with its time zone, such as 2026-01-31T12:00:00Z")
            raise RequestInvalid("The end of the approval cannot be used.", field_errors=(wrong,))
        grant = partial(
            approvals.grant,
            key.company_id,
            body.purpose,
            collection_id=body.collection_id,
            action=body.action,
            approver=body.approver,
            reason=body.reason,
            until=body.until,
            recorded_by=key.key_id,
        )

        def make() -> Answer:
            made = grant()
            where = [("Location", f"{APPROVALS}/{made.approval_id}")]
            return json_answer(to_json(ApprovalView, approval_view(made, clock())), 201, where)

        return await answered_once(desk, key, APPROVALS, idempotency, body, make, of=key.key_id)

    @app.post(
        "/v1/approvals/{approval_id}/revoke",
        operation_id="revokeApproval",
        tags=["governance"],
        summary="Take an approval back: what needs one is refused from now on",
        responses={200: {"model": ApprovalView, "headers": REPEATED}, **problems(*PEOPLE, 409)},
    )
    async def revoke_approval(
        key: Annotated[ApiKeyInfo, Depends(may_administer)],
        approval_id: ApprovalId,
        idempotency: IdempotencyHeader = None,
    ) -> Response:
        revoke = partial(approvals.revoke, key.company_id, approval_id, key.key_id)

        def make() -> Answer:
            return json_answer(to_json(ApprovalView, approval_view(revoke(), clock())))

        of = f"{key.key_id}|{approval_id}"
        return await answered_once(desk, key, _REVOKE, idempotency, None, make, of=of)


def _add_reading(app: FastAPI, desk: Desk, approvals: Approvals, may_administer: Guard) -> None:
    clock = desk.services.clock

    @app.get(
        APPROVALS,
        operation_id="listApprovals",
        tags=["governance"],
        summary="Approvals, those that ended or were revoked too",
        responses={200: {"model": ApprovalPage}, **problems(*PEOPLE)},
    )
    async def list_approvals(
        key: Annotated[ApiKeyInfo, Depends(may_administer)],
        region: RegionFilter = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        after = mark(cursor, IdKind.APPROVAL)
        find = partial(approvals.approvals, key.company_id, limit, after, region=region)
        found = await anyio.to_thread.run_sync(find, limiter=desk.inline)
        following = found[-1].approval_id if len(found) == limit else None
        page = ApprovalPage(data=[approval_view(one, clock()) for one in found], next_cursor=following)
        return json_response(ApprovalPage, page)

    @app.get(
        "/v1/approvals/{approval_id}",
        operation_id="getApproval",
        tags=["governance"],
        summary="An approval as it stands",
        responses={200: {"model": ApprovalView}, **problems(*PEOPLE)},
    )
    async def get_approval(key: Annotated[ApiKeyInfo, Depends(may_administer)], approval_id: ApprovalId) -> Response:
        find = partial(approvals.approval, key.company_id, approval_id)
        found = await anyio.to_thread.run_sync(find, limiter=desk.inline)
        return json_response(ApprovalView, approval_view(found, clock()))
