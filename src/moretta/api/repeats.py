"""Calls with JSON, answered once per idempotency key.

Belongs here: the same answer to the same request sent twice. Does not belong here: calls with media (see `calls`), what is made
of a body.
"""

import hashlib
from collections.abc import Callable

import anyio.to_thread
from fastapi import Response
from pydantic import BaseModel

from moretta.api.calls import response
from moretta.api.idempotency import Answer, idempotency_key
from moretta.api.work import Desk
from moretta.core.keys import ApiKeyInfo


async def answered_once(
    desk: Desk,
    key: ApiKeyInfo,
    endpoint: str,
    repeat_key: str | None,
    body: BaseModel | None,
    make: Callable[[], Answer],
    *,
    of: str = "",
) -> Response:
    """What `make` gives in a thread, or its repetition where the caller sent this `Idempotency-Key` before.

    `of`: what besides the body makes it the same request, such as the id in the address.

    Raises:
        IdempotencyMismatch: with another body, or about something else.
        IdempotencyInProgress: the first request is under way.
    """
    name = idempotency_key(repeat_key)
    if name is None:
        return response(await anyio.to_thread.run_sync(make, limiter=desk.inline))
    told = "" if body is None else body.model_dump_json()
    print_of = hashlib.sha256(f"{of}|{told}".encode()).hexdigest()
    begun = desk.memory.begin(key.company_id, endpoint, name, print_of)
    if isinstance(begun, Answer):
        return response(begun, replayed=True)
    try:
        answer = await anyio.to_thread.run_sync(make, limiter=desk.inline)
    except BaseException:
        desk.memory.abandon(begun)
        raise
    desk.memory.finish(begun, answer)
    return response(answer)
