"""Many people in and out: imports and exports of collections.

Belongs here: the addresses. Does not belong here: reading the list that comes with an import (see `manifest`).
"""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from moretta.api.auth import Guard
from moretta.api.calls import Call, IdempotencyHeader, response
from moretta.api.idempotency import idempotency_key
from moretta.api.job_answers import JOB_LOCATION, job_answer
from moretta.api.manifest import ManifestRow, read_manifest
from moretta.api.openapi import MEDIA, PEOPLE, photo_body, problems
from moretta.api.people_jobs import ImportResult, Pace, import_result
from moretta.api.people_work import (
    PurposeHeader,
    StorePhotoHeader,
    flag,
    photo_rules,
    store_wish,
)
from moretta.api.problems import IdempotencyInProgress
from moretta.api.schemas import JobView
from moretta.api.streams import streamed
from moretta.api.uploads import Received
from moretta.api.v1.collections import CollectionId
from moretta.api.work import Desk
from moretta.core.errors import FieldError, PurposeMismatch, RequestInvalid
from moretta.core.keys import ApiKeyInfo
from moretta.core.ports import OnProgress
from moretta.core.recognition import IdKind, StoreWish, region_of
from moretta.use_cases.recognition.results import ImportItem, ImportProgress

# As usage records name it.
IMPORT = "/v1/import"
IMPORT_JOB = "/v1/collections/{collection_id}/import"
IMPORT_FIELDS = frozenset({"manifest", "store", "refuse_duplicates", "source"})
_MAX_SOURCE = 500


@dataclass(frozen=True, slots=True)
class _Wanted:
    rows: Sequence[ManifestRow]
    store: StoreWish
    refuse_duplicates: bool
    source: str


