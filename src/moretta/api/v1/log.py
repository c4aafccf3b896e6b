"""The transparency log: its checkpoints, its proofs, its entries, and what witnesses add.

Belongs here: showing and asking. Does not belong here: signing, proving. Whoever has a key of this service may check that the log
only grows; what an entry says is shown to its own company alone, of the others only the hashes that the tree is made of.
"""

from typing import Annotated, Any

import anyio.to_thread
from fastapi import Depends, FastAPI, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from moretta.api.auth import Guard
from moretta.api.bodies import read_json
from moretta.api.openapi import GUARDED, problems
from moretta.api.schemas import to_json
from moretta.api.services import Services
from moretta.core.errors import NotFound
from moretta.core.keys import ApiKeyInfo
from moretta.core.ledger import entry_from_leaf
from moretta.core.ledger_store import StoredLeaf
from moretta.core.notes import MAX_NOTE_BYTES, parse_note_key
from moretta.core.published_log import PublishedLog
from moretta.core.signing import to_base64

NOTE_TYPE = "text/plain; charset=utf-8"
# A page of a thousand entries takes some 400 KB.
MAX_ENTRIES = 1000

_Region = Annotated[str | None, Query(max_length=16, description="Whose log; left out: the default region's.")]
_Place = Annotated[int, Query(ge=0, lt=2**62)]


class InclusionView(BaseModel):
    """That the entry at `index` is in the log of `size` entries: an audit path of RFC 9162, hashes in base64."""

    index: int
    size: int
    leaf_hash: str
    hashes: list[str]


class ConsistencyView(BaseModel):
    """That the log of `size` entries begins with the log of `first`: a proof of RFC 9162, hashes in base64."""

    first: int
    size: int
    hashes: list[str]


class EntryView(BaseModel):
    """An entry where it stands. `entry` is there where it is the caller's company's, or the deployment's own."""

    index: int
    leaf_hash: str
    entry: dict[str, Any] | None = None


class EntryPage(BaseModel):
    """Entries in their order; `size` is how many the log has."""

    size: int
    data: list[EntryView]


class LogKeys(BaseModel):
    """The log's public keys, the oldest first, each as `NAME+HASH+BASE64` (C2SP signed-note)."""

    keys: list[str]


