"""Notices: add a version, list, look at one.

Belongs here: the addresses. Does not belong here: consents (see `consents`).
"""

from functools import partial
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, FastAPI, Path, Query, Request, Response

from moretta.api.auth import Guard
from moretta.api.bodies import read_json
from moretta.api.calls import REPEATED, IdempotencyHeader, json_answer
from moretta.api.consent_schemas import NewNotice, NoticePage, NoticeView, notice_view
from moretta.api.idempotency import Answer
from moretta.api.openapi import PEOPLE, json_body, problems
from moretta.api.repeats import answered_once
from moretta.api.schemas import to_json
from moretta.api.v1.collections import Cursor, Limit, json_response, mark
from moretta.api.work import Desk
from moretta.core.keys import ApiKeyInfo
from moretta.core.recognition import IdKind
from moretta.use_cases.consent.facade import Consents

NOTICES = "/v1/notices"
# The text may have 64 KiB, each of whose characters may take six bytes in JSON.
_MAX_BYTES = 512 * 1024

CollectionFilter = Annotated[str | None, Query(max_length=64, description="Of this collection alone.")]
RegionFilter = Annotated[
    str | None, Query(max_length=16, description="Of this region; left out, the deployment's first one.")
]


def add_notice_routes(app: FastAPI, desk: Desk, consents: Consents, *, may_manage: Guard, may_look: Guard) -> None:
    """Add the addresses to `app`."""
    _add_writing(app, desk, consents, may_manage)
    _add_reading(app, desk, consents, may_look)


def _add_writing(app: FastAPI, desk: Desk, consents: Consents, may_manage: Guard) -> None:
    @app.post(
        NOTICES,
        operation_id="addNotice",
        tags=["consent"],
        summary="Show a text to the people of a collection before they consent: from now on, in place of the one before",
        status_code=201,
        responses={201: {"model": NoticeView, "headers": REPEATED}, **problems(*PEOPLE, 409, 413, 415)},
        openapi_extra=json_body("NewNotice"),
    )
    async def add_notice(
        request: Request, key: Annotated[ApiKeyInfo, Depends(may_manage)], idempotency: IdempotencyHeader = None
    ) -> Response:
        body = await read_json(request, NewNotice, "a notice", _MAX_BYTES)

        def make() -> Answer:
            made = consents.add_notice(
                key.company_id, body.collection_id, language=body.language, controller=body.controller, text=body.text
            )
            where = [("Location", f"{NOTICES}/{made.notice_id}?version={made.version}")]
            return json_answer(to_json(NoticeView, notice_view(made)), 201, where)

        return await answered_once(desk, key, NOTICES, idempotency, body, make)


def _add_reading(app: FastAPI, desk: Desk, consents: Consents, may_look: Guard) -> None:
    @app.get(
        NOTICES,
        operation_id="listNotices",
        tags=["consent"],
        summary="The newest version of each notice",
        responses={200: {"model": NoticePage}, **problems(*PEOPLE)},
    )
    async def list_notices(
        key: Annotated[ApiKeyInfo, Depends(may_look)],
        collection_id: CollectionFilter = None,
        region: RegionFilter = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        after = mark(cursor, IdKind.NOTICE)
        find = partial(consents.notices, key.company_id, limit, after, collection_id=collection_id, region=region)
        found = await anyio.to_thread.run_sync(find, limiter=desk.inline)
        following = found[-1].notice_id if len(found) == limit else None
        return json_response(NoticePage, NoticePage(data=[notice_view(one) for one in found], next_cursor=following))

    @app.get(
        "/v1/notices/{notice_id}",
        operation_id="getNotice",
        tags=["consent"],
        summary="One version of a notice, or the newest",
        responses={200: {"model": NoticeView}, **problems(*PEOPLE)},
    )
    async def get_notice(
        key: Annotated[ApiKeyInfo, Depends(may_look)],
        notice_id: Annotated[str, Path(max_length=64, examples=["not_local_0123456789abcdef01234567"])],
        version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    ) -> Response:
        find = partial(consents.notice, key.company_id, notice_id, version)
        found = await anyio.to_thread.run_sync(find, limiter=desk.inline)
        return json_response(NoticeView, notice_view(found))
