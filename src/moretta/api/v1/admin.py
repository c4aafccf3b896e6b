"""Usage, egress and API keys: what the operator and the owner of a key may look into and change.

Belongs here: showing and asking. Does not belong here: counting, sending, storing.
"""

from datetime import date
from functools import partial
from typing import Annotated, Any

import anyio.to_thread
from fastapi import Depends, FastAPI, Path, Query, Request, Response

from moretta.api.auth import Guard
from moretta.api.bodies import read_json
from moretta.api.openapi import GUARDED, problems
from moretta.api.schemas import FreshKey, KeyPage, KeyView, NewKey, UsagePage, key_view, to_json, usage_page
from moretta.api.services import Services
from moretta.core.errors import FieldError, RequestInvalid
from moretta.core.keys import ApiKeyInfo


def add_admin_routes(app: FastAPI, services: Services, *, any_key: Guard, may_administer: Guard) -> None:
    """Add the addresses to `app`."""
    _add_counts(app, services, any_key, may_administer)
    _add_keys(app, services, may_administer)


def _add_counts(app: FastAPI, services: Services, any_key: Guard, may_administer: Guard) -> None:
    @app.get(
        "/v1/usage",
        operation_id="getUsage",
        tags=["account"],
        summary="How many media items were processed for the caller's company",
        responses={200: {"model": UsagePage}, **problems(*GUARDED)},
    )
    async def get_usage(
        key: Annotated[ApiKeyInfo, Depends(any_key)],
        since: Annotated[date | None, Query(description="A UTC day: from then on.")] = None,
    ) -> Response:
        counts = await anyio.to_thread.run_sync(
            services.usage.counts, key.company_id, since.isoformat() if since else None
        )
        return _json(UsagePage, usage_page(key.company_id, counts))

    @app.get(
        "/v1/egress",
        operation_id="getEgress",
        tags=["account"],
        summary="Every byte ever sent to the vendor, and every address that the settings allow",
        responses={
            200: {"content": {"application/json": {"schema": {"type": "object"}}}, "description": "The ledger"},
            **problems(*GUARDED),
        },
    )
    async def get_egress(key: Annotated[ApiKeyInfo, Depends(may_administer)]) -> Response:
        return _json(dict[str, Any], dict(await anyio.to_thread.run_sync(services.egress, key.company_id)))


def _add_keys(app: FastAPI, services: Services, may_administer: Guard) -> None:
    key_of = Depends(may_administer)

    @app.get(
        "/v1/keys",
        operation_id="listKeys",
        tags=["account"],
        summary="The company's API keys, the revoked among them",
        responses={200: {"model": KeyPage}, **problems(*GUARDED)},
    )
    async def list_keys(key: Annotated[ApiKeyInfo, key_of]) -> Response:
        infos = await anyio.to_thread.run_sync(services.keys.list, key.company_id)
        return _json(KeyPage, KeyPage(data=[key_view(info) for info in infos]))

    @app.post(
        "/v1/keys",
        operation_id="createKey",
        tags=["account"],
        summary="Make an API key; it is shown this once",
        status_code=201,
        responses={201: {"model": FreshKey}, **problems(*GUARDED, 413, 415)},
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewKey"}}},
            }
        },
    )
    async def create_key(request: Request, key: Annotated[ApiKeyInfo, key_of]) -> Response:
        wanted = await _new_key(request, services)
        make = partial(
            services.keys.create, key.company_id, wanted.scopes, label=wanted.label, expires_at=wanted.expires_at
        )
        issued = await anyio.to_thread.run_sync(make)
        return _json(FreshKey, FreshKey(key=key_view(issued.info), token=issued.token), 201)

    @app.delete(
        "/v1/keys/{key_id}",
        operation_id="revokeKey",
        tags=["account"],
        summary="Revoke an API key; no later call with it succeeds",
        responses={200: {"model": KeyView}, **problems(*GUARDED, 404)},
    )
    async def revoke_key(key: Annotated[ApiKeyInfo, key_of], key_id: Annotated[str, Path(max_length=64)]) -> Response:
        info = await anyio.to_thread.run_sync(services.keys.revoke, key_id, key.company_id)
        return _json(KeyView, key_view(info))


async def _new_key(request: Request, services: Services) -> NewKey:
    wanted = await read_json(request, NewKey, "a key")
    if wanted.expires_at is not None and (wanted.expires_at.tzinfo is None or wanted.expires_at <= services.clock()):
        late = FieldError("expires_at", "expected a moment in the future, with a time zone")
        raise RequestInvalid("The key would never be valid.", field_errors=(late,))
    return wanted


def _json(kind: Any, value: object, status: int = 200) -> Response:
    return Response(to_json(kind, value), status, media_type="application/json")