class NewCosignature(BaseModel):
    """A witness's line of a checkpoint (C2SP tlog-cosignature), and its key as `NAME+HASH+BASE64`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    size: int = Field(ge=0, lt=2**62)
    line: str = Field(max_length=MAX_NOTE_BYTES)
    key: str = Field(max_length=1024)


def add_log_routes(app: FastAPI, services: Services, *, any_key: Guard, may_administer: Guard) -> None:
    """Add the addresses to `app`."""
    _add_checkpoints(app, services, any_key, may_administer)
    _add_proofs(app, services, any_key)
    _add_entries(app, services, may_administer)


def _add_checkpoints(app: FastAPI, services: Services, any_key: Guard, may_administer: Guard) -> None:
    @app.get(
        "/v1/log/checkpoint",
        operation_id="getLogCheckpoint",
        tags=["log"],
        summary="A signed checkpoint of the log as it stands, or the one that was signed of a size, as a C2SP note",
        response_class=Response,
        dependencies=[Depends(any_key)],
        responses={
            200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "A signed note"},
            **problems(*GUARDED, 404, 503),
        },
    )
    async def get_checkpoint(
        region: _Region = None,
        size: Annotated[int | None, Query(ge=0, lt=2**62, description="One that was signed before.")] = None,
    ) -> Response:
        found = await anyio.to_thread.run_sync(lambda: _log(services, region).checkpoint(size))
        return Response(found.note, media_type=NOTE_TYPE)

    @app.get(
        "/v1/log/keys",
        operation_id="getLogKeys",
        tags=["log"],
        summary="The public keys that sign the log's checkpoints",
        dependencies=[Depends(any_key)],
        responses={200: {"model": LogKeys}, **problems(*GUARDED, 503)},
    )
    async def get_log_keys(region: _Region = None) -> Response:
        keys = await anyio.to_thread.run_sync(lambda: _log(services, region).public_keys())
        return _json(LogKeys, LogKeys(keys=[key.text() for key in keys]))

    @app.post(
        "/v1/log/cosignatures",
        operation_id="addLogCosignature",
        tags=["log"],
        summary="Keep what a witness signed of a checkpoint; it stands in the note from then on",
        status_code=204,
        dependencies=[Depends(may_administer)],
        responses={204: {"description": "Kept"}, **problems(*GUARDED, 404, 409, 413, 415, 503)},
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewCosignature"}}},
            }
        },
    )
    async def add_cosignature(request: Request, region: _Region = None) -> Response:
        given = await read_json(request, NewCosignature, "a cosignature")
        await anyio.to_thread.run_sync(
            lambda: _log(services, region).cosign(given.size, given.line, parse_note_key(given.key))
        )
        return Response(status_code=204)


def _add_proofs(app: FastAPI, services: Services, any_key: Guard) -> None:
    @app.get(
        "/v1/log/proof/inclusion",
        operation_id="getLogInclusion",
        tags=["log"],
        summary="That an entry is in the log",
        dependencies=[Depends(any_key)],
        responses={200: {"model": InclusionView}, **problems(*GUARDED, 404, 503)},
    )
    async def get_inclusion(index: _Place, size: _Place, region: _Region = None) -> Response:
        def ask() -> InclusionView:
            log = _log(services, region)
            proof = log.inclusion(index, size)
            (leaf,) = log.leaves(index, 1)
            hashes = [to_base64(one) for one in proof.hashes]
            return InclusionView(index=index, size=size, leaf_hash=to_base64(leaf.leaf_hash), hashes=hashes)

        return _json(InclusionView, await anyio.to_thread.run_sync(ask))

    @app.get(
        "/v1/log/proof/consistency",
        operation_id="getLogConsistency",
        tags=["log"],
        summary="That the log only grew",
        dependencies=[Depends(any_key)],
        responses={200: {"model": ConsistencyView}, **problems(*GUARDED, 404, 503)},
    )
    async def get_consistency(first: _Place, size: _Place, region: _Region = None) -> Response:
        proof = await anyio.to_thread.run_sync(lambda: _log(services, region).consistency(first, size))
        hashes = [to_base64(one) for one in proof.hashes]
        return _json(ConsistencyView, ConsistencyView(first=first, size=size, hashes=hashes))


def _add_entries(app: FastAPI, services: Services, may_administer: Guard) -> None:
    @app.get(
        "/v1/log/entries",
        operation_id="listLogEntries",
        tags=["log"],
        summary="Entries of the log: what was done, and people as salted commitments only",
        responses={200: {"model": EntryPage}, **problems(*GUARDED, 503)},
    )
    async def list_entries(
        key: Annotated[ApiKeyInfo, Depends(may_administer)],
        start: _Place = 0,
        limit: Annotated[int, Query(ge=1, le=MAX_ENTRIES)] = 100,
        region: _Region = None,
    ) -> Response:
        def ask() -> EntryPage:
            log = _log(services, region)
            shown = [_shown(leaf, key.company_id) for leaf in log.leaves(start, limit)]
            return EntryPage(size=log.size(), data=shown)

        return _json(EntryPage, await anyio.to_thread.run_sync(ask))


def _shown(leaf: StoredLeaf, company_id: str) -> EntryView:
    entry = entry_from_leaf(leaf.leaf)
    mine = entry.company_id in ("", company_id)  # the deployment's own acts are no company's
    fields = dict(entry.fields()) if mine else None
    return EntryView(index=leaf.index, leaf_hash=to_base64(leaf.leaf_hash), entry=fields)


def _log(services: Services, region: str | None) -> PublishedLog:
    if services.log is None:
        raise NotFound("This deployment keeps no log.")
    return services.log(region)


def _json(kind: Any, value: object) -> Response:
    return Response(to_json(kind, value), media_type="application/json")
