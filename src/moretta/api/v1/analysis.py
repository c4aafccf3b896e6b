"""POST /v1/detect and POST /v1/analyze: media in, measurements out.

Belongs here: reading the call, choosing between an answer and a job. Does not belong here: reading bodies, working.
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Query, Request, Response

from moretta.api.auth import Guard
from moretta.api.calls import REPEATED, Call, IdempotencyHeader, json_answer
from moretta.api.idempotency import Answer, idempotency_key
from moretta.api.job_answers import OR_A_JOB, as_job
from moretta.api.openapi import MEDIA, media_body, problems
from moretta.api.options import DETECT_FEATURES, FORM_FIELDS, Options, read_options, refuse_storing
from moretta.api.schemas import Detection, detection, to_json
from moretta.api.sniff import looks_like_video
from moretta.api.uploads import Received
from moretta.api.work import Desk, while_connected
from moretta.core.analysis import Analysis, AnalysisRequest, Feature
from moretta.core.errors import MediaUnsupported
from moretta.core.keys import ApiKeyInfo
from moretta.core.values import Profile

ANALYZE = "/v1/analyze"
DETECT = "/v1/detect"

StoreHeader = Annotated[str | None, Header(description="Only `none`: this deployment keeps nothing.")]
PurposeHeader = Annotated[
    str | None,
    Header(
        max_length=500,
        description="Why: a purpose of the policy, which facial expression needs. Neither kept nor logged.",
    ),
]
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
            200: {"model": Detection, "headers": REPEATED},
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
        call = Call(desk, request, key, DETECT, idempotency_key(idempotency))
        received, _ = await call.receive(desk.rules(frozenset({"store"})), _refuse_storing)
        return await call.answer(received, "detect", partial(_detect, call, received))


def _add_analyze(app: FastAPI, desk: Desk, may_analyze: Guard) -> None:
    key_of = Depends(may_analyze)

    @app.post(
        ANALYZE,
        operation_id="analyze",
        tags=["media"],
        summary="Measure the faces of an image or a video and give a trust score",
        responses={
            200: {"model": Analysis, "headers": REPEATED},
            **OR_A_JOB,
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
            policy=desk.services.policy,
            purpose=purpose,
        )

        def options_of(received: Received) -> Options:
            _refuse_storing(received)
            return read(form=received.fields)

        read(form={})  # What can be refused is refused before the upload is read.
        call = Call(desk, request, key, ANALYZE, idempotency_key(idempotency))
        received, options = await call.receive(desk.rules(FORM_FIELDS), options_of)
        return await call.answer(received, options.fingerprint, partial(_analyze, call, received, options))


def _refuse_storing(received: Received) -> None:
    refuse_storing(received.fields.get("store"))


async def _analysed(call: Call, received: Received, request: AnalysisRequest) -> Analysis:
    """The analysis, made while the caller waits."""
    work = partial(call.desk.process, received.upload, request, call.endpoint, call.key)
    return await while_connected(call.request, work, call.desk.inline)


async def _detect(call: Call, received: Received) -> tuple[Answer, bool]:
    if looks_like_video(received.upload.head):
        raise MediaUnsupported("Detection takes stills; send a video to /v1/analyze.")
    analysis = await _analysed(call, received, AnalysisRequest(features=DETECT_FEATURES))
    return json_answer(to_json(Detection, detection(analysis))), False


async def _analyze(call: Call, received: Received, options: Options) -> tuple[Answer, bool]:
    upload = received.upload
    long = looks_like_video(upload.head) and upload.size > call.desk.services.settings.inline_video_bytes
    if not (options.run_async or long):
        return json_answer(to_json(Analysis, await _analysed(call, received, options.request))), False
    work = partial(call.desk.process, upload, options.request, call.endpoint, call.key)
    return as_job(call, received, work, preferred=options.run_async)
