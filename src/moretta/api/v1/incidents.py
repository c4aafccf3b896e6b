"""The breach register: record, change, list, whom an incident met, and drafts of what to tell.

Belongs here: the addresses. Does not belong here: the clock and the query (see `core.incidents`, `use_cases.incidents`).
"""

from functools import partial
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, FastAPI, Path, Request, Response

from moretta.api.auth import Guard
from moretta.api.bodies import read_json
from moretta.api.governance_schemas import (
    AffectedPage,
    DraftsView,
    IncidentChanges,
    IncidentList,
    IncidentView,
    NewIncidentBody,
    QueryBody,
    affected_page,
    draft_view,
    incident_view,
)
from moretta.api.openapi import PEOPLE, json_body, problems
from moretta.api.v1.collections import Cursor, Limit, json_response, mark
from moretta.api.work import Desk
from moretta.core.incidents import AffectedQuery
from moretta.core.keys import ApiKeyInfo
from moretta.core.recognition import IdKind
from moretta.use_cases.incidents import Incidents

INCIDENTS = "/v1/incidents"
INCIDENT_BODIES = (NewIncidentBody, IncidentChanges, QueryBody)
# Six texts of 4,000 characters, each of which may take six bytes in JSON.
_MAX_BYTES = 192 * 1024

IncidentId = Annotated[str, Path(max_length=64, examples=["inc_local_0123456789abcdef01234567"])]


def add_incident_routes(app: FastAPI, desk: Desk, incidents: Incidents, may_manage: Guard) -> None:
    """Add the addresses to `app`."""
    _add_recording(app, desk, incidents, may_manage)
    _add_reading(app, desk, incidents, may_manage)
    _add_affected(app, desk, incidents, may_manage)


def _add_recording(app: FastAPI, desk: Desk, incidents: Incidents, may_manage: Guard) -> None:
    @app.post(
        INCIDENTS,
        operation_id="recordIncident",
        tags=["governance"],
        summary="Record an incident: the 72 hours in which the authority must be told run from when it was noticed",
        status_code=201,
        responses={201: {"model": IncidentView}, **problems(*PEOPLE, 413, 415)},
        openapi_extra=json_body("NewIncidentBody"),
    )
    async def record_incident(request: Request, key: Annotated[ApiKeyInfo, Depends(may_manage)]) -> Response:
        body = await read_json(request, NewIncidentBody, "an incident", _MAX_BYTES)
        made = await anyio.to_thread.run_sync(
            incidents.record, key.company_id, body.new(), key.key_id, limiter=desk.inline
        )
        view = incident_view(made, desk.services.clock())
        return json_response(IncidentView, view, 201, Location=f"{INCIDENTS}/{made.incident_id}")

    @app.patch(
        "/v1/incidents/{incident_id}",
        operation_id="changeIncident",
        tags=["governance"],
        summary="Add what is known by now, decisions, and who was told when; every revision is kept",
        responses={200: {"model": IncidentView}, **problems(*PEOPLE, 409, 413, 415)},
        openapi_extra=json_body("IncidentChanges"),
    )
    async def change_incident(
        request: Request, key: Annotated[ApiKeyInfo, Depends(may_manage)], incident_id: IncidentId
    ) -> Response:
        body = await read_json(request, IncidentChanges, "changes of an incident", _MAX_BYTES)
        change = partial(incidents.change, key.company_id, incident_id, body.changes(), key.key_id)
        changed = await anyio.to_thread.run_sync(change, limiter=desk.inline)
        return json_response(IncidentView, incident_view(changed, desk.services.clock()))


def _add_reading(app: FastAPI, desk: Desk, incidents: Incidents, may_manage: Guard) -> None:
    @app.get(
        INCIDENTS,
        operation_id="listIncidents",
        tags=["governance"],
        summary="The breach register; whose clock ends first comes first",
        responses={200: {"model": IncidentList}, **problems(*PEOPLE)},
    )
    async def list_incidents(key: Annotated[ApiKeyInfo, Depends(may_manage)]) -> Response:
        found = await anyio.to_thread.run_sync(incidents.incidents, key.company_id, limiter=desk.inline)
        now = desk.services.clock()
        return json_response(IncidentList, IncidentList(data=[incident_view(one, now) for one in found]))

    @app.get(
        "/v1/incidents/{incident_id}",
        operation_id="getIncident",
        tags=["governance"],
        summary="An incident as it stands",
        responses={200: {"model": IncidentView}, **problems(*PEOPLE)},
    )
    async def get_incident(key: Annotated[ApiKeyInfo, Depends(may_manage)], incident_id: IncidentId) -> Response:
        found = await anyio.to_thread.run_sync(incidents.incident, key.company_id, incident_id, limiter=desk.inline)
        return json_response(IncidentView, incident_view(found, desk.services.clock()))

    @app.get(
        "/v1/incidents/{incident_id}/history",
        operation_id="getIncidentHistory",
        tags=["governance"],
        summary="Every revision of an incident, the oldest first",
        responses={200: {"model": IncidentList}, **problems(*PEOPLE)},
    )
    async def get_history(key: Annotated[ApiKeyInfo, Depends(may_manage)], incident_id: IncidentId) -> Response:
        found = await anyio.to_thread.run_sync(incidents.history, key.company_id, incident_id, limiter=desk.inline)
        now = desk.services.clock()
        return json_response(IncidentList, IncidentList(data=[incident_view(one, now) for one in found]))

    @app.get(
        "/v1/incidents/{incident_id}/drafts",
        operation_id="draftNotices",
        tags=["governance"],
        summary="Drafts of the notices to the authority and to the people, for a person to finish and send",
        responses={200: {"model": DraftsView}, **problems(*PEOPLE)},
    )
    async def draft_notices(key: Annotated[ApiKeyInfo, Depends(may_manage)], incident_id: IncidentId) -> Response:
        made = await anyio.to_thread.run_sync(incidents.drafts, key.company_id, incident_id, limiter=desk.inline)
        view = DraftsView(authority=draft_view(made[0]), subjects=draft_view(made[1]))
        return json_response(DraftsView, view)


def _add_affected(app: FastAPI, desk: Desk, incidents: Incidents, may_manage: Guard) -> None:
    @app.post(
        "/v1/incidents/affected",
        operation_id="findAffected",
        tags=["governance"],
        summary="Persons whom an incident may have met, by collection, region, time and key",
        responses={200: {"model": AffectedPage}, **problems(*PEOPLE, 413, 415)},
        openapi_extra=json_body("QueryBody"),
    )
    async def find_affected(
        request: Request,
        key: Annotated[ApiKeyInfo, Depends(may_manage)],
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        query: AffectedQuery = (await read_json(request, QueryBody, "a query of the affected")).query()
        after = mark(cursor, IdKind.PERSON)
        found = await anyio.to_thread.run_sync(
            incidents.affected, key.company_id, query, limit, after, limiter=desk.inline
        )
        return json_response(AffectedPage, affected_page(found))
