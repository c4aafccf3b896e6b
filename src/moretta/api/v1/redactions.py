"""POST /v1/redactions and what comes of it: media in, anonymised media and a report out.

Belongs here: reading the call, choosing between an answer and a job, handing the output out. Does not belong here: the work.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from moretta.api.auth import Guard
from moretta.api.calls import REPEATED, Call, IdempotencyHeader, json_answer
from moretta.api.idempotency import Answer, idempotency_key
from moretta.api.job_answers import OR_A_JOB, as_job
from moretta.api.openapi import GUARDED, MEDIA, photo_body, problems
from moretta.api.options import flag
from moretta.api.redaction_results import REDACTIONS, RedactionResult
from moretta.api.redactions import RedactionDesk
from moretta.api.schemas import to_json
from moretta.api.sniff import looks_like_video
from moretta.api.uploads import Received
from moretta.api.work import while_connected
from moretta.core.errors import FieldError, RequestInvalid, ScopeMissing
from moretta.core.keys import ApiKeyInfo
from moretta.core.keys import Scope as KeyScope
from moretta.core.redaction import Method, RedactionRequest, Scope, SoundTreatment
from moretta.sdk_redaction import chosen_tracks, new_seed, parse_method, parse_sound
from moretta.use_cases.recognition.results import MAX_PERSONS
from moretta.use_cases.redaction.persons import ChosenPersons, chosen_persons

# A redaction reads a video three times and writes it: it becomes a job from a quarter of the bytes at which an analysis does.
_HEAVIER_THAN_ANALYSIS = 4
# More tracks than a person would name; a crowd is hidden whole.
_MOST_TRACKS = 1000
# An id of a person is 40 characters or so.
_MOST_OF_PERSONS = 4000
_TEXTS = {
    "method": f"How faces are hidden: {', '.join(Method)}; default blur.",
    "audio": f"What becomes of the sound: {', '.join(SoundTreatment)}; default keep.",
    "only": "Ids of tracks, comma-separated: only these are hidden.",
    "except": "Ids of tracks, comma-separated: these stay visible.",
    "only_persons": "Ids of enrolled persons, comma-separated: no other face is hidden, but those that are not clear; needs "
    "search:run too.",
    "except_persons": "Ids of enrolled persons who consented, comma-separated: these stay visible; needs search:run too.",
    "tracks": "1: find and follow the faces and tell their tracks; nothing is written.",
    "check": "0: do not look for faces in the output.",
    "strict": "1: the check looks at every frame; 422 redaction.leak, and no output, where it finds a face.",
    "async": "1: answer with a job at once.",
}
FORM_FIELDS = frozenset(_TEXTS)

RedactionId = Annotated[str, Path(max_length=64, examples=["red_0123456789abcdef01234567"])]


@dataclass(frozen=True, slots=True)
class _Options:
    request: RedactionRequest
    persons: ChosenPersons | None
    strict: bool
    run_async: bool

    @property
    def fingerprint(self) -> str:
        """Equal for options that mean the same, whatever the seed."""
        wanted = self.request
        tracks = ",".join(map(str, sorted(wanted.tracks)))
        parts = (wanted.method, wanted.scope, tracks, wanted.sound, wanted.check, wanted.follow_only)
        persons = "" if self.persons is None else f"{self.persons.only}:{','.join(self.persons.ids)}"
        return "|".join(map(str, (*parts, persons, self.strict, self.run_async)))


def add_redaction_routes(app: FastAPI, redactions: RedactionDesk, may_redact: Guard) -> None:
    """Add the addresses to `app`."""
    _add_redact(app, redactions, may_redact)
    _add_outputs(app, redactions, may_redact)


def _add_redact(app: FastAPI, redactions: RedactionDesk, may_redact: Guard) -> None:
    key_of = Depends(may_redact)

    @app.post(
        REDACTIONS,
        operation_id="redact",
        tags=["media"],
        summary="Hide the faces of an image or a video, and check that they are hidden",
        responses={
            200: {"model": RedactionResult, "headers": REPEATED},
            **OR_A_JOB,
            **problems(*MEDIA, 404),
        },
        openapi_extra=photo_body(fields=_TEXTS),
    )
    async def redact(
        request: Request,
        key: Annotated[ApiKeyInfo, key_of],
        method: Annotated[Method | None, Query(description=_TEXTS["method"])] = None,
        audio: Annotated[SoundTreatment | None, Query(description=_TEXTS["audio"])] = None,
        only: Annotated[str | None, Query(max_length=8000, description=_TEXTS["only"])] = None,
        exempt: Annotated[str | None, Query(alias="except", max_length=8000, description=_TEXTS["except"])] = None,
        only_persons: Annotated[
            str | None, Query(max_length=_MOST_OF_PERSONS, description=_TEXTS["only_persons"])
        ] = None,
        except_persons: Annotated[
            str | None, Query(max_length=_MOST_OF_PERSONS, description=_TEXTS["except_persons"])
        ] = None,
        tracks: Annotated[bool | None, Query(description=_TEXTS["tracks"])] = None,
        check: Annotated[bool | None, Query(description=_TEXTS["check"])] = None,
        strict: Annotated[bool | None, Query(description=_TEXTS["strict"])] = None,
        run_async: Annotated[bool | None, Query(alias="async", description=_TEXTS["async"])] = None,
        prefer: Annotated[str | None, Header(description="respond-async: answer with a job at once.")] = None,
        idempotency: IdempotencyHeader = None,
    ) -> Response:
        given = {
            "method": method,
            "audio": audio,
            "only": only,
            "except": exempt,
            "only_persons": only_persons,
            "except_persons": except_persons,
            "tracks": _word(tracks),
            "check": _word(check),
            "strict": _word(strict),
            "async": _word(run_async),
        }
        query = {name: value for name, value in given.items() if value is not None}
        _options(query, prefer, key)  # What can be refused is refused before the upload is read.
        call = Call(redactions.desk, request, key, REDACTIONS, idempotency_key(idempotency))
        received, options = await call.receive(
            redactions.desk.rules(FORM_FIELDS), lambda got: _options({**got.fields, **query}, prefer, key)
        )
        return await call.answer(received, options.fingerprint, partial(_redact, redactions, call, received, options))


def _add_outputs(app: FastAPI, redactions: RedactionDesk, may_redact: Guard) -> None:
    key_of = Depends(may_redact)

    @app.get(
        f"{REDACTIONS}/{{redaction_id}}",
        operation_id="getRedaction",
        tags=["media"],
        summary="What was done to an item, and the leak report",
        responses={200: {"model": RedactionResult}, **problems(*GUARDED, 404)},
    )
    async def get_redaction(key: Annotated[ApiKeyInfo, key_of], redaction_id: RedactionId) -> Response:
        result = redactions.shelf.get(key.company_id, redaction_id)
        return Response(to_json(RedactionResult, result), media_type="application/json")

    @app.get(
        f"{REDACTIONS}/{{redaction_id}}/media",
        operation_id="getRedactedMedia",
        tags=["media"],
        summary="The redacted media",
        response_class=StreamingResponse,
        responses={
            200: {
                "description": "The media",
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            },
            **problems(*GUARDED, 404),
        },
    )
    async def get_media(key: Annotated[ApiKeyInfo, key_of], redaction_id: RedactionId) -> StreamingResponse:
        result = redactions.shelf.get(key.company_id, redaction_id)
        headers = {"Content-Length": str(result.redaction.bytes), "Content-Disposition": "attachment"}
        pieces = redactions.shelf.media(key.company_id, redaction_id)
        return StreamingResponse(pieces, media_type=result.media_type, headers=headers)

    @app.delete(
        f"{REDACTIONS}/{{redaction_id}}",
        operation_id="deleteRedaction",
        tags=["media"],
        summary="Forget redacted media before its time is over",
        status_code=204,
        responses={204: {"description": "Forgotten"}, **problems(*GUARDED, 404)},
    )
    async def delete_redaction(key: Annotated[ApiKeyInfo, key_of], redaction_id: RedactionId) -> Response:
        redactions.shelf.delete(key.company_id, redaction_id)
        return Response(status_code=204)


async def _redact(redactions: RedactionDesk, call: Call, received: Received, options: _Options) -> tuple[Answer, bool]:
    upload, desk = received.upload, redactions.desk
    work = partial(redactions.process, upload, options.request, options.persons, options.strict, call.key)
    most = desk.services.settings.inline_video_bytes // _HEAVIER_THAN_ANALYSIS
    if not (options.run_async or (looks_like_video(upload.head) and upload.size > most)):
        result = await while_connected(call.request, work, desk.inline)
        return json_answer(to_json(RedactionResult, result)), False
    return as_job(call, received, work, preferred=options.run_async)


def _options(given: Mapping[str, str], prefer: str | None, key: ApiKeyInfo) -> _Options:
    """The options of a call.

    Raises:
        RequestInvalid: a word that means nothing, or two that contradict each other.
        ScopeMissing: persons are named, and the key may not look for anybody.
    """
    words = {name: value.strip().lower() for name, value in given.items()}
    scope, tracks = chosen_tracks(_ids("only", words), _ids("except", words))
    check = flag("check", words.get("check", "1"))
    strict = flag("strict", words.get("strict", ""))
    if strict and not check:
        wrong = FieldError("strict", "expected a check where nothing may leak")
        raise RequestInvalid("Strict needs the check.", field_errors=(wrong,))
    preferred = {part.split(";")[0].strip().lower() for part in (prefer or "").split(",")}
    run_async = flag("async", words["async"]) if "async" in words else "respond-async" in preferred
    request = RedactionRequest(
        parse_method(words.get("method", Method.BLUR)),
        scope,
        tracks,
        parse_sound(words.get("audio", SoundTreatment.KEEP)),
        check,
        new_seed(),
        flag("tracks", words.get("tracks", "")),
        every_frame=strict,
    )
    listed = request.follow_only or scope is not Scope.ALL
    persons = chosen_persons(_persons("only_persons", words), _persons("except_persons", words), tracks=listed)
    if persons is not None and not key.allows(KeyScope.SEARCH_RUN):
        raise ScopeMissing(f"Persons need the scope {KeyScope.SEARCH_RUN} too; choose by tracks, or use another key.")
    return _Options(request, persons, strict, run_async)


def _ids(name: str, words: Mapping[str, str]) -> list[int] | None:
    if name not in words:
        return None
    ids = [word.strip() for word in words[name].split(",")]
    if not all(word.isascii() and word.isdigit() and len(word) <= 9 for word in ids) or len(ids) > _MOST_TRACKS:
        wrong = FieldError(name, f"expected at most {_MOST_TRACKS} ids of tracks, comma-separated")
        raise RequestInvalid("The tracks cannot be read.", field_errors=(wrong,))
    return [int(word) for word in ids]


def _persons(name: str, words: Mapping[str, str]) -> tuple[str, ...] | None:
    if name not in words:
        return None
    ids = tuple(dict.fromkeys(word.strip() for word in words[name].split(",")))
    if not all(ids) or len(ids) > MAX_PERSONS:
        wrong = FieldError(name, f"expected 1 to {MAX_PERSONS} ids of persons, comma-separated")
        raise RequestInvalid("The persons cannot be read.", field_errors=(wrong,))
    return ids


def _word(value: bool | None) -> str | None:
    return None if value is None else "1" if value else "0"
