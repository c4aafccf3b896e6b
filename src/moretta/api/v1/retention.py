"""Retention and legal holds: how long people are kept, what sweeps did, who is held.

Belongs here: the addresses. Does not belong here: deadlines and sweeping (see `use_cases.retention`).
"""

from functools import partial
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, FastAPI, Path, Query, Request, Response

from moretta.api.auth import Guard
from moretta.api.bodies import read_json
from moretta.api.governance_schemas import (
    HoldList,
    HoldRelease,
    HoldView,
    NewHold,
    RetentionBody,
    RetentionView,
    SweepReport,
    SweepReports,
    hold_view,
    retention_view,
    rule_in,
)
from moretta.api.openapi import PEOPLE, json_body, problems
from moretta.api.people_work import NAMING
from moretta.api.v1.collections import CollectionId, json_response
from moretta.api.work import Desk
from moretta.core.keys import ApiKeyInfo
from moretta.core.retention import RetentionRun
from moretta.use_cases.retention import Retention

HOLDS = "/v1/holds"
RETENTION_BODIES = (RetentionBody, NewHold, HoldRelease)

HoldId = Annotated[str, Path(max_length=64, examples=["hol_local_0123456789abcdef01234567"])]
Active = Annotated[bool, Query(description="Only those that hold.")]


def add_retention_routes(app: FastAPI, desk: Desk, retention: Retention, may_manage: Guard) -> None:
    """Add the addresses to `app`."""
    _add_rules(app, desk, retention, may_manage)
    _add_placing(app, desk, retention, may_manage)
    _add_looking(app, desk, retention, may_manage)


def _add_rules(app: FastAPI, desk: Desk, retention: Retention, may_manage: Guard) -> None:
    @app.get(
        "/v1/collections/{collection_id}/retention",
        operation_id="getRetention",
        tags=["governance"],
        summary="How long people and photos of a collection are kept",
        responses={200: {"model": RetentionView}, **problems(*PEOPLE)},
    )
    async def get_retention(key: Annotated[ApiKeyInfo, Depends(may_manage)], collection_id: CollectionId) -> Response:
        kept = await anyio.to_thread.run_sync(retention.kept, key.company_id, collection_id, limiter=desk.inline)
        return json_response(RetentionView, retention_view(kept))

    @app.put(
        "/v1/collections/{collection_id}/retention",
        operation_id="setRetention",
        tags=["governance"],
        summary="Set from when retention counts, how long photos stay, and when the purpose ends",
        responses={200: {"model": RetentionView}, **problems(*PEOPLE, 413, 415)},
        openapi_extra=json_body("RetentionBody"),
    )
    async def set_retention(
        request: Request, key: Annotated[ApiKeyInfo, Depends(may_manage)], collection_id: CollectionId
    ) -> Response:
        body = await read_json(request, RetentionBody, "a rule of retention")
        rule = rule_in(body, collection_id)
        kept = await anyio.to_thread.run_sync(retention.set_rule, key.company_id, rule, limiter=desk.inline)
        return json_response(RetentionView, retention_view(kept))

    @app.get(
        "/v1/retention/reports",
        operation_id="listSweepReports",
        tags=["governance"],
        summary="Signed reports of what sweeps destroyed, with holds as exceptions",
        responses={200: {"model": SweepReports}, **problems(*PEOPLE)},
    )
    async def list_sweep_reports(key: Annotated[ApiKeyInfo, Depends(may_manage)]) -> Response:
        found = await anyio.to_thread.run_sync(retention.runs, key.company_id, limiter=desk.inline)
        return json_response(SweepReports, SweepReports(data=[_report(run) for run in found]))


def _add_placing(app: FastAPI, desk: Desk, retention: Retention, may_manage: Guard) -> None:
    @app.post(
        HOLDS,
        operation_id="placeHold",
        tags=["governance"],
        summary="Keep a person from being erased and compared, for a reason and until a date",
        status_code=201,
        responses={201: {"model": HoldView}, **problems(*PEOPLE, 409, 413, 415)},
        openapi_extra=json_body("NewHold"),
    )
    async def place_hold(request: Request, key: Annotated[ApiKeyInfo, Depends(may_manage)]) -> Response:
        body = await read_json(request, NewHold, "a hold")
        place = partial(
            retention.place_hold,
            key.company_id,
            body.person_id,
            reason=body.reason,
            placed_by=body.placed_by,
            until=body.until,
            recorded_by=key.key_id,
        )
        hold = await anyio.to_thread.run_sync(place, limiter=desk.inline)
        # No repetition of an earlier answer names them any more.
        desk.memory.forget(key.company_id, NAMING)
        view = hold_view(hold, desk.services.clock())
        return json_response(HoldView, view, 201, Location=f"{HOLDS}/{hold.hold_id}")

    @app.post(
        "/v1/holds/{hold_id}/release",
        operation_id="releaseHold",
        tags=["governance"],
        summary="Release a hold; the person stays restricted",
        responses={200: {"model": HoldView}, **problems(*PEOPLE, 409, 413, 415)},
        openapi_extra=json_body("HoldRelease"),
    )
    async def release_hold(
        request: Request, key: Annotated[ApiKeyInfo, Depends(may_manage)], hold_id: HoldId
    ) -> Response:
        body = await read_json(request, HoldRelease, "the release of a hold")
        release = partial(retention.release_hold, key.company_id, hold_id, reason=body.reason, released_by=key.key_id)
        hold = await anyio.to_thread.run_sync(release, limiter=desk.inline)
        return json_response(HoldView, hold_view(hold, desk.services.clock()))


def _add_looking(app: FastAPI, desk: Desk, retention: Retention, may_manage: Guard) -> None:
    @app.get(
        HOLDS,
        operation_id="listHolds",
        tags=["governance"],
        summary="Who is held, and who was",
        responses={200: {"model": HoldList}, **problems(*PEOPLE)},
    )
    async def list_holds(key: Annotated[ApiKeyInfo, Depends(may_manage)], active: Active = False) -> Response:
        find = partial(retention.holds, key.company_id, active=active)
        found = await anyio.to_thread.run_sync(find, limiter=desk.inline)
        now = desk.services.clock()
        return json_response(HoldList, HoldList(data=[hold_view(hold, now) for hold in found]))

    @app.get(
        "/v1/holds/{hold_id}",
        operation_id="getHold",
        tags=["governance"],
        summary="A hold as it stands",
        responses={200: {"model": HoldView}, **problems(*PEOPLE)},
    )
    async def get_hold(key: Annotated[ApiKeyInfo, Depends(may_manage)], hold_id: HoldId) -> Response:
        hold = await anyio.to_thread.run_sync(retention.hold, key.company_id, hold_id, limiter=desk.inline)
        return json_response(HoldView, hold_view(hold, desk.services.clock()))


def _report(run: RetentionRun) -> SweepReport:
    return SweepReport(id=run.run_id, ended_at=run.ended_at, document=run.document.decode())
