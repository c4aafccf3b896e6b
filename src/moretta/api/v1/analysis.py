"""POST /v1/detect and POST /v1/analyze: media in, measurements out.

Belongs here: reading the call, choosing between an answer and a job. Does not belong here: reading bodies, working.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Query, Request, Response

from moretta.api.auth import Guard
from moretta.api.idempotency import Answer, Ticket, idempotency_key
from moretta.api.openapi import MEDIA, media_body, problems
from moretta.api.options import DETECT_FEATURES, FORM_FIELDS, Options, read_options, refuse_storing
from moretta.api.problems import PROBLEM_JSON, problem_body, request_id_of
from moretta.api.schemas import Detection, JobView, detection, job_view, to_json
from moretta.api.sniff import looks_like_video
from moretta.api.uploads import Received, receive
from moretta.api.work import Desk, while_connected
from moretta.core.analysis import Analysis, AnalysisRequest, Feature
from moretta.core.errors import MediaError, MediaUnsupported
from moretta.core.keys import ApiKeyInfo
from moretta.core.values import Profile

ANALYZE = "/v1/analyze"
DETECT = "/v1/detect"

IdempotencyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Repeat a request safely: the same key and media give the same answer, counted once. The answer is "
        "kept in memory for a day at most.",
    ),
]
StoreHeader = Annotated[str | None, Header(description="Only `none`: this deployment keeps nothing.")]
PurposeHeader = Annotated[str | None, Header(max_length=200, description="Why; accepted, neither kept nor logged.")]
ConsentHeader = Annotated[
    str | None, Header(alias="Consent-Id", max_length=200, description="Accepted, neither kept nor logged.")
]
_FEATURE = "|".join(Feature)
FeaturesQuery = Annotated[
    Sequence[str] | None,
    Query(
        max_length=32,
        description="What to measure, comma-separated or repeated; default: all but mesh, age, gender, expression, posture.",
        json_schema_extra={"items": {"type": "string", "pattern": f"^({_FEATURE})(,({_FEATURE}))*$"}},
    ),
]


_REPEATED = {"Idempotency-Replayed": {"schema": {"type": "string"}, "description": "true where it is a repetition"}}


def add_analysis_routes(app: FastAPI, desk: Desk, may_analyze: Guard) -> None:
    """Add the two addresses to `app`."""
    _add_detect(app, desk, may_analyze)
    _add_analyze(app, desk, may_analyze)


def _add_detect(app: FastAPI, desk: Desk, may_analyze: Guard) -> None:
    key_of = Depends(may_analyze)

    @app.post(
        DETECT,
        operation_id="detect",
        tags=["media"],
        summary="Find faces in a still: boxes, landmarks, head pose, quality",
        responses={
            200: {"model": Detection, "headers": _REPEATED},
            **problems(*MEDIA),
        },
        openapi_extra=media_body(options=False),
    )
    async def detect(
        request: Request,
        key: Annotated[ApiKeyInfo, key_of],
        idempotency: IdempotencyHeader = None,
        store: StoreHeader = None,
        purpose: PurposeHeader = None,
        consent: ConsentHeader = None,
    ) -> Response:
        refuse_storing(store)
        call = _Call(desk, request, key, DETECT, idempotency_key(idempotency))
        received = await call.receive(frozenset({"store"}))
        return await call.answer(received, "detect", partial(_detect, call, received))


def _add_analyze(app: FastAPI, desk: Desk, may_analyze: Guard) -> None:
    key_of = Depends(may_analyze)

    @app.post(
        ANALYZE,
        operation_id="analyze",
        tags=["media"],
        summary="Measure the faces of an image or a video and give a trust score",
        responses={
            200: {"model": Analysis, "headers": _REPEATED},
            202: {
                "model": JobView,
                "description": "Taken on as a job: a long video, or asked for",
                "headers": {"Location": {"schema": {"type": "string"}, "description": "/v1/jobs/{id}"}, **_REPEATED},
            },
            **problems(*MEDIA),
        },
        openapi_extra=media_body(options=True),
    )
    async def analyze(
        request: Request,
        key: Annotated[ApiKeyInfo, key_of],
        features: FeaturesQuery = None,
        profile: Annotated[Profile | None, Query(description="How carefully; default accurate.")] = None,
        run_async: Annotated[bool | None, Query(alias="async", description="1: answer with a job at once.")] = None,
        prefer: Annotated[str | None, Header(description="respond-async: answer with a job at once.")] = None,
        idempotency: IdempotencyHeader = None,
        store: StoreHeader = None,
        purpose: PurposeHeader = None,
        consent: ConsentHeader = None,
    ) -> Response:
        refuse_storing(store)
        read = partial(
            read_options,
            features=features,
            profile=profile,
            run_async=run_async,
            prefer=prefer,
            allow_expression=desk.services.allow_expression,
        )
        read(form={})  # What can be refused is refused before the upload is read.
        call = _Call(desk, request, key, ANALYZE, idempotency_key(idempotency))
        received = await call.receive(FORM_FIELDS)
        try:
            options = read(form=received.fields)
        except BaseException:
            received.upload.close()
            raise
        return await call.answer(received, options.fingerprint, partial(_analyze, call, received, options))


class _Call:
    """One request with media, on its way from the body to the answer."""

    def __init__(self, desk: Desk, request: Request, key: ApiKeyInfo, endpoint: str, repeat_key: str | None) -> None:
        self.desk = desk
        self.request = request
        self.key = key
        self.endpoint = endpoint
        self._repeat_key = repeat_key

    async def receive(self, fields: frozenset[str]) -> Received:
        """The media and the form's options, with what they want stored refused."""
        rules = self.desk.rules(fields)
        received = await receive(self.request, rules, self.desk.budget, digest=self._repeat_key is not None)
        try:
            refuse_storing(received.fields.get("store"))
        except BaseException:
            received.upload.close()
            raise
        return received

    async def answer(
        self, received: Received, fingerprint: str, make: Callable[[], Awaitable[tuple[Answer, bool]]]
    ) -> Response:
        """What `make` gives (an answer, and whether the upload has found a new holder), or its repetition."""
        handed_on = False
        try:
            if self._repeat_key is None:
                answer, handed_on = await make()
                return _response(answer)
            begun = self.desk.memory.begin(
                self.key.company_id, self.endpoint, self._repeat_key, f"{received.upload.sha256}|{fingerprint}"
            )
            if isinstance(begun, Answer):
                return _response(begun, replayed=True)
            answer, handed_on = await self._first(begun, make)
            return _response(answer)
        finally:
            if not handed_on:
                received.upload.close()

    async def _first(self, ticket: Ticket, make: Callable[[], Awaitable[tuple[Answer, bool]]]) -> tuple[Answer, bool]:
        try:
            answer, handed_on = await make()
        except MediaError as error:
            # The same media will always be at fault, and has been counted: remember the refusal too.
            body = problem_body(error, request_id_of(self.request))
            self.desk.memory.finish(ticket, Answer(error.status, (("Content-Type", PROBLEM_JSON),), body))
            raise
        except BaseException:
            self.desk.memory.abandon(ticket)
            raise
        self.desk.memory.finish(ticket, answer)
        return answer, handed_on

    async def analysed(self, received: Received, request: AnalysisRequest) -> Analysis:
        """The analysis, made while the caller waits."""
        work = partial(self.desk.process, received.upload, request, self.endpoint, self.key)
        return await while_connected(self.request, work, self.desk.inline)