class _UnderWay:
    """The imports that run now: the same one does not run twice at a time."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._lock = threading.Lock()

    def begin(self, import_id: str) -> None:
        """Take the import as under way. Raises `IdempotencyInProgress` where it is."""
        with self._lock:
            if import_id in self._ids:
                raise IdempotencyInProgress("This import is under way; follow its job, or send the rest after it.")
            self._ids.add(import_id)

    def end(self, import_id: str) -> None:
        """It is over. Idempotent."""
        with self._lock:
            self._ids.discard(import_id)


def add_transfer_routes(app: FastAPI, desk: Desk, may_manage: Guard) -> None:
    """Add the addresses to `app`."""
    _add_import(app, desk, may_manage)
    _add_export(app, desk, may_manage)


def _add_import(app: FastAPI, desk: Desk, may_manage: Guard) -> None:
    people, under_way = desk.services.people, _UnderWay()

    @app.post(
        IMPORT_JOB,
        operation_id="importPersons",
        tags=["collections"],
        summary="Enrol many photos as a job; repeated with its Idempotency-Key, it goes on where it ended",
        status_code=202,
        responses={
            202: {"model": JobView, "description": "Taken on as a job", "headers": JOB_LOCATION},
            **problems(*MEDIA, 404, 410),
        },
        openapi_extra=photo_body(
            fields={
                "manifest": "CSV with headings, or a JSON list: the n-th row is about the n-th photo. `name`, `person` (the "
                "same word: photos of one person), `key`, `consent_id`, `source` and attributes. Left out, every photo is a "
                "person without a name.",
                "source": "From where the photos are, where the list does not say it. A photo with neither a source nor a "
                "consent is refused.",
                "store": "1 or photo: keep the photos too; 0 or template: the templates alone.",
                "refuse_duplicates": "1: refuse faces that are enrolled already.",
            },
            many=True,
        ),
    )
    async def import_persons(
        request: Request,
        key: Annotated[ApiKeyInfo, Depends(may_manage)],
        collection_id: CollectionId,
        idempotency: IdempotencyHeader = None,
        store: StorePhotoHeader = None,
        purpose: PurposeHeader = None,
    ) -> Response:
        if store is not None:
            store_wish(store, {})
        import_id = _import_id(key.company_id, collection_id, idempotency_key(idempotency))
        found = await anyio.to_thread.run_sync(people.collection, key.company_id, collection_id, limiter=desk.inline)
        if purpose is not None and purpose != found.purpose:
            raise PurposeMismatch("The collection serves another purpose than the one in the header.")
        settings = desk.services.settings
        rules = photo_rules(desk, IMPORT_FIELDS, settings.import_photos, field_bytes=settings.manifest_bytes)
        call = Call(desk, request, key, IMPORT, None)
        received, wanted = await call.receive(rules, partial(_wanted, store))
        job_of = partial(_import, call, received, collection_id, import_id, wanted)
        return _taken_on(call, received, under_way, import_id, job_of)


def _taken_on(call: Call, received: Received, under_way: _UnderWay, import_id: str | None, work: "_Work") -> Response:
    name = import_id or ""

    def release() -> None:
        received.upload.close()
        under_way.end(name)

    try:
        if import_id is not None:
            under_way.begin(import_id)
    except BaseException:
        received.upload.close()
        raise
    try:
        job = call.desk.board.submit(call.key.company_id, IMPORT_JOB, work, release)
    except BaseException:
        release()
        raise
    return response(job_answer(job, call.request))


_Work = partial[ImportResult]


def _wanted(store: str | None, received: Received) -> _Wanted:
    form, photos = received.fields, len(received.parts)
    rows = read_manifest(form["manifest"]) if form.get("manifest") else [ManifestRow()] * photos
    if len(rows) != photos:
        wrong = FieldError(
            "manifest", f"expected a row for each of the {photos} photos, in their order; got {len(rows)}"
        )
        raise RequestInvalid("The list of photos does not fit the photos.", field_errors=(wrong,))
    source = form.get("source", "").strip()
    if len(source) > _MAX_SOURCE:
        wrong = FieldError("source", f"expected at most {_MAX_SOURCE} characters")
        raise RequestInvalid("The source of the photos is too long.", field_errors=(wrong,))
    return _Wanted(rows, store_wish(store, form), flag(form, "refuse_duplicates"), source)


def _import_id(company_id: str, collection_id: str, repeat_key: str | None) -> str | None:
    """The import that an idempotency key names: the same in any process, and after a restart."""
    region = region_of(collection_id, IdKind.COLLECTION)
    if repeat_key is None:
        return None
    named = hashlib.sha256(f"moretta import\0{company_id}\0{collection_id}\0{repeat_key}".encode()).hexdigest()
    return f"{IdKind.IMPORT}_{region}_{named[:24]}"


def _import(
    call: Call,
    received: Received,
    collection_id: str,
    import_id: str | None,
    wanted: _Wanted,
    on_progress: OnProgress,
) -> ImportResult:
    people, services, key = call.desk.services.people, call.desk.services, call.key
    pace, total = Pace(on_progress), len(wanted.rows)
    keys: dict[str, int] = {}
    before = ImportProgress(0, 0, 0, 0)

    def items() -> Iterator[ImportItem]:
        for index, row in enumerate(wanted.rows):
            item_key = row.key or received.upload.item_sha256(index)
            keys.setdefault(item_key, index)
            photo = partial(received.upload.copy, index)
            yield ImportItem(item_key, photo, row.name, row.attributes, row.person, row.consent_id, row.source)

    def progressed(now: ImportProgress) -> None:
        nonlocal before
        # Each photo is counted once it is dealt with: a crash later does not lose it.
        for status, number in ((201, now.enrolled - before.enrolled), (422, now.failed - before.failed)):
            if number:
                services.meter.record(call.endpoint, status, key.company_id, number, key.key_id)
                call.desk.metrics.photos(number)
        before = now
        pace.imported(now, total)

    report = people.import_items(
        key.company_id,
        collection_id,
        import_id,
        items(),
        store=wanted.store,
        on_progress=progressed,
        refuse_duplicates=wanted.refuse_duplicates,
        source=wanted.source,
    )
    return import_result(report, collection_id, lambda item_key: keys[item_key])


def _add_export(app: FastAPI, desk: Desk, may_manage: Guard) -> None:
    people = desk.services.people

    @app.get(
        "/v1/collections/{collection_id}/export",
        operation_id="exportCollection",
        tags=["collections"],
        summary="Persons, records of faces, and stored photos as a ZIP that streams; no templates",
        response_class=StreamingResponse,
        responses={
            200: {
                "description": "The archive",
                "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
            },
            **problems(*PEOPLE),
        },
    )
    async def export_collection(
        key: Annotated[ApiKeyInfo, Depends(may_manage)], collection_id: CollectionId
    ) -> StreamingResponse:
        pieces = await streamed(partial(people.export, key.company_id, collection_id), desk.inline)
        headers = {"Content-Disposition": 'attachment; filename="collection.zip"'}
        return StreamingResponse(pieces, media_type="application/zip", headers=headers)
