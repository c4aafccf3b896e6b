"""Watched sites: made, started, looked at, stopped and removed.

Belongs here: the addresses. Does not belong here: watching (see `wiring.streams`), what it released (see `statistics`).
"""

from typing import Annotated

import anyio.to_thread
from fastapi import Depends, FastAPI, Path, Request, Response

from moretta.api.auth import Guard
from moretta.api.bodies import read_json
from moretta.api.openapi import PEOPLE, json_body, problems
from moretta.api.v1.collections import json_response
from moretta.api.watching_schemas import NewStream, StreamList, StreamStart, StreamView, stream_view
from moretta.api.work import Desk
from moretta.core.keys import ApiKeyInfo
from moretta.core.streams import StreamDesk
from moretta.wiring.site_file import MAX_BYTES, site_of

STREAMS = "/v1/streams"
StreamId = Annotated[str, Path(max_length=64, examples=["str_0123456789abcdef"])]


def add_stream_routes(app: FastAPI, desk: Desk, streams: StreamDesk, may_manage: Guard) -> None:
    """Add the addresses to `app`."""
    _add_keeping(app, desk, streams, may_manage)
    _add_telling(app, desk, streams, may_manage)
    _add_running(app, desk, streams, may_manage)


def _add_keeping(app: FastAPI, desk: Desk, streams: StreamDesk, may_manage: Guard) -> None:
    @app.post(
        STREAMS,
        operation_id="createStream",
        tags=["statistics"],
        summary="Make a stream: a site and where its cameras' pictures come from; it is not started",
        status_code=201,
        responses={201: {"model": StreamView}, **problems(*PEOPLE, 413, 415)},
        openapi_extra=json_body("NewStream"),
    )
    async def create_stream(request: Request, key: Annotated[ApiKeyInfo, Depends(may_manage)]) -> Response:
        body = await read_json(request, NewStream, "a site to watch", MAX_BYTES)
        found = site_of(body.site)
        made = await anyio.to_thread.run_sync(
            streams.create, key.company_id, found.site, found.sources, body.rate, limiter=desk.inline
        )
        answer = json_response(StreamView, stream_view(made), 201)
        answer.headers["Location"] = f"{STREAMS}/{made.stream_id}"
        return answer

    @app.delete(
        f"{STREAMS}/{{stream_id}}",
        operation_id="deleteStream",
        tags=["statistics"],
        summary="Stop and forget a stream; what it released stays",
        status_code=204,
        responses={204: {"description": "Gone"}, **problems(*PEOPLE)},
    )
    async def delete_stream(key: Annotated[ApiKeyInfo, Depends(may_manage)], stream_id: StreamId) -> Response:
        await anyio.to_thread.run_sync(streams.remove, key.company_id, stream_id, limiter=desk.inline)
        return Response(status_code=204)


def _add_telling(app: FastAPI, desk: Desk, streams: StreamDesk, may_manage: Guard) -> None:
    @app.get(
        STREAMS,
        operation_id="listStreams",
        tags=["statistics"],
        summary="All streams and how their cameras do",
        responses={200: {"model": StreamList}, **problems(*PEOPLE)},
    )
    async def list_streams(key: Annotated[ApiKeyInfo, Depends(may_manage)]) -> Response:
        found = await anyio.to_thread.run_sync(streams.streams, key.company_id, limiter=desk.inline)
        return json_response(StreamList, StreamList(data=[stream_view(one) for one in found]))

    @app.get(
        f"{STREAMS}/{{stream_id}}",
        operation_id="getStream",
        tags=["statistics"],
        summary="A stream: its cameras' health, and the receipt of the process that watches",
        responses={200: {"model": StreamView}, **problems(*PEOPLE)},
    )
    async def get_stream(key: Annotated[ApiKeyInfo, Depends(may_manage)], stream_id: StreamId) -> Response:
        found = await anyio.to_thread.run_sync(streams.stream, key.company_id, stream_id, limiter=desk.inline)
        return json_response(StreamView, stream_view(found))

    @app.get(
        f"{STREAMS}/{{stream_id}}/receipt",
        operation_id="getStreamReceipt",
        tags=["statistics"],
        summary="What the watching process said of itself before the first picture: signed JSON that anybody can check offline",
        responses={
            200: {"description": "The receipt", "content": {"application/json": {"schema": {"type": "object"}}}},
            **problems(*PEOPLE),
        },
    )
    async def get_receipt(key: Annotated[ApiKeyInfo, Depends(may_manage)], stream_id: StreamId) -> Response:
        found = await anyio.to_thread.run_sync(streams.signed_receipt, key.company_id, stream_id, limiter=desk.inline)
        return Response(found, media_type="application/json")


def _add_running(app: FastAPI, desk: Desk, streams: StreamDesk, may_manage: Guard) -> None:
    @app.post(
        f"{STREAMS}/{{stream_id}}/start",
        operation_id="startStream",
        tags=["statistics"],
        summary="Watch a stream; after a restart of the service its sources are needed again",
        responses={200: {"model": StreamView}, **problems(*PEOPLE, 409, 413, 415)},
        openapi_extra=json_body("StreamStart"),
    )
    async def start_stream(
        request: Request, key: Annotated[ApiKeyInfo, Depends(may_manage)], stream_id: StreamId
    ) -> Response:
        body = await read_json(request, StreamStart, "sources by camera", MAX_BYTES)

        def start() -> StreamView:
            started = streams.start(key.company_id, stream_id, body.sources, purpose=body.purpose, key_id=key.key_id)
            return stream_view(started)

        return json_response(StreamView, await anyio.to_thread.run_sync(start, limiter=desk.inline))

    @app.post(
        f"{STREAMS}/{{stream_id}}/stop",
        operation_id="stopStream",
        tags=["statistics"],
        summary="Stop watching; the bucket under way is released",
        responses={200: {"model": StreamView}, **problems(*PEOPLE)},
    )
    async def stop_stream(key: Annotated[ApiKeyInfo, Depends(may_manage)], stream_id: StreamId) -> Response:
        found = await anyio.to_thread.run_sync(streams.stop, key.company_id, stream_id, limiter=desk.inline)
        return json_response(StreamView, stream_view(found))