async def _detect(call: _Call, received: Received) -> tuple[Answer, bool]:
    if looks_like_video(received.upload.head):
        raise MediaUnsupported("Detection takes stills; send a video to /v1/analyze.")
    analysis = await call.analysed(received, AnalysisRequest(features=DETECT_FEATURES))
    return _json(to_json(Detection, detection(analysis))), False


async def _analyze(call: _Call, received: Received, options: Options) -> tuple[Answer, bool]:
    upload = received.upload
    long = looks_like_video(upload.head) and upload.size > call.desk.services.settings.inline_video_bytes
    if not (options.run_async or long):
        return _json(to_json(Analysis, await call.analysed(received, options.request))), False
    work = partial(call.desk.process, upload, options.request, call.endpoint, call.key)
    job = call.desk.board.submit(call.key.company_id, call.endpoint, work, upload.close)
    view = job_view(job, request_id_of(call.request))
    headers = [("Location", f"/v1/jobs/{job.job_id}")]
    if options.run_async:
        headers.append(("Preference-Applied", "respond-async"))
    return _json(to_json(JobView, view), 202, headers), True


def _json(body: bytes, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> Answer:
    return Answer(status, (("Content-Type", "application/json"), *headers), body)


def _response(answer: Answer, *, replayed: bool = False) -> Response:
    headers = dict(answer.headers)
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(answer.body, answer.status, headers=headers)
