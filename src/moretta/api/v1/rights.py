"""Rights requests: open, follow, extend, refuse, fulfil, and have the package of an access.

Belongs here: the addresses. Does not belong here: certificates (see `receipts`), what a right demands (see `use_cases.rights`).
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, FastAPI, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from moretta.api.auth import Guard
from moretta.api.bodies import read_json
from moretta.api.openapi import PEOPLE, json_body, problems
from moretta.api.people_work import NAMING
from moretta.api.rights_schemas import (
    NewRightsRequest,
    RequestReason,
    RightsNoticePage,
    RightsRequestPage,
    RightsRequestView,
    SearchPage,
    notice_view,
    request_view,
    search_about_view,
)
from moretta.api.streams import streamed
from moretta.api.v1.collections import Cursor, Limit, json_response, mark
from moretta.api.v1.notices import RegionFilter
from moretta.api.v1.persons import MAX_PERSON_BYTES, PersonId
from moretta.api.work import Desk
from moretta.core.keys import ApiKeyInfo
from moretta.core.recognition import IdKind
from moretta.core.rights import RequestState, RightsRequest
from moretta.use_cases.rights import Rights

REQUESTS = "/v1/rights-requests"
RequestId = Annotated[str, Path(max_length=64, examples=["req_local_0123456789abcdef01234567"])]
_Before = Annotated[int | None, Query(ge=0, description="The next_before of the page before.")]
_After = Annotated[int, Query(ge=0, description="From after this number on.")]


def add_rights_routes(app: FastAPI, desk: Desk, rights: Rights, may_manage: Guard) -> None:
    """Add the addresses to `app`."""
    _add_opening(app, desk, rights, may_manage)
    _add_reading(app, desk, rights, may_manage)
    _add_answering(app, desk, rights, may_manage)
    _add_package(app, desk, rights, may_manage)
    _add_notices(app, desk, rights, may_manage)


def _add_opening(app: FastAPI, desk: Desk, rights: Rights, may_manage: Guard) -> None:
    @app.post(
        REQUESTS,
        operation_id="openRightsRequest",
        tags=["rights"],
        summary="Record that a person uses a right; a restriction or objection stops comparing at once",
        status_code=201,
        responses={201: {"model": RightsRequestView}, **problems(*PEOPLE, 409, 413, 415)},
        openapi_extra=json_body("NewRightsRequest"),
    )
    async def open_rights_request(request: Request, key: Annotated[ApiKeyInfo, Depends(may_manage)]) -> Response:
        body = await read_json(request, NewRightsRequest, "a rights request", MAX_PERSON_BYTES)
        work = partial(
            rights.open,
            key.company_id,
            body.person_id,
            body.right,
            name=body.name,
            attributes=None if body.attributes is None else tuple(body.attributes.items()),
            reason=body.reason,
        )
        made = await anyio.to_thread.run_sync(work, limiter=desk.inline)
        desk.memory.forget(key.company_id, NAMING)
        return _shown(desk, made, 201, Location=f"{REQUESTS}/{made.request_id}")


def _add_reading(app: FastAPI, desk: Desk, rights: Rights, may_manage: Guard) -> None:
    @app.get(
        REQUESTS,
        operation_id="listRightsRequests",
        tags=["rights"],
        summary="Rights requests of a region, or of a person",
        responses={200: {"model": RightsRequestPage}, **problems(*PEOPLE)},
    )
    async def list_rights_requests(
        key: Annotated[ApiKeyInfo, Depends(may_manage)],
        person_id: Annotated[str | None, Query(max_length=64, description="Of this person alone.")] = None,
        state: Annotated[RequestState | None, Query(description="In this state alone.")] = None,
        region: RegionFilter = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        after = mark(cursor, IdKind.REQUEST)
        find = partial(rights.requests, key.company_id, limit, after, person_id=person_id, state=state, region=region)
        found = await anyio.to_thread.run_sync(find, limiter=desk.inline)
        following = found[-1].request_id if len(found) == limit else None
        now = desk.services.clock()
        page = RightsRequestPage(data=[request_view(one, now) for one in found], next_cursor=following)
        return json_response(RightsRequestPage, page)

    @app.get(
        f"{REQUESTS}/{{request_id}}",
        operation_id="getRightsRequest",
        tags=["rights"],
        summary="A rights request as it stands",
        responses={200: {"model": RightsRequestView}, **problems(*PEOPLE)},
    )
    async def get_rights_request(key: Annotated[ApiKeyInfo, Depends(may_manage)], request_id: RequestId) -> Response:
        found = await anyio.to_thread.run_sync(rights.request, key.company_id, request_id, limiter=desk.inline)
        return _shown(desk, found)

    @app.get(
        "/v1/persons/{person_id}/searches",
        operation_id="listSearchesAbout",
        tags=["rights"],
        summary="Who searched this person: every act that compared their templates, the latest first",
        responses={200: {"model": SearchPage}, **problems(*PEOPLE)},
    )
    async def list_searches_about(
        key: Annotated[ApiKeyInfo, Depends(may_manage)], person_id: PersonId, limit: Limit = 50, before: _Before = None
    ) -> Response:
        find = partial(rights.searches, key.company_id, person_id, limit, before)
        found = await anyio.to_thread.run_sync(find, limiter=desk.inline)
        following = found[-1].log_index if len(found) == limit else None
        return json_response(
            SearchPage, SearchPage(data=[search_about_view(one) for one in found], next_before=following)
        )


def _add_answering(app: FastAPI, desk: Desk, rights: Rights, may_manage: Guard) -> None:
    def add(path: str, operation: str, summary: str, act: Callable[[str, str, str], RightsRequest]) -> None:
        @app.post(
            f"{REQUESTS}/{{request_id}}/{path}",
            operation_id=operation,
            tags=["rights"],
            summary=summary,
            responses={200: {"model": RightsRequestView}, **problems(*PEOPLE, 409, 413, 415)},
            openapi_extra=json_body("RequestReason"),
        )
        async def answer(
            request: Request, key: Annotated[ApiKeyInfo, Depends(may_manage)], request_id: RequestId
        ) -> Response:
            body = await read_json(request, RequestReason, "a reason")
            work = partial(act, key.company_id, request_id, body.reason)
            return _shown(desk, await anyio.to_thread.run_sync(work, limiter=desk.inline))

    add("extend", "extendRightsRequest", "Two more months, once, with a reason (GDPR Art. 12(3))", rights.extend)
    add("refuse", "refuseRightsRequest", "Refuse, with the reason that is told to the person", rights.refuse)

    @app.post(
        f"{REQUESTS}/{{request_id}}/fulfil",
        operation_id="fulfilRightsRequest",
        tags=["rights"],
        summary="Do what is asked for, and close the request",
        responses={200: {"model": RightsRequestView}, **problems(*PEOPLE, 409, 423)},
    )
    async def fulfil_rights_request(key: Annotated[ApiKeyInfo, Depends(may_manage)], request_id: RequestId) -> Response:
        done = await anyio.to_thread.run_sync(rights.fulfil, key.company_id, request_id, limiter=desk.inline)
        desk.memory.forget(key.company_id, NAMING)
        return _shown(desk, done)


def _add_package(app: FastAPI, desk: Desk, rights: Rights, may_manage: Guard) -> None:
    @app.get(
        f"{REQUESTS}/{{request_id}}/package",
        operation_id="getAccessPackage",
        tags=["rights"],
        summary="Everything that is kept of the person, as a signed ZIP that streams and is kept nowhere",
        response_class=StreamingResponse,
        responses={
            200: {
                "description": "The archive",
                "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
            },
            **problems(*PEOPLE),
        },
    )
    async def get_access_package(
        key: Annotated[ApiKeyInfo, Depends(may_manage)], request_id: RequestId
    ) -> StreamingResponse:
        asked = await anyio.to_thread.run_sync(rights.request, key.company_id, request_id, limiter=desk.inline)
        write = partial(rights.package, key.company_id, asked.person_id, request_id=request_id)
        pieces = await streamed(write, desk.inline)
        headers = {"Content-Disposition": 'attachment; filename="access.zip"', "Cache-Control": "no-store"}
        return StreamingResponse(pieces, media_type="application/zip", headers=headers)


def _add_notices(app: FastAPI, desk: Desk, rights: Rights, may_manage: Guard) -> None:
    @app.get(
        "/v1/rights-notices",
        operation_id="listRightsNotices",
        tags=["rights"],
        summary="Signed messages about requests that wait to be delivered",
        responses={200: {"model": RightsNoticePage}, **problems(*PEOPLE)},
    )
    async def list_rights_notices(
        key: Annotated[ApiKeyInfo, Depends(may_manage)],
        after: _After = 0,
        region: RegionFilter = None,
        limit: Limit = 50,
    ) -> Response:
        find = partial(rights.notices, key.company_id, limit, after, region=region)
        found = await anyio.to_thread.run_sync(find, limiter=desk.inline)
        return json_response(RightsNoticePage, RightsNoticePage(data=[notice_view(one) for one in found]))

    @app.post(
        "/v1/rights-notices/{number}/delivered",
        operation_id="markRightsNoticeDelivered",
        tags=["rights"],
        summary="Say that a message was delivered; it is not listed again",
        status_code=204,
        responses={204: {"description": "Noted"}, **problems(*PEOPLE)},
    )
    async def mark_rights_notice_delivered(
        key: Annotated[ApiKeyInfo, Depends(may_manage)],
        number: Annotated[int, Path(ge=1, lt=2**62)],
        region: RegionFilter = None,
    ) -> Response:
        note = partial(rights.delivered, key.company_id, number, region=region)
        await anyio.to_thread.run_sync(note, limiter=desk.inline)
        return Response(status_code=204)


def _shown(desk: Desk, request: RightsRequest, status: int = 200, **headers: str) -> Response:
    return json_response(RightsRequestView, request_view(request, desk.services.clock()), status, **headers)
