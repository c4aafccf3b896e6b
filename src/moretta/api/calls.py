"""One request with media, on its way from the body to the answer.

Belongs here: reading the media, and answering it once per idempotency key. Does not belong here: what is made of the media.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Header, Request, Response

from moretta.api.forms import UploadRules
from moretta.api.idempotency import Answer, Ticket
from moretta.api.problems import PROBLEM_JSON, problem_body, request_id_of
from moretta.api.uploads import Received, receive
from moretta.api.work import Desk
from moretta.core.errors import FaceNotFound, MediaError, QualityTooLow, SeveralFaces
from moretta.core.keys import ApiKeyInfo

IdempotencyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Repeat a request safely: the same key and media give the same answer, counted once. The answer is "
        "kept in memory for a day at most.",
    ),
]
REPEATED = {"Idempotency-Replayed": {"schema": {"type": "string"}, "description": "true where it is a repetition"}}
# The same media will always be at fault.
_AT_FAULT = (MediaError, FaceNotFound, SeveralFaces, QualityTooLow)

T = TypeVar("T")
Make = Callable[[], Awaitable[tuple[Answer, bool]]]


class Call:
    """One request with media."""

    def __init__(self, desk: Desk, request: Request, key: ApiKeyInfo, endpoint: str, repeat_key: str | None) -> None:
        """Take the desk, the caller, the endpoint as it is counted, and the idempotency key where there is one."""
        self.desk = desk
        self.request = request
        self.key = key
        self.endpoint = endpoint
        self._repeat_key = repeat_key

    async def receive(self, rules: UploadRules, read: Callable[[Received], T]) -> tuple[Received, T]:
        """The media, and what `read` makes of the form; what it raises about that frees the media again."""
        received = await receive(self.request, rules, self.desk.budget, digest=self._repeat_key is not None)
        try:
            return received, read(received)
        except BaseException:
            received.upload.close()
            raise

    async def answer(self, received: Received, fingerprint: str, make: Make) -> Response:
        """What `make` gives (an answer, and whether the upload has found a new holder), or its repetition."""
        handed_on = False
        try:
            if self._repeat_key is None:
                answer, handed_on = await make()
                return response(answer)
            # A digest, since a fingerprint may hold a name.
            print_of = hashlib.sha256(f"{received.upload.sha256}|{received.parts}|{fingerprint}".encode()).hexdigest()
            begun = self.desk.memory.begin(self.key.company_id, self.endpoint, self._repeat_key, print_of)
            if isinstance(begun, Answer):
                return response(begun, replayed=True)
            answer, handed_on = await self._first(begun, make)
            return response(answer)
        finally:
            if not handed_on:
                received.upload.close()

    async def _first(self, ticket: Ticket, make: Make) -> tuple[Answer, bool]:
        try:
            answer, handed_on = await make()
        except _AT_FAULT as error:
            # It has been counted: remember the refusal too.
            body = problem_body(error, request_id_of(self.request))
            self.desk.memory.finish(ticket, Answer(error.status, (("Content-Type", PROBLEM_JSON),), body))
            raise
        except BaseException:
            self.desk.memory.abandon(ticket)
            raise
        self.desk.memory.finish(ticket, answer)
        return answer, handed_on


def json_answer(body: bytes, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> Answer:
    """`body` as an answer in JSON."""
    return Answer(status, (("Content-Type", "application/json"), *headers), body)


def response(answer: Answer, *, replayed: bool = False) -> Response:
    """`answer` as it is sent; `replayed` marks a repetition."""
    headers = dict(answer.headers)
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(answer.body, answer.status, headers=headers)
